"""Restoring a backup: into databases beside the empty ones, which they replace when all of it is there.

Invariant: a database with the warehouse's name is the empty one that was there, or the whole backup.
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from dpm_assets.backup import dumping
from dpm_assets.backup.cold_files import bring_back_cold_files, disown_cold_files
from dpm_assets.backup.counting import refuse_other_counts, row_counts
from dpm_assets.backup.leaves import settle_leaves
from dpm_assets.backup.manifest import DumpedDatabase, Manifest, read_manifest, refuse_damaged
from dpm_assets.backup.programs import ClientPrograms, programs_to_restore
from dpm_assets.backup.roles import make_roles
from dpm_assets.backup.sources import DAGSTER, WAREHOUSE, Source, connect, sources
from dpm_assets.database import run_file
from dpm_assets.errors import DpmError
from dpm_assets.server.connect import embedded_server
from dpm_assets.settings import settings, sql_dir

Say = Callable[[str], None]


@dataclass(frozen=True)
class _Target:
    """A database to be restored: the place it takes, and where it is made."""

    source: Source
    dumped: DumpedDatabase

    @property
    def making(self) -> str:
        return f"{self.source.database}_restoring"

    @property
    def making_url(self) -> str:
        return self.source.beside(self.making)


def check(folder: Path) -> Manifest:
    """Read every byte of a backup. Raises DpmError when it is not whole."""
    manifest = read_manifest(folder.absolute())
    refuse_damaged(folder.absolute(), manifest)
    return manifest


def restore(folder: Path, say: Say, *, jobs: int, own: bool = False) -> list[str]:
    """Restore both databases; killed, the same call goes on or begins again. With `own`, all becomes the login's.

    Returns what could not be brought back, a sentence each. Raises DpmError when the backup is damaged, a database holds
    tables already, or rows are missing in the end; then what was there is as it was.
    """
    folder = folder.absolute()
    manifest = check(folder)
    by_folder = {source.folder: source for source in sources()}
    targets = [_Target(by_folder[dumped.folder], dumped) for dumped in manifest.databases]
    say(f"backup of {manifest.made_at}: {manifest.bytes / 1e6:,.1f} MB, every file as it was written")
    programs: dict[str, ClientPrograms] = {}
    for target in targets:  # each asks its own server: Dagster's database may be on another one than the warehouse
        with connect(_maintenance(target.source)) as conn:
            if not _is_in_place(conn, target, manifest):
                _refuse_full(conn, target)
                programs[target.dumped.folder] = programs_to_restore(
                    conn.info.server_version // 10000, target.dumped.dumped_by
                )
    left = [target for target in targets if target.dumped.folder in programs]
    complaints: list[str] = []
    if not own:
        with connect(_maintenance(by_folder[WAREHOUSE])) as conn:
            complaints += make_roles(conn, manifest.roles, manifest.memberships)
    for target in left:
        _make(target, folder, programs[target.dumped.folder], manifest, jobs=jobs, own=own, say=say)
    for target in targets:
        if target.source.folder == WAREHOUSE:
            with connect(target.making_url if target in left else target.source.url) as conn:
                complaints += bring_back_cold_files(conn, manifest.cold_files, folder, settings().cold_root, say)
    for target in left:
        _take_place(target, say)
    if settings().database_url is None:
        embedded_server().start()  # gives the service's login its rights on the databases once more
        embedded_server().grant_roles()
    return complaints


def _make(
    target: _Target, folder: Path, programs: ClientPrograms, manifest: Manifest, *, jobs: int, own: bool, say: Say
) -> None:
    """The database beside, whole or not marked as such."""
    with connect(_maintenance(target.source)) as conn:
        if _note(conn, target.making) == _mark(manifest):
            return
        owner = _make_empty(conn, target)
    say(f"{target.dumped.folder}: restoring {sum(target.dumped.rows.values()):,} rows with {jobs} jobs")
    log = Path(tempfile.mkdtemp(prefix="dpm-restore-")) / f"pg_restore_{target.dumped.folder}.log"
    whole = target.dumped.folder == WAREHOUSE and not own
    dumping.restore(
        programs, target.making_url, folder / target.dumped.folder, log, jobs=jobs, owner=None if whole else owner
    )
    log.unlink()
    log.parent.rmdir()
    with connect(target.making_url) as conn:
        if target.dumped.settled_leaves is not None:
            run_file(conn, sql_dir() / "session_defaults.sql")
            run_file(conn, sql_dir() / "statement_statistics.sql")
            settle_leaves(conn, target.dumped.settled_leaves)
        say(f"{target.dumped.folder}: counting and analyzing")
        refuse_other_counts(
            _without_leaves(target.dumped.rows), _without_leaves(row_counts(conn)), target.dumped.folder
        )
        conn.execute("analyze")
        disown_cold_files(conn)
        conn.execute(
            sql.SQL("comment on database {} is {}").format(sql.Identifier(target.making), sql.Literal(_mark(manifest)))
        )


def _without_leaves(counts: dict[str, int]) -> dict[str, int]:
    """settle_leaves() lets some go on purpose."""
    return {name: count for name, count in counts.items() if name != "prop_trading_model.known_leaves"}


def _make_empty(conn: psycopg.Connection[Any], target: _Target) -> str:
    """A copy of the empty database in whose place it will be, for its encoding and sort order; returns its owner."""
    row = conn.execute(
        "select pg_get_userbyid(datdba) from pg_database where datname = %s", [target.source.database]
    ).fetchone()
    if row is None and target.source.folder == DAGSTER:  # dpm up makes it only at its first start
        conn.execute(sql.SQL("create database {}").format(sql.Identifier(target.source.database)))
        return _make_empty(conn, target)
    if row is None:
        raise DpmError(
            f"There is no database {target.source.database} to restore into. Make an empty one, or start the embedded server "
            "with dpm server start, then restore again."
        )
    making, place, owner = map(sql.Identifier, (target.making, target.source.database, row[0]))
    conn.execute(sql.SQL("drop database if exists {} with (force)").format(making))
    conn.execute(sql.SQL("create database {} template {} owner {}").format(making, place, owner))
    return str(row[0])


def _take_place(target: _Target, say: Say) -> None:
    """Drop the empty one, rename: between the two there is no such database, and the next call ends it."""
    say(f"{target.dumped.folder}: taking the place of the empty {target.source.database}")
    with connect(_maintenance(target.source)) as conn:
        place, making = sql.Identifier(target.source.database), sql.Identifier(target.making)
        _refuse_full(conn, target)
        conn.execute(sql.SQL("drop database if exists {}").format(place))
        conn.execute(sql.SQL("alter database {} rename to {}").format(making, place))
    say(f"{target.dumped.folder}: restored as {target.source.database}")


def _refuse_full(conn: psycopg.Connection[Any], target: _Target) -> None:
    """Raise DpmError when the place holds tables: a restore replaces nothing."""
    if conn.execute("select from pg_database where datname = %s", [target.source.database]).fetchone() is None:
        return
    with connect(target.source.url) as inside:
        row = inside.execute(
            "select n.nspname || '.' || c.relname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace"
            " where c.relkind in ('r', 'p', 'm', 'v') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'"
            # An extension's, which every new database of a server may have, are nobody's data.
            " and not exists (select from pg_depend as d"
            " where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e') limit 1"
        ).fetchone()
    if row:
        raise DpmError(
            f"The database {target.source.database} holds {row[0]}, and a restore replaces nothing. Restore into an empty one: "
            "another DPM_HOME with dpm server start, or another DPM_DATABASE_URL."
        )


def _is_in_place(conn: psycopg.Connection[Any], target: _Target, manifest: Manifest) -> bool:
    return _note(conn, target.source.database) == _mark(manifest)


def _note(conn: psycopg.Connection[Any], database: str) -> str | None:
    row = conn.execute(
        "select shobj_description(oid, 'pg_database') from pg_database where datname = %s", [database]
    ).fetchone()
    return row[0] if row else None


def _mark(manifest: Manifest) -> str:
    return f"restored from the dpm backup {manifest.backup_id} of {manifest.made_at}"


def _maintenance(source: Source) -> str:
    return source.beside("postgres")
