"""A late trade for a cold month restores it or is refused, as configured: never lost, never counted twice."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.loads import cold_copies
from dpm_assets.loads.faults import FileRefused
from dpm_assets.loads.load import load_file
from dpm_assets.loads.undo import undo_load
from dpm_assets.loads.undo_conflicts import UndoRefused
from dpm_assets.partitions.cold.archive import archive
from dpm_assets.partitions.cold.reading import read_trades
from dpm_assets.refresh.verify import verify
from dpm_assets.settings import settings
from tests.cold import JANUARY, archived, part_of, restored, set_date_style, state, trades_read
from tests.interleaving import session
from tests.trade_rows import many, trade, value, write

pytestmark = pytest.mark.sql


@pytest.fixture(params=["refuse", "restore"])
def policy(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("DPM_LATE_TRADES", request.param)
    settings.cache_clear()
    yield request.param
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture
def cold(db: Database, tmp_path: Path) -> Database:
    """Trades old-0 to old-99 of January 2024, which is cold, and new-0 of February."""
    rows = [trade(f"old-{n}", f"2024-01-{1 + n % 30:02}", account_id=f"A{n % 10}") for n in range(100)]
    load_file(db, write(tmp_path / "old.csv", *rows, trade("new-0", "2024-02-05")))
    refresh(db)
    archived(db, tmp_path / "cold")
    return db


def refresh(db: Database) -> None:
    with session(db.url, autocommit=True) as conn:
        conn.execute("call refresh_warehouse()")


def loaded_or_refused(db: Database, path: Path, policy: str, reason: str) -> None:
    """Refused with a sentence and nothing changed, or loaded with the month hot again."""
    before = trades_read(db)
    if policy == "restore":
        assert load_file(db, path).status == "loaded"
        assert state(db) == "hot"
        return
    with pytest.raises(FileRefused, match=reason):
        load_file(db, path)
    assert state(db) == "cold" and trades_read(db) == before
    assert restored(db)[-1] == "hot"
    assert load_file(db, path).status == "loaded"


def test_a_late_trade(cold: Database, tmp_path: Path, policy: str) -> None:
    late = write(tmp_path / "late.csv", trade("late", "2024-01-09"), trade("new-1", "2024-02-06"))
    loaded_or_refused(
        cold, late, policy, r"it holds trades of 2024-01.*dpm partitions restore 2024-01.*DPM_LATE_TRADES=restore"
    )
    refresh(cold)
    assert len(trades_read(cold)) == 103 and verify(cold).total == 0
    assert archived(cold, tmp_path / "cold")[-1] == "cold"
    assert len(trades_read(cold)) == 103


def test_a_late_file_that_is_large_enough_to_be_copied_directly(cold: Database, tmp_path: Path, policy: str) -> None:
    loaded_or_refused(cold, many(tmp_path / "late.csv", 60_000, "2024-01-10"), policy, "it holds trades of 2024-01")
    assert value(cold, "select count(*) from raw_trades_closed where trade_date < '2024-02-01'") == 60_100
    assert value(cold, "select path_taken from load_batches order by batch_id desc limit 1") == "direct"


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A load's keys are looked for in the archive a few at a time."""
    monkeypatch.setattr(cold_copies, "KEYS_AT_ONCE", 7_000)


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize(("rows", "moved"), [(1, 0), (60_000, 0), (60_000, 9)])
def test_a_correction_that_moves_a_trade_out_of_a_cold_month(
    cold: Database, tmp_path: Path, policy: str, rows: int, moved: int
) -> None:
    """Also one that is not in the first piece of the load's keys."""
    path = many(tmp_path / "moved.csv", rows, "2024-02-07")
    path.write_text(path.read_text().replace(f"T{moved},A{moved}", f"old-{moved},A{moved}", 1))
    loaded_or_refused(cold, path, policy, "it moves trades out of 2024-01")
    table = read_trades(f"A{moved}", columns=["trade_id", "trade_date"], db=cold).to_pylist()
    assert [row["trade_date"] for row in table if row["trade_id"] == f"old-{moved}"] == [date(2024, 2, 7)]
    assert value(cold, "select count(*) from load_corrections where kind = 'moved'") == 1
    refresh(cold)
    assert verify(cold).total == 0


def test_a_trade_of_another_account_or_far_away_is_no_old_copy(cold: Database, tmp_path: Path) -> None:
    near = write(tmp_path / "near.csv", trade("old-0", "2024-02-07", account_id="A5"))
    assert load_file(cold, near).status == "loaded"
    far = write(tmp_path / "far.csv", trade("old-1", "2024-06-07", account_id="A1"))
    assert load_file(cold, far).status == "loaded"
    assert state(cold) == "cold"
    with pytest.raises(FileRefused, match="it moves trades out of 2024-01"):
        load_file(cold, write(tmp_path / "full.csv", trade("old-1", "2024-06-08", account_id="A1")), full_history=True)


def test_old_copies_are_found_whatever_the_date_style_of_the_database(cold: Database, tmp_path: Path) -> None:
    with session(cold.url, autocommit=True) as conn:
        set_date_style(conn)
    moved = write(tmp_path / "moved.csv", trade("old-1", "2024-02-07", account_id="A1"))
    with Database(cold.url) as later, pytest.raises(FileRefused, match="it moves trades out of 2024-01"):
        load_file(later, moved)


def test_a_load_whose_old_copies_cannot_be_looked_for_stays_where_it_is(cold: Database, tmp_path: Path) -> None:
    next((tmp_path / "cold").rglob("*.parquet")).unlink()
    path = write(tmp_path / "near.csv", trade("new-1", "2024-02-07"))
    with pytest.raises(DpmError, match="could not be looked for in the archive") as refused:
        load_file(cold, path)
    assert not isinstance(refused.value, FileRefused), "the file is not at fault"
    assert value(cold, "select count(*) from raw_trades_closed") == 1


def test_a_load_into_a_month_that_is_being_archived_is_offered_again_later(cold: Database, tmp_path: Path) -> None:
    restored(cold)
    steps = archive(cold, part_of(JANUARY), tmp_path / "cold")
    assert next(steps).name == "frozen"
    for name, path in {
        "merged": write(tmp_path / "late.csv", trade("late", "2024-01-09")),
        "direct": many(tmp_path / "many.csv", 60_000, "2024-01-10"),
        "near": write(tmp_path / "near.csv", trade("new-1", "2024-02-07")),
    }.items():
        with pytest.raises(DpmError, match="2024-01 is on its way into the archive or back") as refused:
            load_file(cold, path)
        assert not isinstance(refused.value, FileRefused), name
    assert [step.name for step in steps][-1] == "cold"
    assert len(trades_read(cold)) == 101


def test_a_batch_of_a_cold_month_is_not_undone(cold: Database) -> None:
    batch = value(cold, "select max(batch_id) from load_batches")
    with pytest.raises(UndoRefused, match="it touched 2024-01, and that month is cold"):
        undo_load(cold, batch)
    restored(cold)
    with pytest.raises(UndoRefused, match="restored"):
        undo_load(cold, batch)
    assert len(trades_read(cold)) == 101
