"""read_trades: one reader over the months in PostgreSQL and the months in Parquet files."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any, Literal, overload

import psycopg
import pyarrow as pa
from psycopg import sql

from dpm_assets.calendar import add_months
from dpm_assets.database import SCHEMA, Database
from dpm_assets.errors import DpmError
from dpm_assets.partitions.cold.columns import TRADES, Column, columns_of, listed, schema_of
from dpm_assets.partitions.cold.files import FileGone, read_files
from dpm_assets.partitions.cold.parquet import ROWS_PER_GROUP
from dpm_assets.partitions.cold.rows_in import CopyRows
from dpm_assets.partitions.cold.states import ColdMonth, cold_months

if TYPE_CHECKING:
    import pandas as pd

_TRIES = 20


class _Moved(Exception):
    """A month went from one side to the other while it was read: all is read once more."""


@dataclass(frozen=True)
class Wanted:
    """The trades that are asked for. None: all accounts, days, symbols. Both days are included."""

    columns: tuple[Column, ...]
    accounts: tuple[str, ...] | None
    first_day: date | None
    last_day: date | None
    symbols: tuple[str, ...] | None

    def touches(self, month: date) -> bool:
        return (self.first_day is None or add_months(month, 1) > self.first_day) and (
            self.last_day is None or month <= self.last_day
        )


@overload
def read_trades(
    accounts: Sequence[str] | str | None = ...,
    first_day: date | None = ...,
    last_day: date | None = ...,
    symbols: Sequence[str] | str | None = ...,
    columns: Sequence[str] | None = ...,
    *,
    output: Literal["arrow"] = ...,
    db: Database | None = ...,
) -> pa.Table: ...


@overload
def read_trades(
    accounts: Sequence[str] | str | None = ...,
    first_day: date | None = ...,
    last_day: date | None = ...,
    symbols: Sequence[str] | str | None = ...,
    columns: Sequence[str] | None = ...,
    *,
    output: Literal["pandas"],
    db: Database | None = ...,
) -> "pd.DataFrame": ...


def read_trades(
    accounts: Sequence[str] | str | None = None,
    first_day: date | None = None,
    last_day: date | None = None,
    symbols: Sequence[str] | str | None = None,
    columns: Sequence[str] | None = None,
    *,
    output: Literal["arrow", "pandas"] = "arrow",
    db: Database | None = None,
) -> Any:
    """The closed trades of these accounts, days (both included) and symbols, whether their months are hot or cold.

    `symbols` are compared with std_symbol, or symbol where that is missing. Returns a pyarrow Table, or a DataFrame of
    Arrow-backed columns (amounts stay exact decimals), with `columns` (default: all, in the table's order); the order of
    rows is not defined. PostgreSQL and DuckDB apply the filter, so that only rows asked for travel. Each month is read from
    exactly one side, also while it is archived or restored. `db` defaults to this warehouse. Raises DpmError for unknown
    columns, and when a file cannot be read.
    """
    asked = Wanted((), _listed(accounts), first_day, last_day, _listed(symbols))
    if db is None:
        from dpm_assets.server.connect import warehouse_url

        with Database(warehouse_url(), application_name="read_trades") as own:
            return _read_until_settled(own, asked, columns, output)
    return _read_until_settled(db, asked, columns, output)


def _read_until_settled(
    db: Database, asked: Wanted, columns: Sequence[str] | None, output: Literal["arrow", "pandas"]
) -> Any:
    for _ in range(_TRIES):
        try:
            table = _read(db, asked, columns)
        except _Moved:
            continue
        if output == "arrow":
            return table
        import pandas as pd

        return table.to_pandas(types_mapper=pd.ArrowDtype)
    raise DpmError(f"Months were moved between the archive and PostgreSQL {_TRIES} times in a row. Read again later.")


def _listed(values: Sequence[str] | str | None) -> tuple[str, ...] | None:
    return (values,) if isinstance(values, str) else None if values is None else tuple(values)


def _read(db: Database, asked: Wanted, columns: Sequence[str] | None) -> pa.Table:
    with ExitStack() as stack:
        conn = stack.enter_context(db.connection())
        with conn.transaction():
            conn.execute("set transaction isolation level repeatable read, read only")
            # The lock first, the snapshot second: a detach that the snapshot does not show yet then waits for us, and the
            # month stays in the table that we read.
            conn.execute("lock table only prop_trading_model.raw_trades_closed in access share mode")
            moved = [cold for cold in cold_months(conn) if cold.state != "hot"]
            wanted = replace(asked, columns=_chosen(conn, columns))
            tables = _read_hot(conn, wanted, moved)
        in_files = [cold for cold in moved if cold.in_file and wanted.touches(cold.month)]
        try:
            tables += read_files(in_files, wanted)
        except (FileGone, DpmError) as error:
            if _still(conn, in_files):
                raise DpmError(f"{error} Nothing was read.") if isinstance(error, FileGone) else error from None
            raise _Moved from error
        if not _still(conn, in_files):
            raise _Moved
    return pa.concat_tables([schema_of(wanted.columns).empty_table(), *tables])


def _chosen(conn: psycopg.Connection[Any], names: Sequence[str] | None) -> tuple[Column, ...]:
    there = columns_of(conn)
    if names is None:
        return there
    by_name = {column.name: column for column in there}
    if unknown := [name for name in names if name not in by_name]:
        raise DpmError(f"The trades have no column {unknown[0]!r}. There are {', '.join(by_name)}.")
    return tuple(by_name[name] for name in names)


def _read_hot(conn: psycopg.Connection[Any], wanted: Wanted, moved: list[ColdMonth]) -> list[pa.Table]:
    """The months that are partitions, and those on their way into the archive, from their tables by name."""
    elsewhere = [
        sql.SQL("not (trade_date >= {} and trade_date < {})").format(
            sql.Literal(cold.month), sql.Literal(add_months(cold.month, 1))
        )
        for cold in moved
        if wanted.touches(cold.month)
    ]
    tables = _copied(conn, wanted, sql.Identifier(SCHEMA, TRADES), elsewhere)
    for cold in moved:
        if cold.state == "archiving" and wanted.touches(cold.month):
            table = sql.SQL("only {}").format(sql.Identifier(SCHEMA, f"{TRADES}_{cold.month:%Y_%m}"))
            try:
                tables += _copied(conn, wanted, table, [])
            except psycopg.errors.UndefinedTable:
                raise _Moved from None
    return tables


def _copied(
    conn: psycopg.Connection[Any], wanted: Wanted, table: sql.Composable, conditions: list[sql.Composed]
) -> list[pa.Table]:
    where: list[sql.Composable] = [sql.SQL("true"), *conditions]
    if wanted.accounts is not None:
        where.append(sql.SQL("account_id = any({}::text[])").format(sql.Literal(list(wanted.accounts))))
    if wanted.first_day is not None:
        where.append(sql.SQL("trade_date >= {}").format(sql.Literal(wanted.first_day)))
    if wanted.last_day is not None:
        where.append(sql.SQL("trade_date <= {}").format(sql.Literal(wanted.last_day)))
    if wanted.symbols is not None:
        where.append(
            sql.SQL("coalesce(std_symbol, symbol, '') = any({}::text[])").format(sql.Literal(list(wanted.symbols)))
        )
    query = sql.SQL("select {} from {} where {}").format(
        listed(tuple(column.name for column in wanted.columns)), table, sql.SQL(" and ").join(where)
    )
    return list(CopyRows(conn, query, schema_of(wanted.columns), ROWS_PER_GROUP))


def _still(conn: psycopg.Connection[Any], in_files: list[ColdMonth]) -> bool:
    """Whether these months are in the same files as when they were looked up."""
    if not in_files:
        return True
    now = {cold.month: cold for cold in cold_months(conn)}
    return all(
        (there := now.get(cold.month)) is not None and there.in_file and there.file_sha256 == cold.file_sha256
        for cold in in_files
    )
