"""The twelve tables that stay unpartitioned, brought to production's form in place, while programs read and write them."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from dpm_assets.database import SCHEMA, Database, run_file
from dpm_assets.errors import DpmError
from dpm_assets.migration.in_place_rows import InPlaceFault, clear_rows, find_in_place_faults
from dpm_assets.migration.in_place_rules import IN_PLACE_TABLES, in_place_statements
from dpm_assets.migration.sessions import login
from dpm_assets.partitions.patience import outlast_autovacuum, run_patiently
from dpm_assets.settings import sql_dir

Report = Callable[[str], None]

__all__ = ["InPlaceFault", "apply_in_place", "find_in_place_faults", "plan_in_place"]

# How often a unique index is begun again because a program wrote a second row of a key while it was built.
_KEY_ATTEMPTS = 5


def apply_in_place(db: Database, report: Report, *, set_aside: bool = False) -> None:
    """Give the twelve tables production's columns, defaults, checks, keys, indexes and owner. What is done stays done, and
    running it again goes on with what remains.

    Rows that a new check or key refuses are set aside in unmoved_rows if `set_aside`; otherwise DpmError names them and
    nothing is changed. A stop loss or take profit of 0 becomes NULL in either case. `report` gets a line for each step.
    """
    with _alone(db) as conn:
        _refuse_missing_tables(conn)
        if not set_aside:
            _refuse_faults(conn)
        run_file(conn, sql_dir() / "migrations" / "parts" / "unmoved_rows.sql")
        _take_ownership(conn, report)
        clear_rows(conn, report)  # before the checks bind, or no program could change such a row
        for statement in plan_in_place(conn):
            if "validate constraint" in statement or statement.startswith("create unique index"):
                clear_rows(conn, report)  # what was written since
            report(statement)
            _run(conn, statement, report)


def plan_in_place(conn: psycopg.Connection[Any]) -> list[str]:
    """The statements of in_place.sql that have not been done yet."""
    return [statement for statement in in_place_statements() if not _is_done(conn, statement)]


def _is_done(conn: psycopg.Connection[Any], statement: str) -> bool:
    if index := re.match(r"create unique index concurrently if not exists (\w+)", statement):
        return _true(
            conn, "select exists (select from pg_index where indexrelid = to_regclass(%s) and indisvalid)", index[1]
        )
    if index := re.match(rf"drop index concurrently if exists {SCHEMA}\.(\w+)", statement):
        return _true(conn, "select to_regclass(%s) is null", index[1])
    table = re.match(rf"alter table {SCHEMA}\.(\w+)", statement)
    assert table is not None, statement
    if names := re.findall(r"validate constraint (\w+)", statement):
        return _constraints(conn, table[1], names, validated=True)
    if names := re.findall(r"add constraint (\w+)", statement):
        return _constraints(conn, table[1], names, validated=False)
    return _defaults_are_utc(conn, table[1], re.findall(r"alter column (\w+) set default", statement))


def _constraints(conn: psycopg.Connection[Any], table: str, names: list[str], *, validated: bool) -> bool:
    """Whether the table has all of these constraints."""
    row = conn.execute(
        "select count(*) from pg_constraint"
        " where conrelid = to_regclass(%s) and conname = any (%s) and (convalidated or not %s)",
        [f"{SCHEMA}.{table}", names, validated],
    ).fetchone()
    return row == (len(names),)


def _defaults_are_utc(conn: psycopg.Connection[Any], table: str, columns: list[str]) -> bool:
    row = conn.execute(
        "select count(*) from pg_attrdef as d join pg_attribute as a on a.attrelid = d.adrelid and a.attnum = d.adnum"
        " where d.adrelid = to_regclass(%s) and a.attname = any (%s)"
        " and pg_get_expr(d.adbin, d.adrelid) = '(now() AT TIME ZONE ''utc''::text)'",
        [f"{SCHEMA}.{table}", columns],
    ).fetchone()
    return row == (len(columns),)


def _true(conn: psycopg.Connection[Any], query: str, name: str) -> bool:
    return conn.execute(query.encode(), [f"{SCHEMA}.{name}"]).fetchone() == (True,)


def _run(conn: psycopg.Connection[Any], statement: str, report: Report) -> None:
    """Run a statement with the patience that its lock asks for: what no reader or writer waits for may itself wait."""
    if statement.startswith("create unique index"):
        _build_key(conn, statement, report)
    elif "concurrently" in statement or "validate constraint" in statement:
        conn.execute(statement.encode())
    else:
        run_patiently(conn, statement)


def _build_key(conn: psycopg.Connection[Any], statement: str, report: Report) -> None:
    index = sql.Identifier(SCHEMA, statement.split()[7])
    for attempt in range(1, _KEY_ATTEMPTS + 1):
        conn.execute(
            sql.SQL("drop index concurrently if exists {}").format(index)
        )  # of a build that failed or was killed
        try:
            conn.execute(statement.encode())
            return
        except psycopg.errors.UniqueViolation as error:
            if attempt == _KEY_ATTEMPTS:
                raise DpmError(
                    f"Programs go on writing open positions twice: {error.diag.message_detail} Have them write each"
                    " (account_id, trade_id) once (on conflict do update), then run this again."
                ) from None
            clear_rows(conn, report)


def _refuse_missing_tables(conn: psycopg.Connection[Any]) -> None:
    names = [name for name in IN_PLACE_TABLES if _true(conn, "select to_regclass(%s) is null", name)]
    if names:
        raise DpmError(
            f"These tables of the original are not there: {', '.join(names)}. psql -f sql/schema_baseline.sql makes what is"
            " missing; then run this again."
        )


def _refuse_faults(conn: psycopg.Connection[Any]) -> None:
    refused = [fault for fault in find_in_place_faults(conn) if not fault.mended]
    if refused:
        named = "; ".join(f"{fault.rows} of {fault.table} by {fault.rule}" for fault in refused)
        raise DpmError(
            f"Rows that the new checks and keys refuse: {named}. Correct them (dpm migrate plan shows some of each), or start"
            " with --set-aside, which keeps them in prop_trading_model_migration.unmoved_rows. Nothing has been changed."
        )


def _take_ownership(conn: psycopg.Connection[Any], report: Report) -> None:
    run_file(conn, sql_dir() / "migrations" / "parts" / "ownership.sql")
    for name, statement in conn.execute(
        "select object_name, statement from pg_temp.ownership_steps(%s)", [[*IN_PLACE_TABLES]]
    ).fetchall():
        report(f"{name} now belongs to dpm_owner")
        run_patiently(conn, statement)


@contextmanager
def _alone(db: Database) -> Iterator[psycopg.Connection[Any]]:
    """A connection as the login, the only one that does this; a session that was killed holds the lock no longer."""
    with login(db) as conn:
        if not conn.execute(
            "select pg_try_advisory_lock(hashtextextended('prop_trading_model.in_place', 0))"
        ).fetchone() == (True,):
            raise DpmError("Another session is changing these tables. See pg_stat_activity, wait, and run this again.")
        outlast_autovacuum(conn)
        yield conn  # the lock goes when the connection is returned to the pool
