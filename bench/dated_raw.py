"""Dated queries on raw trades, here and in the original: where their time goes, and what was tried to make it less.

    python bench/dated_raw.py [--trades 10000000] [--rounds 3]

The sample goes into the original (in the order of dates, with its indexes) and into the warehouse, on a server of its own; four
months of it, so that 10,000,000 trades are months of 2.5 million. Medians of the rounds, in which the systems take turns.

"short": queries of an account, prepared and asked 200 times: milliseconds at the server for one planning and one execution, and
how often a plan was made. PostgreSQL makes the first five anew and then one for all, where that promises to be as good. First in
a warehouse of these months, then in one with 37 months more that hold no trades.
"long": seconds of a month by symbol, and of the last 30 days by day in each way that was tried, the answers compared.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from warehouses import scratch_server

from dpm_assets.bench import filling
from dpm_assets.bench.agreement import answer, difference
from dpm_assets.bench.queries import find_parameters, for_psycopg, questions
from dpm_assets.bench.systems import BY_NAME, Connection, connected, make
from dpm_assets.bench.without_index import without_dates
from dpm_assets.calendar import parse_month
from dpm_assets.database import Database
from dpm_assets.samples import write_sample
from dpm_assets.server import EmbeddedServer

SYSTEMS = ("baseline", "production")
SHORT = ("account_daily_metrics", "account_month", "account_day_features", "account_week")
ASKED = 200
EMPTY_MONTHS = """
select prop_trading_model.ensure_trade_months(array_agg(day::date))
from generate_series(date '2021-01-01', date '2024-01-01', interval '1 month') as day
"""
SHORT_WAYS: dict[str, tuple[str, ...]] = {
    "as it is": (),
    "planned each time": ("plan_cache_mode = force_custom_plan",),
    "planned each time, checks of partitions looked at": (
        "plan_cache_mode = force_custom_plan", "constraint_exclusion = partition",
    ),
    "planned once": ("plan_cache_mode = force_generic_plan",),
    "without parallel plans": ("max_parallel_workers_per_gather = 0",),
    "the partition named": (),
}  # fmt: skip
LONG_WAYS: dict[str, tuple[str, ...]] = {
    "as it is": (),
    "work_mem 256 MB": ("work_mem = '256MB'",),
    "work_mem 1 GB": ("work_mem = '1GB'",),
    "accounts sorted day by day": ("enable_presorted_aggregate = off",),
    "accounts sorted day by day, work_mem 256 MB": ("enable_presorted_aggregate = off", "work_mem = '256MB'"),
    "four workers": ("max_parallel_workers_per_gather = 4", "max_parallel_workers = 8"),
    "one process": ("max_parallel_workers_per_gather = 0",),
    "compiled": ("jit = on",),
    "hashed by day and account, then by day": (),
}
BY_ACCOUNT_FIRST = b"""
select
    trade_date as date, count(*) as active_accounts, sum(trades)::bigint as total_trades, sum(wins)::bigint as winning_trades,
    sum(net) as total_profit, sum(volume) as total_volume
from (
    select
        trade_date, account_id, count(*) as trades, count(*) filter (where profit > 0) as wins,
        sum(coalesce(profit, 0) + coalesce(commission, 0) + coalesce(swap, 0)) as net, coalesce(sum(volume_usd), 0) as volume
    from prop_trading_model.raw_trades_closed
    where trade_date > %(last)s::date - 30 and trade_date <= %(last)s::date
    group by trade_date, account_id
) as of_account
group by trade_date
order by trade_date
"""
_STATISTICS = """
select plans, round(mean_plan_time::numeric, 3)::float, round(mean_exec_time::numeric, 3)::float
from pg_stat_statements as s join pg_database as d on d.oid = s.dbid
where d.datname = current_database() and calls = %s and query like '%%raw_trades_closed%%'
"""


def fill(server: EmbeddedServer, sample: Path) -> None:
    files = sorted((sample / "trades").glob("*.csv"))
    for name in SYSTEMS:
        system = BY_NAME[name]
        make(server, system)
        with connected(server, system) as conn, Database(server.url(system.database), application_name="bench") as db:
            filling.take_snapshots(conn, db, system, sample)
            filling.take_trades(conn, db, system, files, bulk=True)
            conn.execute("create extension if not exists pg_stat_statements")
            conn.execute("vacuum (analyze)")


def statement(query: str) -> bytes:
    return for_psycopg(next(each for each in questions().queries if each.name == query).forms["raw"])


def plan_and_run(server: EmbeddedServer, system: str, settings: tuple[str, ...], asked: bytes, given: Any) -> Any:
    with connected(server, BY_NAME[system]) as conn:
        for setting in (*settings, "pg_stat_statements.track_planning = on"):
            conn.execute(f"set {setting}".encode())
        conn.execute("select pg_stat_statements_reset()")
        for _ in range(ASKED):
            conn.execute(asked, given, prepare=True).fetchall()
        row = conn.execute(_STATISTICS, [ASKED]).fetchone()
        assert row is not None
        return dict(zip(("plans", "plan_ms", "run_ms"), row, strict=True))


def short(server: EmbeddedServer, given: Any, rounds: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    leaf = f"raw_trades_closed_{given['month'][:7].replace('-', '_')}".encode()
    for query in SHORT:
        asked = statement(query)
        ways = {"original": ("baseline", (), asked)}
        ways["original, planned each time"] = ("baseline", SHORT_WAYS["planned each time"], asked)
        for way, settings in SHORT_WAYS.items():
            named = asked.replace(b"raw_trades_closed", leaf) if way == "the partition named" else asked
            ways[way] = ("production", settings, named)
        taken: dict[str, list[Any]] = defaultdict(list)
        for _ in range(rounds):
            for way, (system, settings, text) in ways.items():
                taken[way].append(plan_and_run(server, system, settings, text, given))
        found[query] = {
            way: {key: statistics.median(each[key] for each in measured) for key in measured[0]}
            for way, measured in taken.items()
        }
    return found


def add_empty_months(server: EmbeddedServer) -> None:
    with connected(server, BY_NAME["production"]) as conn:
        conn.execute(EMPTY_MONTHS)


def month_by_symbol(server: EmbeddedServer, given: Any, rounds: int) -> dict[str, Any]:
    asked, taken = statement("symbols_of_month"), defaultdict(list)
    with connected(server, BY_NAME["baseline"]) as original, connected(server, BY_NAME["production"]) as conn:
        expected = answer(original.execute(asked, given).fetchall())
        for _ in range(rounds):
            taken["original"].append(timed(original, asked, given, expected))
            taken["as it is"].append(timed(conn, asked, given, expected))
    return {system: round(statistics.median(seconds), 2) for system, seconds in taken.items()}


def thirty_days(server: EmbeddedServer, given: Any, rounds: int) -> dict[str, Any]:
    asked, taken = statement("thirty_days_by_day"), defaultdict(list)
    with connected(server, BY_NAME["baseline"]) as original:
        expected = answer(original.execute(asked, given).fetchall())
        for _ in range(rounds):
            taken["original"].append(timed(original, asked, given, expected))
            for way, settings in LONG_WAYS.items():
                with connected(server, BY_NAME["production"]) as conn:
                    for setting in settings:
                        conn.execute(f"set {setting}".encode())
                    text = BY_ACCOUNT_FIRST if way.startswith("hashed") else asked
                    taken[way].append(timed(conn, text, given, expected))
        with without_dates(original):
            taken["original without its index of dates"] = [
                timed(original, asked, given, expected) for _ in range(rounds)
            ]
    return {
        way: {"median": round(statistics.median(seconds), 2), "least": round(min(seconds), 2)}
        for way, seconds in taken.items()
    }


def timed(conn: Connection, asked: bytes, given: Any, expected: Any) -> float:
    began = time.perf_counter()
    rows = conn.execute(asked, given).fetchall()
    seconds = time.perf_counter() - began
    assert not difference(expected, answer(rows))
    return seconds


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--trades", type=int, default=10_000_000)
    arguments.add_argument("--rounds", type=int, default=3)
    asked = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="dpm-bench-") as folder, scratch_server() as server:
        sample = Path(folder) / "sample"
        write_sample(sample, trades=asked.trades, months=4, start=parse_month("2024-02"), seed=1)
        fill(server, sample)
        with connected(server, BY_NAME["baseline"]) as conn:
            given = find_parameters(conn, ("raw",), None)
        found = {"short, few partitions": short(server, given, asked.rounds)}
        add_empty_months(server)
        found["short"] = short(server, given, asked.rounds)
        found["long"] = {
            "month by symbol": month_by_symbol(server, given, asked.rounds),
            "thirty days by day": thirty_days(server, given, asked.rounds),
        }
        sys.stdout.write(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
