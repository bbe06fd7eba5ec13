"""Long histories of a warehouse: hundreds of statements, dates years apart, thousands of account-days, values at the edges.

Too long to be drawn choice by choice: Hypothesis draws a seed and a length, so that what fails is cut to its shortest
beginning that still fails.
"""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, Literal

from hypothesis import strategies as st

from tests import strategies as told

FAR_MONTHS = [date(2020, 2, 1), date(2021, 12, 1), date(2022, 1, 1)]
MONTHS = [*FAR_MONTHS, *told.MONTHS]
DAYS = [date(2020, 2, 29), date(2021, 12, 31), date(2022, 1, 1), *told.DAYS]
ACCOUNTS = [*told.ACCOUNTS, "", " a1", "ä", "b7", "b1024"]
CENTS = [Decimal(edge) for edge in ("9999999999999999.99", "-9999999999999999.99", "0.01", "-0.01", "0.00", "1E+15")]
SYMBOLS = [None, None, "", "EURUSD", "XAUUSD", "eurusd", "x" * 50]
STAMPS = [None, datetime(2020, 1, 1), datetime(2025, 1, 1), datetime(2025, 1, 1, microsecond=1), datetime(2999, 1, 1)]


def long_histories(longest: int) -> st.SearchStrategy[list[told.Operation]]:
    """Histories of up to `longest` operations, most of them statements of their own."""
    return st.builds(_tell, st.integers(0, 2**32 - 1), st.just(longest) | st.integers(2, longest))


def _tell(seed: int, length: int) -> list[told.Operation]:
    random = Random(seed)
    return [_operation(random) for _ in range(length)]


def _operation(random: Random) -> told.Operation:
    kinds: list[tuple[int, Callable[[Random], told.Operation]]] = [
        (50, _statement),
        (10, _transaction),
        (3, _bulk),
        (10, _refresh),
        (4, lambda r: told.Leaf(r.choice(["detach", "attach", "attach", "attach", "rewrite"]), r.choice(MONTHS))),
        (2, lambda r: told.Midnight(r.choice([told.TODAY, *DAYS]))),
    ]
    [(_, kind)] = random.choices(kinds, weights=[weight for weight, _ in kinds])
    return kind(random)


def _statement(random: Random) -> told.Operation:
    leaf = random.choice([None, None, None, random.choice(MONTHS)])
    kind = random.choices(["write", "update", "delete", "snapshot", "truncate"], weights=[50, 25, 10, 14, 1])[0]
    if kind == "write":
        rows = [_trade(random) for _ in range(random.choice([1, 2, 5, 40]))]
        how: Literal["insert", "copy", "upsert", "merge"] = random.choice(["insert", "copy", "upsert", "merge"])
        return told.Write(how, leaf, rows)
    if kind == "update":
        return told.Update(leaf, _some(random, random.choice([_key, _measures])(random)), _some(random, _key(random)))
    if kind == "delete":
        return told.Delete(leaf, _some(random, _key(random)))
    if kind == "truncate":
        return told.Truncate(leaf)
    return _snapshot(random)


def _transaction(random: Random) -> told.Operation:
    operations = [_statement(random) for _ in range(random.randint(2, 12))]
    return told.Transaction(operations, random.choice(["commit", "commit", "rollback", "rollback half"]))


def _bulk(random: Random) -> told.Operation:
    """Up to some thousand account-days in one statement, or their removal."""
    return told.Bulk(
        random.choice(["insert", "insert", "update", "delete"]),
        random.choice([100, 1000, 4000]),
        random.choice([3, 41, 701]),
        random.choice(MONTHS),
    )


def _refresh(random: Random) -> told.Operation:
    how: Literal["all", "bite", "one month", "views", "rebuild"]
    how = random.choice(["all", "all", "bite", "one month", "views", "rebuild"])
    return told.Refresh(how, random.choice([1, 7, 300, 100_000]), random.choice(MONTHS))


def _key(random: Random) -> told.Row:
    return {
        "account_id": random.choice(ACCOUNTS),
        "trade_date": random.choice(DAYS),
        "trade_id": f"t{random.randint(1, 9)}",
    }


def _measures(random: Random) -> told.Row:
    opened = random.choice([None, _time(random), datetime(1970, 1, 1)])
    held = random.choice([None, timedelta(0), timedelta(microseconds=1), timedelta(days=3000, microseconds=999_999)])
    return {
        "login": random.choice(["l1", "l2", ""]),
        "symbol": random.choice(SYMBOLS),
        "std_symbol": random.choice(SYMBOLS),
        "side": random.choice([None, "buy", "BUY", "Sell", "sell"]),
        "open_price": random.choice([None, Decimal("0.000001"), Decimal("999999999999.999999")]),
        "stop_loss": random.choice([None, Decimal("1.1")]),
        "take_profit": random.choice([None, Decimal("0.000001")]),
        "lots": random.choice([None, Decimal("0.0001"), Decimal("99999999999999.9999"), _cents(random, 1)]),
        "volume_usd": random.choice([None, Decimal(0), Decimal("9999999999999999.99"), _cents(random, 1)]),
        "profit": _money(random),
        "commission": _money(random),
        "swap": _money(random),
        "open_time": opened,
        "close_time": (opened or datetime(2025, 1, 1)) + held if held is not None else None,
        "ingestion_timestamp": random.choice(STAMPS),
    }


def _trade(random: Random) -> told.Row:
    return _key(random) | _measures(random)


def _some(random: Random, row: told.Row) -> told.Row:
    """One or two columns of a row (times only together: they are checked against each other)."""
    names = random.sample(
        [name for name in sorted(row) if name not in ("open_time", "close_time")], random.randint(1, 2)
    )
    return {name: row[name] for name in names}


def _time(random: Random) -> datetime:
    return datetime(2020, 1, 1) + timedelta(seconds=random.randint(0, 5 * 365 * 86400))


def _cents(random: Random, lowest: int) -> Decimal:
    return Decimal(random.randint(lowest, 2_000_000)) / 100


def _money(random: Random) -> Any:
    return random.choice([None, random.choice(CENTS), _cents(random, -2_000_000), _cents(random, -2_000_000)])


def _snapshot(random: Random) -> told.Operation:
    percentages = [None, Decimal(0), Decimal("0.01"), Decimal(10), Decimal(100)]
    row: told.Row
    table: Literal["raw_accounts_data", "raw_plans_data", "raw_regimes_daily"]
    table = random.choice(["raw_accounts_data", "raw_plans_data", "raw_regimes_daily"])
    if table == "raw_accounts_data":
        row = {
            "account_id": random.choice([*ACCOUNTS, "without trades"]),
            "login": random.choice(["s1", "s2"]),
            "trader_id": random.choice([None, "someone"]),
            "plan_id": random.choice([None, "p1", "p2", "no such plan"]),
            "starting_balance": random.choice([_money(random), Decimal("10000.00")]),
            "current_balance": _money(random),
            "current_equity": _money(random),
            "profit_target_pct": random.choice(percentages),
            "max_drawdown_pct": random.choice(percentages),
            "phase": random.choice([None, "Phase 1", "Funded"]),
            "status": random.choice([None, "Active", "Breached"]),
        }
    elif table == "raw_plans_data":
        row = {"plan_id": random.choice(["p1", "p2"]), "plan_name": random.choice([None, "", "Small", "Large"])}
    else:
        summaries: list[Any] = [
            None,
            {},
            {"market_sentiment": "calm", "liquidity_state": None},
            {"volatility_regime": 3},
        ]
        row = {"date": random.choice([*DAYS, date(2001, 1, 1)]), "summary": random.choice(summaries)}
    return told.Snapshot(table, row | {"ingestion_timestamp": random.choice(STAMPS)}, random.random() < 0.25)
