"""How fast loads are, against a plain COPY of the same file into the same indexed table.

    python bench/load_rate.py [--trades 1000000] [--around 6000000] [--rounds 3] [--url postgresql://...]

`--around` puts that many trades into the months before and after (0: none). Each round uses fresh databases and does every
line of the table in turn, every other round from the last to the first, so that a slow minute of the machine slows all of
them; before each, what earlier ones wrote is on the disk. Medians of the rounds are printed, as ratios of the rows per second
of the plain COPY, which runs with the key log's triggers off: what PostgreSQL itself can reach. A load is everything: hash,
parsing, validation, old copies, keys, ledger, BRIN summaries.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pyarrow.csv
import pyarrow.parquet
from psycopg import sql
from scratch import fresh_database, server_url

from dpm_assets.calendar import parse_month
from dpm_assets.samples import write_sample

MONTH = "2024-03-01"
AROUND = ("2024-02", "2024-04")
COPY_ROWS = 10_000
SINGLE_ROWS = 5_000


def sample(folder: Path, trades: int, month: str, seed: int) -> Path:
    write_sample(folder, trades=trades, months=1, start=parse_month(month), seed=seed)
    (path,) = (folder / "trades").glob("*.csv")
    return path


def other_forms(path: Path) -> dict[str, Path]:
    """The same trades as Parquet, as JSON lines, and with one row in ten at fault."""
    forms = {name: path.with_name(f"trades.{name}") for name in ("parquet", "jsonl")} | {
        "bad": path.with_name("bad.csv")
    }
    table = pyarrow.csv.read_csv(path)
    pyarrow.parquet.write_table(table, forms["parquet"])
    names = [first + "".join(map(str.capitalize, rest)) for first, *rest in (n.split("_") for n in table.column_names)]
    with forms["jsonl"].open("w") as file:
        for batch in table.rename_columns(names).to_batches(50_000):
            file.writelines(json.dumps(row, default=str) + "\n" for row in batch.to_pylist())
    with path.open() as good, forms["bad"].open("w") as bad:
        for number, line in enumerate(good):
            bad.write(line.replace(",buy,", ",hold,").replace(",sell,", ",hold,") if number % 10 == 1 else line)
    return forms


def pieces(path: Path, rows: int | None = None) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.readline()
        if rows:
            yield b"".join(file.readline() for _ in range(rows))
        while not rows and (piece := file.read(1024 * 1024)):
            yield piece


def copy_in(conn: psycopg.Connection[Any], path: Path, rows: int | None = None) -> float:
    """Seconds of a COPY of the file, or of its first rows, into the parent table."""
    with path.open() as file:
        columns = sql.SQL(", ").join(map(sql.Identifier, file.readline().strip().split(",")))
    command = sql.SQL("copy prop_trading_model.raw_trades_closed ({}) from stdin csv").format(columns)
    begun = time.monotonic()
    with conn.cursor().copy(command) as copy:
        for piece in pieces(path, rows):
            copy.write(piece)
    return time.monotonic() - begun


def prepared(url: str, stack: ExitStack, triggers: bool) -> psycopg.Connection[Any]:
    conn = stack.enter_context(psycopg.connect(url, autocommit=True))
    conn.execute("select prop_trading_model.ensure_trade_months(array[%s::date])", [MONTH])
    if not triggers:
        conn.execute("alter table prop_trading_model.raw_trades_closed disable trigger user")
    settle(conn)
    return conn


def settle(conn: psycopg.Connection[Any]) -> None:
    """Nothing is left to be written to the disk meanwhile."""
    conn.execute("checkpoint")
    os.sync()


def plain_copy(server: str, path: Path, triggers: bool) -> dict[str, float]:
    """Seconds of a whole COPY; then, in the month that it filled, of one of 10,000 rows and of one row's INSERT."""
    with ExitStack() as stack:
        conn = prepared(stack.enter_context(fresh_database(server)), stack, triggers)
        seconds = {"copy": copy_in(conn, path)}
        conn.execute("delete from prop_trading_model.raw_trades_closed where trade_date < %s::date + 2", [MONTH])
        seconds["copy of 10,000"] = copy_in(conn, path, COPY_ROWS)
        conn.execute("create procedure insert_singly(rows integer) language plpgsql as $$ begin for n in 1 .. rows loop"
                     " insert into prop_trading_model.raw_trades_closed (trade_id, account_id, login, trade_date)"
                     f" values ('single' || n, 'a' || n % 100, 'l', '{MONTH}'); end loop; end $$".encode())  # fmt: skip
        begun = time.monotonic()
        conn.execute("call insert_singly(%s)", [SINGLE_ROWS])
        seconds["insert"] = (time.monotonic() - begun) / SINGLE_ROWS
        return seconds


def bare_copy(server: str, path: Path) -> dict[str, float]:
    """Seconds of the other way to fill a month: COPY into a table without indexes and triggers, index it, attach it."""
    with ExitStack() as stack:
        conn = stack.enter_context(psycopg.connect(stack.enter_context(fresh_database(server)), autocommit=True))
        settle(conn)
        columns = path.open().readline().strip()
        parent = "prop_trading_model.raw_trades_closed"
        begun = time.monotonic()
        with conn.transaction():
            conn.execute(f"create table bare (like {parent} including defaults including constraints)".encode())
            with conn.cursor().copy(f"copy bare ({columns}) from stdin csv".encode()) as copy:
                for piece in pieces(path):
                    copy.write(piece)
            conn.execute("alter table bare add primary key (account_id, trade_date, trade_id)")
            conn.execute("create index on bare using brin (trade_date, close_time, id) with (autosummarize = on)")
            conn.execute("select prop_trading_model.create_change_triggers('bare')")
            conn.execute(
                f"alter table {parent} attach partition bare for values from ('{MONTH}') to ('2024-04-01')".encode()
            )
        return {"seconds": time.monotonic() - begun}


def load(server: str, path: Path, template: str | None = None, *, month_there: bool = True, **options: Any) -> Any:
    with ExitStack() as stack:
        url = stack.enter_context(fresh_database(server, template))
        if month_there:
            prepared(url, stack, triggers=True)
        else:
            settle(stack.enter_context(psycopg.connect(url, autocommit=True)))
        return run_loader(url, path, **options)


def run_loader(url: str, *paths: Path, **options: Any) -> Any:
    command = [sys.executable, str(Path(__file__).with_name("loader.py")), url, json.dumps(options), *map(str, paths)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def measure(server: str, folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    path = sample(folder / "month", given.trades, MONTH[:7], seed=1)
    forms = other_forms(path)
    measured: dict[str, list[Any]] = defaultdict(list)
    with ExitStack() as stack:
        around = None
        if given.around:
            around = stack.enter_context(fresh_database(server))
            run_loader(around, *(sample(folder / m, given.around // 2, m, seed=n) for n, m in enumerate(AROUND, 2)))
            with psycopg.connect(around, autocommit=True) as conn:
                conn.execute("vacuum (analyze) prop_trading_model.raw_trades_closed")
        steps = steps_of_a_round(server, path, forms, around, given.around)
        for number in range(given.rounds):
            for name in reversed(steps) if number % 2 else steps:
                measured[name].append(steps[name]())
    return summary(given.trades, measured)


PLAIN, LOGGED, BARE = "plain COPY", "COPY with the key log", "COPY, indexed and attached"


def steps_of_a_round(
    server: str, path: Path, forms: dict[str, Path], around: str | None, trades_around: int
) -> dict[str, Callable[[], Any]]:
    steps: dict[str, Callable[[], Any]] = {
        PLAIN: lambda: plain_copy(server, path, triggers=False),
        LOGGED: lambda: plain_copy(server, path, triggers=True),
        BARE: lambda: bare_copy(server, path),
        "CSV into an existing month": lambda: load(server, path),
        "CSV into a month that is not there yet": lambda: load(server, path, month_there=False),
        "Parquet": lambda: load(server, forms["parquet"]),
        "JSON lines": lambda: load(server, forms["jsonl"]),
        "one row in ten bad": lambda: load(server, forms["bad"], max_rejects="20%"),
    }
    if around:
        steps[f"CSV, {trades_around:,} trades around"] = lambda: load(server, path, around)
        steps[f"CSV --full-history, {trades_around:,} trades around"] = lambda: load(
            server, path, around, full_history=True
        )
    return steps


def summary(trades: int, measured: dict[str, list[Any]]) -> dict[str, Any]:
    plain, logged, bare = (measured[name] for name in (PLAIN, LOGGED, BARE))
    loads = {name: each for name, each in measured.items() if name not in (PLAIN, LOGGED, BARE)}

    def median(measured: list[Any], what: str) -> float:
        return statistics.median(each[what] for each in measured)

    copy = median(plain, "copy")
    return {
        "trades": trades,
        "plain_copy_rows_per_second": round(trades / copy),
        "bare_copy_indexed_and_attached_to_plain_copy": round(copy / median(bare, "seconds"), 2),
        "loads_to_plain_copy": {name: round(copy / median(each, "seconds"), 2) for name, each in loads.items()},
        "ways": {name: each[0]["way"] for name, each in loads.items()},
        "offered_again_seconds": round(max(median(each, "again") for each in loads.values()), 2),
        "loader_peak_megabytes": {name: round(max(e["bytes"] for e in each) / 2**20) for name, each in loads.items()},
        "triggers": {
            "copy_slower_percent": round(100 * (median(logged, "copy") / copy - 1)),
            "copy_of_10000_slower_percent": round(
                100 * (median(logged, "copy of 10,000") / median(plain, "copy of 10,000") - 1)
            ),
            "insert_microseconds_more": round(1e6 * (median(logged, "insert") - median(plain, "insert")), 1),
        },
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--trades", type=int, default=1_000_000)
    arguments.add_argument("--around", type=int, default=6_000_000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--url", help="a superuser's URL of a database on a server to make scratch databases on")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="dpm-bench-") as folder, server_url(given.url) as server:
        sys.stdout.write(json.dumps(measure(server, Path(folder), given), indent=2) + "\n")


if __name__ == "__main__":
    main()
