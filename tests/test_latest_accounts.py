"""The newest snapshot of each account, which the views are made from."""

import pytest

from tests.interleaving import Connection

pytestmark = pytest.mark.sql

_DIFFERING = """
with kept as (select * from rollup_latest_account),
newest as (
    select
        account_id, login, trader_id, plan_id, phase, status, starting_balance, current_balance, current_equity,
        profit_target_pct, max_drawdown_pct
    from latest_accounts
)
(select * from kept except all select * from newest) union all (select * from newest except all select * from kept)
"""


def snapshot(conn: Connection, account: str, time: str | None, balance: int) -> None:
    conn.execute(
        "insert into raw_accounts_data (account_id, login, current_balance, ingestion_timestamp) values (%s, '1', %s, %s)",
        [account, balance, time],
    )


def balances(conn: Connection) -> dict[str, int]:
    found = conn.execute(
        "select account_id, current_balance::integer from mv_account_performance_summary where account_id in ('A', 'B')"
    ).fetchall()
    return {account: balance for account, balance in found}


def test_the_newest_counts_whenever_it_was_written(refreshed: Connection) -> None:
    snapshot(refreshed, "A", "2025-03-02", 20)
    snapshot(refreshed, "A", "2025-03-01", 10)
    snapshot(refreshed, "B", "2025-03-01", 30)
    refreshed.execute("call refresh_warehouse()")
    assert balances(refreshed) == {"A": 20, "B": 30}
    snapshot(refreshed, "B", "2025-03-03", 31)
    refreshed.execute("delete from raw_accounts_data where current_balance = 20")
    refreshed.execute("call refresh_warehouse()")
    assert balances(refreshed) == {"A": 10, "B": 31}
    refreshed.execute("delete from raw_accounts_data where account_id = 'A'")
    refreshed.execute("call refresh_warehouse()")
    assert balances(refreshed) == {"B": 31}
    assert refreshed.execute(_DIFFERING.encode()).fetchall() == []


def test_of_snapshots_without_a_time_the_last_counts_if_there_are_no_others(refreshed: Connection) -> None:
    snapshot(refreshed, "A", None, 10)
    snapshot(refreshed, "A", None, 11)
    snapshot(refreshed, "B", None, 20)
    snapshot(refreshed, "B", "2025-03-01", 21)
    snapshot(refreshed, "B", None, 22)
    refreshed.execute("call refresh_warehouse()")
    assert balances(refreshed) == {"A": 11, "B": 21}
    assert refreshed.execute(_DIFFERING.encode()).fetchall() == []


def test_accounts_that_were_there_before_the_log_are_found(refreshed: Connection) -> None:
    refreshed.execute("alter table raw_accounts_data disable trigger log_input")
    snapshot(refreshed, "A", "2025-03-01", 10)
    refreshed.execute("alter table raw_accounts_data enable always trigger log_input")
    refreshed.execute("delete from rollup_latest_account")
    refreshed.execute("call refresh_warehouse()")
    refreshed.execute("insert into changed_inputs (input) values ('plans')")
    refreshed.execute("call refresh_warehouse()")
    assert balances(refreshed) == {"A": 10}


def test_a_damaged_one_is_put_right_by_a_rebuild(refreshed: Connection) -> None:
    snapshot(refreshed, "A", "2025-03-01", 10)
    refreshed.execute("call refresh_warehouse()")
    refreshed.execute("update rollup_latest_account set current_balance = 9")
    refreshed.execute("select rebuild_totals()")
    refreshed.execute("call refresh_warehouse()")
    assert balances(refreshed) == {"A": 10}
