"""What a copy needs before its first row: logs on the originals, the successors, everything of production beside them."""

import hashlib
from time import sleep
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from dpm_assets.database import SCHEMA, Database, run_file
from dpm_assets.errors import DpmError
from dpm_assets.migration.in_place import Report, apply_in_place
from dpm_assets.migration.names import MIGRATION, MOVED, NEXT, OLD, Moved
from dpm_assets.migration.production import make_production, make_roles
from dpm_assets.migration.refusals import other_columns, refusals
from dpm_assets.migration.sessions import copying, holds_originals, login, phase
from dpm_assets.partitions.patience import run_patiently
from dpm_assets.schema.apply import file_digest
from dpm_assets.settings import settings, sql_dir

# In the order in which they need each other.
_FILES = ("tables", "rows", "log", "parts", "copy", "follow", "verify", "swap")

# By what rule a row belongs to a day, and what a load would have corrected too.
_RULES: dict[Moved, tuple[str, str, str, str, dict[str, str], list[str]]] = {
    "raw_trades_closed": (
        "1 month",
        "YYYY_MM",
        "trade_date",
        "coalesce(o.trade_date, o.close_time::date)",
        {"stop_loss": "nullif(o.stop_loss, 0)", "take_profit": "nullif(o.take_profit, 0)"},
        ["lots", "volume_usd", "profit", "commission", "swap"],
    ),
    "raw_metrics_daily": (
        "1 year",
        "YYYY",
        "date",
        "o.date",
        {},
        ["net_profit", "gross_profit", "gross_loss", "commission", "swap"],
    ),
}


def prepare(db: Database, report: Report, *, set_aside: bool = False) -> None:
    """Make everything that the copy needs and is missing; programs that use the originals wait for milliseconds at most.

    Raises DpmError when there is nothing to migrate, or rows of the twelve other tables are at fault and not `set_aside`.
    """
    with login(db) as conn:
        if not holds_originals(conn) and phase(conn) is None:
            raise DpmError("There is nothing to migrate: raw_trades_closed is partitioned already, or not there.")
        _wait_for_others(conn)
        try:
            if not is_prepared(conn):
                _prepare(db, report, set_aside)
        finally:
            conn.execute("select pg_advisory_unlock_all()")


def _wait_for_others(conn: psycopg.Connection[Any]) -> None:
    """One after the other: runs for several months may begin at the same moment.

    Asked again and again, since a session that waits in the server has a snapshot, for whose end the other waits when it builds
    an index concurrently.
    """
    lock = "select pg_try_advisory_lock(hashtextextended('prop_trading_model.migration.prepare', 0))"
    while conn.execute(lock.encode()).fetchone() != (True,):
        sleep(0.2)


def _prepare(db: Database, report: Report, set_aside: bool) -> None:
    with login(db) as conn:
        if phase(conn) is None and (faults := [*refusals(conn)]):
            raise DpmError(f"{' '.join(faults)} Then start again; nothing has been changed.")
        make_roles(conn)
    apply_in_place(db, report, set_aside=set_aside)
    with login(db) as conn:
        _take_ownership(conn, report)
        _make_schemas(conn)
    with copying(db) as conn:
        report("functions, rollups and views of production are made beside the tables")
        make_bookkeeping(conn)
        make_production(conn)
        for moved in MOVED:
            describe(conn, moved)
        if faults := [*other_columns(conn)]:
            raise DpmError(f"{' '.join(faults)} Then start again; no row has been copied.")
        for moved in MOVED:
            report(f"changes of {moved} are logged from now on")
            run_patiently(conn, f"select {MIGRATION}.log_changes_of('{SCHEMA}.{moved}')")
            run_patiently(conn, f"select {MIGRATION}.log_changes_of('{NEXT}.{moved}')")
        list_parts(conn, report)
        conn.execute(f"update {MIGRATION}.state set prepared = %s".encode(), [_digest()])


def list_parts(conn: psycopg.Connection[Any], report: Report) -> None:
    """List the months and years that are missing; rows that none of them takes are kept aside."""
    with conn.transaction():
        row = conn.execute(
            f"select {MIGRATION}.list_parts(%s, %s)".encode(), [settings().first_month, settings().months_ahead]
        ).fetchone()
        if row == (0,):
            return
        for moved in MOVED:
            kept = conn.execute(f"select {MIGRATION}.set_aside_outside(%s)".encode(), [moved]).fetchone()
            if kept and kept[0]:
                report(f"{kept[0]:,} rows of {moved} have no day that a partition takes; they are kept in unmoved_rows")


def _digest() -> str:
    """Of everything that preparing runs: a newer installation prepares once more."""
    own = "".join((sql_dir() / "functions" / f"migration_{name}.sql").read_text(encoding="utf-8") for name in _FILES)
    return f"{file_digest()} {hashlib.sha256(own.encode()).hexdigest()[:16]}"


def is_prepared(conn: psycopg.Connection[Any]) -> bool:
    """Whether everything has been made, by this version of dpm."""
    if phase(conn) is None:
        return False
    return conn.execute(f"select prepared = %s from {MIGRATION}.state".encode(), [_digest()]).fetchone() == (True,)


def require_prepared(conn: psycopg.Connection[Any]) -> None:
    """Raise DpmError when no start has come as far as to log what programs write, so that what is copied may be out of date; and
    when another version of dpm made the new schema, which would pass for this version's."""
    if is_prepared(conn):
        return
    if conn.execute(f"select prepared is null from {MIGRATION}.state".encode()).fetchone() == (True,):
        why = "dpm migrate start was stopped before it logged what programs write."
    else:
        why = "Another version of dpm has prepared this migration."
    raise DpmError(f"{why} Run dpm migrate start again, then this; nothing was changed.")


def _take_ownership(conn: psycopg.Connection[Any], report: Report) -> None:
    """The two tables go to the owner of the schema, as the other twelve did; who had them keeps what they may do."""
    run_file(conn, sql_dir() / "migrations" / "parts" / "ownership.sql")
    steps = conn.execute("select object_name, statement from pg_temp.ownership_steps(%s)", [list(MOVED)]).fetchall()
    for name, statement in steps:
        run_patiently(conn, statement)
        report(f"{name} now belongs to dpm_owner")


def _make_schemas(conn: psycopg.Connection[Any]) -> None:
    """As the login, since the owner of the warehouse's schema may not be allowed to make another."""
    row = conn.execute("select pg_get_userbyid(nspowner) from pg_namespace where nspname = %s", [SCHEMA]).fetchone()
    assert row is not None
    to_owner = sql.SQL(" owner to {}").format(sql.Identifier(row[0]))
    for name in (MIGRATION, NEXT, OLD):
        conn.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(name)))
        conn.execute(sql.SQL("alter schema {}").format(sql.Identifier(name)) + to_owner)
    conn.execute(sql.SQL("alter table {}").format(sql.Identifier(MIGRATION, "unmoved_rows")) + to_owner)


def make_bookkeeping(conn: psycopg.Connection[Any]) -> None:
    """The migration's own tables and functions, in its schema."""
    conn.execute("set check_function_bodies = off")
    with conn.transaction():
        for name in _FILES:
            run_file(conn, sql_dir() / "functions" / f"migration_{name}.sql")


def describe(conn: psycopg.Connection[Any], moved: Moved) -> None:
    """Note a table, its successor, and the rules by which rows belong to days."""
    conn.execute(
        f"insert into {MIGRATION}.moved_tables values (%s, %s::regclass, %s::regclass, %s, %s, %s, %s, %s, %s)"
        " on conflict do nothing".encode(),
        [moved, f"{SCHEMA}.{moved}", f"{NEXT}.{moved}", *_RULES[moved][:4], Jsonb(_RULES[moved][4]), _RULES[moved][5]],
    )
