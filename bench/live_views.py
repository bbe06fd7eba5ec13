"""What a live view costs with account-days pending: `python bench/live_views.py URL`, on a refreshed warehouse.

In one transaction that is rolled back at the end: every figure with nothing pending, then with 1,000 account-days of the
newest day pending, then with 1,000 of the newest 30 days. A figure is the median of five reads beside that of the
materialized view: planning included, or of a prepared statement whose plan is kept; the account is one of those pending.
"""

import statistics
import sys
import time
from typing import Any, LiteralString

import psycopg
from psycopg import sql

KEYS = 1_000
READS = 5
ACCOUNT_VIEWS = ("account_performance_summary", "account_trading_patterns")
WHOLE_VIEWS = ("daily_trading_stats", "symbol_performance", "market_regime_performance", *ACCOUNT_VIEWS)
# An update that changes nothing is a change all the same.
_CHANGES: dict[str, LiteralString] = {
    f"{KEYS:,} of the newest day": "= (select max(trade_date) from rollup_market_day)",
    f"{KEYS:,} of the newest 30 days": "> (select max(trade_date) - 30 from rollup_market_day)",
}


def touch(conn: psycopg.Connection[Any], days: LiteralString) -> None:
    conn.execute(
        sql.SQL(
            "update raw_trades_closed as t set commission = t.commission from ("
            " select distinct account_id, trade_date from rollup_account_symbol_day where trade_date {days}"
            " order by trade_date desc, account_id limit {keys}"
            ") as k where t.account_id = k.account_id and t.trade_date = k.trade_date"
        ).format(days=sql.SQL(days), keys=KEYS)
    )


def milliseconds(conn: psycopg.Connection[Any], view: str, account: str | None, prepared: bool) -> float:
    query = sql.SQL("select * from {}").format(sql.Identifier("prop_trading_model", view))
    if account is not None:
        query += sql.SQL(" where account_id = %(account)s")
    taken = []
    # A prepared statement is planned anew for its first five executions.
    for _ in range((6 if prepared else 1) + READS):
        began = time.perf_counter()
        conn.execute(query, {"account": account}, prepare=prepared).fetchall()
        taken.append(1000 * (time.perf_counter() - began))
    return statistics.median(taken[-READS:])


def show(conn: psycopg.Connection[Any], pending: str, account: str) -> None:
    cases = [
        *((view, None, False) for view in WHOLE_VIEWS),
        *((view, account, prepared) for view in ACCOUNT_VIEWS for prepared in (False, True)),
    ]
    for view, of_account, prepared in cases:
        live, stored = (milliseconds(conn, f"{kind}_{view}", of_account, prepared) for kind in ("live", "mv"))
        name = view + (", one account" if of_account else "") + (", prepared" if prepared else "")
        print(f"{pending:30}{name:52}{live:10.1f} ms{stored:10.1f} ms", flush=True)


def main() -> None:
    with psycopg.connect(sys.argv[1]) as conn:
        conn.execute("set local search_path = prop_trading_model")
        found = conn.execute(
            "select min(account_id) from rollup_account_symbol_day"
            " where trade_date = (select max(trade_date) from rollup_market_day)"
        ).fetchone()
        if not found or found[0] is None:
            sys.exit("There are no trades in the rollups. Load some and run dpm refresh.")
        print(f"{'account-days pending':30}{'view':52}{'live_*':>13}{'mv_*':>13}")
        show(conn, "none", found[0])
        for pending, days in _CHANGES.items():
            with conn.transaction(force_rollback=True):
                touch(conn, days)
                show(conn, pending, found[0])
        conn.rollback()


if __name__ == "__main__":
    main()
