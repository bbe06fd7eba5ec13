"""Connections of a migration: the owner's, and the locks that keep two of its steps from meeting."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, sleep
from typing import Any

import psycopg

from dpm_assets.database import SCHEMA, Database
from dpm_assets.errors import DpmError
from dpm_assets.migration.names import MIGRATION
from dpm_assets.partitions.patience import outlast_autovacuum
from dpm_assets.schema.apply import act_as_owner

_PATIENCE_SECONDS = 5.0

# Copies hold it shared, whatever swaps or removes tables holds it alone.
_LOCK = "hashtextextended('prop_trading_model.migration', 0)"


# What a firm may have set for its database or its logins, and a migration cannot live with: a snapshot older than a lock would
# miss the last writes, nothing can be written in a transaction that may only read, and the proof of a large month takes its time.
_OWN_WAYS = (
    "set default_transaction_isolation = 'read committed'",
    "set default_transaction_read_only = off",
    "set statement_timeout = 0",
    "set lock_timeout = 0",
    "set idle_in_transaction_session_timeout = 0",
)


@contextmanager
def login(db: Database) -> Iterator[psycopg.Connection[Any]]:
    """A connection as the login itself, whatever new sessions of this database begin with."""
    with db.connection(None) as conn:
        for setting in _OWN_WAYS:
            conn.execute(setting.encode())
        yield conn


@contextmanager
def owner(db: Database) -> Iterator[psycopg.Connection[Any]]:
    """A connection that acts as the owner of the schema, for statements that are transactions of their own.

    Commits are not waited for on disk: what a crash of the server takes back, it takes back with the row that says it was done.
    """
    with login(db) as conn:
        outlast_autovacuum(conn)
        act_as_owner(conn)
        conn.execute("set synchronous_commit = off")
        conn.execute("set client_min_messages = warning")
        yield conn


@contextmanager
def copying(db: Database) -> Iterator[psycopg.Connection[Any]]:
    """The same, beside other copies and while nobody swaps tables."""
    with owner(db) as conn:
        _take(
            conn,
            f"select pg_try_advisory_lock_shared({_LOCK})",
            "A cutover, rollback or clean is running. Wait for its end: dpm migrate status.",
        )
        try:
            yield conn
        finally:
            _let_go(conn)


@contextmanager
def alone(db: Database) -> Iterator[psycopg.Connection[Any]]:
    """The same, while nobody copies."""
    with owner(db) as conn:
        _take(
            conn,
            f"select pg_try_advisory_lock({_LOCK})",
            "A dpm migrate start, or a run of migrated_trades or migrated_metrics, is copying. Stop it or wait for its end.",
        )
        try:
            yield conn
        finally:
            _let_go(conn)


def phase(conn: psycopg.Connection[Any], *, cleaning: bool = False) -> str | None:
    """copying: programs use the originals; moved: they use the successors; None: no migration has been started.

    Raises DpmError when a clean has begun and not ended, unless it is the clean that asks (`cleaning`).
    """
    if not _true(conn, f"select to_regclass('{MIGRATION}.state') is not null"):
        return None
    row = conn.execute(
        f"select phase, to_regclass('{MIGRATION}.clean_begun') is not null from {MIGRATION}.state".encode()
    ).fetchone()
    if row and row[1] and not cleaning:
        command = "dpm migrate clean" if row[0] == "moved" else "dpm migrate clean --abandon"
        raise DpmError(
            f"{command} has begun, and what programs write is in no log any more: only its end is left. Wait for it, or run"
            f" {command} again if it was stopped."
        )
    return row[0] if row else None


def note_clean(conn: psycopg.Connection[Any]) -> None:
    """Say that a clean begins, to every other command until it has ended.

    In a table of its own: each program that writes reads `state`, and a change of its columns would wait for them all.
    """
    conn.execute(f"create table if not exists {MIGRATION}.clean_begun ()".encode())


def require_phase(conn: psycopg.Connection[Any], wanted: str, *, cleaning: bool = False) -> None:
    """Raise DpmError unless the migration is in this phase; `cleaning` as `phase` has it."""
    found = phase(conn, cleaning=cleaning)
    if found == wanted:
        return
    raise DpmError(
        {
            None: "No migration has been started. Begin with dpm migrate plan, then dpm migrate start.",
            "copying": "The cutover has not been: programs still use the original tables. dpm migrate status says how far it is.",
            "moved": "The cutover has been: programs use the new tables. dpm migrate rollback goes back, clean ends it.",
        }[found]
    )


def holds_originals(conn: psycopg.Connection[Any]) -> bool:
    """Whether the warehouse's schema holds raw_trades_closed and it is not partitioned."""
    return _true(
        conn,
        f"select exists (select from pg_class where oid = to_regclass('{SCHEMA}.raw_trades_closed') and relkind = 'r')",
    )


def _take(conn: psycopg.Connection[Any], query: str, refusal: str) -> None:
    """Take a lock, or raise DpmError: a session whose program was killed takes a moment to end."""
    give_up = monotonic() + _PATIENCE_SECONDS
    while not _true(conn, query):
        if monotonic() > give_up:
            raise DpmError(refusal)
        sleep(0.1)


def _let_go(conn: psycopg.Connection[Any]) -> None:
    """At once: the pool takes its time to end what a connection holds."""
    if not conn.broken:
        conn.execute("select pg_advisory_unlock_all()")


def _true(conn: psycopg.Connection[Any], query: str) -> bool:
    return conn.execute(query.encode()).fetchone() == (True,)
