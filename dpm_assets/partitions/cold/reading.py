"""read_trades and read_metrics: the same rows wherever they are, in PostgreSQL or in the archive."""

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, Literal, overload

import pyarrow as pa

from dpm_assets.database import Database
from dpm_assets.partitions.cold.both_sides import Asked, listed_values, read
from dpm_assets.partitions.cold.tables import METRICS, TRADES

if TYPE_CHECKING:
    import pandas as pd


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
    asked = Asked(listed_values(accounts), first_day, last_day, listed_values(symbols), listed_values(columns))
    return read(TRADES, asked, output, db)


@overload
def read_metrics(
    accounts: Sequence[str] | str | None = ...,
    first_day: date | None = ...,
    last_day: date | None = ...,
    columns: Sequence[str] | None = ...,
    *,
    output: Literal["arrow"] = ...,
    db: Database | None = ...,
) -> pa.Table: ...


@overload
def read_metrics(
    accounts: Sequence[str] | str | None = ...,
    first_day: date | None = ...,
    last_day: date | None = ...,
    columns: Sequence[str] | None = ...,
    *,
    output: Literal["pandas"],
    db: Database | None = ...,
) -> "pd.DataFrame": ...


def read_metrics(
    accounts: Sequence[str] | str | None = None,
    first_day: date | None = None,
    last_day: date | None = None,
    columns: Sequence[str] | None = None,
    *,
    output: Literal["arrow", "pandas"] = "arrow",
    db: Database | None = None,
) -> Any:
    """The daily metrics of these accounts and days, every version that was loaded, whether their years are hot or cold.

    The newest version of an account-day is the one with the latest ingestion_timestamp. Otherwise as read_trades.
    """
    asked = Asked(listed_values(accounts), first_day, last_day, None, listed_values(columns))
    return read(METRICS, asked, output, db)
