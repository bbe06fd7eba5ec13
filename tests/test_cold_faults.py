"""Archives and restores that are killed, locked out or at work beside others: the month is readable from exactly one side all the
while, and the same command ends the work."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.partitions.cold import both_sides
from dpm_assets.partitions.cold.archive import archive
from dpm_assets.refresh.verify import verify
from tests.cold import (
    FEBRUARY,
    JANUARY,
    LATE_TRADE,
    LEAF,
    archived,
    file_under,
    part_of,
    restored,
    shown,
    state,
    table_rows,
    trades_read,
)  # fmt: skip
from tests.cold_victims import archive_until, killed, restore_until
from tests.interleaving import SECONDS, Connection, sent_off, session, wait_until_blocked
from tests.trade_rows import rows, value


@pytest.fixture
def trades(refreshed: Connection, db: Database) -> list[tuple[str, str]]:
    return trades_read(db)


@pytest.mark.kill
@pytest.mark.parametrize("step", ["frozen", "writing", "written", "verified", "recorded", "detached", "cold"])
def test_an_archive_that_is_killed_goes_on(
    refreshed: Connection, db: Database, tmp_path: Path, trades: list[tuple[str, str]], step: str
) -> None:
    before, history = table_rows(db), shown(db)
    killed(archive_until(db.url, tmp_path, part_of(JANUARY), step))
    assert trades_read(db) == trades
    assert state(db) == ("cold" if step == "cold" else "archiving")
    with pytest.raises(psycopg.DatabaseError, match=r"being archived|no partition"):
        refreshed.execute(LATE_TRADE)
    assert archived(db, tmp_path)[-1] == "cold"
    assert trades_read(db) == trades and shown(db) == history
    assert [path.name for path in file_under(tmp_path).parent.iterdir()] == ["trades.parquet"]
    assert restored(db)[-1] == "hot"
    assert table_rows(db) == before and verify(db).total == 0


@pytest.mark.kill
@pytest.mark.parametrize("step", ["frozen", "writing", "written", "verified", "recorded", "detached"])
def test_an_archive_that_was_killed_can_be_taken_back(
    refreshed: Connection, db: Database, tmp_path: Path, trades: list[tuple[str, str]], step: str
) -> None:
    before = table_rows(db)
    killed(archive_until(db.url, tmp_path, part_of(JANUARY), step))
    assert restored(db) == ["hot"]
    assert table_rows(db) == before and trades_read(db) == trades
    assert (
        rows(
            db,
            "select conname from pg_constraint where conrelid = %s::regclass and contype = 'c' and coninhcount = 0",
            LEAF,
        )
        == []
    )
    refreshed.execute(LATE_TRADE)
    refreshed.execute("call refresh_warehouse()")
    assert verify(db).total == 0
    assert not list(tmp_path.rglob("*.parquet*")), "nobody would know of it"
    assert archived(db, tmp_path)[-1] == "cold"


@pytest.mark.kill
@pytest.mark.parametrize("step", ["frozen", "writing", "written", "verified", "recorded", "detached"])
def test_an_archive_that_goes_on_in_another_place_leaves_nothing_in_the_first(
    refreshed: Connection, db: Database, tmp_path: Path, trades: list[tuple[str, str]], step: str
) -> None:
    before = table_rows(db)
    killed(archive_until(db.url, tmp_path / "first", part_of(JANUARY), step))
    assert archived(db, tmp_path / "second")[-1] == "cold"
    assert list(tmp_path.rglob("*.parquet*")) == [file_under(tmp_path / "second")]
    assert trades_read(db) == trades
    assert restored(db)[-1] == "hot"
    assert table_rows(db) == before and not list(tmp_path.rglob("*.parquet*"))


@pytest.mark.kill
@pytest.mark.parametrize("then", ["archived again", "restored"])
def test_the_file_of_an_archive_that_was_half_taken_back_is_known(
    refreshed: Connection, db: Database, tmp_path: Path, trades: list[tuple[str, str]], then: str
) -> None:
    """Killed when the month was hot again and the file not deleted."""
    killed(archive_until(db.url, tmp_path, part_of(JANUARY), "written"))
    refreshed.execute("select abandon_archive('raw_trades_closed', '2024-01-01')")
    assert state(db) == "hot" and file_under(tmp_path).exists()
    if then == "restored":
        assert restored(db) == ["hot"] and not file_under(tmp_path).exists()
    assert archived(db, tmp_path)[-1] == "cold" and trades_read(db) == trades


@pytest.mark.kill
@pytest.mark.parametrize("step", ["restoring", "copying", "attached", "deleted", "hot"])
def test_a_restore_that_is_killed_goes_on(
    refreshed: Connection, db: Database, tmp_path: Path, trades: list[tuple[str, str]], step: str
) -> None:
    before, history = table_rows(db), shown(db)
    archived(db, tmp_path)
    killed(restore_until(db.url, tmp_path, part_of(JANUARY), step))
    assert trades_read(db) == trades
    assert state(db) == ("restoring" if step in ("restoring", "copying") else "hot")
    assert restored(db)[-1] == "hot"
    assert table_rows(db) == before and trades_read(db) == trades and shown(db) == history
    assert not file_under(tmp_path).exists()
    assert value(db, "select count(*) from cold_files") == 0


def test_a_reader_with_a_long_transaction_is_waited_for_and_the_detach_finished_later(
    refreshed: Connection, db: Database, database_url: str, tmp_path: Path, trades: list[tuple[str, str]]
) -> None:
    with session(database_url) as reader:
        reader.execute("set transaction isolation level repeatable read")
        count = reader.execute("select count(*) from raw_trades_closed").fetchone()
        with pytest.raises(DpmError, match=r"not cold yet: a transaction that has read the trades .* archive it again"):
            archived(db, tmp_path, readers_seconds=0.5)
        assert reader.execute("select count(*) from raw_trades_closed").fetchone() == count
        assert value(db, "select attachment_of('raw_trades_closed', '2024-01-01')") == "pending"
        assert state(db) == "archiving" and trades_read(db) == trades
        with pytest.raises(psycopg.DatabaseError, match="being archived"):
            refreshed.execute("select ensure_trade_months('{2024-01-01}')")
    assert archived(db, tmp_path)[-1] == "cold"
    assert trades_read(db) == trades


def test_a_detach_that_is_pending_freezes_no_other_month_and_is_finished_for_it(
    refreshed: Connection, db: Database, database_url: str, tmp_path: Path, trades: list[tuple[str, str]]
) -> None:
    """A table detaches one partition at a time."""
    with session(database_url) as reader:
        reader.execute("select count(*) from raw_trades_closed")
        with pytest.raises(DpmError, match="2024-01 is not cold yet"):
            archived(db, tmp_path, readers_seconds=0.2)
        with pytest.raises(DpmError, match=f"2024-02 cannot be archived yet: {LEAF} is still being detached"):
            archived(db, tmp_path, FEBRUARY, readers_seconds=0.2)
        assert state(db, FEBRUARY) == "hot" and not file_under(tmp_path, FEBRUARY).exists()
    assert archived(db, tmp_path, FEBRUARY)[-1] == "cold"
    assert state(db) == "archiving" and trades_read(db) == trades
    assert archived(db, tmp_path)[-1] == "cold" and trades_read(db) == trades


def test_a_month_that_was_frozen_behind_a_pending_detach_goes_on(
    refreshed: Connection, db: Database, database_url: str, tmp_path: Path, trades: list[tuple[str, str]]
) -> None:
    with session(database_url) as reader:
        reader.execute("select count(*) from raw_trades_closed")
        for step in archive(db, part_of(FEBRUARY), tmp_path):
            if step.name == "recorded":
                break
        with pytest.raises(DpmError, match="2024-01 is not cold yet"):
            archived(db, tmp_path, readers_seconds=0.2)
    assert state(db, FEBRUARY) == "archiving"
    assert archived(db, tmp_path, FEBRUARY)[-1] == "cold"
    assert archived(db, tmp_path)[-1] == "cold" and trades_read(db) == trades


def test_a_detach_that_is_pending_can_be_taken_back(
    refreshed: Connection, db: Database, database_url: str, tmp_path: Path
) -> None:
    before = table_rows(db)
    with session(database_url) as reader:
        reader.execute("select count(*) from raw_trades_closed")
        with pytest.raises(DpmError, match="not cold yet"):
            archived(db, tmp_path, readers_seconds=0.2)
    assert restored(db) == ["hot"]
    assert table_rows(db) == before and not file_under(tmp_path).exists()


def test_a_reader_never_sees_a_month_twice_or_not_at_all(
    refreshed: Connection, db: Database, tmp_path: Path, trades: list[tuple[str, str]]
) -> None:
    """It reads without a pause while two months go and come."""
    stop = threading.Event()

    def read_on() -> int:
        count = 0
        while not stop.is_set():
            assert trades_read(db) == trades
            count += 1
        return count

    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(read_on)
        try:
            for month in (JANUARY, FEBRUARY, JANUARY):
                assert archived(db, tmp_path, month)[-1] == "cold"
                assert restored(db, month)[-1] == "hot"
        finally:
            stop.set()
        assert reader.result(SECONDS) > 3


def test_a_month_stays_where_a_reader_has_found_it(
    refreshed: Connection, db: Database, tmp_path: Path, trades: list[tuple[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between finding the months and reading the trades an archive is run: its detach has to wait for the reader."""
    read_hot = both_sides._read_hot

    def read_after_an_archive(*found: Any) -> Any:
        monkeypatch.undo()
        with pytest.raises(DpmError, match="not cold yet"):
            archived(db, tmp_path, readers_seconds=0.2)
        return read_hot(*found)

    monkeypatch.setattr(both_sides, "_read_hot", read_after_an_archive)
    assert trades_read(db) == trades
    assert archived(db, tmp_path)[-1] == "cold" and trades_read(db) == trades


@pytest.mark.parametrize("statement", [
    LATE_TRADE, "update raw_trades_closed set profit = 1 where trade_date = '2024-01-09'", "truncate raw_trades_closed",
    "update raw_trades_closed set trade_date = '2024-01-09' where trade_date = '2024-02-02'",
    "delete from raw_trades_closed where account_id = 'a1'", f"delete from {LEAF}", f"truncate {LEAF}",
])  # fmt: skip
def test_a_writer_into_a_month_that_is_being_archived_is_refused(
    refreshed: Connection, db: Database, tmp_path: Path, statement: str
) -> None:
    trades = trades_read(db)
    steps = archive(db, part_of(JANUARY), tmp_path)
    for step in steps:
        if step.name in ("frozen", "written", "verified", "recorded"):
            with pytest.raises(psycopg.DatabaseError, match="the month 2024-01 is being archived") as refused:
                refreshed.execute(statement.encode())
            assert refused.value.sqlstate == "DPM01"
    assert trades_read(db) == trades


def test_a_writer_who_has_not_committed_keeps_the_month_hot(
    refreshed: Connection, db: Database, database_url: str, tmp_path: Path
) -> None:
    with session(database_url) as writer, session(database_url, autocommit=True) as archiver:
        writer.execute(LATE_TRADE)
        with sent_off(archiver, "select begin_archive('raw_trades_closed', '2024-01-01')") as begun:
            wait_until_blocked(refreshed, archiver)
            writer.commit()
            with pytest.raises(psycopg.errors.ObjectInUse, match="changes that its rollups do not show"):
                begun.result(SECONDS)
    assert state(db) == "hot"
    refreshed.execute("call refresh_warehouse()")
    assert archived(db, tmp_path)[-1] == "cold"
    assert ("a1", "late") in trades_read(db)


def test_two_archivers_at_once_archive_a_month_once(
    refreshed: Connection, db: Database, tmp_path: Path, trades: list[tuple[str, str]]
) -> None:
    said: list[str] = []
    first = archive(db, part_of(JANUARY), tmp_path)
    assert next(first).name == "frozen"
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(lambda: archived(db, tmp_path, say=said.append))
        give_up = time.monotonic() + SECONDS
        while not said:
            assert time.monotonic() < give_up, "the second never met the first"
            time.sleep(0.01)
        assert [step.name for step in first][-1] == "cold"
        assert second.result(SECONDS) == ["cold"]
    assert said == ["Another archive, restore or backup is at work; waiting for it."]
    assert trades_read(db) == trades
