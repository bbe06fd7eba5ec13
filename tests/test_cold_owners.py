"""Files of the archive of which two databases may know: neither writes over, or deletes, what the other counts on."""

import shutil
from pathlib import Path

import pytest

from dpm_assets.backup.cold_files import bring_back_cold_files, copy_cold_files, disown_cold_files, listed_cold_files
from dpm_assets.backup.manifest import ColdFile
from dpm_assets.backup.sources import connect
from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.partitions.cold.restore import restore
from dpm_assets.partitions.cold.states import alone
from tests.cold import (
    JANUARY,
    LATE_TRADE,
    archived,
    archived_until,
    file_under,
    part_of,
    restored,
    set_date_style,
    state,
    trades_read,
)
from tests.cold_victims import archive_until, killed
from tests.interleaving import Connection, session
from tests.trade_rows import value


def silent(_: str) -> None:
    pass


def listed(db: Database) -> list[ColdFile]:
    with session(db.url, autocommit=True) as conn:
        return listed_cold_files(conn)


def brought_back(db: Database, cold: list[ColdFile], backup: Path, root: Path) -> list[str]:
    """As after the restore of a backup that has this list: what is told."""
    with session(db.url, autocommit=True) as conn:
        return bring_back_cold_files(conn, cold, backup, str(root), silent)


def become_a_copy(db: Database) -> None:
    """As after the restore of a backup, which holds what the database is now."""
    with session(db.url, autocommit=True) as conn:
        disown_cold_files(conn)


def test_a_file_of_another_database_is_not_written_over(refreshed: Connection, db: Database, tmp_path: Path) -> None:
    other = file_under(tmp_path)
    other.parent.mkdir(parents=True)
    other.write_bytes(b"the only copy of its rows")
    with pytest.raises(DpmError, match=r"this database knows nothing of it: .* a DPM_COLD_LOCATION of its own"):
        archived(db, tmp_path)
    assert other.read_bytes() == b"the only copy of its rows" and state(db) == "hot"


def test_a_restored_copy_leaves_the_file_of_its_original(refreshed: Connection, db: Database, tmp_path: Path) -> None:
    before = trades_read(db)
    archived(db, tmp_path / "original")
    assert brought_back(db, listed(db), tmp_path / "backup", tmp_path / "copy") == []
    assert trades_read(db) == before
    said = [step.said for step in restore(db, part_of(JANUARY))]
    assert said[-1].endswith("stays, since another database may count on it")
    assert file_under(tmp_path / "original").exists() and state(db) == "hot" and trades_read(db) == before


def test_a_copy_that_takes_an_archive_back_leaves_the_file_that_its_original_may_have_ended_with(
    refreshed: Connection, db: Database, tmp_path: Path
) -> None:
    before = trades_read(db)
    archived_until("recorded", db, tmp_path / "original")
    become_a_copy(db)
    assert restored(db) == ["hot"]
    assert file_under(tmp_path / "original").exists() and trades_read(db) == before


def test_a_copy_goes_on_with_an_archive_in_a_file_of_its_own(
    refreshed: Connection, db: Database, tmp_path: Path
) -> None:
    before = trades_read(db)
    archived_until("recorded", db, tmp_path / "original")
    become_a_copy(db)
    assert archived(db, tmp_path / "copy")[-1] == "cold" and trades_read(db) == before
    assert restored(db)[-1] == "hot" and trades_read(db) == before
    assert file_under(tmp_path / "original").exists() and not file_under(tmp_path / "copy").exists()


def test_a_copy_leaves_the_file_that_a_killed_restore_of_its_original_has_left(
    refreshed: Connection, db: Database, tmp_path: Path
) -> None:
    """Since then the original may have archived the month again, to the same place."""
    before = trades_read(db)
    archived(db, tmp_path / "original")
    for step in restore(db, part_of(JANUARY)):
        if step.name == "attached":
            break
    assert state(db) == "hot" and value(db, "select count(*) from cold_files") == 1
    become_a_copy(db)
    assert restored(db) == ["hot"]
    assert file_under(tmp_path / "original").exists() and trades_read(db) == before


@pytest.mark.kill
@pytest.mark.parametrize("step", ["written", "recorded"])
def test_a_copy_of_an_archive_that_was_under_way_leaves_the_file_of_its_original(
    refreshed: Connection, db: Database, tmp_path: Path, step: str
) -> None:
    before = trades_read(db)
    killed(archive_until(db.url, tmp_path / "original", part_of(JANUARY), step))
    become_a_copy(db)
    with pytest.raises(DpmError, match="this database knows nothing of it"):
        archived(db, tmp_path / "original")
    assert archived(db, tmp_path / "copy")[-1] == "cold"
    assert file_under(tmp_path / "original").exists() and trades_read(db) == before
    assert restored(db)[-1] == "hot"
    assert list(tmp_path.rglob("*.parquet*")) == [file_under(tmp_path / "original")]


def test_a_file_that_was_brought_back_stays_the_databases_own_when_a_restore_is_done_again(
    refreshed: Connection, db: Database, tmp_path: Path
) -> None:
    """As it is when another file was missing the first time."""
    archived(db, tmp_path / "original")
    cold, _ = copy_cold_files(listed(db), tmp_path / "backup", silent)
    become_a_copy(db)
    for _ in range(2):
        assert brought_back(db, cold, tmp_path / "backup", tmp_path / "copy") == []
    assert restored(db)[-1] == "hot"
    assert not file_under(tmp_path / "copy").exists() and file_under(tmp_path / "original").exists()


def test_a_file_from_the_backup_is_the_databases_own(refreshed: Connection, db: Database, tmp_path: Path) -> None:
    before = trades_read(db)
    archived(db, tmp_path / "original")
    cold, complaints = copy_cold_files(listed(db), tmp_path / "backup", silent)
    assert complaints == []
    assert brought_back(db, cold, tmp_path / "backup", tmp_path / "copy") == []
    shutil.rmtree(tmp_path / "original")
    assert trades_read(db) == before
    assert restored(db)[-1] == "hot"
    assert not file_under(tmp_path / "copy").exists() and trades_read(db) == before


def test_a_newer_file_in_the_place_of_that_of_a_backup_is_left_and_told(
    refreshed: Connection, db: Database, tmp_path: Path
) -> None:
    archived(db, tmp_path / "original")
    cold, _ = copy_cold_files(listed(db), tmp_path / "backup", silent)
    file_under(tmp_path / "original").write_bytes(b"archived again since")
    (told,) = brought_back(db, cold, tmp_path / "backup", tmp_path / "original")
    assert "is another file than that of the backup, and was left" in told
    assert file_under(tmp_path / "original").read_bytes() == b"archived again since"


def test_a_month_that_was_archived_anew_since_keeps_its_newer_file(
    refreshed: Connection, db: Database, tmp_path: Path
) -> None:
    """A backup that is restored again, when the file that it lists is still whole."""
    archived(db, tmp_path / "original")
    of_the_backup = listed(db)
    assert brought_back(db, of_the_backup, tmp_path / "backup", tmp_path / "copy") == []
    restored(db)
    refreshed.execute(LATE_TRADE)
    refreshed.execute("call refresh_warehouse()")
    archived(db, tmp_path / "copy")
    before = trades_read(db)
    assert brought_back(db, of_the_backup, tmp_path / "backup", tmp_path / "copy") == []
    assert trades_read(db) == before and restored(db)[-1] == "hot"


def test_a_backup_lists_files_by_their_month_whatever_the_date_style_of_the_database(
    refreshed: Connection, db: Database, tmp_path: Path
) -> None:
    archived(db, tmp_path)
    set_date_style(refreshed)
    with connect(db.url) as conn:
        assert [one.lower for one in listed_cold_files(conn)] == ["2024-01-01"]


def test_a_file_that_cannot_be_copied_spoils_no_backup(refreshed: Connection, db: Database, tmp_path: Path) -> None:
    archived(db, tmp_path / "original")
    file_under(tmp_path / "original").write_bytes(b"spoilt")
    cold, (told,) = copy_cold_files(listed(db), tmp_path / "backup", silent)
    assert "is damaged" in told and [one.copy for one in cold] == [None]
    assert not list((tmp_path / "backup").rglob("*.parquet"))


def test_the_file_of_a_month_that_is_hot_again_is_not_listed(
    refreshed: Connection, db: Database, tmp_path: Path
) -> None:
    """A restore that was killed when it had deleted the file."""
    archived(db, tmp_path)
    refreshed.execute("update partition_state set state = 'hot' where lower = '2024-01-01'")
    assert listed(db) == []


def test_a_url_of_this_machine_is_a_folder(refreshed: Connection, db: Database, tmp_path: Path) -> None:
    """A file system of URLs would copy the file without a flush to the disk."""
    assert archived(db, f"file://{tmp_path}")[-1] == "cold"
    assert [one.location for one in listed(db)] == [str(file_under(tmp_path))]


def test_whoever_waits_for_another_archiver_can_be_stopped(db: Database) -> None:
    def stop() -> None:
        raise InterruptedError

    with alone(db, silent), pytest.raises(InterruptedError), alone(db, silent, stop):
        pass
