"""Trades and accounts as the firm's API exports them: tables with the warehouse's column names."""

from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa

from dpm_assets.samples.accounts import PHASES, Accounts
from dpm_assets.samples.draws import Bools, Ints
from dpm_assets.samples.identities import account_ids, logins, trade_ids, trader_ids
from dpm_assets.samples.plans import PLANS, plan_ids
from dpm_assets.samples.symbols import INSTRUMENTS, SYMBOLS
from dpm_assets.samples.trades import DAY, EPOCH, Trades

_STANDARD = pa.array([one.name for one in INSTRUMENTS])
_BROKER = pa.array([name for one in INSTRUMENTS for name in (one.name, one.name + one.suffix)])
_SIDES = pa.array(["sell", "buy"])
STATUSES = ("Active", "Inactive", "Breached", "Passed")
IDLE_DAYS = 30


def _times(seconds: Ints) -> Any:
    return pa.array(seconds.astype("datetime64[s]"))


def _amounts(hundredths: Ints) -> Any:
    return pa.array(hundredths / 100)


def trades_table(trades: Trades, accounts: Accounts) -> pa.Table:
    """Every column of raw_trades_closed that an export has, shape (rows, 20)."""
    power = SYMBOLS.power[trades.symbol]

    def optional_price(points: Ints) -> Any:
        return pa.array(points / power, mask=points == 0)

    return pa.table(
        {
            "trade_id": trade_ids(accounts.seed, trades.numbered, trades.number),
            "account_id": account_ids(accounts.seed, trades.account),
            "login": logins(accounts.seed, trades.account),
            "symbol": _BROKER.take(pa.array(trades.symbol * 2 + accounts.suffixed[trades.account])),
            "std_symbol": _STANDARD.take(pa.array(trades.symbol)),
            "side": _SIDES.take(pa.array((trades.side + 1) // 2)),
            "open_time": _times(trades.opened),
            "close_time": _times(trades.closed),
            "trade_date": pa.array((trades.day - EPOCH).astype("datetime64[D]")),
            "open_price": pa.array(trades.open_price / power),
            "close_price": pa.array(trades.close_price / power),
            "stop_loss": optional_price(trades.stop_loss),
            "take_profit": optional_price(trades.take_profit),
            "lots": _amounts(trades.lots),
            "volume_usd": _amounts(trades.volume),
            "profit": _amounts(trades.profit),
            "commission": _amounts(trades.commission),
            "swap": _amounts(trades.swap),
            "ingestion_timestamp": _times(trades.ingested),
            "source_api_endpoint": pa.repeat("v2/trades/closed", len(trades)),
        }
    )


def accounts_table(accounts: Accounts, rows: slice, net: Ints, last: Ints, taken: date) -> pa.Table:
    """Some accounts as of midnight of `taken`. `net` is what each has won or lost, in cents, and `last` the ordinal of
    its last trade, 0 for none; both of shape (accounts,)."""
    number = np.arange(len(accounts))[rows]
    plan = accounts.plan[rows]
    phase = accounts.phase[rows]
    limits = {
        name: np.array([float(getattr(one, name)) for one in PLANS])[plan]
        for name in ("balance", "target_pct", "drawdown_pct", "daily_drawdown_pct", "leverage")
    }
    start = (limits["balance"] * 100).astype(np.int64)
    balance = np.maximum(start + net[rows], 0)
    lost = net[rows] <= -(start * limits["drawdown_pct"] / 100)
    status = _status(accounts.closed[rows], net[rows], lost, last[rows], taken)
    created = accounts.created[rows]
    updated = np.minimum(np.maximum(created, last[rows]) + 1, taken.toordinal())
    open_share = np.where(status == 0, number % 41 - 20, 0)  # of the balance, in thousandths, in open positions
    return pa.table(
        {
            "account_id": account_ids(accounts.seed, number),
            "login": logins(accounts.seed, number),
            "trader_id": trader_ids(accounts.seed, number),
            "plan_id": plan_ids(plan),
            "starting_balance": _amounts(start),
            "current_balance": _amounts(balance),
            "current_equity": _amounts(balance + balance * open_share // 1_000),
            "profit_target_pct": pa.array(limits["target_pct"], mask=phase == PHASES.index("Funded")),
            "max_daily_drawdown_pct": pa.array(limits["daily_drawdown_pct"]),
            "max_drawdown_pct": pa.array(limits["drawdown_pct"]),
            "max_leverage": pa.array(limits["leverage"]),
            "is_drawdown_relative": pa.array(np.array([one.relative for one in PLANS])[plan]),
            "breached": pa.array((status == STATUSES.index("Breached")).astype(np.int8)),
            "is_upgraded": pa.array((status == STATUSES.index("Passed")).astype(np.int8)),
            "phase": pa.array(PHASES).take(pa.array(phase)),
            "status": pa.array(STATUSES).take(pa.array(status)),
            "created_at": _times((created - EPOCH) * DAY + number * 7_919 % DAY),
            "updated_at": _times((updated - EPOCH) * DAY),
            "ingestion_timestamp": _times(np.full(len(number), (taken.toordinal() - EPOCH) * DAY)),
            "source_api_endpoint": pa.repeat("v2/accounts", len(number)),
        }
    )


def _status(closed: Ints, net: Ints, lost: Bools, last: Ints, taken: date) -> Ints:
    """Positions in STATUSES: accounts have breached when they `lost` all they may, or closed with a loss; those that
    closed with a gain have passed."""
    ended: Bools = closed < taken.toordinal()
    idle = last < taken.toordinal() - IDLE_DAYS
    return np.select([lost | (ended & (net < 0)), ended & (net > 0), ended | idle], [2, 3, 1], 0)
