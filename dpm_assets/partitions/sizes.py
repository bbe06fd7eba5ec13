"""Partitions with their sizes, state and use, as PostgreSQL counts them; those in the archive too."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import psycopg

from dpm_assets.database import Database


@dataclass(frozen=True)
class Partition:
    """One month or year, [lower, upper). Bytes are 0 and counts None for one whose rows are in the archive; `rows` is as last
    estimated, `rows_exact` None unless it was asked for."""

    name: str
    lower: date
    upper: date
    state: str
    rows: int | None
    rows_exact: int | None
    heap_bytes: int
    index_bytes: int
    toast_bytes: int
    dead_rows: int | None
    last_vacuum: datetime | None
    last_analyze: datetime | None
    index_scans: int | None
    table_scans: int | None
    pending_keys: int | None
    location: str | None

    @property
    def size(self) -> int:
        """Bytes of the heap with its indexes and what is kept out of line."""
        return self.heap_bytes + self.index_bytes + self.toast_bytes


def partitions(db: Database, table: str, exact: bool = False) -> list[Partition]:
    """The partitions of a table, oldest first; `exact` counts their rows, which reads all of them."""
    with db.connection() as conn:
        return read_partitions(conn, exact).get(table, [])


def read_partitions(conn: psycopg.Connection[Any], exact: bool = False) -> dict[str, list[Partition]]:
    """The same of every partitioned table that has any, by its name."""
    rows = conn.execute(
        "select parent_table, partition_name, lower_bound, upper_bound, state, rows_estimated, rows_exact, heap_bytes,"
        " index_bytes, toast_bytes, dead_rows, last_vacuum, last_analyze, index_scans, table_scans, pending_keys, location"
        " from prop_trading_model.analyze_partitions(collect => false, exact => %s) order by parent_table, lower_bound",
        [exact],
    ).fetchall()
    found: dict[str, list[Partition]] = {}
    for table, *values in rows:
        found.setdefault(table, []).append(Partition(*values))
    return found


def partitioned_tables(db: Database) -> list[str]:
    with db.connection() as conn:
        rows = conn.execute(
            "select c.relname::text from prop_trading_model.partitioned_tables() join pg_class as c on c.oid = parent order by 1"
        ).fetchall()
    return [row[0] for row in rows]


def collect_statistics(db: Database, say: Callable[[str], None]) -> int:
    """ANALYZE what was written since it was last analyzed, each in a transaction of its own; returns how many that were."""
    with db.connection("dpm_owner") as conn:
        steps = conn.execute("select statement from prop_trading_model.statistics_to_collect()").fetchall()
        for (statement,) in steps:
            say(statement)
            conn.execute(statement.encode())
    return len(steps)
