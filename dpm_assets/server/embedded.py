"""EmbeddedServer: a PostgreSQL of one's own, started and stopped with the warehouse."""

import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import pq

from dpm_assets.errors import DpmError
from dpm_assets.server import logins
from dpm_assets.server.binaries import Binaries, find_binaries
from dpm_assets.server.data import data_major, make_data, write_settings
from dpm_assets.server.logins import ADMINISTRATOR, DAGSTER_DATABASE, SERVICE, WAREHOUSE_DATABASE
from dpm_assets.server.places import ServerUser, data_root, make_root, reachable_binaries, root_of, server_user
from dpm_assets.server.postmaster import clear_after_crash, end, postmaster
from dpm_assets.server.programs import said_since
from dpm_assets.server.starting import (
    NotReachable,
    Say,
    is_replaying,
    ping,
    say_nothing,
    start_process,
    wait_until_ready,
)
from dpm_assets.server.state import ServerState, free_port, locked, passwords, read_state, write_state
from dpm_assets.server.switch import end_interrupted_upgrade
from dpm_assets.server.tuning import machine_memory

__all__ = ["DAGSTER_DATABASE", "WAREHOUSE_DATABASE", "EmbeddedServer"]

START_SECONDS = 120
RETRY_SECONDS = 30
LARGEST_LOG = 20 * 1024 * 1024


class EmbeddedServer:
    """The PostgreSQL whose state is under `home`; `binaries` is a folder of programs that goes before all others.

    It listens on 127.0.0.1 only, with SCRAM passwords. `memory`, in bytes, is what it plans with, by default all.
    """

    def __init__(self, home: Path, binaries: Path | None = None, memory: int | None = None) -> None:
        self.home = home
        self.programs = binaries
        self.memory = memory or machine_memory()

    def start(self, say: Say = say_nothing) -> bool:
        """Start the server, making its data at the first start; False when it was running already.

        `say` is told when it takes long. A start that fails leaves no server behind. Raises DpmError with PostgreSQL's reason.
        """
        with locked(self.home):
            if self.running():
                self._make_first_objects()
                return False
            try:
                self._start(say)
            except OSError as error:
                raise DpmError(
                    f"The server cannot be started: {error}. Mend that, or set DPM_HOME elsewhere."
                ) from None
            return True

    def stop(self) -> bool:
        """Stop the server, ending its sessions; False when it was not running."""
        if not self.home.is_dir():
            return False
        with locked(self.home):
            state = self._known()
            return state is not None and end(state.data)

    def running(self) -> bool:
        """Whether this home's own server is alive and takes connections.

        Raises DpmError when the home was moved away from its data.
        """
        state = self._known()
        if state is None or postmaster(state.data) is None:
            return False
        return ping(state.port) == pq.Ping.OK

    def state(self) -> ServerState:
        """Where the server is. Raises DpmError when none was started in this home, or when its data were left behind."""
        found = self._known()
        if found is None:
            raise DpmError(f"There is no server in {self.home} yet. Start it with dpm server start.")
        return found

    def url(self, database: str = WAREHOUSE_DATABASE) -> str:
        """The administrator's URL of a database. Raises DpmError when the server is not running."""
        return self._url(ADMINISTRATOR, database)

    def service_url(self, database: str = WAREHOUSE_DATABASE) -> str:
        """The URL that the service logs in with: no superuser, owner of nothing in the warehouse."""
        return self._url(SERVICE, database)

    def create_database(self, name: str, owner: str = ADMINISTRATOR) -> None:
        with logins.connect(self.url("postgres")) as conn:
            logins.make_database(conn, name, owner)

    def grant_roles(self) -> None:
        """Let the service act as the roles of the schema; those that are not there yet are left out."""
        with logins.connect(self.url("postgres")) as conn:
            logins.grant_roles(conn)

    def _known(self) -> ServerState | None:
        """What is known of this home's server: of a copied home, never the server of the original."""
        found = read_state(self.home)
        return replace(found, root=str(root_of(self.home, found))) if found else None

    def _url(self, login: str, database: str) -> str:
        state = self.state()
        if postmaster(state.data) is None:
            raise DpmError("The embedded server is not running. Start it with dpm server start.")
        password = quote(passwords(self.home)[login], safe="")
        return f"postgresql://{login}:{password}@127.0.0.1:{state.port}/{database}"

    def _start(self, say: Say) -> None:
        before = read_state(self.home)
        root = data_root(self.home, before)
        end_interrupted_upgrade(root)
        if before and before.root != str(root):
            self._copied.touch()  # before the state forgets it: whoever kills this start, the next one finds it
        if before and self._is_ready_after_replay(replace(before, root=str(root)), say):
            self._make_first_objects()
            return
        user = server_user(root / "data")
        make_root(root, self.home, user)
        last_run_from = Path(before.binaries) if before else None
        wanted = find_binaries(self.programs, data_major(root / "data"), last_run_from)
        found = reachable_binaries(wanted, user, root)
        state = ServerState(str(root), str(found.folder), found.major, free_port(before.port if before else None))
        write_state(self.home, state)
        if not state.data.exists():
            make_data(found, state, user, self.home)
        if postmaster(state.data) is not None:
            end(state.data, patience=10)  # one that hangs, or that an interrupted start left half way up
        clear_after_crash(state.data)
        try:
            self._launch(found, state, user, say)
            self._make_first_objects()
        except BaseException:
            end(state.data, patience=5)
            raise

    @staticmethod
    def _is_ready_after_replay(state: ServerState, say: Say) -> bool:
        """Wait for a server that a start has left replaying its log: ended, it would begin anew. False where there is none, or
        where it ended by itself: the next start says why."""
        if not is_replaying(state):
            return False
        say("PostgreSQL still replays its log; waiting until that is done.")
        try:
            wait_until_ready(state)
        except NotReachable:
            raise
        except DpmError:
            return False
        return True

    @property
    def _copied(self) -> Path:
        """There from the first start of a copied home until its warehouse is known to own no file of the archive."""
        return self.home / "copied"

    def _disown_archive(self) -> None:
        """The files of the archive that the warehouse of a copied home knows are still the original's."""
        from dpm_assets.backup.cold_files import disown_cold_files  # which needs this module for its own sake

        with logins.connect(self.url()) as conn:
            disown_cold_files(conn)
        self._copied.unlink()

    def _launch(self, found: Binaries, state: ServerState, user: ServerUser | None, say: Say) -> None:
        """pg_ctl start; again where another try can help: the port was taken, or a killed server has not let go yet.

        One that was killed while an unlogged table was being made can leave a file that recovery trips over; it is gone
        at the next start.
        """
        log = state.log
        if log.exists() and log.stat().st_size > LARGEST_LOG:
            log.replace(log.with_suffix(".log.1"))
        pg_ctl, output = found.program("pg_ctl"), self.home / "pg_ctl.log"
        give_up = time.monotonic() + RETRY_SECONDS
        while True:
            write_settings(state, user, self.memory)
            begin = log.stat().st_size if log.exists() else 0
            try:
                start_process(pg_ctl, state, user, log=log, output=output, seconds=START_SECONDS, say=say)
                return
            except NotReachable:
                raise
            except DpmError as error:
                reason = said_since(log, begin) if log.exists() else ""
                taken = "could not bind" in reason or "could not create any TCP/IP sockets" in reason
                letting_go = "shared memory block" in reason or "lock file" in reason
                left_over = "could not create file" in reason and "File exists" in reason
                if not (taken or letting_go or left_over) or time.monotonic() >= give_up:
                    raise DpmError(f"PostgreSQL does not start: {reason or error} Its log is {log}.") from None
            if taken:
                state = replace(state, port=free_port())
                write_state(self.home, state)
            time.sleep(0.5)

    def _make_first_objects(self) -> None:
        try:
            with logins.connect(self.url("postgres")) as conn:
                logins.make_first_objects(conn, passwords(self.home)[SERVICE])
            if self._copied.exists():
                self._disown_archive()
            with logins.connect(self.url(DAGSTER_DATABASE)) as conn:
                logins.let_service_make_tables(conn)
        except psycopg.OperationalError as error:
            raise DpmError(
                f"The server in {self.state().root} refuses its administrator: {str(error).strip()}. If "
                f"{self.home}/passwords.json was lost, restore it, or delete {self.state().root} to begin with no data."
            ) from None
