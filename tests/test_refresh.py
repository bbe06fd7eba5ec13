"""The refresh at every interleaving: what a writer commits is in the rollups and views, or still in the log."""

import os
import signal
import time
from datetime import date, timedelta

import psycopg
import pytest
from psycopg import sql

from dpm_assets.database import Database
from dpm_assets.refresh.engine import ROLLUPS, VIEWS
from dpm_assets.refresh.verify import CHECKED, verify
from dpm_assets.server import EmbeddedServer
from tests.history import differences, insert, set_today
from tests.interleaving import SECONDS, Connection, sent_off, session, wait_until_blocked

pytestmark = pytest.mark.sql

JANUARY, FEBRUARY = date(2024, 1, 1), date(2024, 2, 1)
REFRESH = "select keys_taken from prop_trading_model.refresh_materialized_views()"


@pytest.fixture
def conn(refreshed: Connection) -> Connection:
    return refreshed


def test_a_writer_that_is_open_while_a_refresh_runs_is_refreshed_next(
    conn: Connection, database_url: str, db: Database
) -> None:
    with session(database_url) as writer:
        insert(writer, "open")
        insert(conn, "committed")
        conn.execute("call refresh_warehouse()")
        assert verify(db).total == 0
        writer.commit()
    assert conn.execute("select account_id, trade_date from changed_account_days").fetchall() == [
        ("a1", date(2024, 1, 10))
    ]
    conn.execute("call refresh_warehouse()")
    assert differences(db) == []


def test_a_writer_that_commits_between_the_keys_and_the_commit_of_a_refresh_is_not_missed(
    conn: Connection, database_url: str, db: Database
) -> None:
    with session(database_url) as refresher, session(database_url) as writer:
        insert(conn, "before")
        insert(writer, "between")
        assert refresher.execute(REFRESH).fetchone() == (1,)
        writer.commit()
        refresher.commit()
    assert conn.execute("select keys from pending_changes()").fetchone() == (1,)
    conn.execute("call refresh_warehouse()")
    assert differences(db) == []


def test_of_two_refreshes_at_once_the_second_waits_and_sees_what_came_meanwhile(
    conn: Connection, database_url: str, db: Database
) -> None:
    with session(database_url) as first, session(database_url, autocommit=True) as second:
        insert(conn, "t-1")
        first.execute(REFRESH)
        with sent_off(second, REFRESH) as refreshed:
            wait_until_blocked(conn, second)
            insert(conn, "t-2")
            first.commit()
            assert refreshed.result(SECONDS) == (1,)
    assert differences(db) == []


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
@pytest.mark.parametrize("call", [REFRESH, "select rebuild_month('2024-01-01')", "select refresh_views()"])
def test_a_refresh_refuses_a_level_whose_snapshot_may_be_older_than_its_lock(
    conn: Connection, level: str, call: str
) -> None:
    with pytest.raises(psycopg.errors.ActiveSqlTransaction, match=f"isolation level {level.upper()}") as refused:
        conn.execute(f"begin isolation level {level}")
        conn.execute(call)
    assert refused.value.diag.message_hint == "Call it under READ COMMITTED."
    conn.execute("rollback")


def test_a_refresh_of_the_warehouse_drains_the_log_in_bites_of_their_own_transactions(
    conn: Connection, db: Database
) -> None:
    conn.execute("update raw_trades_closed set profit = profit + 1 where trade_date < '2024-01-20'")
    keys = conn.execute("select count(*) from changed_account_days").fetchone()
    assert keys
    conn.execute("delete from refresh_log")
    conn.execute("call refresh_warehouse(20)")
    bites = conn.execute("select keys_taken, xmin::text from refresh_log where kind = 'keys'").fetchall()
    assert sum(bite[0] for bite in bites) == keys[0]
    assert max(bite[0] for bite in bites) <= 20
    assert len({bite[1] for bite in bites}) == len(bites) > 1
    assert differences(db) == []


def test_one_call_tells_what_remains_above_its_bound(conn: Connection) -> None:
    conn.execute("update raw_trades_closed set profit = 1 where trade_date < '2024-01-10'")
    before = conn.execute("select count(*) from changed_account_days").fetchone()
    done = conn.execute("select keys_taken, keys_remaining from refresh_materialized_views(5)").fetchone()
    assert before and done == (5, before[0] - 5)


def test_readers_do_not_wait_for_a_refresh_that_is_not_committed(conn: Connection, database_url: str) -> None:
    insert(conn, "t-1")
    with session(database_url) as refresher, session(database_url, autocommit=True) as reader:
        refresher.execute(REFRESH)
        reader.execute("set lock_timeout = '1s'")
        for checked in CHECKED:
            reader.execute(sql.SQL("select count(*) from {}").format(sql.Identifier(checked.name)))
        refresher.rollback()


def test_a_refresh_does_not_wait_for_a_reader_of_all_tables(conn: Connection, database_url: str) -> None:
    """A dump holds ACCESS SHARE on every table for as long as it takes."""
    insert(conn, "t-1")
    with session(database_url) as dump:
        dump.execute("lock table refresh_keys, rollup_account_symbol_day, changed_account_days in access share mode")
        conn.execute("set lock_timeout = '1s'")
        assert conn.execute(REFRESH).fetchone() == (1,)


def test_a_reader_with_an_older_snapshot_keeps_its_month_while_it_is_rebuilt(
    conn: Connection, database_url: str
) -> None:
    with session(database_url) as reader:
        reader.execute("set transaction isolation level repeatable read")
        query = "select count(*), sum(net) from rollup_account_symbol_day where trade_date < '2024-02-01'"
        before = reader.execute(query).fetchone()
        conn.execute("delete from raw_trades_closed where trade_date < '2024-01-20'")
        conn.execute("select rebuild_month('2024-01-01')")
        assert conn.execute(query).fetchone() != before
        assert reader.execute(query).fetchone() == before


def test_a_refresh_whose_session_is_ended_is_done_by_the_next(
    conn: Connection, database_url: str, db: Database
) -> None:
    insert(conn, "t-1")
    with session(database_url) as refresher:
        refresher.execute(REFRESH)
        conn.execute("select pg_terminate_backend(%s, 10000)", [refresher.info.backend_pid])
    assert conn.execute("select keys from pending_changes()").fetchone() == (1,)
    conn.execute("call refresh_warehouse()")
    assert differences(db) == []


def test_a_refresh_whose_backend_is_killed_is_done_after_the_restart(
    server: EmbeddedServer, conn: Connection, database_url: str, db: Database
) -> None:
    """kill -9 of a backend makes the server start again and forget what is unlogged."""
    insert(conn, "t-1")
    with session(database_url) as refresher:
        refresher.execute(REFRESH)
        os.kill(refresher.info.backend_pid, signal.SIGKILL)
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                with session(database_url, autocommit=True) as after:
                    assert after.execute("select keys from pending_changes()").fetchone() == (1,)
                    after.execute("call refresh_warehouse()")
                break
            except psycopg.OperationalError:
                assert time.monotonic() < deadline
                time.sleep(0.02)
    with Database(database_url) as again:
        assert differences(again) == []


CORRUPTED = {
    "rollup_account_symbol_day": "trade_date",
    "rollup_account_month": "month",
    "rollup_market_day": "trade_date",
    "rollup_symbol_day": "trade_date",
}


@pytest.mark.parametrize("damage", ["update {} set net = net + 1", "delete from {}"])
@pytest.mark.parametrize("rollup", CORRUPTED)
def test_a_rebuilt_month_repairs_damaged_rows(conn: Connection, db: Database, rollup: str, damage: str) -> None:
    where = f" where {CORRUPTED[rollup]} between '2024-01-01' and '2024-01-31'"
    conn.execute(sql.SQL(damage + where).format(sql.Identifier(rollup)))
    assert {difference.object for difference in verify(db, names=[*ROLLUPS, *VIEWS]).differences} == {rollup}
    row = conn.execute("select rebuild_month('2024-01-01')").fetchone()
    assert row and row[0] > 0
    conn.execute("call refresh_warehouse()")
    assert differences(db) == []
    assert conn.execute("select rebuild_month('2024-01-01')").fetchone() == (0,)


@pytest.mark.parametrize(
    ("rollup", "damage"),
    [
        ("rollup_account", "last_trade_date = '2020-01-01'"),
        ("rollup_account_symbol", "last_trade_date = '2020-01-01'"),
        ("rollup_account_recent", "net_7d = net_7d + 1"),
    ],
)
def test_rebuilt_totals_repair_damaged_rows(conn: Connection, db: Database, rollup: str, damage: str) -> None:
    conn.execute(sql.SQL("update {} set {}").format(sql.Identifier(rollup), sql.SQL(damage)))
    assert {difference.object for difference in verify(db, names=[*ROLLUPS, *VIEWS]).differences} == {rollup}
    conn.execute("select rebuild_totals()")
    conn.execute("call refresh_warehouse()")
    assert differences(db) == []


def test_the_trailing_windows_move_at_midnight(conn: Connection, db: Database) -> None:
    set_today(conn, date(2024, 1, 20))
    insert(conn, "tomorrow", "2024-01-21")
    conn.execute("call refresh_warehouse()")
    assert differences(db) == []
    trades = "select sum(profit_last_7d) from mv_account_performance_summary"
    before = conn.execute(trades).fetchone()
    set_today(conn, date(2024, 1, 21))
    assert conn.execute("select views from pending_changes()").fetchone() == (
        ["mv_account_performance_summary", "mv_account_trading_patterns", "mv_symbol_performance"],
    )
    conn.execute("call refresh_warehouse()")
    assert conn.execute(trades).fetchone() != before
    assert differences(db) == []


def test_a_refresh_with_nothing_pending_touches_nothing(conn: Connection) -> None:
    logged = conn.execute("select max(refresh_id) from refresh_log").fetchone()
    files = "select array_agg(relfilenode order by oid) from pg_class where relkind = 'm'"
    before = conn.execute(files).fetchone()
    for call in (REFRESH, "call refresh_warehouse()"):
        conn.execute(call)
    assert conn.execute("select max(refresh_id) from refresh_log").fetchone() == logged
    assert conn.execute(files).fetchone() == before


def test_a_write_that_changes_no_number_refreshes_no_view(conn: Connection, db: Database) -> None:
    conn.execute("update raw_trades_closed set source_api_endpoint = 'again' where account_id = 'a1'")
    conn.execute("delete from refresh_log")
    conn.execute("call refresh_warehouse()")
    assert conn.execute("select kind, rows_written from refresh_log").fetchall() == [("keys", 0)]
    assert differences(db) == []


def test_a_new_account_snapshot_refreshes_the_views_of_accounts_only(conn: Connection) -> None:
    conn.execute("insert into raw_accounts_data (account_id, login) values ('a2', 'l')")
    assert conn.execute("select refresh_views()").fetchone() == (
        ["mv_account_performance_summary", "mv_account_trading_patterns"],
    )


def test_a_cold_month_keeps_its_rollups_and_is_not_rebuilt(conn: Connection, db: Database) -> None:
    conn.execute("insert into month_state (month, state) values ('2024-01-01', 'cold')")
    conn.execute("alter table raw_trades_closed detach partition raw_trades_closed_2024_01")
    before = conn.execute("select count(*) from rollup_market_day").fetchone()
    conn.execute("call refresh_warehouse()")
    assert conn.execute("select count(*) from rollup_market_day").fetchone() == before
    with pytest.raises(psycopg.DatabaseError, match="2024-01 is cold: its trades are in an archive"):
        conn.execute("select rebuild_month('2024-01-01')")
    result = verify(db)
    assert result.total == 0
    assert (
        "Months whose trades are in an archive were left out: 2024-01. dpm verify --cold compares them." in result.notes
    )


def attach_by_another_owner(conn: Connection) -> None:
    conn.execute("create table theirs (like raw_trades_closed including all)")
    conn.execute(
        "alter table raw_trades_closed attach partition theirs for values from ('2023-05-01') to ('2023-06-01')"
    )


@pytest.mark.parametrize("call", [REFRESH, "call refresh_warehouse()"])
def test_a_refresh_ends_while_a_leaf_cannot_get_its_triggers(conn: Connection, call: str) -> None:
    attach_by_another_owner(conn)
    conn.execute("set statement_timeout = '60s'")
    conn.execute(call)


def test_the_pieces_of_a_rebuild_hold_every_account_and_every_day_once(conn: Connection) -> None:
    conn.execute("create temporary table several (account_id varchar(255), trade_date date)")
    conn.execute("insert into several select 'A''' || n % 7, date '2025-02-01' + n from generate_series(0, 27) as n")
    for source, pieces in (("several", 4), ("several", 20), ("several where false", 4)):
        row = conn.execute("select prop_trading_model.pieces_by_account(%s, %s)", [source, pieces]).fetchone()
        assert row is not None
        counted = [conn.execute(f"select count(*) from several where {piece}".encode()).fetchone() for piece in row[0]]
        assert sum(count[0] for count in counted if count) == 28
        assert len(row[0]) == (1 if "false" in source else pieces)
    row = conn.execute("select prop_trading_model.pieces_by_day('2025-02-01', 8)").fetchone()
    assert row is not None
    assert sorted(
        day
        for piece in row[0]
        for (day,) in conn.execute(f"select trade_date from several where {piece}".encode()).fetchall()
    ) == [date(2025, 2, 1) + timedelta(n) for n in range(28)]
