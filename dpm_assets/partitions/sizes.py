"""Partitions with their sizes, as PostgreSQL counts them."""

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


def partitions(db: Database, table: str) -> list[Partition]:
    """The leaves of a table, oldest first."""
    with db.connection() as conn:
        rows = conn.execute(
            "select partition_name, lower_bound, upper_bound, rows_estimated, heap_bytes + index_bytes + toast_bytes"
            " from prop_trading_model.analyze_partitions(collect => false) where parent_table = %s order by lower_bound",
            [table],
        ).fetchall()
    return [Partition(*row) for row in rows]
