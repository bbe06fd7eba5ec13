"""One reader over the partitions in PostgreSQL and those in Parquet files.

Both sides apply the filter, so that only rows asked for travel. It takes one snapshot, and each partition from one side.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import psycopg
import pyarrow as pa
from psycopg import sql

from dpm_assets.database import SCHEMA, Database
from dpm_assets.errors import DpmError
from dpm_assets.partitions.cold.columns import Column, columns_of, listed, schema_of
from dpm_assets.partitions.cold.files import FileGone, read_files
from dpm_assets.partitions.cold.parquet import ROWS_PER_GROUP
from dpm_assets.partitions.cold.rows_in import CopyRows
from dpm_assets.partitions.cold.states import ColdPart, cold_parts
from dpm_assets.partitions.cold.tables import ColdTable, Part

_TRIES = 20


class _Moved(Exception):
    """A partition went from one side to the other while it was read: all is read once more."""


@dataclass(frozen=True)
class Asked:
    """What a caller asks for. None: all accounts, days (both are included), symbols, columns."""

    accounts: tuple[str, ...] | None
    first_day: date | None
    last_day: date | None
    symbols: tuple[str, ...] | None
    columns: tuple[str, ...] | None

    def touches(self, part: Part) -> bool:
        return (self.first_day is None or part.next_day > self.first_day) and (
            self.last_day is None or part.first_day <= self.last_day
        )


@dataclass(frozen=True)
class Wanted:
    """The same with the columns as the table has them."""

    table: ColdTable
    asked: Asked
    columns: tuple[Column, ...]


def listed_values(values: Sequence[str] | str | None) -> tuple[str, ...] | None:
    return (values,) if isinstance(values, str) else None if values is None else tuple(values)


def read(
    table: ColdTable,
    asked: Asked,
    output: Literal["arrow", "pandas"],
    db: Database | None,
) -> Any:
    """The rows asked for, of hot and cold partitions, as reading.py describes it."""
    if db is None:
        from dpm_assets.server.connect import warehouse_url

        with Database(warehouse_url(), application_name=f"read_{table.rows}") as own:
            return _read_until_settled(own, table, asked, output)
    return _read_until_settled(db, table, asked, output)


def _read_until_settled(db: Database, table: ColdTable, asked: Asked, output: Literal["arrow", "pandas"]) -> Any:
    for _ in range(_TRIES):
        try:
            found = _read(db, table, asked)
        except _Moved:
            continue
        if output == "arrow":
            return found
        import pandas as pd

        return found.to_pandas(types_mapper=pd.ArrowDtype)
    raise DpmError(
        f"Partitions were moved between the archive and PostgreSQL {_TRIES} times in a row. Read again later."
    )


def _read(db: Database, table: ColdTable, asked: Asked) -> pa.Table:
    with ExitStack() as stack:
        conn = stack.enter_context(db.connection())
        with conn.transaction():
            conn.execute("set transaction isolation level repeatable read, read only")
            # The lock first, the snapshot second: a detach that the snapshot does not show yet then waits for us, and the
            # rows stay in the table that we read.
            conn.execute(sql.SQL("lock table only {} in access share mode").format(sql.Identifier(SCHEMA, table.name)))
            moved = [cold for cold in cold_parts(conn, table) if cold.state != "hot" and asked.touches(cold.part)]
            wanted = Wanted(table, asked, _chosen(conn, table, asked.columns))
            tables = _read_hot(conn, wanted, moved)
        in_files = [cold for cold in moved if cold.in_file]
        try:
            tables += read_files(in_files, wanted)
        except (FileGone, DpmError) as error:
            if _still(conn, table, in_files):
                raise DpmError(f"{error} Nothing was read.") if isinstance(error, FileGone) else error from None
            raise _Moved from error
        if not _still(conn, table, in_files):
            raise _Moved
    return pa.concat_tables([schema_of(wanted.columns).empty_table(), *tables])


def _chosen(conn: psycopg.Connection[Any], table: ColdTable, names: tuple[str, ...] | None) -> tuple[Column, ...]:
    there = columns_of(conn, table.name)
    if names is None:
        return there
    by_name = {column.name: column for column in there}
    if unknown := [name for name in names if name not in by_name]:
        raise DpmError(f"The {table.rows} have no column {unknown[0]!r}. There are {', '.join(by_name)}.")
    return tuple(by_name[name] for name in names)


def _read_hot(conn: psycopg.Connection[Any], wanted: Wanted, moved: list[ColdPart]) -> list[pa.Table]:
    """The partitions, and those on their way into the archive from their tables by name."""
    day = sql.Identifier(wanted.table.day)
    elsewhere = [
        sql.SQL("not ({day} >= {first} and {day} < {next})").format(
            day=day, first=sql.Literal(cold.part.first_day), next=sql.Literal(cold.part.next_day)
        )
        for cold in moved
    ]
    tables = _copied(conn, wanted, sql.Identifier(SCHEMA, wanted.table.name), elsewhere)
    for cold in moved:
        if cold.state == "archiving":
            leaf = sql.SQL("only {}").format(sql.Identifier(SCHEMA, cold.part.leaf))
            try:
                tables += _copied(conn, wanted, leaf, [])
            except psycopg.errors.UndefinedTable:
                raise _Moved from None
    return tables


def _copied(
    conn: psycopg.Connection[Any], wanted: Wanted, table: sql.Composable, conditions: list[sql.Composed]
) -> list[pa.Table]:
    asked, day = wanted.asked, sql.Identifier(wanted.table.day)
    where: list[sql.Composable] = [sql.SQL("true"), *conditions]
    if asked.accounts is not None:
        where.append(sql.SQL("account_id = any({}::text[])").format(sql.Literal(list(asked.accounts))))
    if asked.first_day is not None:
        where.append(sql.SQL("{} >= {}").format(day, sql.Literal(asked.first_day)))
    if asked.last_day is not None:
        where.append(sql.SQL("{} <= {}").format(day, sql.Literal(asked.last_day)))
    if asked.symbols is not None:
        where.append(
            sql.SQL("coalesce(std_symbol, symbol, '') = any({}::text[])").format(sql.Literal(list(asked.symbols)))
        )
    query = sql.SQL("select {} from {} where {}").format(
        listed(tuple(column.name for column in wanted.columns)), table, sql.SQL(" and ").join(where)
    )
    return list(CopyRows(conn, query, schema_of(wanted.columns), ROWS_PER_GROUP))


def _still(conn: psycopg.Connection[Any], table: ColdTable, in_files: list[ColdPart]) -> bool:
    """Whether these partitions are in the same files as when they were looked up."""
    if not in_files:
        return True
    now = {cold.part: cold for cold in cold_parts(conn, table)}
    return all(
        (there := now.get(cold.part)) is not None and there.in_file and there.file_sha256 == cold.file_sha256
        for cold in in_files
    )
