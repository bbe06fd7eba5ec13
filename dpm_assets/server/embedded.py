"""EmbeddedServer: a PostgreSQL of one's own, started and stopped with the warehouse."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import psycopg
from psycopg import sql

from dpm_assets.errors import DpmError
from dpm_assets.server.binaries import Binaries, find_binaries
from dpm_assets.server.places import (
    ServerUser,
    as_user,
    data_root,
    make_folder,
    reachable_binaries,
    server_user,
)
from dpm_assets.server.state import ServerState, free_port, locked, passwords, read_state, write_state
from dpm_assets.server.tuning import machine_memory, server_settings, settings_text

START_SECONDS = 120
WAREHOUSE_DATABASE = "dpm"
DAGSTER_DATABASE = "dagster"
ROLES = ("dpm_owner", "dpm_loader", "dpm_refresher", "dpm_reader")


class EmbeddedServer:
    """The PostgreSQL whose state is under `home`; `binaries` is a folder of programs that goes before all others.

    It listens on 127.0.0.1 only, with SCRAM passwords. `memory` in bytes bounds what it plans with (default: the machine's).
    """

    def __init__(self, home: Path, binaries: Path | None = None, memory: int | None = None) -> None:
        self.home = home
        self._explicit = binaries
        self._memory = memory or machine_memory()

    def start(self) -> bool:
        """Start the server, making its data at the first start; False when it was running already."""
        self.home.mkdir(parents=True, exist_ok=True)
        with locked(self.home):
            if self.running():
                return False
            user = server_user()
            before = read_state(self.home)
            root = Path(before.root) if before and before.data.is_dir() else data_root(self.home, user)
            found = reachable_binaries(find_binaries(self._explicit, _data_major(root / "data")), user, root)
            make_folder(root, user, 0o700)
            state = ServerState(str(root), str(found.folder), found.major, free_port(before.port if before else None))
            if not state.data.exists():
                self._init(found, state, user)
            self._write_settings(state, user)
            write_state(self.home, state)
            self._launch(found, state, user)
            self._make_databases()
            return True

    def stop(self) -> bool:
        """Stop the server, ending its sessions; False when it was not running."""
        if not self.home.is_dir():
            return False
        with locked(self.home):
            state = read_state(self.home)
            if state is None or _postmaster(state.data) is None:
                return False
            self._control(state, server_user(), "stop", "-m", "fast", "-w", "-t", str(START_SECONDS))
            return True

    def running(self) -> bool:
        state = read_state(self.home)
        return state is not None and _postmaster(state.data) is not None and self._answers(state)

    def state(self) -> ServerState:
        """Where the server is. Raises DpmError when none was started in this home."""
        found = read_state(self.home)
        if found is None:
            raise DpmError(f"There is no server in {self.home} yet. Start it with dpm server start.")
        return found

    def url(self, database: str = WAREHOUSE_DATABASE) -> str:
        """The administrator's URL of a database."""
        return self._url("postgres", database)

    def service_url(self, database: str = WAREHOUSE_DATABASE) -> str:
        """The URL that the service logs in with: no superuser, owner of nothing in the warehouse."""
        return self._url("dpm_service", database)

    def create_database(self, name: str, owner: str = "postgres") -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as conn:
            conn.execute(sql.SQL("create database {} owner {}").format(sql.Identifier(name), sql.Identifier(owner)))

    def grant_roles(self) -> None:
        """Let the service act as the roles of the schema; those that are not there yet are left out."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as conn:
            there = conn.execute("select rolname from pg_roles where rolname = any (%s)", [list(ROLES)]).fetchall()
            for (role,) in there:
                conn.execute(sql.SQL("grant {} to dpm_service").format(sql.Identifier(role)))

    def _url(self, login: str, database: str) -> str:
        return f"postgresql://{login}:{passwords(self.home)[login]}@127.0.0.1:{self.state().port}/{database}"

    def _init(self, found: Binaries, state: ServerState, user: ServerUser | None) -> None:
        """initdb beside the data directory and a rename, so that a kill leaves none that is half made."""
        making = state.data.with_name(f"data.new-{os.getpid()}")
        password_file = Path(state.root) / f"initdb-{os.getpid()}.pw"
        locale = (
            ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
            if found.major >= 17
            else ["--locale=C.UTF-8"]
        )
        try:
            password_file.touch(mode=0o600)
            password_file.write_text(passwords(self.home)["postgres"], encoding="utf-8")
            if user:
                os.chown(password_file, user.uid, user.gid)
            self._run(
                [found.program("initdb"), "-D", str(making), "-U", "postgres", "-E", "UTF8", "--auth=scram-sha-256",
                 f"--pwfile={password_file}", "--data-checksums", "--no-instructions", *locale],
                user,
            )  # fmt: skip
            with (making / "postgresql.conf").open("a", encoding="utf-8") as file:
                file.write("\ninclude_if_exists = 'dpm.conf'\ninclude_if_exists = 'custom.conf'\n")
            making.rename(state.data)
        finally:
            password_file.unlink(missing_ok=True)
            shutil.rmtree(making, ignore_errors=True)

    def _write_settings(self, state: ServerState, user: ServerUser | None) -> None:
        library = Path(state.binaries).parent
        has_statements = any(library.rglob("pg_stat_statements.control")) or Path(
            f"/usr/share/postgresql/{state.major}/extension/pg_stat_statements.control"
        ).exists()
        chosen = server_settings(state.port, state.major, self._memory, os.cpu_count() or 1, has_statements)
        path = state.data / "dpm.conf"
        path.write_text(settings_text(chosen), encoding="utf-8")
        if user:
            os.chown(path, user.uid, user.gid)

    def _launch(self, found: Binaries, state: ServerState, user: ServerUser | None) -> None:
        """pg_ctl start, tried again for a while: after a kill -9 the old process may still hold the data directory."""
        give_up = time.monotonic() + 20
        while True:
            try:
                self._control(state, user, "start", "-w", "-t", str(START_SECONDS), "-l", str(Path(state.root) / "server.log"))
                return
            except DpmError:
                if time.monotonic() >= give_up:
                    self._control_quietly(state, user)
                    raise
                time.sleep(0.5)

    def _control(self, state: ServerState, user: ServerUser | None, action: str, *arguments: str) -> None:
        self._run([str(Path(state.binaries) / "pg_ctl"), action, "-D", str(state.data), *arguments], user)

    def _control_quietly(self, state: ServerState, user: ServerUser | None) -> None:
        """After a start that failed: leave no server behind that came up too late."""
        try:
            self._control(state, user, "stop", "-m", "immediate", "-w")
        except DpmError:
            return

    def _run(self, command: list[str], user: ServerUser | None) -> None:
        """Run a program of PostgreSQL, its output in a file: a pipe would be held open by the server that it starts."""
        log = self.home / "commands.log"
        with log.open("ab") as output:
            begin = output.tell()
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=_environment(), check=False,
                **(as_user(user) or {"cwd": "/"}),
            )  # fmt: skip
        if done.returncode != 0:
            with log.open("rb") as said:
                said.seek(begin)
                reason = " ".join(said.read().decode(errors="replace").split())[-400:]
            raise DpmError(f"{Path(command[0]).name} failed: {reason or 'no message'}. The server's log is {self._server_log()}.")

    def _server_log(self) -> str:
        state = read_state(self.home)
        return str(Path(state.root) / "server.log") if state else str(self.home / "commands.log")

    def _answers(self, state: ServerState) -> bool:
        ready = [str(Path(state.binaries) / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(state.port), "-t", "3"]
        try:
            return subprocess.run(ready, env=_environment(), check=False).returncode == 0
        except OSError:
            return False

    def _make_databases(self) -> None:
        """The two databases and the service's login, at the first start; a kill in between is made good at the next."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as conn:
            there = {row[0] for row in conn.execute("select datname from pg_database").fetchall()}
            if conn.execute("select from pg_roles where rolname = 'dpm_service'").fetchone() is None:
                conn.execute(
                    sql.SQL("create role dpm_service login noinherit password {}").format(passwords(self.home)["dpm_service"])
                )
            if WAREHOUSE_DATABASE not in there:
                self.create_database(WAREHOUSE_DATABASE)
            if DAGSTER_DATABASE not in there:
                self.create_database(DAGSTER_DATABASE, owner="dpm_service")


def _data_major(data: Path) -> int | None:
    """The major version that wrote a data directory."""
    try:
        return int((data / "PG_VERSION").read_text().split(".")[0])
    except (OSError, ValueError):
        return None


def _postmaster(data: Path) -> int | None:
    """The process id in postmaster.pid, if that process is alive."""
    try:
        pid = int((data / "postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, 0)
    except (OSError, ValueError, IndexError):
        return None
    return pid


def _environment() -> dict[str, str]:
    """This environment without PG* variables: they would send the programs to another server."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | {"LC_ALL": "C"}
