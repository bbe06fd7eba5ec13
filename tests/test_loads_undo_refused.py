"""An undo that would lose what others did since: nothing happens, and the reason is said."""

import threading
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.loads.load import LoadResult, load_file
from dpm_assets.loads.undo import undo_load
from dpm_assets.loads.undo_conflicts import UndoRefused
from tests.interleaving import session
from tests.trade_rows import everything, many, trade, value, wait_for, write

pytestmark = pytest.mark.sql


def write_as_somebody_else(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(statement.encode())


def test_a_later_batch_that_changed_the_same_keys_is_named_and_comes_first(db: Database, tmp_path: Path) -> None:
    first = load_file(db, many(tmp_path / "one.csv", 40))
    second = load_file(db, many(tmp_path / "two.csv", 10, first=5, profit="2"))
    third = load_file(db, many(tmp_path / "three.csv", 3, first=5, profit="3"))
    before = everything(db)
    with pytest.raises(
        UndoRefused,
        match=rf"Batch {first.batch_id} stays: batch {second.batch_id} \(.*two\.csv, .* UTC\) has since changed 10 keys of it,"
        rf" for example account_id A\d+, trade_id T\d+\. Undo batch {second.batch_id} first\.",
    ):
        undo_load(db, first.batch_id)
    with pytest.raises(UndoRefused, match=rf"batch {third.batch_id} .* has since changed 3 keys"):
        undo_load(db, second.batch_id)
    assert everything(db) == before
    for batch in (third, second, first):
        undo_load(db, batch.batch_id)
    assert everything(db) == []


def test_a_batch_that_a_later_one_moved_to_another_date_is_kept(db: Database, tmp_path: Path) -> None:
    first = load_file(db, write(tmp_path / "one.csv", trade("T1"), trade("T2")))
    load_file(db, write(tmp_path / "two.csv", trade("T1", "2025-03-20")))
    with pytest.raises(UndoRefused, match=r"has since changed 1 key of it, for example account_id A1, trade_id T1\."):
        undo_load(db, first.batch_id)


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("update raw_trades_closed set profit = 8 where trade_id = 'T1'", "1 of its rows were changed since"),
        (
            "update raw_trades_closed set load_batch_id = null where trade_id = 'T1'",
            "1 of its rows are no longer there",
        ),
        ("delete from raw_trades_closed", "2 of its rows are no longer there"),
        ("truncate raw_trades_closed", "2 of its rows are no longer there"),
        (
            "alter table raw_trades_closed detach partition raw_trades_closed_2025_03",
            "2 of its rows are no longer there",
        ),
    ],
)
def test_rows_that_somebody_else_changed_or_deleted_are_not_overwritten(
    db: Database, database_url: str, tmp_path: Path, statement: str, reason: str
) -> None:
    result = load_file(db, write(tmp_path / "one.csv", trade("T1"), trade("T2")))
    write_as_somebody_else(database_url, statement)
    before = everything(db)
    with pytest.raises(UndoRefused, match=rf"Batch {result.batch_id} stays: {reason}"):
        undo_load(db, result.batch_id)
    assert everything(db) == before
    assert value(db, "select status from load_batches") == "loaded"


def test_vacuum_freeze_does_not_pass_for_a_change(db: Database, database_url: str, tmp_path: Path) -> None:
    result = load_file(db, write(tmp_path / "one.csv", trade("T1")))
    write_as_somebody_else(database_url, "vacuum (freeze, full) raw_trades_closed")
    assert undo_load(db, result.batch_id).rows_gone == 1


def test_a_batch_that_touched_an_archived_month_is_kept(db: Database, database_url: str, tmp_path: Path) -> None:
    load_file(db, write(tmp_path / "one.csv", trade("T1", "2025-02-20")))
    second = load_file(db, write(tmp_path / "two.csv", trade("T1")))
    write_as_somebody_else(database_url, "insert into month_state (month, state) values ('2025-02-01', 'cold')")
    with pytest.raises(UndoRefused, match=r"it touched 2025-02, and that month is cold\. Restore the month"):
        undo_load(db, second.batch_id)


def test_a_row_whose_month_is_gone_keeps_the_batch(db: Database, database_url: str, tmp_path: Path) -> None:
    load_file(db, write(tmp_path / "one.csv", trade("T1", "2025-02-20")))
    second = load_file(db, write(tmp_path / "two.csv", trade("T1")))
    write_as_somebody_else(database_url, "drop table raw_trades_closed_2025_02")
    with pytest.raises(UndoRefused, match=r"has nowhere to return to .*2025-02-20.* Make or attach that partition"):
        undo_load(db, second.batch_id)
    assert value(db, "select count(*) from raw_trades_closed") == 1


def test_what_cannot_be_undone_is_said_in_a_sentence(db: Database, database_url: str, tmp_path: Path) -> None:
    with pytest.raises(DpmError, match=r"There is no batch 99\. See `dpm loads list`\."):
        undo_load(db, 99)
    bad = [trade(f"T{number}", lots="0") for number in range(1_000)]
    refused = load_file(db, write(tmp_path / "bad.csv", *bad))
    with pytest.raises(UndoRefused, match=r"was refused when it was offered: there is nothing to undo"):
        undo_load(db, refused.batch_id)
    result = load_file(db, write(tmp_path / "one.csv", trade("T1")))
    write_as_somebody_else(database_url, "update load_batches set transactions = null")
    with pytest.raises(UndoRefused, match=r"was loaded before the ledger noted what an undo needs"):
        undo_load(db, result.batch_id)
    write_as_somebody_else(
        database_url, "update load_batches set status = 'undone', undone_by = 'eve', undone_at = now()"
    )
    with pytest.raises(UndoRefused, match=r"was undone already, by eve at 20\d\d-"):
        undo_load(db, result.batch_id)


def test_a_changed_row_of_a_batch_that_went_straight_in_is_noticed(
    db: Database, database_url: str, tmp_path: Path
) -> None:
    result = load_file(db, many(tmp_path / "one.csv", 60_000))
    write_as_somebody_else(database_url, "update raw_trades_closed set profit = 8 where trade_id in ('T7', 'T59999')")
    with pytest.raises(UndoRefused, match=r"Batch 1 stays: 2 of its rows were changed since"):
        undo_load(db, result.batch_id)


def undo_in_a_thread(db: Database, batch_id: int) -> tuple[threading.Thread, list[Any]]:
    """The thread, started, and the list into which it puts what came of the undo."""
    outcome: list[Any] = []

    def undo() -> None:
        try:
            outcome.append(undo_load(db, batch_id))
        except Exception as error:  # handed to the test
            outcome.append(error)

    thread = threading.Thread(target=undo)
    thread.start()
    return thread, outcome


def test_an_undo_waits_for_a_load_of_its_feed_and_then_sees_what_it_did(
    db: Database, database_url: str, tmp_path: Path
) -> None:
    """The load has corrected the row and commits while the undo waits: the undo must not overwrite the correction."""
    first = load_file(db, write(tmp_path / "one.csv", trade("T1")))
    with session(database_url) as loading:
        loading.execute("select pg_advisory_xact_lock(hashtextextended('prop_trading_model.loads.trades', 0))")
        thread, outcome = undo_in_a_thread(db, first.batch_id)
        wait_for(db, "select count(*) from pg_locks where locktype = 'advisory' and not granted")
        loading.execute(
            "insert into load_batches (batch_id, file, sha256, feed, bytes, status)"
            " values (50, 'two.csv', repeat('a', 64), 'trades', 1, 'loaded')"
        )
        loading.execute(
            "insert into load_corrections (batch_id, key, kind, before)"
            ' select 50, \'{"account_id": "A1", "trade_id": "T1"}\', \'corrected\', to_jsonb(r) from raw_trades_closed as r'
        )
        loading.execute("update raw_trades_closed set profit = 7, load_batch_id = 50")
        assert outcome == []
        loading.commit()
        thread.join(timeout=60)
    assert isinstance(outcome[0], UndoRefused) and "batch 50 (two.csv" in str(outcome[0])
    assert float(value(db, "select profit from raw_trades_closed")) == 7


def test_a_row_that_is_changed_while_it_is_being_deleted_stops_the_undo(
    db: Database, database_url: str, tmp_path: Path
) -> None:
    """Somebody holds one row changed and uncommitted; the undo waits for it, and must notice the change."""
    first = load_file(db, write(tmp_path / "one.csv", trade("T1"), trade("T2")))
    with session(database_url) as other:
        other.execute("update raw_trades_closed set profit = 9 where trade_id = 'T2'")
        thread, outcome = undo_in_a_thread(db, first.batch_id)
        wait_for(db, "select count(*) from pg_locks where locktype = 'transactionid' and not granted")
        other.commit()
        thread.join(timeout=60)
    assert isinstance(outcome[0], UndoRefused) and "1 of its rows were changed since" in str(outcome[0])
    assert value(db, "select count(*) from raw_trades_closed") == 2


def test_a_batch_that_began_earlier_and_was_committed_later_is_undone_first(db: Database, tmp_path: Path) -> None:
    """Its number is the lower one, drawn before its file was read."""
    first = load_file(db, write(tmp_path / "one.csv", trade("T1")))
    overtaking: list[LoadResult] = []

    def load_another(_: int, __: int) -> None:
        if not overtaking:
            overtaking.append(load_file(db, write(tmp_path / "three.csv", trade("T1", profit="3"))))

    second = load_file(db, write(tmp_path / "two.csv", trade("T1", profit="2")), progress=load_another)
    [third] = overtaking
    assert third.batch_id > second.batch_id and float(value(db, "select profit from raw_trades_closed")) == 2
    with pytest.raises(UndoRefused, match=rf"batch {second.batch_id} \(.*two\.csv, .* has since changed 1 key of it"):
        undo_load(db, third.batch_id)
    for batch, profit in ((second, 3), (third, 10)):
        undo_load(db, batch.batch_id)
        assert float(value(db, "select profit from raw_trades_closed")) == profit
    undo_load(db, first.batch_id)
    assert everything(db) == []
