"""The life of an embedded server: started once, killed, started again, on the wheel and on PostgreSQL 15."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from dpm_assets.errors import DpmError
from dpm_assets.server import EmbeddedServer
from dpm_assets.server.places import server_user
from dpm_assets.server.postmaster import postmaster
from dpm_assets.server.programs import forget_other_servers
from dpm_assets.server.state import free_port
from tests.places import open_folder
from tests.servers import SMALL, MakeServer

pytestmark = pytest.mark.xdist_group("server")


@pytest.fixture(scope="module")
def started(binaries: Path | None) -> Iterator[EmbeddedServer]:
    """A server after its first start, for the tests that only look at it."""
    with open_folder("started") as folder:
        server = EmbeddedServer(folder / "home", binaries, memory=SMALL)
        server.start()
        yield server
        server.stop()


def setting(server: EmbeddedServer, name: str) -> str:
    with psycopg.connect(server.url()) as conn:
        row = conn.execute("select current_setting(%s)", [name]).fetchone()
    assert row is not None
    return str(row[0])


def test_starts_once_and_stops_once(make_server: MakeServer, home: Path) -> None:
    server = make_server(home)
    assert not server.running()
    assert server.start()
    assert not server.start()
    assert server.running()
    assert server.stop()
    assert not server.stop()
    assert not server.running()


def test_first_start_makes_both_databases_and_the_service_login(started: EmbeddedServer) -> None:
    with psycopg.connect(started.service_url("dagster")) as conn:
        owner, superuser, inherits = conn.execute(
            "select datdba::regrole::text, rolsuper, rolinherit from pg_database, pg_roles"
            " where datname = 'dagster' and rolname = current_user"
        ).fetchone() or ("", True, True)
    assert (owner, superuser, inherits) == ("dpm_service", False, False)
    with psycopg.connect(started.service_url()) as conn:
        assert conn.execute("select current_database()").fetchone() == ("dpm",)


def test_roles_of_the_schema_are_granted_once_they_are_there(make_server: MakeServer, home: Path) -> None:
    server = make_server(home)
    server.start()
    server.grant_roles()
    with psycopg.connect(server.url()) as conn:
        conn.execute("create role dpm_loader")
    server.grant_roles()
    server.grant_roles()
    with psycopg.connect(server.service_url()) as conn:
        conn.execute("set role dpm_loader")


def test_settings_are_safe_and_fitted(started: EmbeddedServer) -> None:
    for name in ("fsync", "synchronous_commit", "data_checksums"):
        assert setting(started, name) == "on"
    assert setting(started, "TimeZone") == "UTC"
    assert setting(started, "shared_buffers") == "128MB"
    assert setting(started, "listen_addresses") == "127.0.0.1"
    assert setting(started, "password_encryption") == "scram-sha-256"
    assert "pg_stat_statements" in setting(started, "shared_preload_libraries")


def test_warm_start_keeps_data_port_and_passwords(make_server: MakeServer, home: Path) -> None:
    server = make_server(home)
    server.start()
    url = server.url()
    with psycopg.connect(url) as conn:
        conn.execute("create table kept as select 1 as x")
    server.stop()
    assert make_server(home).start()
    assert server.url() == url
    with psycopg.connect(url) as conn:
        assert conn.execute("select x from kept").fetchone() == (1,)


def test_a_killed_server_starts_again(make_server: MakeServer, home: Path) -> None:
    server = make_server(home)
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
def test_a_pid_file_that_names_another_program_is_no_server(make_server: MakeServer, home: Path) -> None:
    server = make_server(home)
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


def test_a_wrong_password_is_refused(started: EmbeddedServer) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(f"postgresql://postgres:guess@127.0.0.1:{started.state().port}/dpm")


def test_only_the_owner_reads_passwords_and_data(started: EmbeddedServer) -> None:
    assert (started.home / "passwords.json").stat().st_mode & 0o777 == 0o600
    assert started.state().data.stat().st_mode & 0o777 == 0o700
    for password in json.loads((started.home / "passwords.json").read_text()).values():
        assert password not in started.state().log.read_text()


def test_a_program_logs_in_with_a_password_that_is_not_among_its_arguments(started: EmbeddedServer) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "dpm_assets", "server", "run", *arguments],
            env={**os.environ, "DPM_HOME": str(started.home)},
            capture_output=True,
            text=True,
            check=False,
        )

    password = str(conninfo_to_dict(started.url())["password"])
    assert password not in run("cat", "/proc/self/cmdline").stdout
    assert f"PGPASSWORD={password}" in run("cat", "/proc/self/environ").stdout.split("\0")
    assert "PostgreSQL database dump complete" in run("pg_dump", "--schema-only").stdout
    refused = run("pg_of_nowhere")
    assert refused.returncode == 2 and "There is no pg_of_nowhere" in refused.stderr


def test_variables_of_another_server_change_nothing(
    make_server: MakeServer, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    server = make_server(home)
    assert server.start()
    assert server.running()
    server.create_database("another")
    forget_other_servers()
    assert not [name for name in os.environ if name.startswith("PG")]


def test_two_starts_at_once_give_one_server(make_server: MakeServer, home: Path) -> None:
    with ThreadPoolExecutor() as pool:
        started = list(pool.map(EmbeddedServer.start, [make_server(home), make_server(home)]))
    assert sorted(started) == [False, True]
    assert make_server(home).running()


def test_two_processes_starting_at_once_give_one_server(
    make_server: MakeServer, home: Path, binaries: Path | None
) -> None:
    server = make_server(home)
    program = (
        "import sys; from pathlib import Path; from dpm_assets.server import EmbeddedServer;"
        f"print(EmbeddedServer(Path(sys.argv[1]), {f'Path({str(binaries)!r})' if binaries else None}, {SMALL}).start())"
    )
    command = [sys.executable, "-c", program, str(home)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert sorted(one.communicate()[0].strip() for one in both) == ["False", "True"]
    assert server.running()


def test_no_url_while_it_is_stopped(make_server: MakeServer, home: Path) -> None:
    server = make_server(home)
    with pytest.raises(DpmError, match="dpm server start"):
        server.url()
    server.start()
    server.stop()
    with pytest.raises(DpmError, match="dpm server start"):
        server.service_url()


def test_a_port_that_was_taken_meanwhile_is_left_to_its_owner(make_server: MakeServer, home: Path) -> None:
    server = make_server(home)
    server.start()
    port = server.state().port
    server.stop()
    with socket.create_server(("127.0.0.1", port)):
        assert not server.running()
        assert server.start()
        assert server.state().port != port
        with psycopg.connect(server.url()) as conn:
            assert conn.execute("select 1").fetchone() == (1,)


def test_a_port_taken_at_the_last_moment_is_replaced(
    make_server: MakeServer, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = make_server(home)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ports = iter([port])
        monkeypatch.setattr("dpm_assets.server.embedded.free_port", lambda *_: next(ports, None) or free_port())
        assert server.start()
        assert server.state().port != port


def test_a_start_that_fails_says_why_and_leaves_no_server(make_server: MakeServer, home: Path) -> None:
    server = make_server(home)
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


def test_passwords_that_were_lost_are_named_and_leave_no_server(make_server: MakeServer, home: Path) -> None:
    server = make_server(home)
    server.start()
    server.stop()
    lost = (home / "passwords.json").rename(home / "elsewhere.json")
    with pytest.raises(DpmError, match=r"passwords\.json"):
        server.start()
    assert postmaster(server.state().data) is None
    lost.rename(home / "passwords.json")
    assert server.start()


def test_an_init_that_was_killed_leaves_nothing_half_made(make_server: MakeServer, home: Path) -> None:
    server = make_server(home)
    server.start()
    server.stop()
    server.state().data.rename(server.state().data.with_name("data.new"))
    (server.state().data.with_name("data.new") / "PG_VERSION").unlink()
    assert server.start()
    assert not server.state().data.with_name("data.new").exists()


def test_a_start_that_was_killed_half_way_is_completed(make_server: MakeServer, home: Path) -> None:
    server = make_server(home)
    server.start()
    with psycopg.connect(server.url("postgres"), autocommit=True) as conn:
        conn.execute("drop database dagster")
    assert not server.start()
    with psycopg.connect(server.service_url("dagster")) as conn:
        assert conn.execute("select 1").fetchone() == (1,)
