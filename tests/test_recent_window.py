"""The trailing windows by account: they follow their last day forwards and backwards, whatever comes in and leaves on the way."""

from datetime import date, timedelta

import pytest

from dpm_assets.database import Database
from tests.history import differences, set_today
from tests.interleaving import Connection

pytestmark = pytest.mark.sql

LAST = date(2024, 2, 24)  # the last day with trades

_TRADES = """
insert into raw_trades_closed (trade_id, account_id, login, symbol, side, trade_date, lots, volume_usd, profit, stop_loss)
select
    gen_random_uuid()::text, 'a' || n %% 13, 'l', (array['EURUSD', 'GBPUSD', '', null])[1 + (n * 7 + shift) %% 4], 'sell', day,
    (1 + n %% 5) / 10.0, n * 1000.01, (n * shift) %% 11 - 5, nullif(n %% 2, 0)
from (select n, %(shift)s::integer as shift, %(day)s::date as day from generate_series(1, 30) as n) as numbers
"""


@pytest.fixture
def conn(refreshed: Connection) -> Connection:
    """Ten accounts that traded nearly every day until LAST; accounts that have no trade before March come and go too."""
    refreshed.execute("select ensure_trade_months(array['2024-03-01', '2024-04-01', '2024-05-01']::date[])")
    for day in range(0, 40):
        refreshed.execute(_TRADES, {"day": LAST + timedelta(day), "shift": day})
    set_today(refreshed, LAST)
    refreshed.execute("call refresh_warehouse()")
    return refreshed


def window(conn: Connection) -> date | None:
    row = conn.execute("select last_day from recent_window").fetchone()
    assert row
    day: date | None = row[0]
    return day


@pytest.mark.parametrize(
    "steps",
    [[1, 1, 1], [3, 1], [7], [8], [35], [1, -1], [7, -5, 2], [30, -7, 7], [36, 1, 1, 1, -9]],
    ids=lambda steps: " ".join(f"{step:+d}" for step in steps),
)
def test_it_moves_with_its_last_day(conn: Connection, db: Database, steps: list[int]) -> None:
    today = LAST
    for step in steps:
        today += timedelta(step)
        set_today(conn, today)
        conn.execute("select refresh_views()")
        assert window(conn) == today
        assert differences(db) == []


def test_what_changes_within_the_old_window_is_counted_before_it_moves(conn: Connection, db: Database) -> None:
    """One refresh takes corrections of days that stay, that leave and that come in, and moves the window."""
    for day, change in (
        (LAST - timedelta(29), "update raw_trades_closed set profit = 77, lots = 3 where trade_date = %s"),
        (LAST - timedelta(10), "delete from raw_trades_closed where trade_date = %s"),
        (LAST - timedelta(5), "update raw_trades_closed set symbol = 'XAUUSD' where trade_date = %s"),
        (LAST + timedelta(1), "update raw_trades_closed set profit = -77 where trade_date = %s"),
        (LAST + timedelta(20), "delete from raw_trades_closed where trade_date = %s"),
    ):
        conn.execute(change.encode(), [day])
    set_today(conn, LAST + timedelta(2))
    conn.execute("call refresh_warehouse()")
    assert window(conn) == LAST + timedelta(2)
    assert differences(db) == []


def test_without_the_last_days_it_moves_back_and_without_any_it_ends(conn: Connection, db: Database) -> None:
    conn.execute("delete from raw_trades_closed where trade_date >= %s", [LAST - timedelta(2)])
    conn.execute("call refresh_warehouse()")
    assert window(conn) == LAST - timedelta(3)
    assert differences(db) == []
    conn.execute("truncate raw_trades_closed")
    conn.execute("call refresh_warehouse()")
    assert window(conn) is None
    assert conn.execute("select count(*) from rollup_account_recent").fetchone() == (0,)
    assert differences(db) == []


def trade(conn: Connection, account: str, symbol: str, day: date, trades: int = 1) -> None:
    conn.execute(
        "insert into raw_trades_closed (trade_id, account_id, login, symbol, side, trade_date, lots, profit)"
        " select gen_random_uuid()::text, %s, 'l', %s, 'buy', %s, 0.1, n from generate_series(1, %s) as n",
        [account, symbol, day, trades],
    )


def favorite(conn: Connection, account: str) -> tuple[str, int, int]:
    row = conn.execute(
        "select favorite_symbol, favorite_trades, symbols from rollup_account_recent where account_id = %s", [account]
    ).fetchone()
    assert row
    return row[0], row[1], row[2]


def test_a_favorite_stays_until_another_symbol_may_be_ahead(conn: Connection, db: Database) -> None:
    trade(conn, "z", "EURUSD", LAST, 5)
    trade(conn, "z", "GBPUSD", LAST - timedelta(3), 2)
    trade(conn, "z", "XAUUSD", LAST - timedelta(29), 1)
    conn.execute("call refresh_warehouse()")
    assert favorite(conn, "z") == ("EURUSD", 5, 3)
    for symbol, found in (
        ("GBPUSD", ("EURUSD", 5, 3)),  # 5 of 9
        ("EURUSD", ("EURUSD", 6, 3)),
        ("AUDUSD", ("EURUSD", 6, 4)),
        ("GBPUSD", ("EURUSD", 6, 4)),  # 6 of 12, no more than the others together
        ("GBPUSD", ("EURUSD", 6, 4)),
        ("GBPUSD", ("EURUSD", 6, 4)),  # as many of either
        ("GBPUSD", ("GBPUSD", 7, 4)),
    ):
        trade(conn, "z", symbol, LAST)
        conn.execute("call refresh_warehouse()")
        assert favorite(conn, "z") == found
        assert differences(db) == []
    conn.execute(
        "delete from raw_trades_closed where account_id = 'z' and symbol = 'GBPUSD' and trade_date = %s", [LAST]
    )
    conn.execute("call refresh_warehouse()")
    assert favorite(conn, "z") == ("EURUSD", 6, 4)
    assert differences(db) == []


def test_symbols_are_counted_that_come_into_the_window_and_leave_it(conn: Connection, db: Database) -> None:
    """The last day with a symbol says whether it lies in the window, unless that day comes after the window."""
    trade(conn, "z", "EURUSD", LAST - timedelta(5), 9)
    trade(conn, "z", "XAUUSD", LAST - timedelta(29), 1)
    trade(conn, "z", "GBPUSD", LAST - timedelta(40), 1)
    conn.execute("call refresh_warehouse()")
    assert favorite(conn, "z") == ("EURUSD", 9, 2)
    trade(conn, "z", "GBPUSD", LAST + timedelta(2), 1)
    trade(conn, "z", "EURUSD", LAST - timedelta(6), 1)
    conn.execute("call refresh_warehouse()")
    assert favorite(conn, "z") == ("EURUSD", 10, 2)
    trade(conn, "z", "EURUSD", LAST + timedelta(3), 1)  # EURUSD lies in the window although its last day comes after it
    trade(conn, "z", "XAUUSD", LAST - timedelta(4), 1)
    conn.execute("call refresh_warehouse()")
    assert favorite(conn, "z") == ("EURUSD", 10, 2)
    for today, symbols in ((LAST + timedelta(1), 2), (LAST + timedelta(2), 3), (LAST + timedelta(4), 3)):
        set_today(conn, today)
        conn.execute("call refresh_warehouse()")
        assert favorite(conn, "z")[2] == symbols
        assert differences(db) == []
