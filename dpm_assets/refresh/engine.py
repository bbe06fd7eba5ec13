"""Calling the refresh that lives in the database, one short transaction at a time."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import count
from typing import Any

import psycopg

from dpm_assets.database import Database
from dpm_assets.errors import NOT_HOT
from dpm_assets.refresh.failures import failure_noted
from dpm_assets.refresh.vacuum import vacuum_worn

BITE = 200_000
"""Rows of the change log taken by one transaction."""

LEFT = "left as it is, its trades are in the archive"

ROLLUPS = (
    "rollup_account_symbol_day",
    "rollup_symbol_day",
    "rollup_market_day",
    "rollup_account_month",
    "rollup_account",
    "rollup_account_symbol",
    "rollup_account_recent",
)
VIEWS = (
    "mv_daily_trading_stats",
    "mv_symbol_performance",
    "mv_account_performance_summary",
    "mv_account_trading_patterns",
    "mv_market_regime_performance",
)
LIVE_VIEWS = tuple(name.replace("mv_", "live_", 1) for name in VIEWS)


@dataclass(frozen=True)
class Pending:
    """What has not been refreshed: distinct account-days, months, other inputs, stale views, and since when (seconds)."""

    keys: int
    months: list[date]
    inputs: list[str]
    views: list[str]
    oldest: datetime | None
    age_seconds: float | None

    @property
    def nothing(self) -> bool:
        return not (self.keys or self.months or self.inputs or self.views)


@dataclass
class Refreshed:
    """What a refresh did: log rows taken, months touched, rollup rows written or removed, views refreshed, seconds."""

    keys_taken: int = 0
    months: list[date] = field(default_factory=list)
    rows_written: int = 0
    views: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, keys_taken: int, months: Sequence[date], rows_written: int) -> None:
        self.keys_taken += keys_taken
        self.months = sorted({*self.months, *months})
        self.rows_written += rows_written


def pending(db: Database) -> Pending:
    with db.connection() as conn:
        return read_pending(conn)


def read_pending(conn: psycopg.Connection[Any]) -> Pending:
    row = conn.execute(
        "select keys, months, inputs, views, oldest, age_seconds from prop_trading_model.pending_changes()"
    ).fetchone()
    assert row is not None
    keys, months, inputs, views, oldest, age = row
    return Pending(keys, months, inputs, views, oldest, None if age is None else float(age))


def drain(conn: psycopg.Connection[Any], months: Sequence[date] | None = None, run_key: str | None = None) -> Refreshed:
    """Bring the rollups up to date with the log (of these months, or all), each bite in a transaction of its own.

    What is written meanwhile is for the next refresh, or a steady writer would keep this one from the views for ever.
    """
    done = Refreshed()
    began = time.monotonic()
    for bite_number in count():
        bite = conn.execute(
            "select keys_taken, months_taken, months, rows_written from prop_trading_model.refresh_bite(%s, %s, %s, %s)",
            [BITE, list(months) if months is not None else None, run_key, bite_number == 0],
        ).fetchone()
        assert bite is not None
        keys_taken, months_taken, touched, rows_written = bite
        done.add(keys_taken, touched, rows_written)
        if months_taken == 0 and keys_taken < BITE:
            break
    done.seconds = time.monotonic() - began
    return done


def rebuild(
    conn: psycopg.Connection[Any], months: Sequence[date], run_key: str | None = None
) -> Iterator[tuple[date, int | None, float]]:
    """Recompute months from the raw trades, each in a transaction of its own: yields (month, rows that differed, seconds).

    Of a month whose trades are in the archive the rollups stay as they are: its rows are None. With a `run_key`, months
    that the same run has finished before are skipped.
    """
    done = finished_months(conn, run_key)
    for month in months:
        if month in done:
            continue
        began = time.monotonic()
        try:
            row = conn.execute("select prop_trading_model.rebuild_month(%s, %s)", [month, run_key]).fetchone()
        except psycopg.Error as error:
            if error.sqlstate != NOT_HOT:
                raise
            yield month, None, 0.0
            continue
        assert row is not None
        yield month, row[0], time.monotonic() - began


def rebuild_totals(conn: psycopg.Connection[Any], run_key: str | None = None) -> int:
    """Recompute what spans months; returns the rows that differed."""
    row = conn.execute("select prop_trading_model.rebuild_totals(%s)", [run_key]).fetchone()
    assert row is not None
    return int(row[0])


def finished_months(conn: psycopg.Connection[Any], run_key: str | None) -> set[date]:
    """The months that this run, or an earlier try of it, has rebuilt."""
    if run_key is None:
        return set()
    rows = conn.execute(
        "select month from prop_trading_model.refresh_log where run_key = %s and kind = 'month'", [run_key]
    ).fetchall()
    return {row[0] for row in rows}


def refresh_views(
    conn: psycopg.Connection[Any], views: Sequence[str] | None = None, run_key: str | None = None
) -> list[str]:
    """Refresh those of the views (null: all) whose inputs moved, without making a reader wait; returns them."""
    row = conn.execute(
        "select prop_trading_model.refresh_views(%s, %s)", [list(views) if views is not None else None, run_key]
    ).fetchone()
    assert row is not None
    return list(row[0])


def refresh(db: Database, months: Sequence[date] | None = None, whole: bool = False) -> Iterator[str | Refreshed]:
    """The whole refresh: log (and, with `whole`, a recomputation of the months), totals, views.

    Yields a sentence for each month that is recomputed, and at the end what was done.
    """
    began = time.monotonic()
    with failure_noted(db), db.connection("dpm_refresher") as conn:
        done = Refreshed()
        if whole:
            for month, rows, seconds in rebuild(conn, months if months is not None else months_with_data(conn)):
                if rows is None:
                    yield f"{month:%Y-%m}: {LEFT}"
                    continue
                done.add(0, [month], rows)
                yield f"{month:%Y-%m}: recomputed in {seconds:.1f} s, {rows:,} rows differed"
        drained = drain(conn, months)
        done.add(drained.keys_taken, drained.months, drained.rows_written)
        if whole:
            done.rows_written += rebuild_totals(conn)
        done.views = refresh_views(conn)
        done.seconds = time.monotonic() - began
        vacuum_worn(db, conn)
    yield done


def months_with_data(conn: psycopg.Connection[Any]) -> list[date]:
    """Every hot month that has a partition of trades or rows in a rollup."""
    rows = conn.execute(
        """
        select distinct month from (
            select date_trunc('month', b.lower)::date
            from pg_inherits as i cross join lateral prop_trading_model.leaf_bounds(i.inhrelid) as b
            where i.inhparent = 'prop_trading_model.raw_trades_closed'::regclass and isfinite(b.lower)
            union select month from prop_trading_model.rollup_account_month
            union select date_trunc('month', trade_date)::date from prop_trading_model.rollup_market_day
            union select date_trunc('month', trade_date)::date from prop_trading_model.rollup_symbol_day
        ) as months (month)
        where not exists (
            select from prop_trading_model.month_state as s where s.month = months.month and s.state <> 'hot'
        )
        order by month
        """
    ).fetchall()
    return [row[0] for row in rows]
