"""Making partitions: months of the trades and years of the metrics."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from dpm_assets.database import Database


@dataclass(frozen=True)
class Partition:
    """One leaf: its bounds [lower, upper), rows as last estimated, and bytes with indexes."""

    name: str
    lower: date
    upper: date
    rows: int
    size: int


def ensure_months(db: Database, months: Sequence[date]) -> list[date]:
    """Make the partitions of these months where missing, each in a short transaction; returns those that were made."""
    with db.connection("dpm_loader") as conn:
        made = [
            conn.execute("select prop_trading_model.ensure_trade_months(%s)", [[month]]).fetchone()
            for month in sorted(set(months))
        ]
    return [row[0] for row in made if row]


def ensure_years(db: Database, years: Sequence[int]) -> list[int]:
    """The same for the yearly partitions of raw_metrics_daily."""
    with db.connection("dpm_loader") as conn:
        rows = conn.execute("select prop_trading_model.ensure_metrics_years(%s)", [list(years)]).fetchall()
    return [row[0] for row in rows]


def partitions(db: Database, table: str) -> list[Partition]:
    """The leaves of a table, oldest first."""
    with db.connection() as conn:
        rows = conn.execute(
            "select partition_name, lower_bound, upper_bound, rows_estimated, heap_bytes + index_bytes + toast_bytes"
            " from prop_trading_model.analyze_partitions(collect => false) where parent_table = %s order by lower_bound",
            [table],
        ).fetchall()
    return [Partition(*row) for row in rows]
