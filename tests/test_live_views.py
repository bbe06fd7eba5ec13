"""Each live view equals the recomputation from the raw rows at the moment of reading, whatever is pending."""

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings

from dpm_assets.database import Database
from dpm_assets.refresh.engine import ROLLUPS, VIEWS
from dpm_assets.server import EmbeddedServer
from tests.conftest import fresh_database
from tests.history import carry_out, prepare, set_today
from tests.interleaving import Connection, session
from tests.live import live_differences
from tests.strategies import Operation, operations
from tests.test_exactness import EXAMPLES, exactness_settings

pytestmark = pytest.mark.sql

LEAF = "raw_trades_closed_2024_02"
Change = Callable[[Connection], object]
COLUMNS = "(trade_id, account_id, login, std_symbol, side, trade_date, close_time, lots, profit)"


@pytest.fixture
def conn(refreshed: Connection) -> Iterator[Connection]:
    """A refreshed warehouse on 24 February 2024, its newest day; nothing pending."""
    set_today(refreshed, date(2024, 2, 24))
    refreshed.execute("insert into raw_plans_data (plan_id, plan_name) values ('p1', 'Small')")
    refreshed.execute("call refresh_warehouse()")
    yield refreshed


def statements(*texts: str) -> Change:
    def run(conn: Connection) -> None:
        for text in texts:
            conn.execute(text.encode())

    return run


def let_days_pass(conn: Connection) -> None:
    set_today(conn, date(2024, 3, 5))


def let_days_pass_with_trades(conn: Connection) -> None:
    conn.execute(
        f"insert into raw_trades_closed {COLUMNS} values ('n', 'a1', 'l', 'GOLD', 'buy', '2024-03-04', null, 2, 8)".encode()
    )
    let_days_pass(conn)


AN_ATTACHED_MONTH = (
    "create table older (like raw_trades_closed including all)",
    f"insert into older {COLUMNS} values ('o1', 'a1', 'l', 'GOLD', 'sell', '2023-11-02', null, 1, -7),"
    " ('o2', 'new', 'l', null, null, '2023-11-30', null, null, null)",
    "alter table raw_trades_closed attach partition older for values from ('2023-11-01') to ('2023-12-01')",
)

CHANGES: dict[str, Change] = {
    "nothing": statements("select 1"),
    "a trade of a known account-day": statements(
        f"insert into raw_trades_closed {COLUMNS}"
        " values ('n', 'a1', 'later', 'GOLD', 'buy', '2024-02-01', '2024-02-01 23:00', 2, 8)"
    ),
    "a trade of a new account": statements(
        f"insert into raw_trades_closed {COLUMNS} values ('n', 'new', 'l', 'GOLD', 'buy', '2024-02-05', null, 2, 8)"
    ),
    "trades of nulls": statements(
        "insert into raw_trades_closed (trade_id, account_id, login, trade_date)"
        " values ('n1', 'a1', 'l', '2024-02-24'), ('n2', 'new', 'l', '2024-02-24')"
    ),
    "a new day": statements(
        f"insert into raw_trades_closed {COLUMNS}"
        " select 'n' || n, 'a' || n, 'l', 'GOLD', 'buy', date '2024-02-26', null, 2, 8 from generate_series(0, 4) as n"
    ),
    "a new day seen after midnight": statements(
        f"insert into raw_trades_closed {COLUMNS} values ('n', 'a1', 'l', 'EURUSD', 'buy', '2024-03-01', null, 2, 8)"
    ),
    "a trade dated in the future": statements(
        f"insert into raw_trades_closed {COLUMNS} values ('n', 'a1', 'l', 'EURUSD', 'buy', '2024-02-29', null, 2, 8)"
    ),
    "a symbol corrected": statements(
        "update raw_trades_closed set std_symbol = 'GOLD' where account_id in ('a1', 'a2')"
    ),
    "a trade moved to another month": statements(
        "update raw_trades_closed set trade_date = '2024-01-31' where account_id = 'a3' and trade_date = '2024-02-01'"
    ),
    "a login corrected": statements("update raw_trades_closed set login = 'right' where account_id = 'a2'"),
    "an account gone": statements("delete from raw_trades_closed where account_id in ('a1', 'a4')"),
    "a day gone": statements("delete from raw_trades_closed where trade_date = '2024-01-11'"),
    "the newest day gone": statements("delete from raw_trades_closed where trade_date = '2024-02-24'"),
    "the newest day gone but for an account": statements(
        "delete from raw_trades_closed where trade_date = '2024-02-24'"
        " and account_id <> (select min(account_id) from raw_trades_closed where trade_date = '2024-02-24')"
    ),
    "everything deleted": statements("delete from raw_trades_closed"),
    "a truncated leaf": statements(f"truncate {LEAF}"),
    "a truncated leaf with new trades": statements(
        f"truncate {LEAF}",
        f"insert into raw_trades_closed {COLUMNS} values ('n', 'a1', 'l', 'GOLD', 'buy', '2024-02-10', null, 2, 8),"
        " ('n', 'new', 'l', 'GOLD', 'buy', '2024-02-11', null, 2, 8)",
    ),
    "all truncated": statements("truncate raw_trades_closed"),
    "an attached leaf": statements(*AN_ATTACHED_MONTH),
    "an attached leaf of open bounds": statements(
        AN_ATTACHED_MONTH[0],
        AN_ATTACHED_MONTH[1],
        "alter table raw_trades_closed attach partition older for values from (minvalue) to ('2023-12-15')",
    ),
    "a detached leaf": statements(f"alter table raw_trades_closed detach partition {LEAF}"),
    "a dropped leaf": statements("drop table raw_trades_closed_2024_01"),
    "a leaf rewritten by others": statements(
        f"alter table raw_trades_closed detach partition {LEAF}",
        f"create table theirs (like {LEAF} including all)",
        f"insert into theirs select * from {LEAF} where account_id <> 'a5'",
        "alter table raw_trades_closed attach partition theirs for values from ('2024-02-01') to ('2024-03-01')",
    ),
    "a month marked and trades elsewhere": statements(
        "insert into changed_months (month, reason) values ('2024-01-01', 'a test')",
        "update raw_trades_closed set profit = 1 where account_id = 'a5'",
    ),
    "an account loaded": statements(
        "insert into raw_accounts_data (account_id, login, plan_id, starting_balance, current_balance, profit_target_pct)"
        " values ('a1', 'newest', 'p1', 1000, 1100, 8), ('without trades', 'x', 'none', 0, 1, 0)"
    ),
    "an account deleted": statements("delete from raw_accounts_data where account_id = 'a1'"),
    "a plan renamed": statements(
        "insert into raw_accounts_data (account_id, login, plan_id) values ('a2', 'l', 'p1')",
        "insert into raw_plans_data (plan_id, plan_name) values ('p1', 'Large')",
    ),
    "a regime corrected": statements(
        """insert into raw_regimes_daily (date, summary) values ('2024-01-10', '{"market_sentiment": "fear"}')"""
    ),
    "a regime of a day without trades": statements("insert into raw_regimes_daily (date) values ('2024-06-01')"),
    "days passing": let_days_pass,
    "days passing with trades since": let_days_pass_with_trades,
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_live_view_shows_a_change_before_during_and_after_its_refresh(conn: Connection, change: Change) -> None:
    conn.execute("select ensure_trade_months(%s)", [[date(2024, 3, 1)]])
    conn.execute("call refresh_warehouse()")
    change(conn)
    assert live_differences(conn) == []
    conn.execute("select refresh_bite(2)")
    assert live_differences(conn) == []
    for _ in range(3):
        conn.execute("select refresh_bite()")
    assert live_differences(conn) == []
    conn.execute("call refresh_warehouse()")
    assert live_differences(conn) == []


def test_live_views_equal_their_recomputation_after_every_statement_of_any_history(
    server: EmbeddedServer, template: str
) -> None:
    @settings(exactness_settings, max_examples=max(EXAMPLES // 4, 1))
    @given(operations())
    def after_every_statement(history: list[Operation]) -> None:
        with fresh_database(server, template) as url, session(url, autocommit=True) as conn:
            prepare(conn)
            for operation in history:
                carry_out(conn, [operation])
                assert live_differences(conn) == [], operation

    after_every_statement()


@pytest.mark.parametrize("view", VIEWS)
def test_a_live_view_has_the_columns_of_its_materialized_view(conn: Connection, view: str) -> None:
    columns = [
        conn.execute(
            "select attname, format_type(atttypid, atttypmod) from pg_attribute"
            " where attrelid = %s::regclass and attnum > 0 order by attnum",
            [name],
        ).fetchall()
        for name in (view, view.replace("mv_", "live_", 1))
    ]
    assert columns[0] == columns[1] != []


@pytest.mark.parametrize("rollup", [name for name in ROLLUPS if name != "rollup_account_month"])
def test_the_live_form_of_a_rollup_is_what_a_refresh_makes_of_it(conn: Connection, rollup: str) -> None:
    settled = f"select * from {rollup} order by 1, 2, 3"
    live = settled.replace("rollup_", "live_")
    conn.execute("update raw_trades_closed set profit = 1000 where account_id = 'a5'")
    conn.execute("delete from raw_trades_closed where trade_date = '2024-02-24'")
    before = conn.execute(live.encode()).fetchall()
    conn.execute("call refresh_warehouse()")
    assert conn.execute(settled.encode()).fetchall() == before


def test_a_reader_may_read_live_views_and_needs_no_other_privilege(db: Database) -> None:
    with db.connection("dpm_reader") as reader:
        for view in VIEWS:
            reader.execute(f"table prop_trading_model.{view.replace('mv_', 'live_', 1)}".encode())


def test_the_windows_of_a_cold_month_stay_as_the_rollups_have_them(conn: Connection) -> None:
    """What lies in an archive is not in the raw trades: a detach by the lifecycle and a key in the log change nothing."""
    before = conn.execute("select * from live_daily_trading_stats order by date").fetchall()
    conn.execute("insert into month_state (month, state) values ('2024-01-01', 'cold')")
    conn.execute("insert into changed_account_days (account_id, trade_date) values ('a1', '2024-01-10')")
    conn.execute("alter table raw_trades_closed detach partition raw_trades_closed_2024_01")
    assert conn.execute("select * from live_daily_trading_stats order by date").fetchall() == before


def scans(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The nodes of a plan that read a table."""
    if "Relation Name" in plan:
        yield plan
    for part in plan.get("Plans", []):
        yield from scans(part)


@pytest.mark.parametrize("view", ["live_account_performance_summary", "live_account_trading_patterns"])
def test_a_condition_on_the_account_reaches_every_table_that_has_accounts(conn: Connection, view: str) -> None:
    conn.execute("update raw_trades_closed set profit = 1 where account_id in ('a1', 'a2')")
    row = conn.execute(f"explain (format json) select * from {view} where account_id = 'a1'".encode()).fetchone()
    assert row
    large = [
        scan
        for scan in scans(row[0][0]["Plan"])
        if scan["Relation Name"].startswith(("rollup_account", "raw_trades_closed", "raw_accounts_data"))
    ]
    assert {scan["Relation Name"] for scan in large} >= {"rollup_account", "rollup_account_recent", "raw_accounts_data"}
    for scan in large:
        conditions = [str(scan.get(kind, "")) for kind in ("Filter", "Index Cond", "Recheck Cond")]
        assert any("'a1'" in condition for condition in conditions), scan


def test_a_log_that_was_analyzed_while_it_was_empty_changes_no_plan(conn: Connection) -> None:
    """Who believes such statistics reads what is pending once for every row of the rollups."""
    plans = {view: plan_of(conn, f"live_{view.removeprefix('mv_')}") for view in VIEWS}
    conn.execute(
        "insert into changed_account_days (account_id, trade_date)"
        " select n::text, date '2024-01-02' from generate_series(1, 2000) as n"
    )
    conn.execute("delete from changed_account_days")
    conn.execute("vacuum (truncate off, analyze) changed_account_days")
    pages, rows = conn.execute(
        "select relpages > 0, reltuples from pg_class where oid = 'changed_account_days'::regclass"
    ).fetchall()[0]
    assert (pages, rows) == (True, 0)
    assert {view: plan_of(conn, f"live_{view.removeprefix('mv_')}") for view in VIEWS} == plans


def plan_of(conn: Connection, view: str) -> list[Any]:
    return conn.execute(f"explain select * from {view}".encode()).fetchall()


@pytest.mark.parametrize("column", ["account text", "day date generated always as (trade_date) stored"])
@pytest.mark.parametrize("change", ["a trade of a new account", "a trade of a known account-day"])
def test_a_column_of_the_firm_is_not_taken_for_what_is_looked_up(conn: Connection, column: str, change: str) -> None:
    conn.execute(f"alter table raw_trades_closed add column {column}".encode())
    conn.execute("call refresh_warehouse()")
    CHANGES[change](conn)
    assert live_differences(conn) == []
