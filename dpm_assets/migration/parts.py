"""Months (years) of the two tables on their way: which there are, how far each is, and the lock of who works on one."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

import psycopg

from dpm_assets.migration.names import MIGRATION, Moved


@dataclass(frozen=True)
class Part:
    """A month of trades or a year of metrics, [starts, ends). `rows`: in the new table when it was attached; None before, and for
    an empty one that was written to since."""

    table: Moved
    starts: date
    ends: date
    state: str
    rows: int | None
    bites: int
    bites_copied: int
    pending: int
    """Account-days that were written to since they were copied."""

    @property
    def name(self) -> str:
        """As in '2024-03 of raw_trades_closed'."""
        return f"{self.key} of {self.table}"

    @property
    def key(self) -> str:
        """As in '2024-03', or '2024' for a year."""
        return f"{self.starts:%Y-%m}" if (self.ends - self.starts).days < 32 else f"{self.starts:%Y}"


def parts(conn: psycopg.Connection[Any]) -> list[Part]:
    """All of them, newest trades first: what is looked at most is copied first."""
    rows = conn.execute(
        f"""
        select p.table_name, p.starts, p.ends, p.state, p.rows,
            (select count(*) from {MIGRATION}.bites as b where b.table_name = p.table_name and b.starts = p.starts),
            (select count(b.copied_at) from {MIGRATION}.bites as b where b.table_name = p.table_name and b.starts = p.starts),
            (
                select count(*) from {MIGRATION}.changed_originals as c
                where c.table_name = p.table_name and c.day >= p.starts and c.day < p.ends
            )
        from {MIGRATION}.parts as p
        order by p.table_name desc, p.starts desc
        """.encode()
    ).fetchall()
    return [Part(*row) for row in rows]


@contextmanager
def held(conn: psycopg.Connection[Any], part: Part, wait: bool = False) -> Iterator[bool]:
    """Whether this session alone works on the part, in the block; with `wait` it does."""
    key = f"{MIGRATION}.part_lock(%s, %s)"
    lock = "pg_advisory_lock" if wait else "pg_try_advisory_lock"
    row = conn.execute(f"select {lock}({key})::text".encode(), [part.table, part.starts]).fetchone()
    taken = row is not None and row[0] in ("", "true")
    try:
        yield taken
    finally:
        if taken and not conn.broken:
            conn.execute(f"select pg_advisory_unlock({key})".encode(), [part.table, part.starts])
