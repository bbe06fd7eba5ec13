"""A disk that is really full, the server's or this machine's: one sentence, nothing half-loaded, and the file loads later."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.loads.faults import FileRefused
from dpm_assets.loads.load import load_file
from dpm_assets.server import EmbeddedServer
from tests import places
from tests.trade_rows import many, value, write


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 4 MB."""
    with places.small_disk("4m") as folder:
        yield folder


@pytest.fixture
def tablespace(server: EmbeddedServer, database_url: str, small_disk: Path) -> Iterator[str]:
    """A tablespace on the small disk, empty again at the end."""
    data = small_disk / "space"
    data.mkdir(mode=0o700)
    owner = server.state().data.stat()
    os.chown(data, owner.st_uid, owner.st_gid)
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute(f"create tablespace small location '{data}'".encode())
        conn.execute("grant create on tablespace small to public")
    yield "small"
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("alter table raw_trades_closed_2025_03 set tablespace pg_default")
        conn.execute(f"alter database {conn.info.dbname} reset temp_tablespaces".encode())
        conn.execute("drop tablespace small")


@pytest.mark.parametrize("full", ["the month's", "the temporary tables'"])
def test_a_full_disk_of_the_server_loads_nothing_and_the_file_later(
    db: Database, database_url: str, tmp_path: Path, tablespace: str, full: str
) -> None:
    load_file(db, write(tmp_path / "before.csv", "T0,A1,1,EURUSD,buy,2025-03-03,1,1",
                        header="trade_id,account_id,login,symbol,side,trade_date,lots,profit"))  # fmt: skip
    with psycopg.connect(database_url, autocommit=True) as conn:
        if full == "the month's":
            conn.execute("alter table raw_trades_closed_2025_03 set tablespace small")
        else:
            conn.execute(f"alter database {conn.info.dbname} set temp_tablespaces = 'small'".encode())
    # Its first row is known, so the file takes the way through a temporary table.
    path = many(tmp_path / "one.csv", 40_000, profit="1")
    path.write_text(path.read_text().replace("T0,A0,", "T0,A1,", 1))
    with Database(database_url) as fresh, pytest.raises(
        DpmError, match=r"one\.csv: the server's disk is full .*No space left on device.* Nothing was loaded\. Free space"
    ) as refused:  # fmt: skip
        load_file(fresh, path)
    assert not isinstance(refused.value, FileRefused), "the file is not at fault: it stays where it is"
    assert value(db, "select count(*) from raw_trades_closed") == 1
    assert value(db, "select count(*) from load_batches") == 1
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("alter table raw_trades_closed_2025_03 set tablespace pg_default")
        conn.execute(f"alter database {conn.info.dbname} reset temp_tablespaces".encode())
    with Database(database_url) as fresh:
        assert load_file(fresh, path).status == "loaded"
    assert value(db, "select count(*) from raw_trades_closed") == 40_000


def test_a_full_disk_of_this_machine_loads_nothing_and_the_file_later(
    db: Database, tmp_path: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rejects, which are set aside until the load commits, need more room than there is."""
    path = many(tmp_path / "one.csv", 60_000, lots="0")
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    with pytest.raises(
        DpmError, match=r"rejected rows could not be set aside in .*: No space left on device\. Nothing was loaded"
    ) as refused:
        load_file(db, path, max_rejects="100%")
    assert not isinstance(refused.value, FileRefused)
    assert value(db, "select count(*) from load_batches") == 0
    monkeypatch.undo()
    assert load_file(db, path, max_rejects="100%").rows_rejected == 60_000
