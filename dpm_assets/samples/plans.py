"""The dozen plans the firm sells, and their snapshot."""

from datetime import date, datetime, time
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from dpm_assets.samples.draws import Ints


class Plan(NamedTuple):
    """One plan; percentages are 0..100, the balance is dollars, `popularity` is relative."""

    name: str
    type: str
    balance: int
    target_pct: float
    drawdown_pct: float
    daily_drawdown_pct: float
    leverage: int
    relative: bool
    least_days: int
    most_days: int | None
    split_pct: float
    popularity: int


PLANS = (
    Plan("2-Step 5K", "2-Step", 5_000, 8, 10, 5, 100, False, 4, None, 80, 90),
    Plan("2-Step 10K", "2-Step", 10_000, 8, 10, 5, 100, False, 4, None, 80, 140),
    Plan("2-Step 25K", "2-Step", 25_000, 8, 10, 5, 100, False, 4, None, 80, 160),
    Plan("2-Step 50K", "2-Step", 50_000, 8, 10, 5, 100, False, 4, None, 80, 170),
    Plan("2-Step 100K", "2-Step", 100_000, 8, 10, 5, 100, False, 4, None, 85, 190),
    Plan("2-Step 200K", "2-Step", 200_000, 8, 10, 5, 50, False, 5, None, 90, 60),
    Plan("1-Step 10K", "1-Step", 10_000, 10, 6, 4, 50, True, 3, 60, 80, 70),
    Plan("1-Step 50K", "1-Step", 50_000, 10, 6, 4, 50, True, 3, 60, 80, 80),
    Plan("1-Step 100K", "1-Step", 100_000, 10, 6, 4, 50, True, 3, 60, 85, 60),
    Plan("Instant 5K", "Instant", 5_000, 12.5, 6, 3, 30, True, 0, None, 60, 40),
    Plan("Instant 25K", "Instant", 25_000, 12.5, 6, 3, 30, True, 0, None, 65, 30),
    Plan("Instant 100K", "Instant", 100_000, 12.5, 6, 3, 30, True, 0, None, 70, 15),
)


def plan_ids(plans: Ints) -> pa.Array:
    """'PLAN-01', ...: the same for every seed, as plans are the firm's and not the sample's."""
    return pa.array([f"PLAN-{number:02}" for number in range(1, len(PLANS) + 1)]).take(pa.array(plans))


def plans_snapshot(day: date) -> pa.Table:
    """Every plan as of midnight of `day`, one row each."""

    def of_balance(pct: float, balance: int) -> float:
        return balance * pct / 100

    rows = [
        {
            "plan_name": plan.name,
            "plan_type": plan.type,
            "starting_balance": plan.balance,
            "profit_target": of_balance(plan.target_pct, plan.balance),
            "profit_target_pct": plan.target_pct,
            "max_drawdown": of_balance(plan.drawdown_pct, plan.balance),
            "max_drawdown_pct": plan.drawdown_pct,
            "max_daily_drawdown": of_balance(plan.daily_drawdown_pct, plan.balance),
            "max_daily_drawdown_pct": plan.daily_drawdown_pct,
            "max_leverage": plan.leverage,
            "is_drawdown_relative": plan.relative,
            "min_trading_days": plan.least_days,
            "max_trading_days": plan.most_days,
            "profit_split_pct": plan.split_pct,
        }
        for plan in PLANS
    ]
    table = pa.Table.from_pylist(rows)
    ids = plan_ids(np.arange(len(PLANS)))
    taken = pa.array([datetime.combine(day, time())] * len(PLANS), pa.timestamp("s"))
    return table.add_column(0, "plan_id", ids).append_column("ingestion_timestamp", taken)
