"""Rows that the table does not hold yet, straight into the leaves of their months: no stage, no merge.

COPY into a leaf inserts many rows at once, which PostgreSQL does not do through a partitioned parent that has triggers.
"""

from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import psycopg
from psycopg import sql

from dpm_assets.calendar import month_of
from dpm_assets.database import SCHEMA
from dpm_assets.loads.arrays import text, whole_numbers
from dpm_assets.loads.chunks import Chunk
from dpm_assets.loads.encoding import with_last
from dpm_assets.loads.feeds import Column, Feed
from dpm_assets.loads.leaves import MonthTargets
from dpm_assets.loads.staging import PIECE

_PROBED = 500  # rows of the first chunk


@dataclass
class DirectCopy:
    """Copies chunks into the feed's table inside the load's transaction."""

    conn: psycopg.Connection[Any]
    feed: Feed
    columns: tuple[Column, ...]
    batch_id: int
    targets: MonthTargets
    rows: int = 0
    days: set[date] = field(default_factory=set)

    def __post_init__(self) -> None:
        # Rows of this transaction have higher ids: a lower bound for finding them again.
        row = self.conn.execute("select nextval('prop_trading_model.raw_trades_closed_id_seq')").fetchone()
        self.first_id = row[0] if row else 0

    @property
    def months(self) -> set[date]:
        return {month_of(day) for day in self.days}

    def take(self, chunk: Chunk) -> None:
        """Raises UniqueViolation when the table, or the file itself before, holds one of its keys at the same date."""
        if not len(chunk.lines):
            return
        batch = text(str(self.batch_id))
        names = sql.SQL(", ").join(sql.Identifier(name) for name in (*(c.name for c in self.columns), "load_batch_id"))
        assert self.feed.dated_by
        for month, begin, end in chunk.months(self.feed.dated_by):
            copy = sql.SQL("copy {} ({}) from stdin").format(self.targets.of(month), names)
            with self.conn.cursor().copy(copy) as target:
                for first in range(begin, end, PIECE):
                    target.write(with_last(chunk.lines.slice(first, min(PIECE, end - first)), batch))
        self.rows += len(chunk.lines)
        self.days |= chunk.days


def knows(conn: psycopg.Connection[Any], feed: Feed, chunk: Chunk) -> bool:
    """Whether the table holds some of a chunk's rows already, as it does when a file is an export taken anew."""
    sample = chunk.keys.take(whole_numbers(np.linspace(0, chunk.keys.num_rows - 1, _PROBED).astype(np.int64)))
    row = conn.execute(
        sql.SQL(
            """
            select exists (
                select from unnest(%(account_ids)s::text[], %(days)s::date[], %(trade_ids)s::text[]) as k (account, day, trade)
                join {} as r on r.account_id = k.account and r.trade_date = k.day and r.trade_id = k.trade
                where r.trade_date between %(first_day)s and %(last_day)s
            )
            """
        ).format(sql.Identifier(SCHEMA, feed.table)),
        {
            "account_ids": sample.column("account_id").to_pylist(),
            "days": sample.column("trade_date").to_pylist(),
            "trade_ids": sample.column("trade_id").to_pylist(),
            "first_day": min(chunk.days),
            "last_day": max(chunk.days),
        },
    ).fetchone()
    return bool(row and row[0])
