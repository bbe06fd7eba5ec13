"""A database of one's own server, backed up and restored beside the original, which goes on."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from dpm_assets.database import Database
from dpm_assets.server import EmbeddedServer
from tests.cold import archived, archived_until, file_under, restored, trades_read
from tests.command_line import dpm
from tests.interleaving import Connection, session

pytestmark = pytest.mark.sql


@pytest.fixture
def copy_url(server: EmbeddedServer) -> Iterator[str]:
    """An empty database, in whose place a copy can come."""
    name = f"copy_{uuid4().hex[:12]}"
    server.create_database(name)
    yield server.url(name)
    with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
        for left in (name, f"{name}_restoring"):
            admin.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(left)))


def copied(url: str, backup: Path, copy_url: str) -> None:
    taken = dpm(url, "backup", backup)
    assert taken.returncode == 0, taken.stdout + taken.stderr
    made = dpm(copy_url, "restore", backup)
    assert made.returncode == 0, made.stdout + made.stderr


def test_a_copy_never_deletes_the_file_that_its_original_has_ended_an_archive_with(
    refreshed: Connection, db: Database, copy_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The backup was taken when the file was recorded and the partition still there."""
    before = trades_read(db)
    archived_until("recorded", db, tmp_path / "original")
    monkeypatch.setenv("DPM_COLD_LOCATION", str(tmp_path / "copy"))
    copied(db.url, tmp_path / "backup", copy_url)
    assert archived(db, tmp_path / "original")[-1] == "cold"
    with Database(copy_url) as copy:
        assert restored(copy) == ["hot"]
        assert trades_read(copy) == before
    assert file_under(tmp_path / "original").exists() and trades_read(db) == before


def test_a_copy_used_with_the_home_of_its_original_never_deletes_the_originals_file(
    refreshed: Connection, db: Database, copy_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The archive is where it is when nothing is set: in the home."""
    before = trades_read(db)
    monkeypatch.setenv("DPM_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("DPM_COLD_LOCATION", raising=False)
    assert archived(db, tmp_path / "home" / "cold")[-1] == "cold"
    copied(db.url, tmp_path / "backup", copy_url)
    with Database(copy_url) as copy:
        assert restored(copy)[-1] == "hot"
        assert trades_read(copy) == before
    assert file_under(tmp_path / "home" / "cold").exists() and trades_read(db) == before


def test_tables_of_whichever_name_are_in_a_backup(database_url: str, copy_url: str, tmp_path: Path) -> None:
    names = ("Sheet", "Sheet 1", " ", 'in "quotes"', "of two\nlines", "of two\u2028lines", "Umsätze", "a.b", "50%s")
    with session(database_url, autocommit=True) as conn:
        conn.execute('create schema "a schema"')
        for name in names:
            table = sql.Identifier("a schema", name)
            conn.execute(sql.SQL("create table {} as select {} as called").format(table, sql.Literal(name)))
    copied(database_url, tmp_path / "backup", copy_url)
    with session(copy_url) as conn:
        for name in names:
            found = conn.execute(sql.SQL("select called from {}").format(sql.Identifier("a schema", name)))
            assert found.fetchall() == [(name,)]
