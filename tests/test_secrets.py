"""A password is never part of a message: not of one about a URL, and not of one about a connection that failed."""

import re
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql

from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.settings import checked_url
from tests.command_line import dpm

# Its middle needs no encoding, so it is found however the rest is written.
KNOWN = "kennw0rt7Qx"
PASSWORD = f"ä@:/%?#&=+ {KNOWN}'\"\\[$HOME]"


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
