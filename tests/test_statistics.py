"""Sizes, ages and statistics of partitions: hot and cold, estimated and counted, from psql, the command line and the graph."""

import os
import subprocess
import sys
from datetime import date
from typing import Any

import dagster as dg
import pytest

from dpm_assets.database import Database
from dpm_assets.definitions import defs
from dpm_assets.monitor.charts import stacked_bars
from dpm_assets.partitions.sizes import collect_statistics, partitioned_tables, partitions
from dpm_assets.settings import settings
from tests.interleaving import Connection, session

pytestmark = pytest.mark.sql

LEAF = "raw_trades_closed_2024_01"


def said(_: str) -> None:
    pass


def publish_counters(conn: Connection) -> None:
    """Of the rows that this session has written; they are published when the next statement has ended."""
    conn.execute("select pg_stat_force_next_flush()")
    conn.execute("select")


def of(conn: Connection, columns: str, call: str = "analyze_partitions(false)", name: str = LEAF) -> Any:
    return conn.execute(f"select {columns} from {call} where partition_name = %s".encode(), [name]).fetchone()


def count(conn: Connection) -> int:
    row = conn.execute(f"select count(*) from {LEAF}").fetchone()
    assert row
    return int(row[0])


def test_rows_are_estimated_after_a_collection_and_counted_when_asked(refreshed: Connection) -> None:
    rows = count(refreshed)
    assert of(refreshed, "rows_estimated, rows_exact") == (0, None)
    assert of(refreshed, "rows_estimated, rows_exact", "analyze_partitions()") == (rows, None)
    refreshed.execute(f"delete from {LEAF} where trade_id in ('t1', 't2')")
    assert of(refreshed, "rows_estimated, rows_exact", "analyze_partitions(false, exact => true)") == (rows, rows - 2)


def test_sizes_are_what_postgresql_says_and_pending_keys_are_counted(refreshed: Connection) -> None:
    expected = refreshed.execute(
        "select pg_relation_size(c), pg_indexes_size(c) from (select %s::regclass as c) as l", [LEAF]
    ).fetchone()
    assert of(refreshed, "heap_bytes, index_bytes") == expected
    assert of(refreshed, "pending_keys") == (0,)
    refreshed.execute(f"update {LEAF} set profit = 1 where account_id = 'a1' and trade_date < '2024-01-15'")
    keys = refreshed.execute("select count(*) from changed_account_days").fetchone()
    assert of(refreshed, "pending_keys") == keys != (0,)
    yearly = f"raw_metrics_daily_{date.today().year}"
    assert of(refreshed, "pending_keys, state", name=yearly) == (None, "hot")


def test_only_what_was_written_is_analyzed_again(refreshed: Connection, db: Database) -> None:
    publish_counters(refreshed)
    collect_statistics(db, said)
    assert collect_statistics(db, said) == 0
    refreshed.execute(f"update {LEAF} set profit = 2")
    publish_counters(refreshed)
    statements: list[str] = []
    collect_statistics(db, statements.append)
    assert [s for s in statements if "2024_" in s] == [f"analyze (skip_locked) prop_trading_model.{LEAF}"]
    row = refreshed.execute(
        "select count(*) from pg_stats where tablename = 'raw_trades_closed' and inherited"
    ).fetchone()
    assert row != (0,), "the table as a whole has statistics, which autovacuum never collects"


def test_a_partition_that_is_locked_is_shown_and_left_for_the_next_time(
    refreshed: Connection, database_url: str, db: Database
) -> None:
    with session(database_url) as other:
        other.execute(f"lock table {LEAF} in share update exclusive mode")
        refreshed.execute("set lock_timeout = '100ms'")
        assert of(refreshed, "last_analyze", "analyze_partitions()") == (None,)
    assert of(refreshed, "last_analyze is not null", "analyze_partitions()") == (True,)


def test_a_month_in_the_archive_is_listed_with_its_place(refreshed: Connection, db: Database) -> None:
    refreshed.execute("insert into month_state (month, state, location) values ('2023-11-01', 'cold', 'somewhere')")
    refreshed.execute("insert into month_state (month, state) values ('2024-01-01', 'archiving')")
    shown = [(leaf.name, leaf.state, leaf.location, leaf.size > 0) for leaf in partitions(db, "raw_trades_closed")[:3]]
    assert shown == [
        ("raw_trades_closed_2023_11", "cold", "somewhere", False),
        (LEAF, "archiving", None, True),
        ("raw_trades_closed_2024_02", "hot", None, True),
    ]


def dpm(url: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "dpm_assets", *arguments],
        env={**os.environ, "DPM_DATABASE_URL": url, "COLUMNS": "300"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


def test_the_command_lists_every_table_and_counts_when_asked(
    refreshed: Connection, database_url: str, db: Database
) -> None:
    refreshed.execute("insert into month_state (month, state) values ('2023-11-01', 'cold')")
    listed = dpm(database_url, "partitions", "list", "--exact")
    assert all(table in listed for table in partitioned_tables(db))
    assert [line for line in listed.splitlines() if LEAF in line and f" {count(refreshed)} " in line and "hot" in line]
    assert [line for line in listed.splitlines() if "raw_trades_closed_2023_11" in line and "cold" in line]
    assert "is not partitioned" in dpm(database_url, "partitions", "list", "--table", "raw_trades_open")


def test_the_asset_collects_and_shows_numbers_and_a_chart(
    refreshed: Connection, database_url: str, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DPM_DATABASE_URL", database_url)
    settings.cache_clear()
    try:
        with dg.instance_for_test() as instance:
            result = defs.resolve_job_def("collect_partition_statistics").execute_in_process(instance=instance)
    finally:
        monkeypatch.undo()
        settings.cache_clear()
    metadata = result.asset_materializations_for_node("partition_statistics")[0].metadata
    assert metadata["raw_trades_closed/rows"].value == 400
    assert metadata["raw_trades_closed/begun_ahead"].value == 3
    assert str(metadata["raw_trades_closed/sizes"].value).startswith(
        "![sizes of raw_trades_closed](data:image/svg+xml;base64,"
    )
    assert LEAF in str(metadata["raw_trades_closed/sizes"].value)


def test_a_chart_stacks_its_parts_and_escapes_its_words() -> None:
    drawn = stacked_bars("a < b", ["heap", "indexes"], [("2024_01", [30, 10]), ("2024_02", [0, 0])], "MB")
    assert drawn.count("<rect") == 4 and "a &lt; b, up to 40 MB" in drawn
    assert 'height="120.0"' in drawn and 'height="40.0"' in drawn
    assert stacked_bars("none", ["heap"], [], "MB").startswith("<svg")
