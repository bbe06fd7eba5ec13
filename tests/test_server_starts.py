"""Starts with something in their way: what a killed server has left, and who is in its folder."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from dpm_assets.server.postmaster import clear_after_crash, postmaster
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
