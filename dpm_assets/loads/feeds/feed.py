"""The description of a feed: its columns, their types and names, its key, and what replaces what."""

import re
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Literal

from dpm_assets.loads.feeds.types import ColumnType, Moment, Text


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
class Partitions:
    """How the feed's table is partitioned: by the dates of which column, a leaf for every what."""

    by: str
    every: Literal["month", "year"]


@dataclass(frozen=True)
class Feed:
    """One kind of file, and the table that it fills.

    `identity` names the thing that a row is about: a later row of the same identity replaces the earlier one, wherever
    in time (`dated_by`) the earlier one stands. A feed of `snapshots_of` something keeps history: what is loaded
    without a time takes the time of the load, unless it says nothing that the newest snapshot does not say.

    A file that is `complete` holds all that there is of what it covers: the rows of the table whose `covers` columns
    have values that stand in the file, but that are not in the file themselves, are gone. Of other feeds a file is
    complete only when the one who loads it says so.
    """

    name: str
    table: str
    description: str
    columns: tuple[Column, ...]
    identity: tuple[str, ...]
    required: tuple[tuple[str, ...], ...]  # the header must hold at least one column of each group
    foreign: tuple[str, ...] = ()  # header names that tell that a file is none of this feed
    partitions: Partitions | None = None
    dated_by: str | None = None
    snapshots_of: tuple[str, ...] = ()
    covers: tuple[str, ...] = ()
    complete: bool = False
    stands_for: dict[str, str] = field(default_factory=dict)  # a column that is missing: the one that stands for it
    date_from: tuple[str, str] | None = None  # a date that is missing: the time whose day it is
    in_order: tuple[tuple[str, str], ...] = ()  # the first time must not be after the second
    within: tuple[tuple[tuple[str, ...], str], ...] = ()  # the first whole numbers together are at most the second
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


INGESTED = Column("ingestion_timestamp", Moment(), default="(now() at time zone 'utc')", counts=False)
ENDPOINT = Column("source_api_endpoint", Text(500), counts=False)
