"""A loader's memory does not grow with its file, and it does not drag in what a load has no use for."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dpm_assets.database import Database
from tests.trade_rows import many, value

pytestmark = pytest.mark.sql

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


def test_a_loader_of_300000_trades_stays_below_300_megabytes(db: Database, database_url: str, tmp_path: Path) -> None:
    path = many(tmp_path / "many.csv", 300_000)
    run = subprocess.run(
        [sys.executable, "-c", _LOADER, database_url, str(path)], capture_output=True, text=True, check=True
    )
    used = json.loads(run.stdout)
    assert used["rows"] == value(db, "select count(*) from raw_trades_closed") == 300_000
    assert used["bytes"] < 300 * 1024 * 1024
    assert used["imported"] == []
