"""What statements cost: taking a snapshot of pg_stat_statements, and reading the views over the snapshots."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import class_row

from dpm_assets.database import Database


@dataclass(frozen=True)
class Taken:
    """What a snapshot did: statements that ran, of which so many were logged; their calls; old rows forgotten.

    `note` says what is missing or was lost; `captured_at` is None when there is nothing to take a snapshot of.
    """

    captured_at: datetime | None
    statements: int
    logged: int
    calls: int
    removed: int
    note: str | None


@dataclass(frozen=True)
class Query:
    """A statement without its values; times in milliseconds, `mean_ms` of a call."""

    fingerprint: str
    query: str
    calls: int
    mean_ms: float
    max_ms: float
    total_ms: float

    def short(self, width: int) -> str:
        """The statement in `width` characters at most, without what would end a cell of a table."""
        text = self.query.replace("|", "¦").replace("`", "'")
        return text if len(text) <= width else f"{text[: width - 1]}…"


@dataclass(frozen=True)
class LogState:
    """The snapshots of statements: the newest, its note, and what keeps the next from being taken; None: there is none."""

    newest: datetime | None
    note: str | None
    missing: str | None


def log_queries(db: Database, keep_days: int) -> Taken:
    """Take a snapshot, and forget those older than `keep_days`."""
    with db.connection("dpm_refresher") as conn, conn.cursor(row_factory=class_row(Taken)) as cursor:
        taken = cursor.execute(
            "select captured_at, statements, logged, calls, removed, note"
            " from prop_trading_model.log_query_performance(keep => %s)",
            [timedelta(days=keep_days)],
        ).fetchone()
    assert taken is not None
    return taken


def slowest(conn: psycopg.Connection[Any], most: int) -> list[Query]:
    """Of the last day, the slowest first."""
    with conn.cursor(row_factory=class_row(Query)) as cursor:
        return cursor.execute(
            "select fingerprint, query, calls, mean_ms::float8, max_ms::float8, total_ms::float8"
            " from prop_trading_model.slowest_queries limit %s",
            [most],
        ).fetchall()


def newly_slow(conn: psycopg.Connection[Any], most: int) -> list[Query]:
    """Of the last hour, beside the days before it, the slowest first; `max_ms` is not told apart from the mean."""
    with conn.cursor(row_factory=class_row(Query)) as cursor:
        return cursor.execute(
            "select fingerprint, query, calls, mean_ms::float8, mean_ms::float8 as max_ms, total_ms::float8"
            " from prop_trading_model.newly_slow_queries limit %s",
            [most],
        ).fetchall()


def log_state(conn: psycopg.Connection[Any]) -> LogState:
    with conn.cursor(row_factory=class_row(LogState)) as cursor:
        state = cursor.execute(
            """
            select newest.captured_at at time zone 'utc' as newest, newest.note,
                prop_trading_model.statement_statistics_missing() as missing
            from (select) as always
            left join (
                select captured_at, note from prop_trading_model.query_snapshots order by captured_at desc limit 1
            ) as newest on true
            """
        ).fetchone()
    assert state is not None
    return state
