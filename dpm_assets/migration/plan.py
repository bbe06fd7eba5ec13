"""`plan`: what a migration would find and take, without touching anything."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from dpm_assets.calendar import add_months, month_of, today
from dpm_assets.database import SCHEMA, Database
from dpm_assets.errors import DpmError
from dpm_assets.migration.dependents import Dependent, find_dependents
from dpm_assets.migration.disk import Room, room
from dpm_assets.migration.in_place import InPlaceFault, find_in_place_faults
from dpm_assets.migration.names import MIGRATION, MOVED, NEXT, Moved
from dpm_assets.migration.prepare import describe, make_bookkeeping
from dpm_assets.migration.production import beside
from dpm_assets.migration.refusals import other_columns, refusals
from dpm_assets.migration.sessions import holds_originals, login, phase
from dpm_assets.settings import settings, sql_dir

_SAMPLES = 3


@dataclass(frozen=True)
class RowFinding:
    """Rows of a table that would not move, or only changed by a rule; `samples`: up to three of them, as they are."""

    table: str
    what: str
    rows: int
    moves: bool
    samples: list[dict[str, Any]]


@dataclass(frozen=True)
class Plan:
    """What `start` and `cutover` would meet. `refusals`: sentences about what has to be mended before `start`."""

    rows: dict[str, int]
    findings: list[RowFinding]
    in_place: list[InPlaceFault]
    dependents: list[Dependent]
    room: Room
    refusals: list[str]
    notes: list[str]


def make_plan(db: Database, jobs: int = 1) -> Plan:
    """Look at everything; reads each of the large tables a few times. Raises DpmError when there is nothing to migrate."""
    with login(db) as conn:
        if not holds_originals(conn):
            raise DpmError("There is nothing to migrate: raw_trades_closed is partitioned already, or not there.")
        in_place = find_in_place_faults(conn)
        with _bookkeeping(conn):
            oids = conn.execute(
                "select array_agg(to_regclass(format('%%I.%%I', %s::text, t))::oid) from unnest(%s::text[]) as t",
                [SCHEMA, list(MOVED)],
            ).fetchone()
            assert oids is not None
            counted: dict[str, int] = {moved: _count(conn, moved) for moved in MOVED}
            return Plan(
                counted,
                [finding for moved in MOVED for finding in _findings(conn, moved)],
                in_place,
                find_dependents(conn, oids[0]),
                room(conn, jobs),
                [*refusals(conn), *other_columns(conn)],
                [*_notes(conn)],
            )


@contextmanager
def _bookkeeping(conn: psycopg.Connection[Any]) -> Iterator[None]:
    """The migration's functions and empty successors, gone again at the end unless they had been there."""
    with conn.transaction() as transaction:
        if phase(conn) is None:
            conn.execute("set local check_function_bodies = off; set local client_min_messages = warning")
            for name in (MIGRATION, NEXT):
                conn.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(name)))
            for file in ("raw_trades_closed.sql", "raw_metrics.sql"):
                text = (sql_dir() / "tables" / file).read_text(encoding="utf-8")
                for statement in text.split(";\n"):
                    if f"{NEXT}." in (moved := beside(statement)):
                        conn.execute(moved.encode())
            make_bookkeeping(conn)
            for table in MOVED:
                describe(conn, table)
        yield
        raise psycopg.Rollback(transaction)


def _count(conn: psycopg.Connection[Any], moved: Moved) -> int:
    row = conn.execute(sql.SQL("select count(*) from {}").format(sql.Identifier(SCHEMA, moved))).fetchone()
    return int(row[0]) if row else 0


def _findings(conn: psycopg.Connection[Any], moved: Moved) -> Iterator[RowFinding]:
    row = conn.execute(
        f"select {MIGRATION}.as_successor(%(moved)s), {MIGRATION}.refusal(%(moved)s), {MIGRATION}.place_in_key(%(moved)s),"
        f" {MIGRATION}.key_columns(%(moved)s)::text[], day, day_column::text, corrections"
        f" from {MIGRATION}.moved_tables where table_name = %(moved)s".encode(),
        {"moved": moved},
    ).fetchone()
    assert row is not None
    as_successor, refusal, place, key, day, day_column, corrections = row
    original = f"{SCHEMA}.{moved}"
    covered = _covered(moved, day)
    rows = f"select {as_successor}, to_jsonb(o) as original_row from {original} as o where {covered}"
    plain = f"select to_jsonb(o) as original_row from {original} as o where"
    yield from _found(conn, moved, "a day that no partition takes", f"{plain} ({covered}) is not true", moves=False)
    refused = conn.execute(
        f"select refusal, count(*), (array_agg(original_row))[1:{_SAMPLES}]"
        f" from (select t.original_row, {refusal} as refusal from ({rows}) as t) as j"
        " where refusal is not null group by 1 order by 1".encode()
    ).fetchall()
    for name, count, samples in refused:
        yield RowFinding(moved, f"refused by {name}", count, False, samples)
    keys = ", ".join(key)
    taken = f"from ({rows}) as t where {refusal} is null"
    twice = f"select {keys} {taken} group by {keys} having count(*) > 1"
    placed = (
        f"select t.original_row, {place} as place from (select t.* {taken}) as t join ({twice}) as k using ({keys})"
    )
    yield from _found(
        conn,
        moved,
        "an older copy of its key",
        f"select original_row from ({placed}) as p where place > 1",
        moves=False,
    )
    if day != f"o.{day_column}":
        what = f"no {day_column}: the date of close_time stands for it"
        yield from _found(conn, moved, what, f"{plain} o.{day_column} is null and {covered}", moves=True)
    for column in corrections:
        yield from _found(conn, moved, f"{column} 0 for none becomes NULL", f"{plain} o.{column} = 0", moves=True)


def _covered(moved: Moved, day: str) -> str:
    """The condition of a day that a partition will take: from the first month to the last one ahead, or the years of these."""
    first = settings().first_month
    last = add_months(month_of(today()), settings().months_ahead)
    beyond = add_months(last, 1)
    if moved == "raw_metrics_daily":
        first, beyond = first.replace(month=1), last.replace(year=last.year + 1, month=1)
    return f"({day}) >= date '{first}' and ({day}) < date '{beyond}'"


def _found(conn: psycopg.Connection[Any], moved: Moved, what: str, query: str, *, moves: bool) -> Iterator[RowFinding]:
    """A finding for the rows of a query of `original_row`, if there are any."""
    row = conn.execute(
        f"with found as materialized ({query}) select (select count(*) from found),"
        f" array(select original_row from found limit {_SAMPLES})".encode()
    ).fetchone()
    if row and row[0]:
        yield RowFinding(moved, what, row[0], moves, row[1])


def _notes(conn: psycopg.Connection[Any]) -> Iterator[str]:
    yield (
        "Prepared statements that return id or * of the two tables have to be prepared again after the cutover: id becomes"
        " bigint, and there is one column more."
    )
    row = conn.execute(
        "select current_setting('TimeZone'), coalesce((select array_to_string(setconfig, ', ') from pg_db_role_setting as s"
        " join pg_database as d on d.oid = s.setdatabase where d.datname = current_database() and s.setrole = 0), '')"
    ).fetchone()
    if row and "timezone" not in row[1].lower():
        yield "From the cutover on new sessions begin in UTC with search_path prop_trading_model, public."
    yield "The other twelve tables get their keys and checks in place; they stay so after a rollback."
