"""The other ways to hold the trades, kept for comparison: they run, and say what production says."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from dpm_assets.database import run_file
from dpm_assets.refresh.engine import VIEWS
from dpm_assets.schema.offline import BASELINE_TABLES
from dpm_assets.server import EmbeddedServer
from dpm_assets.settings import sql_dir
from tests.baselines import baseline, fill
from tests.interleaving import Connection, session
from tests.schema_dump import apply, dumped

pytestmark = pytest.mark.sql

ARCHIVE = sql_dir() / "archive"
V1 = ARCHIVE / "v1_conservative" / "schema.sql"
V2 = ARCHIVE / "v2_balanced" / "schema.sql"

_OTHER_INPUTS = """
insert into prop_trading_model.raw_plans_data (plan_id, plan_name, ingestion_timestamp)
values ('p1', 'Swing', '2024-01-02'), ('p1', 'old name', '2024-01-01');
insert into prop_trading_model.raw_accounts_data
    (account_id, login, plan_id, starting_balance, current_balance, profit_target_pct, ingestion_timestamp)
values ('a1', 'first', 'p1', 100, 90, 8, '2024-01-01'), ('a1', 'later', 'p1', 100, 110, 8, '2024-01-02'),
    ('never traded', 'n', null, 100, 100, 0, null);
insert into prop_trading_model.raw_regimes_daily (date, summary)
values ('2024-01-05', '{"market_sentiment": "calm"}'), ('2030-01-01', '{"volatility_regime": "high"}');
insert into prop_trading_model.raw_trades_closed (trade_id, account_id, login, symbol, side, trade_date, profit)
values ('only wins', 'w', 'w', 'WINS', 'BUY', '2024-03-30', 5), ('only losses', 'v', 'v', 'LOSSES', 'sell', '2024-03-30', -5),
    ('nothing known', 'u', 'u', null, null, '2024-03-30', null);
"""


@pytest.fixture
def empty_url(server: EmbeddedServer) -> Iterator[str]:
    name = f"dpm_{uuid4().hex[:12]}"
    server.create_database(name)
    yield server.url(name)
    with session(server.url("postgres"), autocommit=True) as admin:
        admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.mark.parametrize("file", [V1, V2], ids=["v1", "v2"])
def test_psql_applies_it_and_again_changes_nothing(server: EmbeddedServer, empty_url: str, file: Any) -> None:
    apply(server, empty_url, file)
    before = dumped(server, empty_url)
    apply(server, empty_url, file)
    assert dumped(server, empty_url) == before


@pytest.mark.parametrize("file", [V1, V2], ids=["v1", "v2"])
def test_every_column_of_the_original_is_there(empty_url: str, file: Any) -> None:
    query = (
        "select table_name::text, column_name::text from information_schema.columns"
        " where table_schema = 'prop_trading_model' and table_name = any (%s) order by 1, ordinal_position"
    )
    with session(empty_url, autocommit=True) as conn:
        run_file(conn, sql_dir() / "schema_baseline.sql")
        expected = conn.execute(query, [list(BASELINE_TABLES)]).fetchall()
        conn.execute("drop schema prop_trading_model cascade")
        run_file(conn, file)
        assert conn.execute(query, [list(BASELINE_TABLES)]).fetchall() == expected


def count(conn: Connection, table: str) -> Any:
    return conn.execute(f"select count(*) from prop_trading_model.{table}".encode()).fetchone()


def test_v1_keeps_every_row_of_the_original_and_refuses_new_ones_that_break_a_rule(server: EmbeddedServer) -> None:
    with baseline(server, rows=500, dirty=True) as url, session(url, autocommit=True) as conn:
        conn.execute("delete from prop_trading_model.raw_trades_closed where trade_id in ('twice', 'corrected badly')")
        before = count(conn, "raw_trades_closed"), count(conn, "raw_metrics_daily")
        said: list[str] = []
        conn.add_notice_handler(lambda notice: said.append(notice.message_primary or ""))
        run_file(conn, V1)
        assert (count(conn, "raw_trades_closed"), count(conn, "raw_metrics_daily")) == before
        assert "raw_trades_closed: rows at hand violate side_known, it binds new rows only" in said
        with pytest.raises(psycopg.errors.CheckViolation, match="side_known"):
            conn.execute(
                "insert into prop_trading_model.raw_trades_closed (trade_id, account_id, login, side)"
                " values ('x', 'x', 'x', 'hold')"
            )
        with pytest.raises(psycopg.errors.UniqueViolation):
            conn.execute(
                "insert into prop_trading_model.raw_trades_closed (trade_id, account_id, login, trade_date)"
                " select trade_id, account_id, login, trade_date from prop_trading_model.raw_trades_closed"
                " where trade_date is not null limit 1"
            )


def test_v1_refuses_a_table_that_holds_a_trade_twice(server: EmbeddedServer) -> None:
    with baseline(server, rows=100, dirty=True) as url, session(url, autocommit=True) as conn:
        with pytest.raises(Exception, match="could not create unique index"):
            run_file(conn, V1)
        assert count(conn, "raw_trades_closed")[0] > 100


def test_v2_shows_in_its_views_what_production_shows(empty_url: str, database_url: str) -> None:
    def shown(conn: Connection, columns: dict[str, list[str]]) -> dict[str, list[Any]]:
        return {
            view: conn.execute(
                sql.SQL("select {} from {} order by 1").format(
                    sql.SQL(", ").join(map(sql.Identifier, columns[view])), sql.Identifier("prop_trading_model", view)
                )
            ).fetchall()
            for view in VIEWS
        }

    with session(empty_url, autocommit=True) as v2, session(database_url, autocommit=True) as production:
        run_file(v2, V2)
        v2.execute("select prop_trading_model.create_monthly_partitions('2023-12-01')")
        production.execute(
            "select ensure_trade_months(array['2024-01-01', '2024-02-01', '2024-03-01']::date[]),"
            " ensure_metrics_years('{2023, 2024}')"
        )
        for conn in (v2, production):
            fill(conn, 3_000)
            conn.execute(_OTHER_INPUTS.encode())
        v2.execute("select prop_trading_model.refresh_materialized_views()")
        production.execute("call refresh_warehouse()")
        columns = {
            view: [
                row[0]
                for row in v2.execute(
                    "select attname::text from pg_attribute where attrelid = %s::regclass and attnum > 0 order by attnum",
                    [f"prop_trading_model.{view}"],
                ).fetchall()
            ]
            for view in VIEWS
        }
        found, expected = shown(v2, columns), shown(production, columns)
    assert found == expected
    assert all(found.values())


def test_v2_refuses_a_database_with_rows_of_the_original(server: EmbeddedServer) -> None:
    with baseline(server, rows=100) as url, session(url, autocommit=True) as conn:
        with pytest.raises(Exception, match="holds rows of the original"):
            run_file(conn, V2)
        assert count(conn, "raw_trades_closed") == (100,)


def test_v2_cannot_make_a_month_whose_rows_lie_in_its_default_partition(empty_url: str) -> None:
    """What its header says that it costs."""
    with session(empty_url, autocommit=True) as conn:
        run_file(conn, V2)
        conn.execute(
            "insert into prop_trading_model.raw_trades_closed (trade_id, account_id, login, trade_date)"
            " values ('early', 'a', 'l', '2001-01-05')"
        )
        with pytest.raises(psycopg.errors.CheckViolation, match="default partition"):
            conn.execute("select prop_trading_model.create_partitions('2001-01-01')")


@pytest.mark.parametrize("file", [V1, V2], ids=["v1", "v2"])
def test_its_header_says_what_it_is_what_it_costs_and_when_to_choose_it(file: Any) -> None:
    header = file.read_text(encoding="utf-8").split("\n\n")[0]
    assert all(
        part in header for part in ("-- What it is.", "-- What it costs.", "-- When to choose it.", "Invariant:")
    )
