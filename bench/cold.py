"""A month into the archive and back, and the reader over two years of them: `python -m bench.cold [--trades 2500000]`.

Makes a warehouse whose one month holds so many trades of the sample, archives it and restores it with `dpm`, in processes
of their own, and measures time, peak memory and the size of the file against the partition. Then 24 cold months are made of
that month's trades, at other dates, and one account is read across them. Exits with 1 if a figure misses what it must reach.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bench.warehouses import loaded_warehouse
from dpm_assets.calendar import add_months, month_of, today
from dpm_assets.database import Database
from dpm_assets.partitions.cold import places
from dpm_assets.partitions.cold.columns import columns_of
from dpm_assets.partitions.cold.parquet import ROWS_PER_GROUP, write_file
from dpm_assets.partitions.cold.reading import read_trades
from dpm_assets.partitions.cold.tables import TRADES

MONTHS = 24
MUST = {"archive": 60.0, "restore": 40.0, "peak": 400.0, "share": 17.0, "read": 0.5}


def dpm(url: str, root: Path, *arguments: str) -> tuple[float, float]:
    """Seconds and peak memory (MB) of a command."""
    environment = {**os.environ, "DPM_DATABASE_URL": url, "DPM_COLD_LOCATION": str(root)}
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "dpm_assets", *arguments], env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"dpm {' '.join(arguments)} failed")
    return time.perf_counter() - began, usage.ru_maxrss / 1024


def make_months(conn: psycopg.Connection, root: Path, template: Path, first: date) -> None:
    """Cold months before `first`, each with the trades of the file `template` on the first 28 days."""
    columns = columns_of(conn, TRADES.name)
    day = columns.index(next(column for column in columns if column.name == TRADES.day))
    for back in range(1, MONTHS + 1):
        month = add_months(first, -back)
        start = (month - date(1970, 1, 1)).days
        with pq.ParquetFile(template) as file:

            def moved(batch: pa.RecordBatch, start: int = start) -> pa.Table:
                days = pc.cast(batch.column(day), pa.int32())
                weeks = pc.multiply(pc.divide(days, pa.scalar(28, pa.int32())), pa.scalar(28, pa.int32()))
                dates = pc.cast(pc.add(pc.subtract(days, weeks), pa.scalar(start, pa.int32())), pa.date32())
                return pa.Table.from_batches([batch]).set_column(day, "trade_date", dates)

            location = places.file_of(root, TRADES.part(month))
            with places.written_to(location) as path:
                write_file(path, TRADES, columns, (moved(batch) for batch in file.iter_batches(ROWS_PER_GROUP)))
            rows = file.metadata.num_rows
        conn.execute("insert into month_state (month, state, location) values (%s, 'cold', %s)", [month, location])
        conn.execute(
            "insert into cold_files (parent_table, lower, location, rows, bytes, partition_bytes, columns, sums, content_sha256,"
            " file_sha256) values (%s, %s, %s, %s, %s, 0, %s, '{}', repeat('0', 64), repeat('0', 64))",
            [TRADES.name, month, location, rows, Path(location).stat().st_size, [column.name for column in columns]],
        )


class Figures(dict[str, float]):
    """Printed as they come."""

    def __setitem__(self, what: str, figure: float) -> None:
        super().__setitem__(what, figure)
        must = f"   must be at most {MUST[what]}" if what in MUST else ""
        print(f"{what:<26} {figure:>8.2f}{must}", flush=True)


def main() -> None:
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("--trades", type=int, default=2_500_000)
    asked.add_argument("--rounds", type=int, default=3)
    options = asked.parse_args()
    month = add_months(month_of(today()), -1)
    found = Figures()
    with (
        loaded_warehouse(options.trades, 1) as url,
        tempfile.TemporaryDirectory(prefix="dpm-bench-") as folder,
        psycopg.connect(url, autocommit=True) as conn,
        Database(url, application_name="bench") as db,
    ):
        root, name = Path(folder), f"{month:%Y-%m}"
        taken: dict[str, list[tuple[float, float]]] = {"archive": [], "restore": []}
        for number in range(options.rounds):
            taken["archive"].append(dpm(url, root, "partitions", "archive", name))
            if number == 0:
                share = conn.execute("select 100.0 * bytes / partition_bytes from cold_files").fetchone()
                found["share"] = float(share[0]) if share else 100.0
            taken["restore"].append(dpm(url, root, "partitions", "restore", name))
        for what, each in taken.items():
            found[what] = statistics.median(seconds for seconds, _ in each)
        found["peak"] = max(peak for _, peak in taken["archive"])
        found["peak of a restore"] = max(peak for _, peak in taken["restore"])
        dpm(url, root, "partitions", "archive", name)
        make_months(conn, root, Path(places.file_of(root, TRADES.part(month))), month)
        accounts = [
            row[0]
            for row in conn.execute("select account_id from rollup_account order by random() limit 11").fetchall()
        ]
        reads = []
        for account in accounts:
            began = time.perf_counter()
            rows = read_trades(account, last_day=month.replace(day=1), db=db).num_rows
            reads.append(time.perf_counter() - began)
        found["read"] = statistics.median(reads[1:])
        found["first read, with imports"] = reads[0]
        print(f"the last account read: {rows} rows of {MONTHS} months")
    missed = [what for what, figure in found.items() if figure > MUST.get(what, figure)]
    sys.exit(f"missed: {', '.join(missed)}" if missed else 0)


if __name__ == "__main__":
    main()
