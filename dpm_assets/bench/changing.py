"""New trades for a system that is there: a small load and a day's load, the same statements everywhere."""

from datetime import date, timedelta
from typing import Any

from dpm_assets.bench.systems import Connection, System

SMALL_TRADES, SMALL_ACCOUNTS = 1_000, 140

_LIKE_A_DAY = """
insert into prop_trading_model.raw_trades_closed (
    trade_id, account_id, login, symbol, std_symbol, side, open_time, close_time, trade_date, open_price, close_price,
    stop_loss, take_profit, lots, volume_usd, profit, commission, swap
)
select
    %(prefix)s || trade_id, account_id, login, symbol, std_symbol, side, open_time + shift, close_time + shift,
    %(day)s::date, open_price, close_price, stop_loss, take_profit, lots, volume_usd, profit, commission, swap
from prop_trading_model.raw_trades_closed
cross join (select (%(day)s::date - %(like)s::date) * interval '1 day' as shift) as moved
where trade_date = %(like)s::date
    and account_id in (
        select account_id from prop_trading_model.raw_trades_closed where trade_date = %(like)s::date
        group by account_id order by md5(account_id || %(prefix)s) limit %(accounts)s
    )
order by close_time
limit %(trades)s
"""
_USUAL_DAY = """
select trade_date from prop_trading_model.raw_trades_closed
where trade_date >= %(month)s::date and trade_date < %(month_end)s::date
group by trade_date order by abs(count(*) - avg(count(*)) over ()), trade_date limit 1
"""


class Changes:
    """Loads into one system; each is new. `last` is the last day with trades, `usual` a day as most of the last month are."""

    def __init__(self, conn: Connection, system: System, parameters: dict[str, str]) -> None:
        self._conn = conn
        self._system = system
        self.last = date.fromisoformat(parameters["last"])
        row = conn.execute(_USUAL_DAY, parameters).fetchone()
        assert row is not None
        self.usual: date = row[0]
        self._number = 0

    def small(self) -> int:
        """1,000 trades of 140 accounts (fewer when a day has not so many) on the last day; returns the trades."""
        return self._load(self.last, self.usual, SMALL_TRADES, SMALL_ACCOUNTS)

    def day(self) -> int:
        """All that a usual day brings, on the next weekday; returns the trades."""
        self.last += timedelta(days=1)
        while self.last.weekday() >= 5:
            self.last += timedelta(days=1)
        if self._system.name == "v2":
            self._conn.execute("select prop_trading_model.create_partitions(%s)", [self.last])
        return self._load(self.last, self.usual, None, None)

    def _load(self, day: date, like: date, trades: int | None, accounts: int | None) -> int:
        row = self._conn.execute("select extract(epoch from clock_timestamp()) * 1000000").fetchone()
        assert row is not None
        given: dict[str, Any] = {
            "prefix": f"N{int(row[0]):x}_",
            "day": day,
            "like": like,
            "trades": trades,
            "accounts": accounts,
        }
        return self._conn.execute(_LIKE_A_DAY, given).rowcount
