"""`dpm server upgrade`: the embedded server's data brought to a newer PostgreSQL by dump and restore, the old data kept.

Invariant: the old data directory is only read; the new one takes its place when it holds every row. Killed before that, the
upgrade begins again; killed in the switch, the next start or upgrade ends it.
"""

import re
import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from dpm_assets.backup import dumping
from dpm_assets.backup.counting import refuse_other_counts, row_counts
from dpm_assets.backup.leaves import settle_leaves, settled_leaves
from dpm_assets.backup.programs import ClientPrograms
from dpm_assets.errors import DpmError
from dpm_assets.server import logins
from dpm_assets.server.binaries import Binaries, find_binaries
from dpm_assets.server.data import data_major, make_data, write_settings
from dpm_assets.server.embedded import EmbeddedServer
from dpm_assets.server.logins import ADMINISTRATOR
from dpm_assets.server.places import ServerUser, data_root, reachable_binaries, server_user
from dpm_assets.server.postmaster import clear_after_crash, end, postmaster
from dpm_assets.server.programs import run, said_since
from dpm_assets.server.starting import Say, start_process
from dpm_assets.server.state import ServerState, free_port, locked, passwords
from dpm_assets.server.switch import begin_switch, dumps, end_interrupted_upgrade, end_switch, kept, new_root
from dpm_assets.server.user_files import copy_file, make_folder

# The user's own: settings, and who may connect.
_CARRIED = ("custom.conf", "postgresql.auto.conf", "pg_hba.conf")
START_SECONDS = 300


@dataclass(frozen=True)
class _Upgrade:
    """Both servers of an upgrade. Neither listens where programs look for the warehouse, so that nobody writes meanwhile."""

    server: EmbeddedServer
    user: ServerUser | None
    old_programs: Binaries
    new_programs: Binaries
    old: ServerState
    new: ServerState

    @property
    def clients(self) -> ClientPrograms:
        """A dump is taken by the newer pg_dump."""
        return ClientPrograms(self.new_programs.folder, self.new_programs.major)

    @property
    def dumps(self) -> Path:
        return dumps(Path(self.old.root))

    def url(self, state: ServerState, database: str) -> str:
        password = quote(passwords(self.server.home)[ADMINISTRATOR], safe="")
        return f"postgresql://{ADMINISTRATOR}:{password}@127.0.0.1:{state.port}/{database}"


def upgrade(server: EmbeddedServer, say: Say, *, jobs: int, old_programs: Path | None = None) -> bool:
    """Bring the stopped server's data to the version that a new server would get; False when they have it already.

    `old_programs` is a folder of the version that wrote the data, where it is not found by itself. `say` is told each step
    before it is done. Raises DpmError when the server runs, programs or room are missing, or rows differ in the end.
    """
    if not server.home.is_dir():
        server.state()  # says that there is none
    with locked(server.home):
        if server.running():
            raise DpmError("The server runs. Stop it, and what uses it, with dpm server stop; then upgrade.")
        root = data_root(server.home, server.state())
        end_interrupted_upgrade(root)
        major = data_major(root / "data")
        if major is None:
            raise DpmError(
                f"There are no data in {root} yet: dpm server start makes them with the newest version here."
            )
        newest = find_binaries(server.programs, None)
        if newest.major == major:
            return False
        _bring_to(server, root, major, newest, jobs=jobs, old_programs=old_programs, say=say)
        return True


def _bring_to(
    server: EmbeddedServer, root: Path, major: int, newest: Binaries, *, jobs: int, old_programs: Path | None, say: Say
) -> None:
    plan = _plan(server, root, major, newest, old_programs)
    with ExitStack() as servers:
        servers.callback(end, plan.new.data, patience=10)
        servers.callback(end, plan.old.data)
        say(
            f"PostgreSQL {plan.old_programs.version} to {plan.new_programs.version}: starting the old server, for nobody else"
        )
        if postmaster(plan.old.data) is not None:
            end(plan.old.data)
        clear_after_crash(plan.old.data)
        _start(plan, plan.old, plan.old_programs, ["default_transaction_read_only=on"], say)
        databases = _databases(plan)
        _dump_roles(plan)
        known = {name: _dump(plan, name, jobs, say) for name in databases}
        end(plan.old.data)
        say("making the new data directory")
        _make_new(plan, say)
        _restore_roles(plan)
        for name, (counts, settled) in known.items():
            say(f"restoring {name}")
            _restore(plan, name, jobs, counts, settled)
        say("stopping the new server")
        end(plan.new.data)
    say("switching")
    begin_switch(root, major)
    end_switch(root)


def _plan(server: EmbeddedServer, root: Path, major: int, newest: Binaries, old_programs: Path | None) -> _Upgrade:
    before = server.state()
    if newest.major < major:
        raise DpmError(
            f"The data are of PostgreSQL {major}, and the programs here of {newest.major}: there is no way back. "
            "Install a newer PostgreSQL, or unset DPM_PG_BIN."
        )
    if kept(root, major).exists():
        raise DpmError(
            f"{kept(root, major)} is there from an earlier upgrade. Delete it or move it away, then upgrade."
        )
    user = server_user(root / "data")
    old = reachable_binaries(find_binaries(old_programs, major, Path(before.binaries)), user, root)
    new = reachable_binaries(newest, user, root)
    _refuse_full_disk(root)
    make_folder(new_root(root), user)
    return _Upgrade(
        server=server,
        user=user,
        old_programs=old,
        new_programs=new,
        old=ServerState(str(root), str(old.folder), old.major, free_port()),
        new=ServerState(str(new_root(root)), str(new.folder), new.major, free_port()),
    )


def _refuse_full_disk(root: Path) -> None:
    """A dump, which is beside `root`, takes less than the data do, the new data about what the old take."""
    size = sum(file.stat().st_size for file in (root / "data").rglob("*") if file.is_file())
    for folder, needed in ((root, size * 3 // 2), (root.parent, size // 2)):
        free = shutil.disk_usage(folder).free
        if free < needed:
            raise DpmError(
                f"An upgrade needs up to {needed / 1e9:,.1f} GB in {folder}, and {free / 1e9:,.1f} GB are free. Make room, then "
                "upgrade; or dpm backup to another disk and dpm restore into a new DPM_HOME."
            )


def _start(plan: _Upgrade, state: ServerState, programs: Binaries, settings: list[str], say: Say) -> None:
    """pg_ctl start at a port that nobody knows. Raises DpmError with what the server says."""
    log = Path(plan.new.root) / f"server_{state.major}.log"
    begin = log.stat().st_size if log.exists() else 0
    alone = [f"port={state.port}", "listen_addresses=127.0.0.1", "archive_mode=off", "autovacuum=off", *settings]
    try:
        start_process(
            programs.program("pg_ctl"),
            state,
            plan.user,
            log=log,
            output=plan.server.home / "pg_ctl.log",
            seconds=START_SECONDS,
            say=say,
            options=["-o", " ".join(f"-c {setting}" for setting in alone)],
        )
    except DpmError as error:
        said = (said_since(log, begin) if log.exists() else "") or str(error)
        raise DpmError(
            f"PostgreSQL {state.major} does not start: {said} The old data are as they were. A setting that it does not know "
            "any more is in custom.conf, or was made with alter system."
        ) from None


def _databases(plan: _Upgrade) -> list[str]:
    with logins.connect(plan.url(plan.old, "postgres")) as conn:
        rows = conn.execute(
            "select datname from pg_database where datallowconn and not datistemplate order by 1"
        ).fetchall()
    return [row[0] for row in rows]


def _dump_roles(plan: _Upgrade) -> None:
    """Roles with passwords, memberships and settings."""
    plan.dumps.mkdir(mode=0o700)
    connection, secrets = dumping.connection_of(plan.url(plan.old, "postgres"))
    command = [plan.clients.program("pg_dumpall"), f"--dbname={connection}", "--globals-only", f"--file={_roles(plan)}"]
    run(command, None, plan.dumps / "pg_dumpall.log", secrets)


def _restore_roles(plan: _Upgrade) -> None:
    """All but the one that initdb has made."""
    made = re.compile(rf"^CREATE ROLE {ADMINISTRATOR};$", re.MULTILINE)
    _roles(plan).write_text(made.sub("", _roles(plan).read_text(encoding="utf-8")), encoding="utf-8")
    connection, secrets = dumping.connection_of(plan.url(plan.new, "postgres"))
    command = [
        plan.clients.program("psql"),
        "--no-psqlrc",
        "--quiet",
        "--set=ON_ERROR_STOP=1",
        f"--dbname={connection}",
    ]
    run([*command, f"--file={_roles(plan)}"], None, plan.dumps / "psql.log", secrets)


def _roles(plan: _Upgrade) -> Path:
    return plan.dumps / "roles.sql"


def _dump(plan: _Upgrade, name: str, jobs: int, say: Say) -> tuple[dict[str, int], list[str] | None]:
    """Dump a database; the rows that each table holds, and the leaves that are settled."""
    say(f"dumping {name}")
    url = plan.url(plan.old, name)
    dumping.dump(plan.clients, url, plan.dumps / name, plan.dumps / "pg_dump.log", jobs=jobs)
    with logins.connect(url) as conn:
        return row_counts(conn), settled_leaves(conn)


def _make_new(plan: _Upgrade, say: Say) -> None:
    make_data(plan.new_programs, plan.new, plan.user, plan.server.home)
    write_settings(plan.new, plan.user, plan.server.memory)
    for name in _CARRIED:
        if (plan.old.data / name).exists():
            copy_file(plan.old.data / name, plan.new.data / name, plan.user)
    # What the switch makes the warehouse is written to the disk before it, by the server's orderly end.
    _start(plan, plan.new, plan.new_programs, ["synchronous_commit=off"], say)


def _restore(plan: _Upgrade, name: str, jobs: int, counts: dict[str, int], settled: list[str] | None) -> None:
    url = plan.url(plan.new, name)
    if name == "postgres":
        dumping.restore(plan.clients, url, plan.dumps / name, plan.dumps / "pg_restore.log", jobs=jobs)
    else:
        dumping.restore_with_database(
            plan.clients, plan.url(plan.new, "postgres"), plan.dumps / name, plan.dumps / "pg_restore.log", jobs=jobs
        )
    with logins.connect(url) as conn:
        refuse_other_counts(counts, row_counts(conn), name)
        if settled is not None:
            settle_leaves(conn, settled)
        conn.execute("analyze")
