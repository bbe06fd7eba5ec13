"""The columns of the assets as a database has them: types, comments, and what each is made from."""

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg

from dpm_assets.columns.file import Described, DescribedColumn
from dpm_assets.columns.functions import FUNCTIONS, returned_columns
from dpm_assets.columns.lineage import Catalogue, Column, Sources
from dpm_assets.database import SCHEMA
from dpm_assets.loads.feeds import FEEDS
from dpm_assets.refresh.engine import LIVE_VIEWS, ROLLUPS, VIEWS

# The query that recomputes each rollup, by the function that the refresh itself builds it with.
_RECOMPUTED_BY = {
    "rollup_account_symbol_day": f"account_symbol_day_query('{SCHEMA}.raw_trades_closed as t')",
    "rollup_symbol_day": f"symbol_days_query('{SCHEMA}.rollup_account_symbol_day as r')",
    "rollup_market_day": (
        f"market_day_query('{SCHEMA}.rollup_account_symbol_day as r', '{SCHEMA}.rollup_symbol_day as r')"
    ),
    "rollup_account_month": f"account_month_query('{SCHEMA}.rollup_account_symbol_day as r')",
    "rollup_account": f"account_query('{SCHEMA}.rollup_account_month as m')",
    "rollup_account_symbol": f"account_symbol_query('{SCHEMA}.rollup_account_symbol_day as r')",
    "rollup_account_recent": f"account_recent_query('{SCHEMA}.rollup_account_symbol_day as r', '{SCHEMA}.as_of_date()')",
}
# No asset of its own: the views that read it are shown with what it is made from.
_SEEN_THROUGH = {"rollup_latest_account": f"{SCHEMA}.live_latest_account"}
_RAW = "raw_"

# What the warehouse notes of itself, made from no asset.
LOGS = ("query_performance_log",)


def described(conn: "psycopg.Connection[Any]") -> Described:
    """Read from the catalogue; makes and drops temporary views on the way."""
    catalogue = Catalogue(conn)
    through = {
        (table, name): sources
        for table, view in _SEEN_THROUGH.items()
        for (name, _, _), sources in zip(_columns(conn, table), catalogue.view(view), strict=True)
    }
    found = {
        table: [DescribedColumn(name, kind, said or "", ()) for name, kind, said in _columns(conn, table)]
        for table in (*(feed.table for feed in FEEDS.values()), *LOGS)
    }
    found |= {function: returned_columns(conn, function) for function in FUNCTIONS}
    for name in (*ROLLUPS, *VIEWS, *LIVE_VIEWS):
        sources = _recomputed(conn, catalogue, name) if name in _RECOMPUTED_BY else catalogue.view(f"{SCHEMA}.{name}")
        found[name] = [
            DescribedColumn(column, kind, said or "", _shown(made_from, through))
            for (column, kind, said), made_from in zip(_columns(conn, name), sources, strict=True)
        ]
    return found


def _recomputed(conn: "psycopg.Connection[Any]", catalogue: Catalogue, rollup: str) -> Sequence[Sources]:
    row = conn.execute(f"select {SCHEMA}.{_RECOMPUTED_BY[rollup]}".encode()).fetchone()
    assert row is not None
    return catalogue.made_from(row[0])


def _columns(conn: "psycopg.Connection[Any]", name: str) -> list[tuple[str, str, str | None]]:
    return conn.execute(
        "select attname::text, format_type(atttypid, atttypmod), col_description(attrelid, attnum) from pg_attribute"
        " where attrelid = %s::regclass and attnum > 0 and not attisdropped order by attnum",
        [f"{SCHEMA}.{name}"],
    ).fetchall()


def _shown(sources: Sources, through: Mapping[Column, Sources]) -> tuple[str, ...]:
    """The sources that are assets; what the refresh keeps for itself (the log, marks, windows) is none."""
    seen = set[Column]().union(*(through.get(source, {source}) for source in sources))
    return tuple(sorted(f"{table}.{name}" for table, name in seen if table in ROLLUPS or table.startswith(_RAW)))
