"""The leaves that a load needs: made where missing, in transactions of their own; found and held for direct copying."""

from collections.abc import Iterable
from datetime import date
from typing import Any

import psycopg
from psycopg import sql

from dpm_assets.calendar import month_of
from dpm_assets.database import SCHEMA
from dpm_assets.loads.feeds import Feed
from dpm_assets.loads.merging import Overtaken
from dpm_assets.loads.turns import OutOfTurn, Turn


def ensure_leaves(conn: psycopg.Connection[Any], feed: Feed, days: Iterable[date]) -> None:
    """Each missing leaf in a transaction of its own (`conn` is in none): its lock on the parent must not last as long
    as the load."""
    if not feed.partitions:
        return
    if feed.partitions.every == "year":
        for year in sorted({day.year for day in days}):
            conn.execute("select prop_trading_model.ensure_metrics_years(array[%s::integer])", [year])
        return
    for month in sorted({month_of(day) for day in days}):
        conn.execute("select prop_trading_model.ensure_trade_months(array[%s::date])", [month])


class MonthTargets:
    """What the rows of each month are copied into, inside the transaction of `conn`.

    A month that is there: its leaf. A month that is not: a bare table, which is indexed and attached when it is full. That
    is faster by half than to keep indexes and the change log row by row.
    """

    def __init__(self, conn: psycopg.Connection[Any], feed: Feed, batch_id: int, turn: Turn) -> None:
        self._conn = conn
        self._turn = turn
        self._feed = feed
        self._batch_id = batch_id
        self._targets: dict[date, sql.Composable] = {}
        self.bare: list[date] = []
        """Months that hold nothing but what is copied here, also when they are attached."""

    def of(self, month: date) -> sql.Composable:
        """The month's leaf, held until the transaction ends; the parent where the leaf is somebody else's and not as ours
        are. Raises OutOfTurn when a file whose turn is before is about to make the leaf."""
        if month not in self._targets:
            self._targets[month] = self._leaf(month) or self._make(month) or sql.Identifier(SCHEMA, self._feed.table)
        return self._targets[month]

    def attach(self) -> None:
        """Make leaves of the bare tables, when all rows are there. Raises Overtaken when somebody has made one in between,
        UniqueViolation when the file holds a key twice."""
        for month in sorted(self.bare):
            query = "select prop_trading_model.attach_bare_month(%s::date, %s)"
            if self._conn.execute(query, [month, self._batch_id]).fetchone() != (True,):
                raise Overtaken

    def _make(self, month: date) -> sql.Composable | None:
        query = "select prop_trading_model.make_bare_month(%s::date, %s)"
        bare = self._named(self._conn.execute(query, [month, self._batch_id]).fetchone())
        if bare:
            if not self._turn.is_first(month):
                raise OutOfTurn
            self.bare.append(month)
        return bare

    def _leaf(self, month: date) -> sql.Composable | None:
        return self._named(
            self._conn.execute("select prop_trading_model.hold_trade_leaf(%s::date)", [month]).fetchone()
        )

    @staticmethod
    def _named(row: tuple[Any, ...] | None) -> sql.Composable | None:
        return sql.Identifier(SCHEMA, row[0]) if row and row[0] else None
