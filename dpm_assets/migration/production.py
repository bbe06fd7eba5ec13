"""Everything of production that can be made beside the originals: rollups, functions, views, the two partitioned tables.

It is the text of schema.sql. Where that speaks of the two tables as it is run (tables, views, triggers, grants), the name of
their schema is another until the cutover; PostgreSQL binds such things to the tables themselves, which keep them when they
move. Where functions speak of them by name they are left as they are: they are called after the cutover.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from dpm_assets.database import SCHEMA, expand
from dpm_assets.errors import DpmError
from dpm_assets.migration.names import MOVED, NEXT
from dpm_assets.partitions.patience import patiently
from dpm_assets.settings import sql_dir

_TABLE = re.compile(rf"\b{SCHEMA}\.((?:{'|'.join(MOVED)})(?:_id_seq)?)\b")
_TRIGGERS = re.compile(rf"^select {SCHEMA}\.create_change_triggers\(.*$", re.MULTILINE)
_MADE = re.compile(
    r"(?:^\s*|')create (?:or replace |unlogged )?"
    r"(table|sequence|view|materialized view|function|procedure|index|unique index)"
    rf" (?:if not exists )?(?:{SCHEMA}\.)?(\w+)",
    re.MULTILINE,
)

# What grants.sql gives for all tables of a schema, for that of the successors.
_READ_SUCCESSORS = f"""
do $$
begin
    if exists (select from pg_roles where rolname = 'dpm_reader') then
        grant usage on schema {NEXT} to dpm_reader, dpm_loader, dpm_refresher;
        grant select on all tables in schema {NEXT} to dpm_reader, dpm_loader, dpm_refresher;
        grant usage on all sequences in schema {NEXT} to dpm_loader;
    end if;
end
$$
"""

# Its functions give the text that live views are made of, and are called themselves later: they are made twice.
_TEXT_OF_VIEWS = "live.sql"

# These two are run by themselves: the one before anything else, the other at the cutover.
_APART = ("roles.sql", "session_defaults.sql")


def production_pieces() -> Iterator[tuple[Path, str]]:
    """The files of schema.sql as they are run beside the originals."""
    pieces = [piece for piece in expand(sql_dir() / "schema.sql") if piece[0].name not in (*_APART, "schema.sql")]
    for file, text in pieces:
        if file.parent.name in ("tables", "views", "comments") or file.name == _TEXT_OF_VIEWS:
            yield file, beside(text)
        elif file.name == "grants.sql":
            yield file, text
            yield file, _READ_SUCCESSORS
            yield file, beside(text)
        else:
            yield file, _TRIGGERS.sub(lambda found: beside(found[0]), text)
    yield from (piece for piece in pieces if piece[0].name == _TEXT_OF_VIEWS)


def make_roles(conn: psycopg.Connection[Any]) -> None:
    """The roles, as the login; what new sessions begin with is changed at the cutover only."""
    for file, text in expand(sql_dir() / "roles.sql"):
        if file.name == "roles.sql":
            conn.execute(text.encode(), prepare=False)
    conn.execute("reset role")


def beside(text: str) -> str:
    """The text with the two tables, and their sequences, in the schema of the successors."""
    return _TABLE.sub(rf"{NEXT}.\1", text)


def production_names() -> dict[str, str]:
    """What schema.sql makes by its own name: kind of each relation or routine."""
    text = "\n".join(piece for _, piece in expand(sql_dir() / "schema.sql"))
    names = {name: kind for kind, name in _MADE.findall(text)}
    live = {name.replace("mv_", "live_", 1): "view" for name in names if name.startswith("mv_")}
    return names | live


def make_production(conn: psycopg.Connection[Any]) -> None:
    """Make what is missing, a file a transaction; `conn` acts as the owner of the schema. Readers and writers of the
    originals wait for milliseconds at most."""
    conn.execute("set check_function_bodies = off")
    conn.execute("set client_min_messages = warning")
    for file, text in production_pieces():
        patiently(conn, lambda file=file, text=text: _run_piece(conn, file, text), file.name)  # type: ignore[misc]


def _run_piece(conn: psycopg.Connection[Any], file: Path, text: str) -> None:
    """Programs keep what they may call: grants.sql takes every routine from PUBLIC, also those that are none of ours."""
    with conn.transaction():
        kept = _routines_of_others(conn) if file.name == "grants.sql" else []
        try:
            conn.execute(text.encode(), prepare=False)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            raise
        except psycopg.Error as error:
            raise DpmError(f"{file.name}: {error.diag.message_primary or error}. Mend that and start again.") from error
        for routine in kept:
            conn.execute(sql.SQL("grant execute on routine {} to public").format(sql.SQL(routine)))


def _routines_of_others(conn: psycopg.Connection[Any]) -> list[str]:
    """Routines in the schema that schema.sql does not make and that PUBLIC may call."""
    rows = conn.execute(
        """
        select p.oid::regprocedure::text from pg_proc as p
        where p.pronamespace = %s::regnamespace and p.proname <> all (%s)
            and has_function_privilege('public', p.oid, 'execute')
        """,
        [SCHEMA, list(production_names())],
    ).fetchall()
    return [row[0] for row in rows]
