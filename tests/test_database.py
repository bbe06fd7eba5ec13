"""Connections: what a user reads when there is none, and the rules of SQL files."""

from pathlib import Path

import pytest

from dpm_assets import database
from dpm_assets.database import Database, expand
from dpm_assets.errors import DpmError

pytestmark = pytest.mark.sql


def test_a_server_that_is_too_old_is_named_with_what_is_needed(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "OLDEST_POSTGRESQL", 99)
    with (
        Database(database_url) as db,
        pytest.raises(DpmError, match=r"needs 99 or newer\. Upgrade the server"),
        db.connection(),
    ):
        pass


def test_a_role_lasts_as_long_as_the_connection_is_held(db: Database) -> None:
    with db.connection("dpm_loader") as conn:
        assert conn.execute("select current_user").fetchone() == ("dpm_loader",)
    with db.connection(None) as conn:
        assert conn.execute("select current_user = session_user").fetchone() == (True,)


def test_a_password_is_not_in_what_is_said_of_a_database() -> None:
    assert Database("postgresql://me:geheim@127.0.0.1:1/none").where() == "127.0.0.1:1/none"


def test_a_psql_command_in_a_sql_file_is_refused_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("select 1;\n\\copy t from x\n")
    with pytest.raises(DpmError, match=r"a\.sql, line 2: \\copy is a psql command"):
        list(expand(tmp_path / "a.sql"))


def test_included_files_come_in_their_place(tmp_path: Path) -> None:
    (tmp_path / "b.sql").write_text("two\n")
    (tmp_path / "a.sql").write_text("one\n\\ir b.sql\nthree\n")
    assert [text for _, text in expand(tmp_path / "a.sql")] == ["one", "two", "three"]
