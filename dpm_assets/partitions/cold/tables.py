"""What the archive knows of a table: the two whose partitions may go cold, and one month or year of them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from dpm_assets.calendar import add_months, parse_month
from dpm_assets.database import SCHEMA
from dpm_assets.errors import DpmError


@dataclass(frozen=True)
class ColdTable:
    """`rows` is what its rows are called; a partition holds the days, by the column `day`, of one month or year.

    `key` is the order of the rows in a file: those of an account lie together, so that a reader of one account skips the
    rest. `encodings` and `repeating` say how columns are encoded, the latter by a dictionary, as text is; chosen by
    measurement. The others are plain.
    """

    name: str
    rows: str
    every: Literal["month", "year"]
    day: str
    key: tuple[str, ...]
    encodings: Mapping[str, str] = field(hash=False)
    repeating: frozenset[str]

    @property
    def qualified(self) -> str:
        return f"{SCHEMA}.{self.name}"

    def part(self, day: date) -> "Part":
        """The month or year of a day."""
        return Part(self, day.replace(day=1) if self.every == "month" else date(day.year, 1, 1))


@dataclass(frozen=True)
class Part:
    """One partition of a table by its first day, whether its rows are in PostgreSQL or in a file."""

    table: ColdTable
    first_day: date

    def __str__(self) -> str:
        """2024-01, or 2024: as one writes it on the command line."""
        return f"{self.first_day:%Y-%m}" if self.table.every == "month" else f"{self.first_day:%Y}"

    def __lt__(self, other: "Part") -> bool:
        return (self.first_day, self.table.name) < (other.first_day, other.table.name)

    @property
    def next_day(self) -> date:
        return add_months(self.first_day, 1 if self.table.every == "month" else 12)

    @property
    def leaf(self) -> str:
        return f"{self.table.name}_{str(self).replace('-', '_')}"

    @property
    def file(self) -> str:
        """Under the archive's location: each table is a folder of its own, partitioned as Spark, Trino and DuckDB read it."""
        month = f"/month={self.first_day:%m}" if self.table.every == "month" else ""
        return f"{self.table.name}/year={self.first_day:%Y}{month}/{self.table.rows}.parquet"

    @property
    def arguments(self) -> list[object]:
        """What the functions of the database know it by."""
        return [self.table.qualified, self.first_day]


TRADES = ColdTable(
    name="raw_trades_closed",
    rows="trades",
    every="month",
    day="trade_date",
    key=("account_id", "trade_date", "trade_id"),
    encodings={
        "id": "DELTA_BINARY_PACKED",
        "trade_id": "DELTA_BYTE_ARRAY",
        "volume_usd": "DELTA_BINARY_PACKED",
        "profit": "DELTA_BINARY_PACKED",
    },
    repeating=frozenset({"trade_date", "lots", "commission", "swap", "load_batch_id"}),
)
METRICS = ColdTable(
    name="raw_metrics_daily",
    rows="metrics",
    every="year",
    day="date",
    # A row may come without a time, and one account-day without a time more than once: the id makes the order whole.
    key=("account_id", "date", "ingestion_timestamp", "id"),
    encodings=dict.fromkeys(
        ("id", "date", "net_profit", "gross_profit", "gross_loss", "volume_traded", "balance_start",
         "balance_end", "equity_start", "equity_end"),
        "DELTA_BINARY_PACKED",
    ),
    repeating=frozenset(
        {"total_trades", "winning_trades", "losing_trades", "win_rate", "profit_factor", "lots_traded", "commission", "swap",
         "ingestion_timestamp", "load_batch_id"}
    ),
)  # fmt: skip
TABLES = {table.name: table for table in (TRADES, METRICS)}


def parse_part(text: str) -> Part:
    """'2024-01' is a month of trades, '2024' a year of metrics. Raises DpmError for anything else."""
    if re.fullmatch(r"\d{4}", text.strip()) and int(text) > 0:
        return METRICS.part(date(int(text), 1, 1))
    try:
        return TRADES.part(parse_month(text))
    except DpmError:
        raise DpmError(
            f"{text!r} is neither a month nor a year. Write a month of trades as 2025-03, a year of metrics as 2025."
        ) from None


def part_of_leaf(leaf: str) -> Part:
    """The month or year that a partition's name ends with."""
    name = next(name for name in TABLES if leaf.startswith(f"{name}_"))
    return parse_part(leaf.removeprefix(f"{name}_").replace("_", "-"))
