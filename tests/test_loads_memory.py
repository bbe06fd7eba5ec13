"""A loader's memory does not grow with its file, but for some bytes a trade while old copies are looked for, and it does not
drag in what a load has no use for.

None of it depends on the version of PostgreSQL.
"""

import csv
import json
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from dpm_assets.database import Database
from dpm_assets.loads.feeds import FEEDS
from tests.file_formats import FORMATS
from tests.trade_rows import many, value

_LOADER = """
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
    result = load_file(db, Path(sys.argv[2]))
print(json.dumps({
    "rows": result.rows_inserted,
    "bytes": peak() * 1024,
    "imported": [name for name in ("dagster", "pandas") if name in sys.modules],
}))
"""


def memory_of_a_load(database_url: str, path: Path) -> dict[str, Any]:
    run = subprocess.run(
        [sys.executable, "-c", _LOADER, database_url, str(path)], capture_output=True, text=True, check=True
    )
    used: dict[str, Any] = json.loads(run.stdout)
    return used


@pytest.mark.parametrize(("suffix", "count"), [("csv", 300_000), ("jsonl", 100_000)])
def test_a_loader_stays_below_300_megabytes(
    db: Database, database_url: str, tmp_path: Path, suffix: str, count: int
) -> None:
    path = many(tmp_path / "many.csv", count)
    if suffix != "csv":
        with path.open(encoding="utf-8", newline="") as file:
            path = FORMATS[suffix](tmp_path / f"many.{suffix}", FEEDS["trades"], list(csv.DictReader(file)))
    used = memory_of_a_load(database_url, path)
    assert used["rows"] == value(db, "select count(*) from raw_trades_closed") == count
    assert used["bytes"] < 300 * 1024 * 1024
    assert used["imported"] == []


def write_parquet(path: Path, count: int, first: int) -> Path:
    """A file of `count` trades of 1,000 accounts in a single row group, the hardest to take in parts."""
    numbers = np.arange(first, first + count)
    closed = np.datetime64("2025-03-03", "ms") + numbers % (20 * 86_400_000)
    cents = pa.decimal128(21, 2)
    table = pa.table(
        {
            "trade_id": pa.array(numbers).cast(pa.string()),
            "account_id": pa.array(numbers * 7919 % 1_000).cast(pa.string()),
            "login": pa.array(numbers * 7919 % 1_000).cast(pa.string()),
            "symbol": pa.array(np.array(["EURUSD", "GBPUSD", "XAUUSD"])[numbers % 3]),
            "side": pa.array(np.array(["buy", "sell"])[numbers % 2]),
            "open_time": closed - np.timedelta64(3_600_000, "ms"),
            "close_time": closed,
            "open_price": numbers % 10_000 / 8 + 1,
            "close_price": numbers % 10_007 / 8 + 1,
            "lots": numbers % 100 / 4 + 0.25,
            "volume_usd": pa.array(numbers % 100_000).cast(cents),
            "profit": pa.array(numbers % 1_999 - 1_000).cast(cents),
            "commission": pa.array(-(numbers % 9)).cast(cents),
        }
    )
    parquet.write_table(table, path, row_group_size=count)
    return path


def test_the_memory_of_a_parquet_load_does_not_grow_with_its_rows(
    db: Database, database_url: str, tmp_path: Path
) -> None:
    few = memory_of_a_load(database_url, write_parquet(tmp_path / "few.parquet", 100_000, first=0))
    many_rows = memory_of_a_load(database_url, write_parquet(tmp_path / "many.parquet", 500_000, first=100_000))
    assert (few["rows"], many_rows["rows"]) == (100_000, 500_000)
    assert value(db, "select count(*) from raw_trades_closed") == 600_000
    assert many_rows["bytes"] < min(few["bytes"] + 32 * 2**20, 300 * 2**20), f"{few['bytes']:,} for a fifth of the rows"
    assert many_rows["imported"] == []


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_wide_rows_do_not_make_it_more(db: Database, database_url: str, tmp_path: Path, suffix: str) -> None:
    """200 regimes of 0.25 MB each, one JSON document of many small parts in every row."""
    news = json.dumps([{"headline": f"Nothing new under {n}", "score": n / 7} for n in range(5_000)])
    days = [(date(2023, 1, 1) + timedelta(days=n)).isoformat() for n in range(200)]
    path = FORMATS[suffix](
        tmp_path / f"wide.{suffix}", FEEDS["regimes"], [{"date": day, "market_news": news} for day in days]
    )
    used = memory_of_a_load(database_url, path)
    assert used["rows"] == value(db, "select count(*) from raw_regimes_daily") == 200
    assert used["bytes"] < 300 * 1024 * 1024
