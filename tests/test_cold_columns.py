"""Columns that a firm has added to its trades: what PostgreSQL computes, and what came when a month was in the archive."""

from pathlib import Path

import pytest

from dpm_assets.database import Database
from dpm_assets.partitions.cold.reading import read_trades
from dpm_assets.refresh.verify import verify
from tests.cold import LEAF, archived, restored, table_rows
from tests.interleaving import Connection
from tests.trade_rows import value

pytestmark = pytest.mark.sql

NET = "numeric(18,2) generated always as (coalesce(profit, 0) + coalesce(commission, 0)) stored"


def nets(db: Database) -> list[str]:
    """The net of each trade, as the reader gives it."""
    return sorted(map(repr, read_trades(columns=["account_id", "trade_id", "net"], db=db).to_pylist()))


def test_a_generated_column_is_in_the_file_and_is_computed_again_at_a_restore(
    refreshed: Connection, db: Database, tmp_path: Path
) -> None:
    refreshed.execute(
        f"alter table raw_trades_closed add column net {NET}, add column desk text default 'none'".encode()
    )
    refreshed.execute("call refresh_warehouse()")
    trades, read = table_rows(db), nets(db)
    assert archived(db, tmp_path)[-1] == "cold"
    assert nets(db) == read
    assert value(db, "select sums ? 'net' from cold_files")
    assert verify(db, cold=True).total == 0
    assert restored(db)[-1] == "hot"
    assert table_rows(db) == trades
    generated = "select attgenerated = 's' from pg_attribute where attrelid = %s::regclass and attname = 'net'"
    assert value(db, generated, LEAF)


def test_columns_that_came_later_are_filled_when_a_month_is_compared_or_restored(
    refreshed: Connection, db: Database, tmp_path: Path
) -> None:
    """Which must not be null, though the file lacks them."""
    archived(db, tmp_path)
    refreshed.execute(
        f"alter table raw_trades_closed add column desk text not null default 'none', add column net {NET} not null".encode()
    )
    refreshed.execute("call refresh_warehouse()")
    result = verify(db, cold=True)
    assert result.total == 0 and "Compared with their Parquet files: 2024-01." in result.notes
    assert restored(db)[-1] == "hot"
    filled = "select count(*) > 0 and bool_and(desk = 'none' and net = profit + commission) from {}"
    assert value(db, filled.format(LEAF))
