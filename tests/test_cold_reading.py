"""read_trades: the same rows wherever their months are, with the filter applied by whoever holds them."""

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import dpm_assets
from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.partitions.cold.reading import read_trades
from dpm_assets.settings import settings
from tests.cold import FEBRUARY, JANUARY, add_odd_trades, archived, file_under, restored, set_date_style
from tests.interleaving import Connection
from tests.trade_rows import value

pytestmark = pytest.mark.sql

FILTERS: list[dict[str, Any]] = [
    {},
    {"accounts": "a1"},
    {"accounts": ["a1", "a2", "odd", "nobody"]},
    {"accounts": []},
    {"symbols": []},
    {"first_day": date(2024, 1, 20), "last_day": date(2024, 2, 3)},
    {"last_day": date(2024, 1, 1)},
    {"first_day": date(2024, 1, 31)},
    {"first_day": date(2025, 1, 1)},
    {"symbols": "EURUSD", "accounts": ["a3"]},
    {"symbols": ["", "\t", "A'B"]},
    {"columns": ["profit"]},
    {"columns": ["trade_id", "account_id"], "accounts": "odd"},
]


def same_rows(table: pa.Table) -> list[str]:
    return sorted(map(repr, table.to_pylist()))


@pytest.fixture
def odd(refreshed: Connection) -> Connection:
    refreshed.execute(
        "update raw_trades_closed set symbol = 'GBPUSD' where account_id = 'a3' and trade_date > '2024-01-15'"
    )
    add_odd_trades(refreshed)
    refreshed.execute("call refresh_warehouse()")
    return refreshed


def test_every_filter_gives_the_same_rows_hot_half_cold_and_cold(odd: Connection, db: Database, tmp_path: Path) -> None:
    hot = [read_trades(**asked, db=db) for asked in FILTERS]
    assert hot[0].num_rows == value(db, "select count(*) from raw_trades_closed")
    assert [table.num_rows > 0 for table in hot].count(False) == 3
    for month in (JANUARY, FEBRUARY):
        archived(db, tmp_path, month)
        for asked, expected in zip(FILTERS, hot, strict=True):
            found = read_trades(**asked, db=db)
            assert found.schema == expected.schema
            assert same_rows(found) == same_rows(expected), asked


def test_rows_are_the_same_whatever_the_date_style_of_the_database(
    odd: Connection, db: Database, tmp_path: Path
) -> None:
    hot = same_rows(read_trades(db=db))
    set_date_style(odd)
    with Database(db.url) as later:
        assert same_rows(read_trades(db=later)) == hot
        archived(later, tmp_path)
        assert same_rows(read_trades(db=later)) == hot
        assert restored(later)[-1] == "hot" and same_rows(read_trades(db=later)) == hot


def test_amounts_are_exact_and_times_are_times_in_both_forms(odd: Connection, db: Database, tmp_path: Path) -> None:
    archived(db, tmp_path)
    row = read_trades("odd", symbols="\\N", db=db).to_pylist()[0]
    assert row["profit"] == Decimal("-9999999999999999.99") and row["open_time"] == datetime(1, 1, 1)
    frame = read_trades("odd", output="pandas", db=db)
    assert isinstance(frame, pd.DataFrame) and len(frame) == 2
    assert frame["profit"].dropna().tolist() == [Decimal("-9999999999999999.99")]
    assert list(frame.columns) == read_trades(db=db).column_names


def test_the_filter_is_pushed_into_the_files(refreshed: Connection, db: Database, tmp_path: Path) -> None:
    """Of months and row groups that cannot hold a row nothing is decoded: a file that is spoilt in its rows still serves."""
    archived(db, tmp_path)
    archived(db, tmp_path, FEBRUARY)
    file_under(tmp_path).unlink()
    assert read_trades(first_day=FEBRUARY, db=db).num_rows > 0, "the file of January is not opened"
    data = bytearray(file_under(tmp_path, FEBRUARY).read_bytes())
    data[4:400] = bytes(396)
    file_under(tmp_path, FEBRUARY).write_bytes(data)
    assert read_trades("zzz", first_day=FEBRUARY, db=db).num_rows == 0
    with pytest.raises(DpmError, match="cannot be read"):
        read_trades("a1", first_day=FEBRUARY, db=db)


def test_a_column_that_came_later_is_empty_in_older_files(refreshed: Connection, db: Database, tmp_path: Path) -> None:
    archived(db, tmp_path)
    refreshed.execute("alter table raw_trades_closed add column venue varchar(20)")
    refreshed.execute("update raw_trades_closed set venue = 'X'")
    assert pc.count_distinct(read_trades(columns=["venue"], db=db)["venue"], mode="all").as_py() == 2
    assert set(read_trades(last_day=date(2024, 1, 31), db=db)["venue"].to_pylist()) == {None}
    only = read_trades(last_day=date(2024, 1, 31), columns=["venue"], db=db)
    assert only.num_rows == value(db, "select rows from cold_files")


def test_an_unknown_column_is_named(db: Database) -> None:
    with pytest.raises(DpmError, match=r"The trades have no column 'profits'\. There are id, trade_id"):
        read_trades(columns=["profits"], db=db)


def test_the_example_of_the_documentation_runs(
    refreshed: Connection, db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archived(db, tmp_path)
    monkeypatch.setenv("DPM_DATABASE_URL", db.url)
    settings.cache_clear()
    text = (Path(__file__).parent.parent / "docs" / "cold_months.md").read_text(encoding="utf-8")
    # Its year is that of the page's own trades.
    example = text.split("```python\n")[1].split("```")[0].replace("(2023,", "(2024,")
    names: dict[str, Any] = {}
    exec(compile(example, "docs/cold_months.md", "exec"), names)
    monkeypatch.undo()
    settings.cache_clear()
    assert names["frame"]["profit"].sum() == value(
        db, "select sum(gross_profit + gross_loss) from rollup_account_symbol_day where account_id in ('a1', 'a2')"
    )
    assert dpm_assets.read_trades is read_trades


def test_amounts_of_a_column_that_was_widened_between_two_archives_are_exact(
    refreshed: Connection, db: Database, tmp_path: Path
) -> None:
    refreshed.execute("alter table raw_trades_closed add column risk numeric(18,2)")
    refreshed.execute("update raw_trades_closed set risk = 1.25")
    refreshed.execute("call refresh_warehouse()")
    archived(db, tmp_path)
    refreshed.execute("alter table raw_trades_closed alter column risk type numeric(18,4)")
    refreshed.execute("update raw_trades_closed set risk = 0.1234")
    refreshed.execute("call refresh_warehouse()")
    half_cold = same_rows(read_trades(db=db))
    archived(db, tmp_path, FEBRUARY)
    assert same_rows(read_trades(db=db)) == half_cold
    assert set(read_trades(db=db)["risk"].to_pylist()) == {Decimal("1.2500"), Decimal("0.1234")}


def test_of_no_accounts_there_are_no_rows_though_one_is_called_nothing(
    refreshed: Connection, db: Database, tmp_path: Path
) -> None:
    refreshed.execute(
        "insert into raw_trades_closed (trade_id, account_id, login, trade_date) values ('e1', '', 'l', '2024-01-10')"
    )
    refreshed.execute("call refresh_warehouse()")
    assert (read_trades([], db=db).num_rows, read_trades("", db=db).num_rows) == (0, 1)
    archived(db, tmp_path)
    assert (read_trades([], db=db).num_rows, read_trades("", db=db).num_rows) == (0, 1)
