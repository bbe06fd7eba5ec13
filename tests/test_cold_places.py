"""Places of the archive that are full, out of reach or damaged: the month is readable from exactly one side all the while, and
nothing is dropped for the sake of a file that is not right."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import fsspec
import pytest

from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.partitions.cold import places
from dpm_assets.partitions.cold.restore import restore
from dpm_assets.refresh.verify import verify
from tests.cold import (
    JANUARY,
    LATE_TRADE,
    LEAF,
    archived,
    file_under,
    part_of,
    restored,
    state,
    table_rows,
    trades_read,
)  # fmt: skip
from tests.interleaving import Connection
from tests.trade_rows import value


def test_a_full_disk_leaves_the_month_hot(refreshed: Connection, db: Database, small_disk: Path) -> None:
    """The disk of the archive, which has no room for a file of 400 trades."""
    (small_disk / "filler").write_bytes(b"0" * (4 * 2**20 - 4096))
    with pytest.raises(DpmError, match=r"could not be written: No space left on device"):
        archived(db, small_disk)
    assert state(db) == "hot" and not list(small_disk.rglob("*.parquet*"))
    refreshed.execute(LATE_TRADE)
    refreshed.execute("call refresh_warehouse()")
    (small_disk / "filler").unlink()
    assert archived(db, small_disk)[-1] == "cold"


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 4 MB."""
    folder = Path(tempfile.mkdtemp(prefix="dpm-small-"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "dpm-small", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        folder.rmdir()
        pytest.skip(f"a small file system needs a privilege: {mounted.stderr.strip() or mounted.stdout.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()


class Bucket(fsspec.AbstractFileSystem):  # type: ignore[misc]
    """A bucket in a folder, which can be cut off, or spoil what it is given."""

    protocol = "bucket"
    cachable = False
    folder: Path
    up = True
    spoils = False

    def _path(self, path: str) -> Path:
        if not Bucket.up:
            raise ConnectionError("the bucket does not answer")
        return Bucket.folder / path.removeprefix("bucket://")

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        self._path(path).mkdir(parents=True, exist_ok=exist_ok)

    def put_file(self, lpath: str, rpath: str, **_: Any) -> None:
        data = bytearray(Path(lpath).read_bytes())
        if Bucket.spoils:
            data[len(data) // 3] ^= 1
        self._path(rpath).write_bytes(data)

    def get_file(self, rpath: str, lpath: str, **_: Any) -> None:
        Path(lpath).write_bytes(self._path(rpath).read_bytes())

    def rm_file(self, path: str) -> None:
        self._path(path).unlink()

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        return {"name": path, "size": self._path(path).stat().st_size, "type": "file"}

    def ls(self, path: str, detail: bool = True, **_: Any) -> list[Any]:
        there = [self.info(f"{path}/{each.name}") for each in self._path(path).iterdir()]
        return there if detail else [each["name"] for each in there]

    def modified(self, path: str) -> datetime:
        return datetime.fromtimestamp(self._path(path).stat().st_mtime, timezone.utc)

    def _open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        return self._path(path).open(mode)


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[type[Bucket]]:
    fsspec.register_implementation("bucket", Bucket, clobber=True)
    Bucket.folder, Bucket.up, Bucket.spoils = tmp_path, True, False
    yield Bucket
    Bucket.up = True


def test_a_bucket_holds_months_as_a_folder_does(
    refreshed: Connection, db: Database, bucket: type[Bucket], tmp_path: Path
) -> None:
    trades = trades_read(db)
    before = table_rows(db)
    assert archived(db, "bucket://cold")[-1] == "cold"
    assert file_under(tmp_path / "cold").exists() and trades_read(db) == trades
    assert verify(db, cold=True).total == 0
    assert restored(db)[-1] == "hot"
    assert table_rows(db) == before and not file_under(tmp_path / "cold").exists()


def test_a_bucket_out_of_reach_leaves_the_month_as_it_is(
    refreshed: Connection, db: Database, bucket: type[Bucket]
) -> None:
    trades = trades_read(db)
    bucket.up = False
    with pytest.raises(DpmError, match=r"could not be written: the bucket does not answer"):
        archived(db, "bucket://cold")
    assert state(db) == "hot"
    bucket.up = True
    archived(db, "bucket://cold")
    bucket.up = False
    with pytest.raises(DpmError, match=r"could not be read: the bucket does not answer"):
        restored(db)
    assert state(db) == "cold"
    with pytest.raises(DpmError, match=r"A file of the archive cannot be read: .*Nothing was read"):
        trades_read(db)
    bucket.up = True
    assert trades_read(db) == trades
    assert restored(db)[-1] == "hot"


def test_a_flipped_bit_is_found_before_anything_is_dropped(
    refreshed: Connection, db: Database, bucket: type[Bucket]
) -> None:
    trades = trades_read(db)
    bucket.spoils = True
    with pytest.raises(DpmError, match=r"is damaged: it is not the file that was written. Nothing was dropped"):
        archived(db, "bucket://cold")
    assert state(db) == "hot" and value(db, "select attachment_of('raw_trades_closed', '2024-01-01')") == "yes"
    assert trades_read(db) == trades


@pytest.mark.parametrize("place", ["first", "third", "last"])
def test_a_flipped_bit_is_found_at_restore(refreshed: Connection, db: Database, tmp_path: Path, place: str) -> None:
    before = table_rows(db)
    archived(db, tmp_path)
    good = file_under(tmp_path).read_bytes()
    bad = bytearray(good)
    bad[{"first": 0, "third": len(bad) // 3, "last": len(bad) - 1}[place]] ^= 1
    file_under(tmp_path).write_bytes(bad)
    with pytest.raises(DpmError, match=r"is damaged.* Put the file back from a copy of yours"):
        restored(db)
    assert state(db) == "cold" and value(db, "select attachment_of('raw_trades_closed', '2024-01-01')") is None
    file_under(tmp_path).write_bytes(good)
    assert restored(db)[-1] == "hot" and table_rows(db) == before


def test_rows_that_are_not_those_that_were_archived_are_found_whatever_the_file_says(
    refreshed: Connection, db: Database, tmp_path: Path
) -> None:
    """The bytes are as recorded; what they hold is not: the second lock on the same door."""
    archived(db, tmp_path)
    refreshed.execute("update cold_files set content_sha256 = repeat('0', 64)")
    with pytest.raises(DpmError, match="its rows are not those that were archived"):
        restored(db)
    assert state(db) == "cold"


def test_a_missing_file_is_named(refreshed: Connection, db: Database, tmp_path: Path) -> None:
    archived(db, tmp_path)
    file_under(tmp_path).unlink()
    with pytest.raises(DpmError, match=r"trades\.parquet is not there\. Put the file back"):
        restored(db)
    with pytest.raises(DpmError, match=r"cannot be read.*trades\.parquet"):
        trades_read(db)
    assert state(db) == "cold"


def test_a_table_in_the_way_of_a_restore_is_named(refreshed: Connection, db: Database, tmp_path: Path) -> None:
    archived(db, tmp_path)
    refreshed.execute(f"create table {LEAF} (n integer)")
    with pytest.raises(DpmError, match=f"There is a table {LEAF} already"):
        restored(db)
    assert state(db) == "cold"
    refreshed.execute(f"drop table {LEAF}")
    assert [step.name for step in restore(db, part_of(JANUARY))][-1] == "hot"


def test_files_are_flushed_before_they_take_their_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[int] = []
    monkeypatch.setattr(os, "fsync", flushed.append)
    with places.written_to(str(tmp_path / "a" / "trades.parquet")) as path:
        path.write_bytes(b"x")
    assert len(flushed) == 3 and (tmp_path / "a" / "trades.parquet").read_bytes() == b"x"
    with (
        pytest.raises(DpmError, match="could not be written"),
        places.written_to(str(tmp_path / "a" / "trades.parquet")) as path,
    ):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")
    assert (tmp_path / "a" / "trades.parquet").read_bytes() == b"x"
