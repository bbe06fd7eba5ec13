"""The types of columns: what a value must be, and the type that PostgreSQL gives it."""

from dataclasses import dataclass

LARGEST_WHOLE = 2**31 - 1


@dataclass(frozen=True)
class Text:
    """Up to `length` characters. With `choices`, one of these in any case, stored as spelled here."""

    length: int
    choices: tuple[str, ...] = ()

    @property
    def sql(self) -> str:
        return f"varchar({self.length})"


@dataclass(frozen=True)
class Number:
    """A numeric(precision, scale), rounded to its scale as PostgreSQL does, then held against the bounds."""

    precision: int
    scale: int
    above: int | None = None
    least: int | None = None
    most: int | None = None
    zero_is_none: bool = False

    @property
    def sql(self) -> str:
        return f"numeric({self.precision},{self.scale})"


@dataclass(frozen=True)
class Whole:
    """A 32-bit whole number."""

    least: int = -LARGEST_WHOLE - 1
    most: int = LARGEST_WHOLE
    sql: str = "integer"


@dataclass(frozen=True)
class Flag:
    sql: str = "boolean"


@dataclass(frozen=True)
class Day:
    """A date. With `in_warehouse`, one from the warehouse's first month until tomorrow (UTC)."""

    in_warehouse: bool = False
    sql: str = "date"


@dataclass(frozen=True)
class Moment:
    """A time, stored in UTC without zone."""

    sql: str = "timestamp"


@dataclass(frozen=True)
class Json:
    """A JSON document: in CSV its text, in JSON lines and Parquet the nested value itself."""

    sql: str = "jsonb"


@dataclass(frozen=True)
class Vector:
    """A list of finite numbers: a JSON array, or PostgreSQL's {1,2.5}."""

    sql: str = "double precision[]"


ColumnType = Text | Number | Whole | Flag | Day | Moment | Json | Vector

# What many feeds hold.
ID = Text(255)
MONEY = Number(18, 2)
GAIN = Number(18, 2, least=0)
LOSS = Number(18, 2, most=0)
PRICE = Number(18, 6, above=0)
STOP = Number(18, 6, above=0, zero_is_none=True)
LOTS = Number(18, 4, above=0)
VOLUME = Number(18, 2, least=0)
RATIO = Number(10, 2)
PERCENT = Number(5, 2, least=0, most=100)
COUNT = Whole(least=0)
SIDE = Text(10, choices=("buy", "sell"))
