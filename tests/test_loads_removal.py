"""What a file says by what it lacks: closed positions, busted trades; and when it says nothing."""

from pathlib import Path
from typing import Any

import pytest

from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.loads.faults import FileRefused
from dpm_assets.loads.load import load_file
from dpm_assets.loads.undo import undo_load
from dpm_assets.loads.undo_conflicts import UndoRefused
from tests.trade_rows import rows, trade, value, write

pytestmark = pytest.mark.sql

POSITION = "trade_id,account_id,login,symbol,side,lots,unrealized_pnl"


def position(trade_id: str, account: str = "A1", pnl: str = "1.00") -> str:
    return f"{trade_id},{account},1001,EURUSD,buy,0.10,{pnl}"


def positions(db: Database) -> list[tuple[Any, ...]]:
    return rows(db, "select account_id, trade_id, unrealized_pnl::float from raw_trades_open order by 1, 2")


def trades(db: Database) -> list[tuple[str, str]]:
    return rows(db, "select trade_id, trade_date::text from raw_trades_closed order by 1, 2")


@pytest.fixture
def opened(db: Database, tmp_path: Path) -> Database:
    """Positions T1, T2 of account A1 and T3 of A2."""
    path = write(tmp_path / "open.csv", position("T1"), position("T2"), position("T3", "A2"), header=POSITION)
    load_file(db, path, "open_trades")
    return db


def test_a_snapshot_of_positions_closes_those_of_its_accounts_that_it_lacks(opened: Database, tmp_path: Path) -> None:
    path = write(tmp_path / "next.csv", position("T2", pnl="5"), position("T4"), header=POSITION)
    result = load_file(opened, path, "open_trades")
    assert (result.rows_inserted, result.rows_updated, result.rows_removed) == (1, 1, 1)
    assert positions(opened) == [("A1", "T2", 5.0), ("A1", "T4", 1.0), ("A2", "T3", 1.0)]
    [(key, before)] = rows(opened, "select key, before from load_corrections where kind = 'removed'")
    assert key == {"account_id": "A1", "trade_id": "T1"} and before["unrealized_pnl"] == 1.0
    assert value(opened, "select rows_removed from load_batches where batch_id = %s", result.batch_id) == 1


def test_a_complete_snapshot_closes_those_of_all_accounts(opened: Database, tmp_path: Path) -> None:
    path = write(tmp_path / "next.csv", position("T2"), header=POSITION)
    result = load_file(opened, path, "open_trades", complete=True)
    assert (result.rows_duplicate, result.rows_removed, result.options) == (1, 2, ["complete"])
    assert positions(opened) == [("A1", "T2", 1.0)]


def test_an_undo_opens_the_closed_positions_again(opened: Database, tmp_path: Path) -> None:
    before = rows(opened, "select r::text from raw_trades_open as r order by 1")
    path = write(tmp_path / "next.csv", position("T2", pnl="5"), header=POSITION)
    undo_load(opened, load_file(opened, path, "open_trades", complete=True).batch_id)
    assert rows(opened, "select r::text from raw_trades_open as r order by 1") == before


def test_a_file_with_rejects_closes_nothing_and_says_so(opened: Database, tmp_path: Path) -> None:
    path = write(tmp_path / "next.csv", position("T2"), position("T4").replace("0.10", "none"), header=POSITION)
    result = load_file(opened, path, "open_trades", complete=True)
    assert (result.rows_rejected, result.rows_removed) == (1, 0)
    assert "nothing was removed: what seems to be missing may be among the rejected rows" in result.message
    assert len(positions(opened)) == 3


def test_a_file_without_rows_closes_nothing_and_says_so(opened: Database, tmp_path: Path) -> None:
    result = load_file(opened, write(tmp_path / "none.csv", header=POSITION), "open_trades", complete=True)
    assert "nothing was removed: a file without rows is taken for an export that failed" in result.message
    assert len(positions(opened)) == 3


def test_a_trade_that_a_full_export_of_its_day_lacks_was_busted(db: Database, tmp_path: Path) -> None:
    load_file(
        db,
        write(
            tmp_path / "one.csv", trade("T1"), trade("T2"), trade("T3", "2025-03-04"), trade("T4", account_id="A2"),
        ),
    )  # fmt: skip
    rows(db, "delete from changed_account_days returning 1")
    result = load_file(db, write(tmp_path / "two.csv", trade("T1")), replace_days=True)
    assert (result.rows_duplicate, result.rows_removed, result.options) == (1, 1, ["replace days"])
    assert [trade_id for trade_id, _ in trades(db)] == ["T1", "T3", "T4"]
    assert [month.isoformat() for month in result.months] == ["2025-03-01"]
    assert rows(db, "select distinct account_id, trade_date::text from changed_account_days") == [("A1", "2025-03-03")]
    assert rows(db, "select kind, key->>'trade_id' from load_corrections") == [("removed", "T2")]


def test_a_day_that_the_file_leaves_by_a_correction_is_covered_too(db: Database, tmp_path: Path) -> None:
    """The file has T1 on the 3rd, and later on the 5th: it holds all of both days, and T2 of the 3rd was busted."""
    load_file(db, write(tmp_path / "one.csv", trade("T1"), trade("T2")))
    path = write(tmp_path / "two.csv", trade("T1"), trade("T1", "2025-03-05"))
    result = load_file(db, path, replace_days=True)
    assert (result.rows_updated, result.rows_removed) == (2, 1)
    assert trades(db) == [("T1", "2025-03-05")]


def test_a_full_export_with_rejects_busts_nothing(db: Database, tmp_path: Path) -> None:
    load_file(db, write(tmp_path / "one.csv", trade("T1"), trade("T2")))
    result = load_file(db, write(tmp_path / "two.csv", trade("T1"), trade("T3", side="HOLD")), replace_days=True)
    assert result.rows_removed == 0 and "nothing was removed" in result.message
    assert [trade_id for trade_id, _ in trades(db)] == ["T1", "T2"]


def test_a_file_that_was_loaded_without_an_option_is_not_passed_over_with_it(db: Database, tmp_path: Path) -> None:
    load_file(db, write(tmp_path / "one.csv", trade("T1"), trade("T2")))
    path = write(tmp_path / "two.csv", trade("T1"))
    plain = load_file(db, path)
    with pytest.raises(
        FileRefused,
        match=r"two\.csv was loaded before as batch 2 .*, without --replace-days\. Undo that batch \(dpm loads undo 2\)",
    ):
        load_file(db, path, replace_days=True)
    assert [trade_id for trade_id, _ in trades(db)] == ["T1", "T2"]
    undo_load(db, plain.batch_id)
    assert load_file(db, path, replace_days=True).rows_removed == 1
    assert [trade_id for trade_id, _ in trades(db)] == ["T1"]
    assert [load_file(db, path, replace_days=asked).status for asked in (True, False)] == ["already loaded"] * 2


def test_what_a_feed_has_no_meaning_for_is_refused(db: Database, tmp_path: Path) -> None:
    path = write(tmp_path / "one.csv", trade("T1"))
    with pytest.raises(DpmError, match=r"--complete is for open trades; the feed trades keeps"):
        load_file(db, path, complete=True)
    path = write(tmp_path / "open.csv", position("T1"), header=POSITION)
    with pytest.raises(DpmError, match=r"--replace-days is for closed trades; rows of the feed open_trades"):
        load_file(db, path, "open_trades", replace_days=True)


def test_an_undo_does_not_open_what_a_later_snapshot_lacks_too(opened: Database, tmp_path: Path) -> None:
    second = load_file(opened, write(tmp_path / "two.csv", position("T2"), header=POSITION), "open_trades")
    third = load_file(opened, write(tmp_path / "three.csv", position("T2", pnl="5"), header=POSITION), "open_trades")
    with pytest.raises(
        UndoRefused,
        match=rf"Batch {second.batch_id} stays: what it removed may be gone by batch {third.batch_id} too \(.*three\.csv, .*\), "
        rf"a later file that may hold the same accounts and lacks it\. Undo batch {third.batch_id} first",
    ):
        undo_load(opened, second.batch_id)
    assert positions(opened) == [("A1", "T2", 5.0), ("A2", "T3", 1.0)]
    for batch in (third, second):
        undo_load(opened, batch.batch_id)
    assert len(positions(opened)) == 3


def test_an_undo_does_not_bring_back_what_a_later_full_export_lacks_too(db: Database, tmp_path: Path) -> None:
    load_file(db, write(tmp_path / "one.csv", trade("T1"), trade("T2")))
    second = load_file(db, write(tmp_path / "two.csv", trade("T1")), replace_days=True)
    load_file(db, write(tmp_path / "three.csv", trade("T1", profit="5")), replace_days=True)
    with pytest.raises(UndoRefused, match="a later file that may hold the same account-days and lacks it"):
        undo_load(db, second.batch_id)
    assert [trade_id for trade_id, _ in trades(db)] == ["T1"]


def test_an_undo_brings_back_what_a_later_file_of_another_account_does_not_speak_of(
    opened: Database, tmp_path: Path
) -> None:
    second = load_file(opened, write(tmp_path / "two.csv", position("T2", pnl="5"), header=POSITION), "open_trades")
    load_file(opened, write(tmp_path / "three.csv", position("T3", "A2", pnl="6"), header=POSITION), "open_trades")
    undo_load(opened, second.batch_id)
    assert positions(opened) == [("A1", "T1", 1.0), ("A1", "T2", 1.0), ("A2", "T3", 6.0)]


def test_an_undo_brings_back_a_trade_though_a_later_full_export_repeats_another_month(
    db: Database, tmp_path: Path
) -> None:
    april = trade("T3", "2025-04-07"), trade("T4", "2025-04-08")
    load_file(db, write(tmp_path / "one.csv", trade("T1"), trade("T2"), *april))
    second = load_file(db, write(tmp_path / "march.csv", trade("T1")), replace_days=True)
    later = load_file(
        db, write(tmp_path / "april.csv", april[0], trade("T4", "2025-04-08", profit="5")), replace_days=True
    )
    assert (second.rows_removed, later.rows_duplicate) == (1, 1)
    undo_load(db, second.batch_id)
    assert [trade_id for trade_id, _ in trades(db)] == ["T1", "T2", "T3", "T4"]
