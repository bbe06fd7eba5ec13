"""Taking a backup: each database as one snapshot, read back, and complete only when its folder has its name."""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg

from dpm_assets.backup import dumping
from dpm_assets.backup.cold_files import copy_cold_files, listed_cold_files
from dpm_assets.backup.counting import counted_tables, row_counts
from dpm_assets.backup.leaves import settled_leaves
from dpm_assets.backup.manifest import ColdFile, DumpedDatabase, Manifest, hashes_of
from dpm_assets.backup.programs import ClientPrograms, programs_to_dump
from dpm_assets.backup.roles import read_memberships, read_roles
from dpm_assets.backup.sources import WAREHOUSE, Source, connect, exists, sources
from dpm_assets.database import SCHEMA, Database
from dpm_assets.errors import DpmError
from dpm_assets.partitions.cold.states import alone

Say = Callable[[str], None]


def back_up(target: Path, say: Say, *, jobs: int, copy_cold: bool = False) -> tuple[Manifest, list[str]]:
    """Both databases, the roles and the list of the archive (or its files, with `copy_cold`) in a new folder `target`.

    Returns what it holds, and a sentence for each file of the archive that could not be copied.

    It is made as `target`.partial and renamed when all of it has been read back, so that what was interrupted never looks
    like a backup. Raises DpmError when `target` is there, somebody else writes it, or something cannot be read.
    """
    target = target.absolute()
    with _partial(target) as folder:
        there = [source for source in sources() if source.folder == WAREHOUSE or exists(source)]
        if len(there) < 2:
            say("dagster: its database is not there (DPM_DAGSTER_URL names another place), and so not in the backup")
        programs = {source.folder: _programs(source) for source in there}
        with connect(there[0].url) as conn:
            roles, memberships = read_roles(conn), read_memberships(conn)
        with Database(there[0].url, application_name="dpm backup") as db, alone(db, say):
            cold: list[ColdFile] = []
            complaints: list[str] = []
            databases = []
            for source in there:
                say(f"{source.folder}: dumping with {jobs} jobs")
                databases.append(_dumped(source, folder, programs[source.folder], jobs, cold))
            if copy_cold:
                cold, complaints = copy_cold_files(cold, folder, say)
        for dumped in databases:
            say(f"{dumped.folder}: {sum(dumped.rows.values()):,} rows of {len(dumped.rows)} tables; reading them back")
            _read_back(programs[dumped.folder], folder, dumped)
        manifest = Manifest(
            backup_id=uuid4().hex,
            made_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            databases=databases,
            roles=roles,
            memberships=memberships,
            cold_files=cold,
            files=hashes_of(folder),
        )
        manifest.write(folder)
        say(f"whole: {manifest.bytes / 1e6:,.1f} MB in {len(manifest.files)} files")
    return manifest, complaints


@contextmanager
def _partial(target: Path) -> Iterator[Path]:
    """A folder for this process alone, which gets its name at the end if all went well; what a killed one left is removed."""
    if target.exists():
        raise DpmError(f"{target} is there already, and a backup is never overwritten. Name another folder.")
    folder = target.with_name(f"{target.name}.partial")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DpmError(f"Another backup into {target} is under way. Wait for it, or name another folder.") from None
        _empty(folder)
        try:
            yield folder
        except BaseException:
            _keep_logs_only(folder)
            raise
        os.fsync(descriptor)
        folder.rename(target)
        _sync_folder(target.parent)
    finally:
        os.close(descriptor)


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def _keep_logs_only(folder: Path) -> None:
    """The dumps go, which are large; what the programs said stays."""
    for entry in folder.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _programs(source: Source) -> ClientPrograms:
    """Dagster's database may be on another server than the warehouse, of another version."""
    with connect(source.url) as conn:
        return programs_to_dump(conn.info.server_version // 10000)


def _dumped(source: Source, folder: Path, programs: ClientPrograms, jobs: int, cold: list[ColdFile]) -> DumpedDatabase:
    """Dump, and count the rows meanwhile in the same snapshot; what the archive holds in it is added to `cold`."""
    with connect(source.url) as conn:
        role = _role_that_reads(conn)
        with conn.transaction():
            conn.execute("set transaction isolation level repeatable read, read only")
            snapshot = str(_one(conn, "select pg_export_snapshot()"))
            settled = settled_leaves(conn)
            cold += listed_cold_files(conn)
            with ThreadPoolExecutor(1) as pool:
                counted = pool.submit(row_counts, conn)
                try:
                    dumping.dump(
                        programs,
                        source.url,
                        folder / source.folder,
                        folder / f"pg_dump_{source.folder}.log",
                        jobs=jobs,
                        snapshot=snapshot,
                        role=role,
                    )
                except BaseException:
                    conn.cancel()
                    raise
                rows = counted.result()
            _refuse_lacking(programs, folder / source.folder, counted_tables(conn))
        return DumpedDatabase(source.folder, conn.info.server_version // 10000, rows, settled, programs.major)


def _role_that_reads(conn: psycopg.Connection[Any]) -> str | None:
    """The owner's role for a login that inherits nothing, taken on `conn` too; None where the login reads by itself."""
    row = conn.execute(
        "select o.rolname from pg_namespace as n join pg_roles as o on o.oid = n.nspowner, pg_roles as me"
        " where n.nspname = %s and me.rolname = current_user and not me.rolsuper"
        " and not pg_has_role(o.oid, 'usage') and pg_has_role(o.oid, 'member')",
        [SCHEMA],
    ).fetchone()
    if row:
        conn.execute("select set_config('role', %s, false)", [row[0]])
    return row[0] if row else None


def _refuse_lacking(programs: ClientPrograms, dump: Path, tables: dict[int, str]) -> None:
    """Raise DpmError naming a table whose rows the dump has not."""
    there = dumping.tables_in(programs, dump)
    lacking = sorted(name for number, name in tables.items() if number not in there)
    if lacking:
        raise DpmError(f"The dump lacks {lacking[0]}, which was made or renamed meanwhile. Take the backup again.")


def _read_back(programs: ClientPrograms, folder: Path, dumped: DumpedDatabase) -> None:
    """Raise DpmError when the dump cannot be unpacked to its end."""
    dumping.read_through(programs, folder / dumped.folder, folder / f"pg_restore_{dumped.folder}.log")


def _one(conn: psycopg.Connection[Any], query: str) -> Any:
    row = conn.execute(query.encode()).fetchone()
    return row[0] if row else None
