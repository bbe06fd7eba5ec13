"""Snapshots of pg_stat_statements: what was counted since the one before, through resets, without anybody's values."""

import re
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import dagster as dg
import psycopg
import pytest

from dpm_assets.database import Database, run_file
from dpm_assets.definitions import defs
from dpm_assets.monitor.queries import log_queries
from dpm_assets.settings import sql_dir
from tests.interleaving import Connection, session
from tests.servers import own_server
from tests.switching_off import edit

pytestmark = pytest.mark.sql

COUNT = "select count(*) from raw_plans_data where plan_id <> {}"
LOGGED = "select count(*) from raw_plans_data where plan_id <> ?"


@pytest.fixture
def conn(database_url: str) -> Iterator[Connection]:
    """A session whose statements nobody has counted yet; the statistics of the server are shared by all tests.

    They are emptied: once they are full, PostgreSQL evicts what ran once or twice, in the middle of a test.
    """
    with session(database_url, autocommit=True) as opened:
        opened.execute("select public.pg_stat_statements_reset()")
        opened.execute("select log_query_performance()")
        yield opened


def snapshot(conn: Connection) -> Any:
    row = conn.execute("select statements, logged, calls, removed, note from log_query_performance()").fetchone()
    assert row is not None
    return row


def logged(conn: Connection, columns: str, query: str = LOGGED) -> list[Any]:
    """The rows of a statement, a snapshot each, the oldest first."""
    return conn.execute(
        f"select {columns} from query_performance_log where query = %s order by captured_at".encode(), [query]
    ).fetchall()


def counted(conn: Connection, columns: str) -> Any:
    """What PostgreSQL has counted for the statement."""
    return conn.execute(
        f"select {columns} from public.pg_stat_statements where query like %s"
        " and dbid = (select oid from pg_database where datname = current_database())".encode(),
        [COUNT.format("$1")],
    ).fetchone()


def run(conn: Connection, times: int, value: str = "'p'") -> None:
    for _ in range(times):
        conn.execute(COUNT.format(value).encode())


def test_a_snapshot_holds_the_calls_since_the_one_before(conn: Connection) -> None:
    run(conn, 3)
    snapshot(conn)
    run(conn, 2)
    snapshot(conn)
    snapshot(conn)
    assert logged(conn, "calls, rows") == [(3, 3), (2, 2)]
    begins = logged(conn, "counted_from")[1]
    assert begins == logged(conn, "captured_at")[0]


def test_times_are_those_of_the_new_calls_alone(conn: Connection) -> None:
    """Four calls of known length: the statistics of the last two are told from those of all by arithmetic."""
    slow = "select from (select pg_sleep({})) as s"
    for seconds in ("1.2", "0"):
        conn.execute(slow.format(seconds).encode())
    snapshot(conn)
    for seconds in ("0.3", "0.6"):
        conn.execute(slow.format(seconds).encode())
    snapshot(conn)
    rows = logged(conn, "calls, mean_ms, min_ms, max_ms, stddev_ms, extremes_exact", slow.format("?"))
    (_, _, least, most, *_), (calls, mean, low, high, spread, exact) = rows
    assert calls == 2 and exact is True
    assert least < low < high < most, "the second two lie between the first two, which no total could tell"
    assert float(low + high) / 2 == pytest.approx(float(mean), rel=1e-6)
    assert float(high - low) / 2 == pytest.approx(float(spread), rel=1e-4)
    assert low >= 300 and high >= 600


def test_extremes_that_cannot_be_known_are_bounds_and_said_to_be(conn: Connection) -> None:
    """They hold the three calls between them, as long as the client saw these take, and are narrower than those of all five."""
    slow = "select from (select pg_sleep({})) as s"
    for seconds in ("0.5", "0"):
        conn.execute(slow.format(seconds).encode())
    snapshot(conn)
    taken = []
    for seconds in ("0.004", "0.005", "0.006"):
        began = time.perf_counter()
        conn.execute(slow.format(seconds).encode())
        taken.append((time.perf_counter() - began) * 1000)
    snapshot(conn)
    [_, (low, high, exact)] = logged(conn, "min_ms, max_ms, extremes_exact", slow.format("?"))
    assert exact is False
    assert low <= min(taken) and high >= 6
    assert 0 <= low < high < 500


def test_after_a_reset_everything_counts_from_zero(conn: Connection) -> None:
    run(conn, 3)
    snapshot(conn)
    conn.execute("select public.pg_stat_statements_reset()")
    run(conn, 5)
    assert "were reset" in snapshot(conn)[4]
    assert [calls for (calls,) in logged(conn, "calls")] == [3, 5]
    run(conn, 1)
    assert snapshot(conn)[4] is None
    assert [calls for (calls,) in logged(conn, "calls")] == [3, 5, 1]


def reset_one(conn: Connection) -> None:
    """Forget the one statement, as PostgreSQL does when it makes room for others."""
    conn.execute(
        "select public.pg_stat_statements_reset(0, dbid, queryid) from public.pg_stat_statements where query like %s",
        [COUNT.format("$1")],
    )


def test_a_statement_that_was_forgotten_counts_from_zero(conn: Connection) -> None:
    run(conn, 4)
    snapshot(conn)
    reset_one(conn)
    run(conn, 2)
    snapshot(conn)
    assert [calls for (calls,) in logged(conn, "calls")] == [4, 2]


def test_one_that_was_forgotten_and_has_overtaken_itself_is_told_by_when_it_began(conn: Connection) -> None:
    if conn.info.server_version < 170000:
        pytest.skip("PostgreSQL says since when an entry was counted from 17 on")
    run(conn, 2)
    snapshot(conn)
    reset_one(conn)
    run(conn, 40)
    snapshot(conn)
    assert [calls for (calls,) in logged(conn, "calls")] == [2, 40]


def test_extremes_that_were_reset_alone_are_not_taken_for_those_of_the_interval(conn: Connection) -> None:
    if conn.info.server_version < 170000:
        pytest.skip("min and max can be reset alone from PostgreSQL 17 on")
    slow = "select from (select pg_sleep({})) as s"
    conn.execute(slow.format("0").encode())
    snapshot(conn)
    for seconds in ("0.02", "0.001", "0.001"):
        conn.execute(slow.format(seconds).encode())
    conn.execute("select public.pg_stat_statements_reset(0, 0, 0, minmax_only => true)")
    conn.execute(slow.format("0").encode())
    snapshot(conn)
    [_, (high, exact)] = logged(conn, "max_ms, extremes_exact", slow.format("?"))
    assert high >= 20 and exact is False


def test_two_snapshots_at_once_count_each_call_once(conn: Connection, database_url: str) -> None:
    run(conn, 3)
    with session(database_url) as other:
        other.execute("set transaction isolation level repeatable read")
        other.execute("select from query_snapshots")
        snapshot(conn)
        with pytest.raises(psycopg.errors.SerializationFailure):
            other.execute("select log_query_performance()")
    assert logged(conn, "calls") == [(3,)]


def test_old_snapshots_go_and_what_was_counted_before_them_is_not_counted_again(conn: Connection) -> None:
    run(conn, 3)
    snapshot(conn)
    conn.execute("update query_performance_log set captured_at = captured_at - interval '15 days'")
    conn.execute("update query_snapshots set captured_at = captured_at - interval '15 days'")
    run(conn, 1)
    assert snapshot(conn)[3] > 0
    assert logged(conn, "calls") == [(1,)]
    left = conn.execute("select count(*) from query_snapshots").fetchone()
    assert left == (1,)


def test_only_the_costliest_are_kept(conn: Connection) -> None:
    conn.execute("select from (select pg_sleep(0.5)) as s")
    run(conn, 1)
    taken = conn.execute("select logged, statements > 1 from log_query_performance(most => 1)").fetchone()
    assert taken == (1, True)
    newest = conn.execute(
        "select query from query_performance_log where captured_at = (select max(captured_at) from query_snapshots)"
    ).fetchall()
    assert newest == [("select from (select pg_sleep(?)) as s",)]


def test_without_the_extension_a_note_says_what_to_do(conn: Connection, connected: Database) -> None:
    conn.execute("drop extension pg_stat_statements")
    taken = log_queries(connected, 14)
    assert (taken.captured_at, taken.logged) == (None, 0)
    assert taken.note is not None and "create extension pg_stat_statements" in taken.note
    with dg.instance_for_test() as instance:
        result = defs.resolve_job_def("log_query_performance").execute_in_process(instance=instance)
    metadata = result.asset_materializations_for_node("query_performance_log")[0].metadata
    assert metadata["note"].value == taken.note


def test_the_extension_is_found_in_any_schema(conn: Connection) -> None:
    conn.execute('create schema "Odd place"; alter extension pg_stat_statements set schema "Odd place"')
    assert "permission denied for schema" in snapshot(conn)[4]
    conn.execute('grant usage on schema "Odd place" to dpm_owner')
    run(conn, 2)
    assert snapshot(conn)[4] is None
    assert logged(conn, "calls") == [(2,)]


def test_a_server_that_does_not_load_it_and_a_login_that_may_not_see_others_are_told() -> None:
    with own_server("plain") as plain:
        with session(plain.url("postgres"), autocommit=True) as admin:
            admin.execute("create role plain login password 'plain'")
            admin.execute("create database warehouse owner plain")
        url = re.sub("//.*@", "//plain:plain@", plain.url("warehouse"))
        with session(plain.url("warehouse"), autocommit=True) as admin:
            admin.execute("create extension pg_stat_statements")
        with session(url, autocommit=True) as conn:
            run_file(conn, sql_dir() / "schema.sql")
        with session(url, autocommit=True) as conn:
            assert "grant pg_read_all_stats to plain" in snapshot(conn)[4]
        with session(plain.url("warehouse"), autocommit=True) as admin:
            admin.execute("grant pg_read_all_stats to plain")
        with session(url, autocommit=True) as conn:
            assert snapshot(conn)[4] is None
        plain.stop()
        (plain.state().data / "custom.conf").write_text("shared_preload_libraries = ''\n", encoding="utf-8")
        plain.start()
        url = re.sub("//.*@", "//plain:plain@", plain.url("warehouse"))
        with session(url, autocommit=True) as conn:
            assert "add it to shared_preload_libraries" in snapshot(conn)[4]


def logs(conn: Connection, query: str, ago: timedelta, calls: int, mean: float) -> None:
    at = datetime(2026, 6, 1, 12) - ago
    conn.execute(
        "insert into query_snapshots (captured_at, evictions, statements, logged, calls) values (%s, 0, 1, 1, 1)"
        " on conflict do nothing",
        [at],
    )
    conn.execute(
        "insert into query_performance_log (captured_at, fingerprint, query, calls, mean_ms, min_ms, max_ms, stddev_ms,"
        " rows, blocks_read, blocks_hit) values (%s, md5(%s), %s, %s, %s, %s, %s, 0, 1, 1, 1)",
        [at, query, query, calls, mean, mean, mean],
    )


def names(conn: Connection, view: str) -> list[str]:
    return [row[0] for row in conn.execute(f"select query from {view}".encode()).fetchall()]


def test_the_views_tell_the_slowest_the_growing_and_the_newly_slow(conn: Connection) -> None:
    conn.execute("truncate query_snapshots, query_performance_log")
    now, hours = timedelta(0), timedelta(hours=20)
    logs(conn, "always slow", now, 2, 900)
    assert names(conn, "newly_slow_queries") == [], "of a warehouse that is new nothing is newly slow"
    logs(conn, "always slow", hours, 10, 900)
    logs(conn, "was fast", now, 2, 300)
    logs(conn, "was fast", hours, 10, 50)
    logs(conn, "a little slower, and often", now, 1_000, 12)
    logs(conn, "a little slower, and often", hours, 1_000, 10)
    logs(conn, "never seen before", now, 1, 150)
    logs(conn, "faster now", now, 5, 10)
    logs(conn, "faster now", hours, 5, 400)
    logs(conn, "long ago", timedelta(days=3), 5, 5_000)
    assert names(conn, "slowest_queries")[:2] == ["always slow", "faster now"]
    assert "long ago" not in names(conn, "slowest_queries")
    assert names(conn, "growing_queries") == ["a little slower, and often", "was fast"]
    assert names(conn, "newly_slow_queries") == ["was fast", "never seen before"]
    slow = conn.execute(
        "select calls, mean_ms::float8, max_ms from slowest_queries where query = 'was fast'"
    ).fetchone()
    assert slow == (12, pytest.approx((600 + 500) / 12, rel=1e-3), 300)


def test_the_refresher_takes_snapshots_and_the_asset_shows_the_slowest(conn: Connection, connected: Database) -> None:
    conn.execute("select from (select pg_sleep(0.02)) as s")
    with dg.instance_for_test() as instance:
        result = defs.resolve_job_def("log_query_performance").execute_in_process(instance=instance)
    metadata = result.asset_materializations_for_node("query_performance_log")[0].metadata
    assert metadata["note"].value == "none"
    assert "pg_sleep(?)" in str(metadata["slowest_of_a_day"].value)


def test_what_keeps_a_reset_from_being_taken_off_is_needed(conn: Connection) -> None:
    """With the comparison of entries switched off, a reset makes calls vanish: the tests above can fail."""
    edit(conn, "log_query_performance(integer, interval)", "not was_reset and p.entry_since", "p.entry_since")
    edit(conn, "log_query_performance(integer, interval)", "p.entry_since is not distinct from c.entry_since", "true")
    run(conn, 3)
    snapshot(conn)
    conn.execute("select public.pg_stat_statements_reset()")
    run(conn, 500)
    snapshot(conn)
    assert [calls for (calls,) in logged(conn, "calls")] == [3, 497]
