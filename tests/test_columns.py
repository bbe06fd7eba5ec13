"""What the graph says of columns is what the catalogue says, and a value that changes changes only what is made from it."""

import os
from collections.abc import Iterable

import dagster as dg
import pytest
from psycopg import sql

from dpm_assets.columns.catalogue import LOGS, described
from dpm_assets.columns.file import FILE, columns, text_of
from dpm_assets.columns.functions import FUNCTIONS
from dpm_assets.columns.metadata import column_metadata, tables_read
from dpm_assets.database import SCHEMA
from dpm_assets.loads.feeds import FEEDS
from dpm_assets.refresh.descriptions import ROLLUP_INPUTS, VIEW_INPUTS
from dpm_assets.refresh.engine import LIVE_VIEWS, ROLLUPS, VIEWS
from tests.interleaving import Connection, session

pytestmark = pytest.mark.sql

MADE = (*ROLLUPS, *VIEWS, *LIVE_VIEWS)
RAW = [feed.table for feed in FEEDS.values()]

# Edges that no column comes along: that there is a partition, the day that the trailing windows end with, and whether an account
# with trades after the window has some within it.
WITHOUT_COLUMNS = {
    "rollup_account_symbol_day": {"trade_partitions"},
    "rollup_account_recent": {"rollup_market_day"},
    "mv_symbol_performance": {"rollup_account_symbol_day"},
}

# What each writer of a raw column changes; a value that no row of `refreshed` holds yet.
CHANGES = {
    "raw_trades_closed.profit": "profit = profit + 1.25",
    "raw_trades_closed.commission": "commission = -0.77",
    "raw_trades_closed.swap": "swap = -0.33",
    "raw_trades_closed.lots": "lots = 2.5 + id % 3",
    "raw_trades_closed.volume_usd": "volume_usd = 1000 + id",
    "raw_trades_closed.side": "side = 'sell'",
    "raw_trades_closed.symbol": "symbol = 'GBPUSD'",
    "raw_trades_closed.std_symbol": "std_symbol = 'XAUUSD'",
    "raw_trades_closed.open_time": "open_time = open_time - interval '7 minutes'",
    "raw_trades_closed.close_time": "close_time = close_time + interval '9 minutes'",
    "raw_trades_closed.stop_loss": "stop_loss = 1",
    "raw_trades_closed.take_profit": "take_profit = 2",
    "raw_trades_closed.login": "login = 'another'",
    "raw_accounts_data.current_balance": "current_balance = 900, starting_balance = 800",
    "raw_accounts_data.status": "status = 'Breached'",
    "raw_regimes_daily.summary": 'summary = \'{"market_sentiment": "calm", "liquidity_state": "deep"}\'',
}


def test_the_file_says_what_the_catalogue_says(database_url: str) -> None:
    with session(database_url, autocommit=True) as conn:
        found = described(conn)
    if os.environ.get("DPM_WRITE_COLUMNS"):
        FILE.write_text(text_of(found), encoding="utf-8")
        columns.cache_clear()
    assert columns() == found, "run make columns: columns, comments or queries have changed"


@pytest.mark.parametrize("table", [*RAW, *LOGS, *FUNCTIONS, *MADE])
def test_every_column_says_what_it_is(table: str) -> None:
    schema: dg.TableSchema = column_metadata(table)["dagster/column_schema"]
    assert schema.columns
    for column in schema.columns:
        assert len(column.description or "") > 3 and column.type, column.name


@pytest.mark.parametrize("table", MADE)
def test_every_column_leads_back_to_raw_columns(table: str) -> None:
    for column in columns()[table]:
        if column.name != "unchecked":  # a constant null
            assert {source.split(".")[0] for source in roots(f"{table}.{column.name}")} <= set(RAW), column
            assert roots(f"{table}.{column.name}"), f"{column.name} is made from nothing"


def test_the_graph_has_the_edges_that_the_columns_have() -> None:
    for name in (*ROLLUPS, *VIEWS):
        declared = {**ROLLUP_INPUTS, **VIEW_INPUTS}[name]
        assert set(declared) - set(tables_read(name)) == WITHOUT_COLUMNS.get(name, set()), name
        assert set(tables_read(name)) <= set(declared), name


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_depends_on_each_source_of_its_columns(view: str, database_url: str) -> None:
    """pg_depend, which PostgreSQL keeps for DROP COLUMN, knows of no less."""
    with session(database_url, autocommit=True) as conn:
        rows = conn.execute(
            "select distinct d.refobjid::regclass::text || '.' || a.attname from pg_rewrite as r"
            " join pg_depend as d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid and d.refobjsubid > 0"
            " join pg_attribute as a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid where r.ev_class = %s::regclass",
            [f"{SCHEMA}.{view}"],
        ).fetchall()
    depends_on = {row[0] for row in rows}
    through = ("rollup_latest_account.", "latest_plans.", "latest_regimes_daily.")
    for column in columns()[view]:
        assert set(column.made_from) <= depends_on | {s for s in column.made_from if not s.startswith("rollup_")}, (
            column
        )
    assert {source for source in depends_on if not source.startswith((*through, f"{view}."))} >= {
        source for column in columns()[view] for source in column.made_from if source.startswith("rollup_")
    }


@pytest.mark.parametrize("changed", CHANGES)
def test_a_change_of_a_raw_column_shows_in_nothing_but_what_is_made_from_it(
    changed: str, refreshed: Connection
) -> None:
    refreshed.execute('update raw_regimes_daily set summary = \'{"market_sentiment": "wild"}\'')
    refreshed.execute("call refresh_warehouse()")
    before = values(refreshed)
    table, _ = changed.split(".")
    refreshed.execute(sql.SQL("update {table} set ").format(table=sql.Identifier(table)) + sql.SQL(CHANGES[changed]))
    live = {name: values_of(refreshed, name) for name in LIVE_VIEWS}
    refreshed.execute("call refresh_warehouse()")
    after = values(refreshed) | live
    moved = {
        f"{name}.{column}" for name in MADE for column in after[name] if after[name][column] != before[name][column]
    }
    assert moved, "the change shows somewhere"
    columns_set = {f"{table}.{name.split(' =')[0].strip()}" for name in CHANGES[changed].split(", ") if " = " in name}
    assert {column for column in moved if not roots(column) & columns_set} == set()


def values(conn: Connection) -> dict[str, dict[str, list[str | None]]]:
    return {name: values_of(conn, name) for name in MADE}


def values_of(conn: Connection, name: str) -> dict[str, list[str | None]]:
    """The values of each column, sorted: rows that only change places are the same."""
    names = [column.name for column in columns()[name]]
    listed = sql.SQL(", ").join(
        sql.SQL("array_agg({}::text order by {}::text)").format(sql.Identifier(each), sql.Identifier(each))
        for each in names
    )
    row = conn.execute(sql.SQL("select {} from {}").format(listed, sql.Identifier(SCHEMA, name))).fetchone()
    assert row is not None
    return dict(zip(names, row, strict=True))


def roots(column: str) -> set[str]:
    """The raw columns that a column is made from, through whatever stands between."""
    table, name = column.split(".")
    made_from: Iterable[str] = next(each.made_from for each in columns()[table] if each.name == name)
    return set().union(*({source} if source.split(".")[0] in RAW else roots(source) for source in made_from))
