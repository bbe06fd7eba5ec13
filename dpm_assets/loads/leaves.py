"""The leaves that a load needs: made where missing, in transactions of their own; found and held for direct copying."""

from collections.abc import Iterable
from datetime import date
from typing import Any

import psycopg
from psycopg import sql

from dpm_assets.calendar import month_of
from dpm_assets.database import SCHEMA, Database
from dpm_assets.loads.feeds import Feed


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
    """What the rows of each month are copied into, inside the transaction of `conn`."""

    def __init__(self, db: Database, conn: psycopg.Connection[Any], feed: Feed) -> None:
        self._db = db
        self._conn = conn
        self._feed = feed
        self._targets: dict[date, sql.Composable] = {}

    def of(self, month: date) -> sql.Composable:
        """The month's leaf, held until the transaction ends; the parent where the leaf is somebody else's and not as ours
        are. A missing leaf is made on another connection, so that it is there for everybody at once."""
        if month not in self._targets:
            self._targets[month] = self._leaf(month) or self._make(month) or sql.Identifier(SCHEMA, self._feed.table)
        return self._targets[month]

    def _make(self, month: date) -> sql.Composable | None:
        with self._db.connection("dpm_loader") as other:
            ensure_leaves(other, self._feed, [month])
        return self._leaf(month)

    def _leaf(self, month: date) -> sql.Composable | None:
        row = self._conn.execute("select prop_trading_model.hold_trade_leaf(%s::date)", [month]).fetchone()
        return sql.Identifier(SCHEMA, row[0]) if row and row[0] else None
