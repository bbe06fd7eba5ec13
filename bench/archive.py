"""The original, v1 and v2 of sql/archive/, and production, side by side: loading, size, queries, refreshes.

    python -m bench.archive [--trades 1000000] [--months 6] [--rounds 5]

Each gets the same sample by COPY, in the order in which it was exported, into a database of its own on one server. Loading
includes every index and trigger that it has; queries are medians of rounds after VACUUM ANALYZE, so from memory.
The last 30 days and the symbols are read from the views where there are some, and from the trades elsewhere.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from bench.warehouses import scratch_server
from dpm_assets.calendar import add_months, month_of, today
from dpm_assets.database import run_file
from dpm_assets.samples import write_sample
from dpm_assets.settings import sql_dir

Connection = psycopg.Connection[Any]

_NET = "coalesce(profit, 0) + coalesce(commission, 0) + coalesce(swap, 0)"
_TRADES = "prop_trading_model.raw_trades_closed"
_LAST = f"(select max(trade_date) from {_TRADES})"
_QUERIES = {
    "an account, 7 days": f"select * from {_TRADES} where account_id = %(account)s and trade_date > %(last)s - 7",
    "an account, all its trades summed": f"select count(*), sum({_NET}) from {_TRADES} where account_id = %(account)s",
    "one day by symbol": f"select std_symbol, sum({_NET}) from {_TRADES} where trade_date = %(last)s - 10 group by 1",
    "one month by symbol": f"select std_symbol, sum({_NET}) from {_TRADES}"
    " where trade_date >= date_trunc('month', %(last)s - 40)"
    " and trade_date < date_trunc('month', %(last)s - 40) + interval '1 month' group by 1",
}
_FROM_TRADES = {
    "30 days by day": f"select trade_date, count(*), sum({_NET}) from {_TRADES} where trade_date > %(last)s - 30 group by 1",
    "all symbols": f"select std_symbol, count(*), sum({_NET}), count(distinct account_id) from {_TRADES} group by 1",
}
_FROM_VIEWS = {
    "30 days by day": "select date, total_trades, total_profit from prop_trading_model.mv_daily_trading_stats"
    " where date > %(last)s - 30",
    "all symbols": "select std_symbol, total_trades, total_profit, traders_count from prop_trading_model.mv_symbol_performance",
}
_MORE = f"""
insert into {_TRADES} (trade_id, account_id, login, symbol, std_symbol, side, open_time, close_time, trade_date, lots, profit)
select %(prefix)s || trade_id, account_id, login, symbol, std_symbol, side, open_time, close_time, trade_date, lots, profit
from {_TRADES} where trade_date = %(last)s order by account_id limit 1000
"""


@dataclass(frozen=True)
class Way:
    """A way to hold the trades: its file under sql/, how its partitions are made, how its views are refreshed."""

    file: str
    partitions: str | None = None
    refresh: str | None = None


WAYS = {
    "baseline": Way("schema_baseline.sql"),
    "v1_conservative": Way("archive/v1_conservative/schema.sql"),
    "v2_balanced": Way(
        "archive/v2_balanced/schema.sql",
        "select prop_trading_model.create_monthly_partitions(%(first)s)",
        "select prop_trading_model.refresh_materialized_views()",
    ),
    "production": Way(
        "schema.sql",
        "select prop_trading_model.ensure_trade_months(array(select m::date from generate_series("
        " %(first)s::timestamp, now(), '1 month') as m))",
        "call prop_trading_model.refresh_warehouse()",
    ),
}


def timed(action: Callable[[], Any]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def copy_files(conn: Connection, folder: Path) -> None:
    """COPY every file of a feed, a transaction a file."""
    table = {"trades": "raw_trades_closed", "accounts": "raw_accounts_data", "plans": "raw_plans_data"}[folder.name]
    for path in sorted(folder.glob("*.csv")):
        with path.open("rb") as file:
            columns = [name.strip() for name in file.readline().decode().split(",")]
            statement = sql.SQL("copy {} ({}) from stdin with (format csv)").format(
                sql.Identifier("prop_trading_model", table), sql.SQL(", ").join(map(sql.Identifier, columns))
            )
            with conn.cursor().copy(statement) as copy:
                while block := file.read(1 << 20):
                    copy.write(block)


def measure(conn: Connection, way: Way, sample: Path, first: Any, rounds: int) -> dict[str, float]:
    run_file(conn, sql_dir() / way.file)
    if way.partitions:
        conn.execute(way.partitions.encode(), {"first": first})
    for feed in ("accounts", "plans"):
        copy_files(conn, sample / feed)
    found = {"load, seconds": timed(lambda: copy_files(conn, sample / "trades"))}
    if way.refresh:
        found["first refresh, seconds"] = timed(lambda: conn.execute(way.refresh.encode()))  # type: ignore[union-attr]
    conn.execute("vacuum (analyze)")
    size = conn.execute(
        "select sum(pg_total_relation_size(c.oid)) from pg_class as c"
        " where c.relnamespace = 'prop_trading_model'::regnamespace and c.relkind in ('r', 'm')"
        " and (c.relname like 'raw_trades_closed%%' or c.relkind = 'm' or c.relname like 'rollup%%')"
    ).fetchone()
    row = conn.execute(
        f"select account_id, {_LAST} from {_TRADES} group by 1 order by count(*) desc limit 1".encode()
    ).fetchone()
    assert size is not None and row is not None
    found["MB"] = int(size[0]) / 1e6
    given = {"account": row[0], "last": row[1]}
    for name, query in {**_QUERIES, **(_FROM_VIEWS if way.refresh else _FROM_TRADES)}.items():
        taken = [timed(lambda query=query: conn.execute(query.encode(), given).fetchall()) for _ in range(rounds + 1)]  # type: ignore[misc]
        found[f"{name}, ms"] = statistics.median(taken[1:]) * 1000
    if way.refresh:
        refreshes = []
        for number in range(min(rounds, 3)):
            conn.execute(_MORE.encode(), {**given, "prefix": f"N{number}_"})
            refreshes.append(timed(lambda: conn.execute(way.refresh.encode())))  # type: ignore[union-attr]
        found["refresh after 1,000 trades, seconds"] = statistics.median(refreshes)
    return {name: round(value, 3) for name, value in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trades", type=int, default=1_000_000)
    parser.add_argument("--months", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    first = add_months(month_of(today()), -given.months)
    with scratch_server() as server, tempfile.TemporaryDirectory(prefix="dpm-bench-") as folder:
        sample = Path(folder) / "sample"
        write_sample(sample, trades=given.trades, months=given.months, start=first, seed=1)
        for name, way in WAYS.items():
            server.create_database(name)
            with psycopg.connect(server.url(name), autocommit=True) as conn:
                sys.stdout.write(json.dumps({name: measure(conn, way, sample, first, given.rounds)}) + "\n")
                sys.stdout.flush()
            with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
                admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


if __name__ == "__main__":
    main()
