"""Starts with something in their way: a long log, settings of the user's own, what a killed server has left."""

import multiprocessing
import os
import signal
import subprocess
import time
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from dpm_assets.errors import DpmError
from dpm_assets.server import EmbeddedServer
from dpm_assets.server.postmaster import clear_after_crash, postmaster
from dpm_assets.server.starting import is_replaying
from dpm_assets.server.state import free_port
from tests.servers import MakeServer

pytestmark = pytest.mark.xdist_group("server")

needs_proc = pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="needs /proc")


@needs_proc
def test_a_shell_in_the_data_of_a_killed_server_is_left_alone(make_server: MakeServer, home: Path) -> None:
    server = make_server(home)
    server.start()
    pid = postmaster(server.state().data)
    assert pid is not None
    shell = subprocess.Popen(["sleep", "60"], cwd=server.state().data)
    try:
        os.kill(pid, signal.SIGKILL)
        assert server.start()
        assert shell.poll() is None
    finally:
        shell.kill()
        shell.wait()


@needs_proc
def test_a_process_of_a_killed_server_that_ends_by_itself_meanwhile_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = 2**22 + 1  # larger than any process id
    (tmp_path / "postmaster.pid").write_text(f"{ended}\n")
    lists = iter([[ended], []])
    monkeypatch.setattr("dpm_assets.server.postmaster._server_processes_in", lambda _: next(lists))
    clear_after_crash(tmp_path, patience=0)
    assert not (tmp_path / "postmaster.pid").exists()


def replaying_until(make_server: MakeServer, home: Path, go_on: Path) -> EmbeddedServer:
    """A stopped server with a table that replays its log, once it is started, until there is a file `go_on`."""
    server = make_server(home)
    server.start()
    with psycopg.connect(server.url()) as conn:
        conn.execute("create table kept as select 1 as x")
    server.stop()
    custom = server.state().data / "custom.conf"
    custom.write_text(f"restore_command = 'until [ -e \"{go_on}\" ]; do sleep 0.1; done; false'\n")
    custom.chmod(0o644)
    (server.state().data / "recovery.signal").touch()
    return server


def test_a_start_that_was_killed_while_the_log_is_replayed_leaves_that_to_the_next(
    make_server: MakeServer, home: Path
) -> None:
    go_on = home.with_name("go_on")
    server = replaying_until(make_server, home, go_on)
    killed = multiprocessing.get_context("fork").Process(target=server.start)
    killed.start()
    try:
        while not is_replaying(server.state()):
            assert killed.is_alive()
            time.sleep(0.05)
        killed.kill()
        killed.join()
        pid = postmaster(server.state().data)
        said: list[str] = []

        def say(text: str) -> None:
            said.append(text)
            go_on.touch()

        assert server.start(say)
    finally:
        go_on.touch()
    assert len(said) == 1 and "still replays its log" in said[0]
    assert postmaster(server.state().data) == pid, "it did not begin anew"
    with psycopg.connect(server.url()) as conn:
        assert conn.execute("select x from kept").fetchone() == (1,)


def test_a_log_that_is_replayed_for_longer_than_pg_ctl_waits_is_waited_for(
    make_server: MakeServer, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = home.with_name("go_on")
    server = replaying_until(make_server, home, go_on)
    monkeypatch.setattr("dpm_assets.server.embedded.START_SECONDS", 2)
    said: list[str] = []

    def say(text: str) -> None:
        """Told when pg_ctl has given up; not before does the replay go on."""
        said.append(text)
        go_on.touch()

    try:
        assert server.start(say)
    finally:
        go_on.touch()
    assert len(said) == 1 and "still replays its log" in said[0]
    with psycopg.connect(server.url()) as conn:
        assert conn.execute("select x from kept").fetchone() == (1,)


@needs_proc  # only Linux has more than one address of its own
@pytest.mark.parametrize("setting", ["port", "listen_addresses"])
def test_a_setting_that_hides_the_server_is_named(make_server: MakeServer, home: Path, setting: str) -> None:
    server = make_server(home)
    server.start()
    value = {"port": str(free_port()), "listen_addresses": "127.0.0.2"}[setting]
    server.stop()
    custom = server.state().data / "custom.conf"
    custom.write_text(f"{setting} = '{value}'\n")
    custom.chmod(0o644)
    with pytest.raises(DpmError, match=rf"Take {setting} out of .*custom\.conf"):
        server.start()
    assert postmaster(server.state().data) is None
    custom.unlink()
    assert server.start()


def test_a_port_that_alter_system_has_set_is_named(make_server: MakeServer, home: Path) -> None:
    server = make_server(home)
    server.start()
    with psycopg.connect(server.url(), autocommit=True) as conn:
        conn.execute(sql.SQL("alter system set port = {}").format(sql.Literal(free_port())))
    server.stop()
    with pytest.raises(DpmError, match=r"Take port out of .*postgresql\.auto\.conf"):
        server.start()
    assert postmaster(server.state().data) is None
