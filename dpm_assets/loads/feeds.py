"""What a file means: one declaration for each feed, with its columns, their types, its key and what replaces what."""

import re
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property

from dpm_assets.errors import DpmError


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

    least: int = -(2**31)
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


ColumnType = Text | Number | Whole | Flag | Day | Moment


@dataclass(frozen=True)
class Column:
    """A column of the feed's table. `also` are header names besides its own and the API's camelCase form of it."""

    name: str
    type: ColumnType
    also: tuple[str, ...] = ()
    needed: bool = False  # a row without it is rejected
    default: str | None = None  # SQL: what is stored where the file says nothing
    counts: bool = True  # whether a change of it alone makes a row a correction


@dataclass(frozen=True)
class Feed:
    """One kind of file, and the table that it fills.

    `identity` names the thing that a row is about: a later row of the same identity replaces the earlier one, wherever
    in time (`dated_by`) the earlier one stands. A `snapshot_of` feed keeps history: what is loaded without a time
    takes the time of the load, unless it says nothing that the newest snapshot does not say.
    """

    name: str
    table: str
    columns: tuple[Column, ...]
    identity: tuple[str, ...]
    required: tuple[tuple[str, ...], ...]  # the header must hold at least one column of each group
    dated_by: str | None = None
    snapshot_of: str | None = None
    stands_for: dict[str, str] = field(default_factory=dict)  # a column that is missing: the one that stands for it
    date_from: tuple[str, str] | None = None  # a date that is missing: the time whose day it is
    in_order: tuple[tuple[str, str], ...] = ()  # the first time must not be after the second
    time_zone: str = "UTC"  # of times that carry no zone of their own
    day_cutoff: timedelta = timedelta(0)  # when a trading day begins, after midnight in `time_zone`

    @cached_property
    def by_name(self) -> dict[str, Column]:
        return {column.name: column for column in self.columns}

    @cached_property
    def headers(self) -> dict[str, str]:
        """Every accepted header name, squashed, and the column that it means."""
        return {squash(name): column.name for column in self.columns for name in (column.name, *column.also)}


def squash(header: str) -> str:
    """A header name without case, blanks and punctuation: std_symbol, stdSymbol and 'Std Symbol' are one; % is pct."""
    return re.sub(r"[^a-z0-9]", "", header.casefold().replace("%", "pct"))


_ID = Text(255)
_MONEY = Number(18, 2)
_PRICE = Number(18, 6, above=0)
_STOP = Number(18, 6, above=0, zero_is_none=True)
_PCT = Number(5, 2, least=0, most=100)

_INGESTED = Column("ingestion_timestamp", Moment(), default="(now() at time zone 'utc')", counts=False)
_ENDPOINT = Column("source_api_endpoint", Text(500), counts=False)

TRADES = Feed(
    name="trades",
    table="raw_trades_closed",
    columns=(
        Column("trade_id", _ID, needed=True),
        Column("account_id", _ID, needed=True),
        Column("login", _ID, needed=True),
        Column("symbol", Text(50)),
        Column("std_symbol", Text(50)),
        Column("side", Text(10, choices=("buy", "sell"))),
        Column("open_time", Moment()),
        Column("close_time", Moment()),
        Column("trade_date", Day(in_warehouse=True), needed=True),
        Column("open_price", _PRICE),
        Column("close_price", _PRICE),
        Column("stop_loss", _STOP),
        Column("take_profit", _STOP),
        Column("lots", Number(18, 4, above=0)),
        Column("volume_usd", Number(18, 2, least=0)),
        Column("profit", _MONEY),
        Column("commission", _MONEY),
        Column("swap", _MONEY),
        _INGESTED,
        _ENDPOINT,
    ),
    identity=("account_id", "trade_id"),
    required=(
        ("trade_id",),
        ("account_id",),
        ("login",),
        ("symbol", "std_symbol"),
        ("side",),
        ("close_time", "trade_date"),
        ("lots",),
        ("profit",),
    ),
    dated_by="trade_date",
    stands_for={"std_symbol": "symbol"},
    date_from=("trade_date", "close_time"),
    in_order=(("open_time", "close_time"),),
)

ACCOUNTS = Feed(
    name="accounts",
    table="raw_accounts_data",
    columns=(
        Column("account_id", _ID, needed=True),
        Column("login", _ID, needed=True),
        Column("trader_id", _ID),
        Column("plan_id", _ID),
        Column("starting_balance", _MONEY),
        Column("current_balance", _MONEY),
        Column("current_equity", _MONEY),
        Column("profit_target_pct", _PCT),
        Column("max_daily_drawdown_pct", _PCT),
        Column("max_drawdown_pct", _PCT),
        Column("max_leverage", Number(10, 2)),
        Column("is_drawdown_relative", Flag()),
        Column("breached", Whole(), default="0"),
        Column("is_upgraded", Whole(), default="0"),
        Column("phase", Text(50, choices=("Phase 1", "Phase 2", "Funded", "Demo"))),
        Column("status", Text(50, choices=("Active", "Inactive", "Breached", "Passed"))),
        Column("created_at", Moment()),
        Column("updated_at", Moment()),
        _INGESTED,
        _ENDPOINT,
    ),
    identity=("account_id", "ingestion_timestamp"),
    required=(("account_id",), ("login",)),
    snapshot_of="account_id",
)

PLANS = Feed(
    name="plans",
    table="raw_plans_data",
    columns=(
        Column("plan_id", _ID, needed=True),
        Column("plan_name", _ID),
        Column("plan_type", Text(100), also=("Type",)),
        Column("starting_balance", _MONEY),
        Column("profit_target", _MONEY),
        Column("profit_target_pct", _PCT),
        Column("max_drawdown", _MONEY),
        Column("max_drawdown_pct", _PCT),
        Column("max_daily_drawdown", _MONEY),
        Column("max_daily_drawdown_pct", _PCT),
        Column("max_leverage", Number(10, 2)),
        Column("is_drawdown_relative", Flag()),
        Column("min_trading_days", Whole(least=0)),
        Column("max_trading_days", Whole(least=0)),
        Column("profit_split_pct", _PCT),
        _INGESTED,
    ),
    identity=("plan_id", "ingestion_timestamp"),
    required=(("plan_id",),),
    snapshot_of="plan_id",
)

FEEDS: dict[str, Feed] = {feed.name: feed for feed in (TRADES, ACCOUNTS, PLANS)}


def feed_named(name: str) -> Feed:
    """Raises DpmError with the feeds there are when there is none of this name."""
    if name not in FEEDS:
        raise DpmError(f"There is no feed {name!r}. The feeds are {', '.join(FEEDS)}.")
    return FEEDS[name]
