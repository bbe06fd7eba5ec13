"""What a refresh costs after a small load, a day's load and midnight, against plain materialized views and a plain rebuild.

    python -m bench.refresh [--trades 7000000] [--months 3] [--rounds 5]      makes a server, loads a sample, measures
    python -m bench.refresh --url postgresql://...                            measures (and writes to) one that is there

Every figure is a median of rounds, in seconds, of statements on one connection. `--against-plain` also makes the five views
straight over raw rows, as sql/archive/v2_balanced has them, and refreshes them CONCURRENTLY.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import psycopg
from psycopg import sql

from bench.warehouses import loaded_warehouse
from dpm_assets.refresh.engine import ROLLUPS, VIEWS
from dpm_assets.settings import sql_dir

Connection = psycopg.Connection[Any]

# A usual day: so many trades of so many accounts.
DAY_TRADES, DAY_ACCOUNTS = 109_000, 14_700

# Trades like those of such a day, under new ids and on another day; of `accounts` accounts at most.
_DAY = """
insert into raw_trades_closed (
    trade_id, account_id, login, symbol, std_symbol, side, open_time, close_time, trade_date, open_price, close_price,
    stop_loss, take_profit, lots, volume_usd, profit, commission, swap
)
select
    %(prefix)s || trade_id, account_id, login, symbol, std_symbol, side, open_time + shift, close_time + shift,
    %(day)s::date, open_price, close_price, stop_loss, take_profit, lots, volume_usd, profit, commission, swap
from raw_trades_closed
cross join (select (%(day)s::date - %(like)s::date) * interval '1 day' as shift) as moved
where trade_date = %(like)s
    and account_id in (
        select account_id from rollup_account_symbol_day where trade_date = %(like)s
        group by account_id order by md5(account_id || %(prefix)s) limit %(accounts)s
    )
order by close_time
limit %(trades)s
"""
# One trade of each of so many account-days changes by a cent.
_TOUCH = """
update raw_trades_closed as t set profit = t.profit + 0.01
from (
    select distinct on (account_id, trade_date) account_id, trade_date, trade_id
    from raw_trades_closed
    where (account_id, trade_date) in (
        select account_id, trade_date from rollup_account_symbol_day
        where trade_date >= %(since)s group by account_id, trade_date
        order by md5(account_id || trade_date || %(prefix)s) limit %(keys)s
    )
    and trade_date >= %(since)s
) as one
where t.account_id = one.account_id and t.trade_date = one.trade_date and t.trade_id = one.trade_id
"""


class Bench:
    """Changes and refreshes on one connection; every change is new, so that rounds can be repeated."""

    def __init__(self, conn: Connection, rounds: int) -> None:
        self.conn = conn
        self.rounds = rounds
        self.loaded: dict[str, int] = {}
        self.usual = self.value(
            "select trade_date from rollup_market_day order by abs(trades - %s), trade_date limit 1", DAY_TRADES
        )
        self.last_day = self.value("select as_of_date()")

    def value(self, query: str, *parameters: Any) -> Any:
        row = self.conn.execute(query.encode(), parameters).fetchone()
        return row[0] if row else None

    def seconds(self, query: str) -> float:
        began = time.perf_counter()
        self.conn.execute(query.encode())
        return time.perf_counter() - began

    def settle(self) -> None:
        """Nothing pending, and nothing left for autovacuum or a checkpoint to do meanwhile."""
        self.conn.execute("call refresh_warehouse()")
        self.conn.execute("vacuum (analyze)")
        self.conn.execute("checkpoint")

    def load(self, day: Any, trades: int, accounts: int) -> None:
        """Trades written to a day."""
        values = {
            "prefix": f"N{time.time_ns()}_",
            "day": day,
            "like": self.usual,
            "accounts": accounts,
            "trades": trades,
        }
        written = self.conn.execute(_DAY, values).rowcount
        self.loaded = {"trades": written, "account-days": self.value("select count(*) from changed_account_days")}

    def touch(self, keys: int) -> None:
        since = self.value("select date_trunc('month', as_of_date())::date")
        self.conn.execute(_TOUCH, {"prefix": str(time.time_ns()), "since": since, "keys": keys})

    def refresh(self) -> dict[str, float]:
        """Seconds of the rollups, of the views, and of both."""
        rollups = self.seconds("select refresh_bite(1000000)")
        views = self.seconds("select refresh_views()")
        return {"rollups": rollups, "views": views, "all": rollups + views}

    def rollup_alone(self) -> float:
        """Seconds of rollup_account_symbol_day alone: its statements, in a transaction that is rolled back."""
        with self.conn.transaction(force_rollback=True):
            self.conn.execute("select taken from take_keys(1000000)")
            return self.seconds("select refresh_account_symbol_day()")

    def after(self, change: Callable[[], Any]) -> dict[str, float]:
        """Medians after a change, each round after a change of its own."""
        taken: list[dict[str, float]] = []
        for _ in range(self.rounds):
            change()
            alone = self.rollup_alone()
            taken.append({"rollup_account_symbol_day": alone, **self.refresh()})
        medians = {name: round(statistics.median(each[name] for each in taken), 4) for name in taken[0]}
        return {**self.loaded, **medians}

    def small_load(self) -> dict[str, float]:
        self.settle()
        return self.after(lambda: self.load(self.last_day, 1_000, 140))

    def day_load(self) -> dict[str, float]:
        """Each round is a new day, which moves every window."""
        self.settle()

        def next_weekday() -> None:
            day = self.value("select as_of_date()")
            while True:
                day = self.value("select %s::date + 1", day)
                if day.weekday() < 5:
                    break
            self.load(day, 10_000_000, DAY_ACCOUNTS)
            self.last_day = day

        return self.after(next_weekday)

    def midnight(self) -> dict[str, float]:
        """The window's last day moves back and forth by a day, by another utc_today(), which is put right at the end."""
        self.settle()
        source = self.value("select pg_get_functiondef('prop_trading_model.utc_today'::regproc)")
        taken = []
        try:
            for back in range(self.rounds * 2):
                self.conn.execute(
                    sql.SQL(
                        "create or replace function utc_today() returns date language sql stable parallel safe as {}"
                    ).format(sql.Literal(f"select date '{self.last_day}' - {back % 2}"))
                )
                taken.append(self.refresh()["all"])
        finally:
            self.conn.execute(source)
            self.conn.execute("select refresh_views()")
        return {"all": round(statistics.median(taken), 4)}

    def by_keys(self) -> dict[str, float]:
        """Rollups after changes of 10 to 100,000 account-days of the running month."""
        self.settle()
        found = {}
        for keys in (10, 100, 1_000, 10_000, 100_000):
            taken = []
            for _ in range(min(self.rounds, 3)):
                self.touch(keys)
                taken.append(self.seconds("select refresh_bite(1000000)"))
            found[f"{keys} keys"] = round(statistics.median(taken), 4)
        self.conn.execute("select refresh_views()")
        return found

    def nothing(self) -> float:
        self.settle()
        return round(statistics.median(self.refresh()["all"] for _ in range(self.rounds)), 4)

    def rebuild(self) -> dict[str, float]:
        """All months with data, nothing differing, against one CREATE TABLE AS of the same grouping over the same rows."""
        self.settle()
        months = [
            row[0] for row in self.conn.execute("select distinct month from rollup_account_month order by 1").fetchall()
        ]
        plain, rebuilt = [], []
        query = self.value("select account_symbol_day_query('prop_trading_model.raw_trades_closed as t where true')")
        for _ in range(min(self.rounds, 3)):
            plain.append(self.seconds(f"create unlogged table plain_rebuild as {query}"))
            self.conn.execute("drop table plain_rebuild")
            began = time.perf_counter()
            for month in months:
                self.conn.execute("select rebuild_month(%s)", [month])
            self.conn.execute("select rebuild_totals()")
            rebuilt.append(time.perf_counter() - began)
        ratio = statistics.median(rebuilt) / statistics.median(plain)
        return {
            "months": len(months),
            "create table as": round(statistics.median(plain), 2),
            "rebuild": round(statistics.median(rebuilt), 2),
            "ratio": round(ratio, 2),
        }

    def plain_views(self) -> float:
        """Seconds to refresh the five views made straight over raw rows."""
        return sum(self.seconds(f"refresh materialized view concurrently plain_{name}") for name in VIEWS)

    def make_plain_views(self) -> None:
        """The views of sql/archive/v2_balanced, under names of their own."""
        text = (sql_dir() / "archive" / "v2_balanced" / "views.sql").read_text()
        definitions = text.partition("create or replace function")[0].replace("mv_", "plain_mv_")
        self.conn.execute(definitions.encode())

    def against_plain(self) -> dict[str, float]:
        """After 1,000 trades and after a day: the refresh here, and the refresh of plain views, of the same change."""
        self.make_plain_views()
        found: dict[str, float] = {}
        for name, load in (
            ("1,000 trades", lambda: self.load(self.last_day, 1_000, 140)),
            ("a day", self._another_day),
        ):
            ours, plain = [], []
            for _ in range(min(self.rounds, 3)):
                self.settle()
                load()
                ours.append(self.refresh()["all"])
                plain.append(self.plain_views())
            found[f"{name}: here"] = round(statistics.median(ours), 3)
            found[f"{name}: plain"] = round(statistics.median(plain), 2)
            found[f"{name}: ratio"] = round(statistics.median(plain) / statistics.median(ours), 1)
        for view in VIEWS:
            self.conn.execute(f"drop materialized view plain_{view}".encode())
        return found

    def _another_day(self) -> None:
        self.last_day = self.value("select as_of_date() + 1")
        self.load(self.last_day, 10_000_000, DAY_ACCOUNTS)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--trades", type=int, default=7_000_000)
    arguments.add_argument("--months", type=int, default=3)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--url", help="an administrator's URL of a warehouse that is loaded")
    arguments.add_argument("--against-plain", action="store_true")
    arguments.add_argument("--only", nargs="*", help="some of: nothing small_load by_keys day_load midnight rebuild")
    given = arguments.parse_args()
    with ExitStack() as stack:
        url = given.url or stack.enter_context(loaded_warehouse(given.trades, given.months))
        conn = stack.enter_context(psycopg.connect(url, autocommit=True, prepare_threshold=None))
        conn.execute("set search_path = prop_trading_model, public")
        bench = Bench(conn, given.rounds)
        found: dict[str, Any] = {
            "trades": bench.value("select sum(trades)::bigint from rollup_market_day"),
            "accounts": bench.value("select count(*) from mv_account_performance_summary"),
            "server": bench.value("show server_version"),
            "rollups": len(ROLLUPS),
        }
        for name in ("nothing", "small_load", "by_keys", "day_load", "midnight", "rebuild"):
            if not given.only or name in given.only:
                found[name] = getattr(bench, name)()
                sys.stderr.write(f"{name}: {json.dumps(found[name])}\n")
        if given.against_plain:
            found["against plain views"] = bench.against_plain()
    sys.stdout.write(json.dumps(found, indent=2, default=str) + "\n")


if __name__ == "__main__":
    main()
