"""The commands of docs/operation.md, as they stand: back up, lose, restore; and back to the minute before."""

import re
import subprocess
from collections.abc import Iterator
from datetime import timezone
from pathlib import Path

import psycopg
import pytest

from dpm_assets.server import EmbeddedServer
from tests.documented import commands, run
from tests.places import open_folder
from tests.servers import SMALL
from tests.survival import differences, fill, picture

pytestmark = pytest.mark.xdist_group("backup")


@pytest.fixture
def backups() -> Iterator[Path]:
    with open_folder("documented") as folder:
        yield folder


@pytest.fixture
def server(backups: Path) -> Iterator[EmbeddedServer]:
    running = EmbeddedServer(backups / "home", None, SMALL)
    running.start()
    fill(running, backups / "home" / "cold")
    yield running
    running.stop()


def test_the_documented_commands_go_back_to_a_point_in_time(server: EmbeddedServer, backups: Path) -> None:
    home = {"DPM_HOME": str(server.home), "DATA": str(server.state().data), "PROGRAMS": server.state().binaries}
    there = {"/backups": str(backups)}
    run("archive the log", there, **home)
    run("a physical copy", there, **home)
    with psycopg.connect(server.url(), autocommit=True) as conn:
        conn.execute(
            "update prop_trading_model.raw_trades_closed set profit = profit + 2 where trade_date = '2024-02-07'"
        )
        seen = picture(server)
        row = conn.execute("select clock_timestamp()").fetchone()
        assert row is not None
        minute_before = row[0].astimezone(timezone.utc).isoformat()
        conn.execute("delete from prop_trading_model.raw_trades_closed")
        conn.execute("drop schema prop_trading_model cascade")
        conn.execute("select pg_switch_wal()")
    run("back to a point in time", there | {"2026-11-25 14:04:00+00": minute_before}, **home)
    assert not differences(seen, picture(server))
    with psycopg.connect(server.url(), autocommit=True) as conn:
        assert conn.execute("select pg_is_in_recovery()").fetchone() == (False,)
        conn.execute("call prop_trading_model.refresh_warehouse()")


def test_a_copy_of_the_log_that_was_cut_short_holds_nothing_up(tmp_path: Path) -> None:
    """By a full disk, or by a kill of the server before it had noted what the command has done."""
    found = re.search(r"^archive_command = '(.*)'$", commands("archive the log"), re.MULTILINE)
    assert found
    segment, place = tmp_path / "segment", tmp_path / "wal" / "0001"
    command = found[1].replace("/backups", str(tmp_path)).replace("%p", str(segment)).replace("%f", place.name)

    def is_archived() -> bool:
        return subprocess.run(["sh", "-c", command], check=False).returncode == 0

    segment.write_bytes(b"log" * 9_999)
    assert not is_archived(), "there is no such folder"
    place.parent.mkdir()
    place.with_name("0001.part").write_bytes(b"log" * 10)
    assert is_archived() and place.read_bytes() == segment.read_bytes()
    assert is_archived(), "and the server asks once more"
    assert [path.name for path in place.parent.iterdir()] == [place.name]
    segment.write_bytes(b"of another server")
    assert not is_archived() and place.read_bytes() == b"log" * 9_999


def test_the_documented_commands_back_up_and_restore(server: EmbeddedServer, backups: Path) -> None:
    there = {"/backups": str(backups)}
    assert "whole" in run("back up", there, DPM_HOME=str(server.home))
    seen = picture(server)
    server.stop()
    server.home.rename(backups / "lost")
    fresh = EmbeddedServer(backups / "fresh", None, SMALL)
    try:
        assert "No difference" in run("restore", there, DPM_HOME=str(fresh.home))
        assert not differences(seen, picture(fresh))
    finally:
        fresh.stop()
