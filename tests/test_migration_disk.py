"""Room on the server's disk: said beforehand, refused when there is not enough, and survived when it runs out all the same."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from dpm_assets.migration.disk import room
from dpm_assets.server import EmbeddedServer
from tests.baselines import baseline
from tests.command_line import dpm
from tests.interleaving import Connection, session
from tests.migrated import misplaced
from tests.places import small_disk

ROWS = 60_000


@pytest.fixture
def disk() -> Iterator[Path]:
    with small_disk("36m") as folder:
        yield folder


@pytest.fixture
def tablespace(server: EmbeddedServer, disk: Path) -> Iterator[str]:
    data = disk / "space"
    data.mkdir(mode=0o700)
    owner = server.state().data.stat()
    os.chown(data, owner.st_uid, owner.st_gid)
    with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
        admin.execute(f"create tablespace small_for_migrations location '{data}'".encode())
        yield "small_for_migrations"
        admin.execute("drop tablespace small_for_migrations")


def test_a_disk_that_fills_up_stops_the_copy_and_the_next_start_goes_on(
    server: EmbeddedServer, disk: Path, tablespace: str
) -> None:
    with baseline(server, ROWS, dirty=True, tablespace=tablespace) as url:
        refused = dpm(url, "migrate", "start", "--set-aside")
        assert refused.returncode == 2 and "MB are free" in refused.stderr
        full = dpm(url, "migrate", "start", "--set-aside", "--free-gb", "100")
        assert full.returncode == 2 and "No space left on device" in full.stderr
        with session(url, autocommit=True) as conn:
            conn.execute("update prop_trading_model.raw_trades_open set lots = 1")  # programs go on
        subprocess.run(["mount", "-o", "remount,size=256m", str(disk)], check=True)
        for command in (["start", "--set-aside"], ["cutover"]):
            done = dpm(url, "migrate", *command)
            assert done.returncode == 0, done.stderr
        with session(url) as conn:
            assert not misplaced(conn)


def test_the_new_tables_take_no_more_than_was_said_and_not_much_less(server: EmbeddedServer) -> None:
    with baseline(server, ROWS) as url, session(url, autocommit=True) as conn:
        said = room(conn, jobs=1)
        assert dpm(url, "migrate", "start").returncode == 0
        assert _new_tables(conn) <= said.needed <= 1.5 * _new_tables(conn)


def _new_tables(conn: Connection) -> int:
    """Bytes of the copies, with their indexes."""
    row = conn.execute(
        "select sum(pg_total_relation_size(c.oid)) from pg_class as c"
        " where c.relnamespace = 'prop_trading_model_next'::regnamespace and c.relkind = 'r'"
    ).fetchone()
    assert row
    return int(row[0])
