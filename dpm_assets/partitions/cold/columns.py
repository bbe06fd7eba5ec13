"""The columns of a table as PostgreSQL, Arrow and Parquet have them, without loss in any direction."""

import re
from dataclasses import dataclass
from typing import Any

import psycopg
import pyarrow as pa
from psycopg import sql

from dpm_assets.database import SCHEMA
from dpm_assets.errors import DpmError

_LARGEST_PRECISION = 18  # decimals that are stored as 64-bit integers
_LARGEST_SCALE = 6  # beyond, Arrow writes small numbers with an exponent, as PostgreSQL never does

_ARROW = {
    "bigint": pa.int64(),
    "integer": pa.int32(),
    "smallint": pa.int16(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "text": pa.string(),
    "timestamp without time zone": pa.timestamp("us"),
}


@dataclass(frozen=True)
class Column:
    """A column by its name and its type in PostgreSQL, with modifiers."""

    name: str
    sql_type: str

    @property
    def arrow(self) -> pa.DataType:
        """Raises DpmError for a type that no file of ours can hold exactly."""
        if number := re.fullmatch(r"numeric\((\d+),(\d+)\)", self.sql_type):
            precision, scale = int(number[1]), int(number[2])
            if precision <= _LARGEST_PRECISION and scale <= _LARGEST_SCALE:
                return pa.decimal128(precision, scale)
        if self.sql_type.startswith("character varying"):
            return pa.string()
        if self.sql_type not in _ARROW:
            raise DpmError(
                f"The column {self.name} is {self.sql_type}, which an archive cannot hold. "
                f"Use one of {', '.join(sorted(_ARROW))}, varchar, or numeric({_LARGEST_PRECISION},{_LARGEST_SCALE}) at most."
            )
        return _ARROW[self.sql_type]

    @property
    def is_decimal(self) -> bool:
        return self.sql_type.startswith("numeric")


def columns_of(conn: psycopg.Connection[Any], table: str) -> tuple[Column, ...]:
    """The columns of a table of the warehouse, in their order."""
    rows = conn.execute(
        "select attname::text, format_type(atttypid, atttypmod) from pg_attribute"
        " where attrelid = %s::regclass and attnum > 0 and not attisdropped order by attnum",
        [f"{SCHEMA}.{table}"],
    ).fetchall()
    return tuple(Column(*row) for row in rows)


def generated_in(conn: psycopg.Connection[Any], table: str) -> frozenset[str]:
    """The columns of a table of the warehouse that PostgreSQL computes: a file holds them, and no COPY may fill them."""
    rows = conn.execute(
        "select attname::text from pg_attribute"
        " where attrelid = %s::regclass and attnum > 0 and not attisdropped and attgenerated <> ''",
        [f"{SCHEMA}.{table}"],
    ).fetchall()
    return frozenset(row[0] for row in rows)


def schema_of(columns: tuple[Column, ...]) -> pa.Schema:
    return pa.schema([pa.field(column.name, column.arrow) for column in columns])


def listed(names: tuple[str, ...]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))
