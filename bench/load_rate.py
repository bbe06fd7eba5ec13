"""How fast a file of new trades is loaded, against a plain COPY of the same file into the same indexed table.

    python bench/load_rate.py [--trades 1000000] [--rounds 3] [--url postgresql://... of a server to make databases on]

Each round uses a fresh database with the month's leaf there and its indexes empty, and does, in turn: a plain COPY with
the key log's triggers off (what PostgreSQL itself can reach), a plain COPY with them on, and a load: hash, parsing,
validation, staging, merge, ledger, BRIN summaries. It prints the medians and the ratios, and the loader's peak memory.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from dpm_assets.calendar import parse_month
from dpm_assets.database import run_file
from dpm_assets.samples import write_sample
from dpm_assets.server import EmbeddedServer
from dpm_assets.settings import sql_dir

LOADER = """
import json, resource, sys
from pathlib import Path
from dpm_assets.database import Database
from dpm_assets.loads.load import load_file
def peak():  # kilobytes; ru_maxrss would count the memory of the process that started this one
    status = Path("/proc/self/status")
    if status.exists():
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "darwin" else 1)
with Database(sys.argv[1]) as db:
    results = [load_file(db, Path(path)) for path in sys.argv[2:]]
    again = [load_file(db, Path(path)) for path in sys.argv[2:]]
print(json.dumps({
    "rows": sum(result.rows_inserted for result in results),
    "seconds": sum(result.seconds for result in results),
    "again": sum(result.seconds for result in again),
    "megabytes": peak() / 1024,
}))
"""


@contextmanager
def server_url(given: str | None) -> Iterator[str]:
    if given:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="dpm-bench-") as folder:
        Path(folder).chmod(0o755)  # as root, the server runs as a lesser user who has to get in
        server = EmbeddedServer(Path(folder))
        server.start()
        try:
            yield server.url("postgres")
        finally:
            server.stop()


@contextmanager
def fresh_database(server: str) -> Iterator[str]:
    name = f"dpm_bench_{time.monotonic_ns()}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        url = f"{server.rsplit('/', 1)[0]}/{name}"
        with psycopg.connect(url, autocommit=True) as conn:
            run_file(conn, sql_dir() / "schema.sql")
        yield url
        admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def plain_copy(server: str, files: list[Path], triggers: bool) -> float:
    """Seconds of a COPY of the files into the parent table, whose leaves are there."""
    with fresh_database(server) as url, psycopg.connect(url, autocommit=True) as conn:
        conn.execute("select prop_trading_model.ensure_trade_months(array['2024-01-01'::date])")
        if not triggers:
            conn.execute("alter table prop_trading_model.raw_trades_closed disable trigger user")
        conn.execute("checkpoint")
        begun = time.monotonic()
        with conn.transaction():
            for path in files:
                with path.open("rb") as file:
                    columns = sql.SQL(", ").join(
                        sql.Identifier(name) for name in file.readline().decode().strip().split(",")
                    )
                    command = sql.SQL("copy prop_trading_model.raw_trades_closed ({}) from stdin csv").format(columns)
                    with conn.cursor().copy(command) as copy:
                        while piece := file.read(1024 * 1024):
                            copy.write(piece)
        return time.monotonic() - begun


def load(server: str, files: list[Path]) -> dict[str, float]:
    with fresh_database(server) as url:
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute("select prop_trading_model.ensure_trade_months(array['2024-01-01'::date])")
            conn.execute("checkpoint")
        command = [sys.executable, "-c", LOADER, url, *map(str, files)]
        answer: dict[str, float] = json.loads(
            subprocess.run(command, capture_output=True, text=True, check=True).stdout
        )
        return answer


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--trades", type=int, default=1_000_000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--url", help="a superuser's URL of a database on a server to make scratch databases on")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="dpm-bench-") as folder, server_url(given.url) as server:
        write_sample(Path(folder) / "sample", trades=given.trades, months=1, start=parse_month("2024-01"), seed=1)
        files = sorted((Path(folder) / "sample" / "trades").glob("*.csv"))
        bare, logged, loads = [], [], []
        for _ in range(given.rounds):
            bare.append(plain_copy(server, files, triggers=False))
            logged.append(plain_copy(server, files, triggers=True))
            loads.append(load(server, files))
    copy = given.trades / statistics.median(bare)
    sys.stdout.write(json.dumps({
        "trades": given.trades,
        "files": len(files),
        "plain_copy_rows_per_second": round(copy),
        "copy_with_key_log_rows_per_second": round(given.trades / statistics.median(logged)),
        "load_rows_per_second": round(given.trades / statistics.median(each["seconds"] for each in loads)),
        "load_to_plain_copy": round(given.trades / statistics.median(each["seconds"] for each in loads) / copy, 3),
        "offered_again_seconds": round(statistics.median(each["again"] for each in loads), 3),
        "loader_peak_megabytes": round(max(each["megabytes"] for each in loads)),
    }, indent=2) + "\n")  # fmt: skip


if __name__ == "__main__":
    main()
