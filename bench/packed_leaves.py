"""A month in the order of its table against one that is packed: `python -m bench.packed_leaves [--trades 300000] [--rounds 5]`.

Loads the same trades into both, by turns: bytes a trade of the heap, and the seconds of COPY through the table, of the loader,
and of an aggregate over the whole month, medians.
"""

import argparse
import statistics
import tempfile
import time
from contextlib import ExitStack
from datetime import date
from pathlib import Path

import psycopg

from bench.scratch import fresh_database
from bench.warehouses import scratch_server
from dpm_assets.calendar import add_months
from dpm_assets.database import Database
from dpm_assets.loads.load import load_file
from dpm_assets.samples import write_sample

MONTH = date(2024, 3, 1)
PARENT, LEAF = "prop_trading_model.raw_trades_closed", "prop_trading_model.raw_trades_closed_2024_03"
MAKE = {
    "in the table's order": f"""
        create table {LEAF} (like {PARENT} including all);
        alter table {LEAF} owner to dpm_owner;
        alter table {PARENT} attach partition {LEAF} for values from ('{MONTH}') to ('{add_months(MONTH, 1)}');
        select prop_trading_model.dress_leaf('{PARENT}', '{LEAF}');
        select prop_trading_model.ensure_trade_months(array[date '{MONTH}']);
    """,
    "packed": f"select prop_trading_model.ensure_trade_months(array[date '{MONTH}'])",
}
AGGREGATE = (
    "select symbol, count(*), sum(profit), sum(commission), sum(lots), min(open_time), max(close_time)"
    f" from {PARENT} where trade_date between '{MONTH}' and '{add_months(MONTH, 1)}' group by symbol"
)


def measured(server: str, template: str, path: Path) -> dict[str, float]:
    """One round on two copies of a database: COPY and the aggregate on one, the loader on the other."""
    found: dict[str, float] = {}
    with fresh_database(server, template) as url, psycopg.connect(url, autocommit=True) as conn:
        conn.execute("checkpoint")
        columns = path.open().readline().strip()
        begun = time.monotonic()
        with (
            conn.cursor().copy(f"copy {PARENT} ({columns}) from stdin csv header".encode()) as copy,
            path.open("rb") as file,
        ):
            while piece := file.read(1 << 20):
                copy.write(piece)
        found["COPY, s"] = time.monotonic() - begun
        conn.execute(f"vacuum (freeze, analyze) {LEAF}".encode())
        conn.execute("set max_parallel_workers_per_gather = 0")
        taken = []
        for _ in range(5):
            begun = time.monotonic()
            conn.execute(AGGREGATE.encode()).fetchall()
            taken.append(time.monotonic() - begun)
        found["aggregate, s"] = statistics.median(taken)
    with fresh_database(server, template) as url, psycopg.connect(url, autocommit=True) as conn:
        conn.execute("checkpoint")
        with Database(url, application_name="bench") as db:
            loaded = load_file(db, path)
        assert loaded.path_taken == "direct", loaded.path_taken
        found["load, s"] = loaded.seconds
        row = conn.execute(f"select pg_relation_size('{LEAF}')::float8 / count(*) from {LEAF}".encode()).fetchone()
        assert row is not None
        found["heap, bytes a trade"] = row[0]
    return found


def main() -> None:
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("--trades", type=int, default=300_000)
    asked.add_argument("--rounds", type=int, default=5)
    options = asked.parse_args()
    with scratch_server() as running, tempfile.TemporaryDirectory(prefix="dpm-bench-") as folder, ExitStack() as stack:
        server = running.url("postgres")
        write_sample(Path(folder) / "sample", trades=options.trades, months=1, start=MONTH, seed=1)
        [path] = (Path(folder) / "sample" / "trades").glob("*.csv")
        templates = {kind: stack.enter_context(fresh_database(server)) for kind in MAKE}
        for kind, template in templates.items():
            with psycopg.connect(template, autocommit=True) as conn:
                conn.execute(MAKE[kind].encode())
        rounds: dict[str, list[dict[str, float]]] = {kind: [] for kind in MAKE}
        for _ in range(options.rounds):
            for kind, template in templates.items():
                rounds[kind].append(measured(server, template, path))
        for kind, found in rounds.items():
            for what in found[0]:
                figures = [one[what] for one in found]
                print(
                    f"{kind:<22}{what:<22}{statistics.median(figures):>9.3f}  ({min(figures):.3f} to {max(figures):.3f})"
                )


if __name__ == "__main__":
    main()
