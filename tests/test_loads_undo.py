"""`undo_load`: the tables are as they were before the batch, to the last column."""

from pathlib import Path

import pytest

from dpm_assets.database import Database
from dpm_assets.loads.feeds import FEEDS
from dpm_assets.loads.load import LoadResult, load_file
from dpm_assets.loads.undo import undo_load
from dpm_assets.loads.undo_conflicts import UndoRefused
from dpm_assets.refresh.verify import verify
from tests.feed_rows import ROWS, write_rows
from tests.trade_rows import everything, many, rows, trade, value, write

pytestmark = pytest.mark.sql


def refresh(db: Database) -> None:
    with db.connection(None) as conn:
        conn.execute("call refresh_warehouse()")


def test_inserted_rows_go_and_corrected_and_moved_ones_return_exactly(db: Database, tmp_path: Path) -> None:
    load_file(db, write(tmp_path / "one.csv", trade("T1"), trade("T2", "2025-02-20"), trade("T3", swap="")))
    before = everything(db)
    second = load_file(
        db,
        write(
            tmp_path / "two.csv", trade("T1", profit="7"), trade("T2"), trade("T3", swap=""), trade("T4", "2025-04-01")
        ),
    )
    assert everything(db) != before
    undone = undo_load(db, second.batch_id)
    assert (undone.rows_gone, undone.rows_returned, undone.feed) == (3, 2, "trades")
    assert everything(db) == before
    [(status, by, at)] = rows(
        db, "select status, undone_by = session_user, undone_at is not null from load_batches where batch_id = %s",
        second.batch_id,
    )  # fmt: skip
    assert (status, by, at) == ("undone", True, True)


def test_a_refresh_after_an_undo_equals_a_recomputation(db: Database, tmp_path: Path) -> None:
    load_file(db, many(tmp_path / "one.csv", 300))
    second = load_file(db, many(tmp_path / "two.csv", 300, day="2025-04-02", first=200, profit="3"))
    refresh(db)
    undo_load(db, second.batch_id)
    refresh(db)
    assert {name: count for name, count in verify(db).counts.items() if count} == {}
    assert value(db, "select sum(total_trades) from mv_daily_trading_stats") == 300


def test_the_file_of_an_undone_batch_may_be_loaded_again_and_undone_again(db: Database, tmp_path: Path) -> None:
    path = write(tmp_path / "one.csv", trade("T1"))
    for _ in range(3):
        result = load_file(db, path)
        assert result.status == "loaded"
        undo_load(db, result.batch_id)
        assert everything(db) == []
    assert load_file(db, path).status == "loaded"
    assert load_file(db, path).status == "already loaded"


@pytest.mark.parametrize("feed", FEEDS)
def test_a_batch_of_every_feed_is_taken_back(db: Database, tmp_path: Path, feed: str) -> None:
    table = FEEDS[feed].table
    load_file(db, write_rows(tmp_path / "one.csv", ROWS[feed]))
    before = everything(db, table)
    changed = [row | {"source_api_endpoint": "/v9"} if "source_api_endpoint" in row else row for row in ROWS[feed]]
    column = {"regimes": "market_news", "plans": "max_leverage", "accounts": "max_leverage"}.get(feed, "login")
    changed = [row | {column: '["7"]' if feed == "regimes" else "7"} for row in changed]
    second = load_file(db, write_rows(tmp_path / "two.csv", changed))
    assert second.rows_updated == 2
    assert everything(db, table) != before
    undone = undo_load(db, second.batch_id)
    assert (undone.rows_gone, undone.rows_returned) == (2, 2)
    assert everything(db, table) == before
    undo_load(db, second.batch_id - 1)
    assert everything(db, table) == []


def test_a_dry_run_says_the_same_and_changes_nothing(db: Database, tmp_path: Path) -> None:
    load_file(db, write(tmp_path / "one.csv", trade("T1")))
    second = load_file(db, write(tmp_path / "two.csv", trade("T1", profit="7"), trade("T2")))
    before, pending = everything(db), value(db, "select count(*) from changed_account_days")
    planned = undo_load(db, second.batch_id, dry_run=True)
    assert (planned.rows_gone, planned.rows_returned, planned.dry_run) == (2, 1, True)
    assert everything(db) == before
    assert value(db, "select count(*) from changed_account_days") == pending
    done = undo_load(db, second.batch_id)
    assert (done.rows_gone, done.rows_returned) == (2, 1)


def test_an_undone_correction_leaves_the_first_batch_undoable(db: Database, tmp_path: Path) -> None:
    """The row came back through an undo and carries that one's transaction: not somebody else's change."""
    first = load_file(db, write(tmp_path / "one.csv", trade("T1")))
    second = load_file(db, write(tmp_path / "two.csv", trade("T1", profit="7")))
    undo_load(db, second.batch_id)
    assert undo_load(db, first.batch_id).rows_gone == 1
    assert everything(db) == []


def test_loads_after_an_undo_work_as_before(db: Database, tmp_path: Path) -> None:
    first: LoadResult = load_file(db, write(tmp_path / "one.csv", trade("T1"), trade("T2")))
    undo_load(db, first.batch_id)
    again = load_file(db, write(tmp_path / "two.csv", trade("T1", profit="3")))
    assert (again.rows_inserted, again.rows_updated) == (1, 0)


@pytest.mark.parametrize("months", ["that hold trades", "that are empty"])
def test_a_batch_that_went_straight_into_its_months_is_taken_back(db: Database, tmp_path: Path, months: str) -> None:
    if months == "that hold trades":
        load_file(db, write(tmp_path / "old.csv", trade("T0", "2025-02-20", account_id="A0"), trade("other")))
    before = everything(db)
    result = load_file(db, many(tmp_path / "one.csv", 60_000))
    assert result.path_taken != "merged"
    undone = undo_load(db, result.batch_id)
    assert (undone.rows_gone, undone.rows_returned) == (60_000, int(months == "that hold trades"))
    assert everything(db) == before


def test_trades_that_were_busted_return_unless_a_later_batch_brought_them_back(db: Database, tmp_path: Path) -> None:
    load_file(db, write(tmp_path / "one.csv", trade("T1"), trade("T2"), trade("T3", "2025-03-04")))
    before = everything(db)
    path = write(tmp_path / "two.csv", trade("T1", profit="7"))
    second = load_file(db, path, replace_days=True)
    assert second.rows_removed == 1
    undo_load(db, second.batch_id)
    assert everything(db) == before
    again = load_file(db, path, replace_days=True)
    third = load_file(db, write(tmp_path / "three.csv", trade("T2", profit="5")))
    with pytest.raises(
        UndoRefused,
        match=rf"batch {third.batch_id} \(.*\) has since changed 1 key of it, for example account_id A1, trade_id T2",
    ):
        undo_load(db, again.batch_id)


def test_positions_that_a_snapshot_closed_return(db: Database, tmp_path: Path) -> None:
    first, second = ROWS["open_trades"]
    load_file(db, write_rows(tmp_path / "one.csv", [first, second, first | {"account_id": "A2"}]))
    before = everything(db, "raw_trades_open")
    closing = load_file(db, write_rows(tmp_path / "two.csv", [first | {"current_price": "1.2"}]), complete=True)
    assert closing.rows_removed == 2
    assert undo_load(db, closing.batch_id).rows_returned == 3
    assert everything(db, "raw_trades_open") == before
