"""A password is never part of what a command says or writes, whatever becomes of its connection; tests/test_service.py looks for
those of a whole service."""

import re
import urllib.request
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql

from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.monitor.exposition import serve
from dpm_assets.reference.commands import commands
from dpm_assets.server import EmbeddedServer
from dpm_assets.settings import checked_url
from tests.command_line import Ended, dpm
from tests.leaks import KNOWN, PASSWORD, files_holding
from tests.trade_rows import trade, write

pytestmark = pytest.mark.xdist_group("service")

# What each command is given; FOLDER is the test's.
ASKED: dict[str, list[list[str]]] = {
    "load": [["FOLDER/none.csv"], [f"http://me:{KNOWN}@127.0.0.1:1/rows.csv?key={KNOWN}"], [f"sftp://me:{KNOWN}@127.0.0.1:1/a.csv"]],
    "refresh": [[], ["2025-03", "--rebuild"]],
    "verify": [["--json"]],
    "doctor": [["--repair"]],
    "status": [[], ["--json"]],
    "sample": [["--out", "FOLDER/sample", "--trades", "100", "--accounts", "10", "--months", "1"]],
    "bench": [["--dry-run", "--folder", "FOLDER/bench"]],
    "backup": [["FOLDER/backup"]],
    "restore": [["FOLDER/backup", "--check"], ["FOLDER/backup"]],
    "server start": [[]],
    "server upgrade": [[]],
    "server status": [[]],
    "schema apply": [[]],
    "schema status": [[]],
    "partitions archive": [["2025-03", "--to", f"s3://me:{KNOWN}@bucket/cold"]],
    "partitions restore": [["2025-03"]],
    "partitions create": [[]],
    "partitions list": [["--exact"]],
    "migrate plan": [[]],
    "migrate start": [[]],
    "migrate status": [[]],
    "migrate verify": [[]],
    "migrate cutover": [[]],
    "migrate rollback": [[]],
    "migrate clean": [[]],
    "indexes list": [[]],
    "indexes create": [["by_login", "--on", "raw_trades_closed", "--definition", "(login)"]],
    "indexes rebuild": [["by_login"]],
    "indexes check": [[]],
    "indexes drop": [["by_login"]],
    "loads list": [[]],
    "loads show": [["1"]],
    "loads undo": [["1", "--dry-run"]],
    "rejects list": [[], ["1"]],
    "rejects show": [["1", "3"]],
    "rejects export": [["1"]],
    "rejects retry": [["1"]],
    "alerts list": [[]],
    "alerts test": [[]],
}  # fmt: skip
NOT_ASKED = {
    "up": "tests/test_service.py looks at the whole service",
    "metrics": "goes on until it is stopped; its page is looked at",
    "server stop": "stops the server of the tests",
    "server url": "prints it, since that is what it is for",
    "server psql": "becomes psql",
    "server run": "becomes another program; tests/test_server.py looks at its arguments",
}


def test_every_command_is_asked() -> None:
    known = {name.removeprefix("dpm ") for name, _ in commands()}
    assert known == ASKED.keys() | NOT_ASKED.keys()


def say_everything(url: str, folder: Path, home: Path) -> dict[str, Ended]:
    """What each command says, with each of its arguments."""
    said = {}
    for command, ways in ASKED.items():
        for given in ways:
            arguments = [each.replace("FOLDER", str(folder)) for each in given]
            said[" ".join([command, *given])] = dpm(url, *command.split(), *arguments, home=home)
    return said


def telling(said: dict[str, Ended], secret: str) -> list[str]:
    """The commands that said it; a fold of the line within it does not hide it."""
    return [name for name, ended in said.items() if secret in re.sub(r"\s", "", ended.stdout + ended.stderr)]


def test_no_command_says_or_writes_the_password_that_it_works_with(
    server: EmbeddedServer, monitored: str, tmp_path: Path
) -> None:
    with psycopg.connect(monitored, autocommit=True) as admin:
        admin.execute("drop role if exists awkward")
        admin.execute(sql.SQL("create role awkward superuser login password {}").format(sql.Literal(PASSWORD)))
    try:
        url = re.sub("//.*@", lambda _: f"//awkward:{quote(PASSWORD, safe='')}@", monitored)
        rows = write(tmp_path / "rows.csv", trade("T1"), trade("T2", lots="0"))
        assert dpm(url, "load", rows).returncode == 0
        said = say_everything(url, tmp_path, server.home)
        with pytest.MonkeyPatch.context() as patch, serve("127.0.0.1", 0) as port:
            patch.setenv("DPM_DATABASE_URL", url)
            page = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30).read().decode()
            said["metrics"] = Ended(0, page, "")
    finally:
        with psycopg.connect(monitored, autocommit=True) as admin:
            admin.execute("drop role awkward")
    assert telling(said, KNOWN) == []
    assert list(files_holding(tmp_path)) == []
    well = [name for name, ended in said.items() if ended.returncode == 0]
    assert len(well) > 20, {name: ended.stderr for name, ended in said.items() if name not in well}
    planted = {"loads list": Ended(0, f"{KNOWN[:5]}\n{KNOWN[5:]}", "")}
    assert telling(said | planted, KNOWN) == ["loads list"]


def test_no_command_says_the_password_that_a_server_refuses_or_that_no_server_hears(
    server: EmbeddedServer, database_url: str, tmp_path: Path
) -> None:
    refused = re.sub("//.*@", lambda _: f"//postgres:{quote(PASSWORD, safe='')}@", database_url)
    unheard = re.sub("@.*/", "@127.0.0.1:1/", refused)
    for url, reason in ((refused, "password authentication failed"), (unheard, "Connection refused")):
        said = say_everything(url, tmp_path, server.home)
        assert telling(said, KNOWN) == []
        assert sum(reason in ended.stderr + ended.stdout for ended in said.values()) > 25, said
    assert list(files_holding(tmp_path)) == []


@pytest.mark.parametrize(
    "login",
    [f"u:{KNOWN}@x", f"u:{KNOWN}/x", f"u:{KNOWN}:x", f"u:x/{KNOWN}", f"u:x:{KNOWN}", f"u:x@{KNOWN}", f"u:x#{KNOWN}",
     f"u:x?{KNOWN}", f"u:x {KNOWN}", f"u:%{KNOWN}", f"u:x[{KNOWN}"],
)  # fmt: skip
def test_a_url_that_was_not_encoded_is_refused_without_a_word_of_it(login: str) -> None:
    """PostgreSQL would take part of the password for a host, a port or a database, and say so."""
    for place in ("@127.0.0.1:1/none", "@127.0.0.1/none", "@h"):
        ended = dpm(f"postgresql://{login}{place}", "loads", "list")
        assert ended.returncode == 2 and "The setting DPM_DATABASE_URL cannot be used" in ended.stderr
        assert KNOWN not in ended.stderr + ended.stdout


@pytest.mark.parametrize(
    "url",
    ["postgresql://h/d", "postgres://u@h:5432/d?sslmode=require", f"postgresql://u:{quote(PASSWORD, safe='')}@h:1/d",
     "postgresql:///d?host=/run/postgresql", "postgresql://u:p@[::1]:5432/d", "postgresql://u:p@[::1]/d", "postgresql://u:p@h1:1,h2:2/d",
     "postgresql+psycopg2://u:p@h:5432/d", "postgresql://u:p@h:/d"],
)  # fmt: skip
def test_a_url_that_is_whole_is_taken(url: str) -> None:
    assert checked_url(url) == url


@pytest.mark.sql
def test_a_password_of_special_characters_logs_in(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute("drop role if exists special")
        admin.execute(sql.SQL("create role special login password {}").format(sql.Literal(PASSWORD)))
        url = re.sub("//.*@", lambda _: f"//special:{quote(PASSWORD, safe='')}@", database_url)
        with Database(url) as db, db.connection(None) as conn:
            assert conn.execute("select session_user::text").fetchone() == ("special",)
        with Database(url.replace("special:", "special:x")) as db, pytest.raises(DpmError) as refused, db.connection():
            pass
        assert "password authentication failed" in str(refused.value) and KNOWN not in str(refused.value)
        admin.execute("drop role special")
