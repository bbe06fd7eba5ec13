"""Days that come after an account's last are appended to its month and its life; whatever else changes, they are recomputed."""

import random

import pytest

from dpm_assets.database import Database
from tests.history import differences
from tests.interleaving import Connection

pytestmark = pytest.mark.sql

Trade = tuple[str, str, str, int]  # account, day, login, profit

APPENDED = "select account_id from refresh_accounts where appended order by 1"


@pytest.fixture
def conn(refreshed: Connection) -> Connection:
    """Accounts a0 to a9, each with trades to 2024-02-24 at the latest; room until April."""
    refreshed.execute("select ensure_trade_months(array['2024-03-01', '2024-04-01']::date[])")
    return refreshed


def trade(conn: Connection, *trades: Trade) -> None:
    for account, day, login, profit in trades:
        conn.execute(
            "insert into raw_trades_closed (trade_id, account_id, login, symbol, trade_date, profit)"
            " values (gen_random_uuid()::text, %s, %s, %s, %s, %s)",
            [account, login, "GBPUSD" if profit % 2 else None, day, profit],
        )


def refresh(conn: Connection) -> list[str]:
    """The accounts that were appended to."""
    conn.execute("call refresh_warehouse()")
    return [account for (account,) in conn.execute(APPENDED).fetchall()]


@pytest.mark.parametrize(
    "profits",
    [[5], [-5], [-900, 20, -30], [900, -901, 900], [10, -950, 1000, -1, -2], [-1, -1, -1, 3000, -4000]],
    ids=str,
)
@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "one by one"])
def test_the_path_of_an_account_goes_on_from_where_it_stood(
    conn: Connection, db: Database, profits: list[int], at_once: bool
) -> None:
    """Rises and falls within the new days, across their beginning and, one by one, across a month's end."""
    days = {True: ["02-25", "02-26", "02-27", "02-28", "02-29"], False: ["02-27", "02-29", "03-01", "03-05", "04-01"]}
    for day, profit in zip(days[at_once], profits, strict=False):
        trade(conn, ("a1", f"2024-{day}", "l", profit))
        if not at_once:
            assert refresh(conn) == ["a1"]
    if at_once:
        assert refresh(conn) == ["a1"]
    assert differences(db) == []


@pytest.mark.parametrize(
    "trades",
    [
        [("a1", "2024-02-27", "other", 5)],
        [("a1", "2024-02-27", "l", 5), ("a1", "2024-02-27", "other", 5)],
        [("a1", "2024-02-27", "l", 5), ("a1", "2024-01-01", "l", -5)],
        [("a1", "2024-02-27", "l", 5), ("a1", "2024-03-01", "l", -5)],
        [("new", "2024-02-27", "l", 5)],
    ],
    ids=["another login", "one of two has another login", "an earlier day too", "days of two months", "a new account"],
)
def test_an_account_that_changed_otherwise_is_recomputed(conn: Connection, db: Database, trades: list[Trade]) -> None:
    trade(conn, ("a2", "2024-02-27", "l", 7), *trades)
    assert refresh(conn) == ["a2"]
    assert differences(db) == []


def test_a_day_that_was_appended_and_changes_again_is_recomputed(conn: Connection, db: Database) -> None:
    trade(conn, ("a1", "2024-02-27", "l", 5))
    assert refresh(conn) == ["a1"]
    conn.execute("update raw_trades_closed set profit = -700 where account_id = 'a1' and trade_date = '2024-02-27'")
    assert refresh(conn) == []
    conn.execute("delete from raw_trades_closed where account_id = 'a1' and trade_date = '2024-02-27'")
    assert refresh(conn) == []
    assert differences(db) == []


def test_a_login_that_changes_alone_is_noticed(conn: Connection, db: Database) -> None:
    conn.execute("update raw_trades_closed set login = 'other' where account_id = 'a1'")
    assert refresh(conn) == []
    assert conn.execute("select login from rollup_account where account_id = 'a1'").fetchone() == ("other",)
    assert differences(db) == []


@pytest.mark.parametrize("seed", range(3))
def test_day_after_day_of_many_accounts_with_late_trades_among_them(conn: Connection, db: Database, seed: int) -> None:
    draws = random.Random(seed)
    for day in range(1, 26):
        accounts = draws.sample(range(40), 15)
        trade(conn, *((f"b{a}", f"2024-03-{day:02}", "l", draws.randint(-500, 500)) for a in accounts))
        if day % 5 == 0:
            trade(
                conn, (f"b{draws.randrange(40)}", f"2024-03-{draws.randint(1, day):02}", "m", draws.randint(-500, 500))
            )
        if day % 3 == 0:
            refresh(conn)
    assert refresh(conn)
    assert differences(db) == []
