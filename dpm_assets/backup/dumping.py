"""pg_dump into a folder, one file a table, and pg_restore from it, both with several jobs at once."""

import os
import re
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from dpm_assets.backup.programs import ClientPrograms
from dpm_assets.errors import DpmError
from dpm_assets.server.programs import run

_STATISTICS = "pg_stat_statements"


def dump(
    programs: ClientPrograms,
    url: str,
    folder: Path,
    log: Path,
    *,
    jobs: int,
    snapshot: str | None = None,
    role: str | None = None,
) -> None:
    """A database into a new folder, as a snapshot that another session has exported, or as it is.

    Writers go on; an ALTER or DROP of a table waits until the end.
    """
    options = ["--format=directory", f"--file={folder}", f"--jobs={jobs}"]
    options += [f"--snapshot={snapshot}"] if snapshot else []
    options += [f"--role={role}"] if role else []
    _run(programs.program("pg_dump"), url, options, log)


def restore(
    programs: ClientPrograms, url: str, folder: Path, log: Path, *, jobs: int, owner: str | None = None
) -> None:
    """The content of a dump into an empty database; with `owner`, all of it becomes that role's and has no privileges.

    Left out is the extension of the statement statistics, which not every login may make. Raises DpmError at the first
    statement that fails.
    """
    wanted = log.with_suffix(".list")
    wanted.write_text("\n".join(line for line in _listed(programs, folder, log) if _STATISTICS not in line), "utf-8")
    options = ["--exit-on-error", f"--jobs={jobs}", f"--use-list={wanted}"]
    options += [f"--role={owner}", "--no-owner", "--no-privileges"] if owner else []
    _run(programs.program("pg_restore"), url, [*options, str(folder)], log)
    wanted.unlink()


def restore_with_database(programs: ClientPrograms, url: str, folder: Path, log: Path, *, jobs: int) -> None:
    """The same, and the database itself with its owner, sort order and settings; `url` is of another one of the server."""
    _run(programs.program("pg_restore"), url, ["--exit-on-error", "--create", f"--jobs={jobs}", str(folder)], log)


def tables_in(programs: ClientPrograms, folder: Path) -> set[int]:
    """The numbers (oid) of the tables whose rows a dump holds: names stand in its table of contents with blanks and breaks and
    without quotes. Raises DpmError when it cannot be read."""
    log = folder.with_name(f"{folder.name}.log")
    try:
        lines = _listed(programs, folder, log)
    finally:
        log.unlink(missing_ok=True)
    found = (re.match(r"\d+; \d+ (\d+) TABLE DATA ", line) for line in lines)
    return {int(match[1]) for match in found if match}


def _listed(programs: ClientPrograms, folder: Path, log: Path) -> list[str]:
    """The lines of a dump's table of contents."""
    listed = log.with_suffix(".contents")
    try:
        run([programs.program("pg_restore"), "--list", f"--file={listed}", str(folder)], None, log)
        return listed.read_text(encoding="utf-8").split("\n")  # other breaks than this one may be in a name
    finally:
        listed.unlink(missing_ok=True)


def read_through(programs: ClientPrograms, folder: Path, log: Path) -> None:
    """Read and unpack every row of a dump, as a restore would. Raises DpmError when one cannot be."""
    run([programs.program("pg_restore"), f"--file={os.devnull}", str(folder)], None, log)


def connection_of(url: str) -> tuple[str, dict[str, str]]:
    """A URL as a connection string without its password, and the variables that carry it: every user reads command lines."""
    parts = {name: str(value) for name, value in conninfo_to_dict(url).items()}
    password = parts.pop("password", None)
    return make_conninfo("", **parts), {"PGPASSWORD": password} if password else {}


def _run(program: str, url: str, options: list[str], log: Path) -> None:
    connection, secrets = connection_of(url)
    try:
        run([program, f"--dbname={connection}", *options], None, log, {**secrets, "PGTZ": "UTC"})
    except DpmError as error:
        raise DpmError(f"{str(error).rstrip('.')}. Its log is {log}.") from None
