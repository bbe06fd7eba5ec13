"""Indexes of partitioned tables: what no function can do (CONCURRENTLY), driven in autocommit from the rows of
sql/indexes/partition_index_management.sql."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg

from dpm_assets.database import SCHEMA, Database
from dpm_assets.errors import DpmError
from dpm_assets.partitions.create import Step
from dpm_assets.partitions.patience import run_patiently

Say = Callable[[str], None]


@dataclass(frozen=True)
class IndexUse:
    """An index of a partitioned table, over all its parts."""

    table: str
    index: str
    parts: int
    missing: int
    invalid: int
    size: int
    scans: int
    definition: str


@dataclass(frozen=True)
class IndexFinding:
    finding: str
    table: str
    index: str
    detail: str
    size: int | None


def indexes(db: Database) -> list[IndexUse]:
    """Every index of the partitioned tables."""
    with db.connection() as conn:
        rows = conn.execute(
            "select parent_table, index_name, count(part_name), count(*) - count(part_name),"
            " count(part_name) filter (where not valid), coalesce(sum(bytes), 0)::bigint, sum(scans)::bigint, min(definition)"
            " from prop_trading_model.partition_index_usage group by 1, 2 order by 1, 2"
        ).fetchall()
    return [IndexUse(*row) for row in rows]


def index_findings(db: Database) -> list[IndexFinding]:
    """Indexes that are missing somewhere, invalid, unused or duplicate."""
    with db.connection() as conn:
        rows = conn.execute("select * from prop_trading_model.check_partition_indexes()").fetchall()
    return [IndexFinding(*row) for row in rows]


def is_declared(db: Database, name: str) -> bool:
    with db.connection() as conn:
        query = "select to_regclass(format('%%I.%%I', %s::text, %s::text)) is not null"
        return conn.execute(query, [SCHEMA, name]).fetchone() == (True,)


def plan_declaration(db: Database, name: str, table: str, definition: str, unique: bool) -> str:
    """The statement that `declare` would run."""
    return _declare(db, name, table, definition, unique=unique, dry_run=True)


def declare(db: Database, name: str, table: str, definition: str, unique: bool) -> str:
    """Declare an index of a partitioned table; its parts are built by `build`."""
    return _declare(db, name, table, definition, unique=unique, dry_run=False)


def _declare(db: Database, name: str, table: str, definition: str, *, unique: bool, dry_run: bool) -> str:
    with db.connection("dpm_owner") as conn:
        row = conn.execute(
            "select prop_trading_model.declare_partition_index(%s, format('%%I.%%I', %s::text, %s::text)::regclass, %s, %s, %s)",
            [name, SCHEMA, table, definition, unique, dry_run],
        ).fetchone()
    return str(row[0]) if row else ""


def plan_build(db: Database, name: str) -> list[Step]:
    """What remains to be built; empty when the index is complete."""
    with db.connection("dpm_owner") as conn:
        return _steps(conn, "partition_index_steps", name)


def plan_rebuild(db: Database, name: str) -> list[Step]:
    with db.connection("dpm_owner") as conn:
        return _steps(conn, "partition_index_rebuild_steps", name)


def build(db: Database, name: str, say: Say) -> None:
    """Build what remains, or clean up what was killed and build that. Raises DpmError when another session is at it."""
    with _alone(db, name) as conn:
        while steps := _steps(conn, "partition_index_steps", name):
            for step in steps:
                _run(conn, step, say)


def rebuild(db: Database, name: str, say: Say) -> None:
    """Build every part anew, one after the other; queries use the old one until the new one is ready."""
    with _alone(db, name) as conn:
        for step in _steps(conn, "partition_index_rebuild_steps", name):
            _run(conn, step, say)


def drop(db: Database, name: str, say: Say) -> None:
    """Drop an index with all its parts, and what a killed build left of it."""
    with _alone(db, name) as conn:
        left = [step for step in _steps(conn, "partition_index_steps", name) if "attach partition" in step.statement]
        row = conn.execute("select prop_trading_model.drop_partition_index(%s)", [name]).fetchone()
        say(str(row and row[0]))
        for step in left:
            part = step.statement.split(" attach partition ")[1]
            conn.execute(f"drop index concurrently if exists {part}".encode())


def plan_drop(db: Database, name: str) -> str:
    with db.connection("dpm_owner") as conn:
        row = conn.execute("select prop_trading_model.drop_partition_index(%s, true)", [name]).fetchone()
    return str(row and row[0])


def _run(conn: psycopg.Connection[Any], step: Step, say: Say) -> None:
    say(step.statement)
    if " concurrently " in step.statement:
        conn.execute(step.statement.encode())  # nobody waits for it, so it may wait for others as long as it takes
    else:
        run_patiently(conn, step.statement)


def _steps(conn: psycopg.Connection[Any], function: str, name: str) -> list[Step]:
    query = psycopg.sql.SQL("select partition_name, statement, locks from {}(%s)").format(
        psycopg.sql.Identifier(SCHEMA, function)
    )
    return [Step(*row) for row in conn.execute(query, [name]).fetchall()]


@contextmanager
def _alone(db: Database, name: str) -> Iterator[psycopg.Connection[Any]]:
    """A connection of the owner that holds the lock of this index; a session that was killed holds it no longer."""
    with db.connection("dpm_owner") as conn:
        locked = conn.execute(
            "select pg_try_advisory_lock(hashtextextended('prop_trading_model.indexes.' || %s::text, 0))", [name]
        ).fetchone()
        if locked != (True,):
            raise DpmError(
                f"Another session is at work on the index {name}. See pg_stat_activity, wait, and run this again."
            )
        try:
            yield conn
        finally:
            with suppress(psycopg.Error):  # of a server that is gone, the lock is too
                conn.execute("select pg_advisory_unlock_all()")
