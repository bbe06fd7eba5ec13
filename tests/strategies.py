"""What the writers of a warehouse do, as Hypothesis strategies: few accounts, days and ids, which often collide.

The days lie around the edges of the trailing windows for a today of 2025-03-15, which the tests put in place of the
real one; values lie at the edges of their types.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from hypothesis import strategies as st

TODAY = date(2025, 3, 15)
MONTHS = [date(2024, 1, 1), date(2024, 12, 1), date(2025, 1, 1), date(2025, 2, 1), date(2025, 3, 1), date(2025, 4, 1)]
DAYS = [
    date(2024, 1, 31),
    date(2024, 12, 15),  # 90 days before TODAY: outside of the trailing 90
    date(2024, 12, 16),
    date(2025, 1, 31),
    date(2025, 2, 13),  # 30 days before TODAY: outside of the trailing 30
    date(2025, 2, 14),
    date(2025, 3, 8),  # 7 days before TODAY: outside of the trailing 7
    date(2025, 3, 9),
    date(2025, 3, 14),
    date(2025, 3, 15),
    date(2025, 3, 16),  # after TODAY
    date(2025, 4, 1),
]
ACCOUNTS = ["a1", "a2", "A2", "a3"]
Row = dict[str, Any]


@dataclass(frozen=True)
class Write:
    """Rows written to the parent (leaf None) or to one leaf."""

    how: Literal["insert", "copy", "upsert", "merge"]
    leaf: date | None
    rows: list[Row]


@dataclass(frozen=True)
class Update:
    leaf: date | None
    values: Row
    where: Row


@dataclass(frozen=True)
class Delete:
    leaf: date | None
    where: Row


@dataclass(frozen=True)
class Truncate:
    leaf: date | None


@dataclass(frozen=True)
class Snapshot:
    """A row of accounts, plans or regimes, or the removal of those with the same key."""

    table: Literal["raw_accounts_data", "raw_plans_data", "raw_regimes_daily"]
    row: Row
    remove: bool


@dataclass(frozen=True)
class Leaf:
    """What fires no trigger: a month leaves the table, comes back, or is rewritten."""

    how: Literal["detach", "attach", "rewrite"]
    month: date


@dataclass(frozen=True)
class Bulk:
    """`trades` of `accounts` spread over the days of a month, in one statement: written, changed or removed."""

    how: Literal["insert", "update", "delete"]
    trades: int
    accounts: int
    month: date


@dataclass(frozen=True)
class Midnight:
    today: date


@dataclass(frozen=True)
class Refresh:
    how: Literal["all", "bite", "one month", "views", "rebuild"]
    max_keys: int
    month: date


@dataclass(frozen=True)
class Transaction:
    """Statements in one transaction, each in a savepoint; rolled back wholly, to the middle, or committed."""

    operations: list[Any]
    end: Literal["commit", "rollback", "rollback half"]


Operation = Write | Update | Delete | Truncate | Snapshot | Bulk | Leaf | Midnight | Refresh | Transaction

_CENT_EDGES = [
    Decimal("9999999999999999.99"),
    Decimal("-9999999999999999.99"),
    Decimal("0.01"),
    Decimal("-0.01"),
    Decimal(0),
]


def _money(nullable: bool = True) -> st.SearchStrategy[Any]:
    amounts = st.integers(-20_000, 20_000).map(lambda cents: Decimal(cents) / 100)
    edges = st.sampled_from(_CENT_EDGES)
    return st.one_of(amounts, amounts, edges, st.none()) if nullable else st.one_of(amounts, edges)


def _positive(places: int, digits: int = 18) -> st.SearchStrategy[Any]:
    step = Decimal(1).scaleb(-places)
    largest = Decimal(10) ** (digits - places) - step
    return st.one_of(st.none(), st.integers(1, 10**6).map(lambda n: n * step), st.sampled_from([step, largest]))


@st.composite
def _times(draw: st.DrawFn) -> Row:
    opened = draw(st.none() | st.datetimes(datetime(2024, 1, 1), datetime(2025, 4, 2)))
    held = draw(
        st.none() | st.sampled_from([timedelta(0), timedelta(microseconds=1), timedelta(hours=7, microseconds=1800)])
    )
    closed = (opened or datetime(2025, 1, 1)) + held if held is not None else None
    return {"open_time": opened, "close_time": closed}


_SYMBOLS = st.sampled_from([None, "", "EURUSD", "XAUUSD", "eurusd"])
_MEASURES: dict[str, st.SearchStrategy[Any]] = {
    "login": st.sampled_from(["l1", "l2"]),
    "symbol": _SYMBOLS,
    "std_symbol": _SYMBOLS,
    "side": st.sampled_from([None, "buy", "BUY", "Sell", "sell"]),
    "stop_loss": st.sampled_from([None, Decimal("1.1")]),
    "take_profit": st.sampled_from([None, Decimal("0.000001")]),
    "lots": _positive(4),
    "volume_usd": _positive(2) | st.just(Decimal(0)),
    "profit": _money(),
    "commission": _money(),
    "swap": _money(),
}
_KEY: dict[str, st.SearchStrategy[Any]] = {
    "account_id": st.sampled_from(ACCOUNTS),
    "trade_date": st.sampled_from(DAYS),
    "trade_id": st.sampled_from(["t1", "t2", "t3", "t4", "t5"]),
}


@st.composite
def trades(draw: st.DrawFn) -> Row:
    return draw(st.fixed_dictionaries(_KEY)) | draw(st.fixed_dictionaries(_MEASURES)) | draw(_times())


def _some(columns: dict[str, st.SearchStrategy[Any]], at_least: int = 1) -> st.SearchStrategy[Row]:
    names = st.sets(st.sampled_from(sorted(columns)), min_size=at_least, max_size=2)
    return names.flatmap(lambda chosen: st.fixed_dictionaries({name: columns[name] for name in sorted(chosen)}))


_LEAVES = st.one_of(st.none(), st.none(), st.sampled_from(MONTHS))
_BALANCES = st.one_of(_money(), st.just(Decimal("10000.00")))
_PERCENTAGES = st.sampled_from([None, Decimal(0), Decimal("0.01"), Decimal(10), Decimal(100)])
_STAMPS = st.sampled_from([None, datetime(2025, 1, 1), datetime(2025, 1, 2)])
_ACCOUNTS = st.fixed_dictionaries(
    {
        "account_id": st.sampled_from([*ACCOUNTS, "without trades"]),
        "login": st.sampled_from(["s1", "s2"]),
        "trader_id": st.sampled_from([None, "someone"]),
        "plan_id": st.sampled_from([None, "p1", "p2"]),
        "starting_balance": _BALANCES,
        "current_balance": _BALANCES,
        "current_equity": _BALANCES,
        "profit_target_pct": _PERCENTAGES,
        "max_drawdown_pct": _PERCENTAGES,
        "phase": st.sampled_from([None, "Phase 1", "Funded"]),
        "status": st.sampled_from([None, "Active", "Breached"]),
        "ingestion_timestamp": _STAMPS,
    }
)
_PLANS = st.fixed_dictionaries(
    {
        "plan_id": st.sampled_from(["p1", "p2"]),
        "plan_name": st.sampled_from([None, "Small", "Large"]),
        "ingestion_timestamp": _STAMPS,
    }
)
_REGIMES = st.fixed_dictionaries(
    {
        "date": st.sampled_from([*DAYS, date(2023, 5, 5)]),
        "summary": st.sampled_from(
            [None, {}, {"market_sentiment": "calm", "liquidity_state": None}, {"volatility_regime": "high"}]
        ),
        "ingestion_timestamp": _STAMPS,
    }
)


def _snapshots() -> st.SearchStrategy[Snapshot]:
    removed = st.sampled_from([False, False, True])
    return st.one_of(
        st.builds(Snapshot, st.just("raw_accounts_data"), _ACCOUNTS, removed),
        st.builds(Snapshot, st.just("raw_plans_data"), _PLANS, removed),
        st.builds(Snapshot, st.just("raw_regimes_daily"), _REGIMES, removed),
    )


def _statements() -> st.SearchStrategy[Operation]:
    writes = st.builds(
        Write,
        st.sampled_from(["insert", "copy", "upsert", "merge"]),
        _LEAVES,
        st.lists(trades(), min_size=1, max_size=6),
    )
    updates = st.builds(Update, _LEAVES, _some(_KEY) | _some(_MEASURES), _some(_KEY))
    deletes = st.builds(Delete, _LEAVES, _some(_KEY))
    return st.one_of(writes, writes, writes, updates, updates, deletes, st.builds(Truncate, _LEAVES), _snapshots())


def operations() -> st.SearchStrategy[list[Operation]]:
    """A history of a warehouse, a transaction at a time."""
    several = st.builds(
        Transaction,
        st.lists(_statements(), min_size=2, max_size=5),
        st.sampled_from(["commit", "commit", "rollback", "rollback half"]),
    )
    refreshes = st.builds(
        Refresh,
        st.sampled_from(["all", "bite", "one month", "views", "rebuild"]),
        st.integers(1, 5),
        st.sampled_from(MONTHS),
    )
    leaves = st.builds(Leaf, st.sampled_from(["detach", "attach", "rewrite"]), st.sampled_from(MONTHS))
    midnights = st.builds(Midnight, st.sampled_from([*DAYS, TODAY]))
    statements = _statements()
    return st.lists(
        st.one_of(statements, statements, statements, several, refreshes, leaves, midnights), min_size=2, max_size=14
    )
