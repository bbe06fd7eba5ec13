"""Loads files in a process of its own and prints rows, seconds (also of offering them again) and peak memory as JSON.

python bench/loader.py URL OPTIONS FILE...     (OPTIONS are those of load_file, as JSON)
"""

import json
import resource
import sys
from pathlib import Path

from dpm_assets.database import Database
from dpm_assets.loads.load import load_file


def peak_bytes() -> int:
    status = Path("/proc/self/status")  # ru_maxrss would count the memory of the process that started this one
    if status.exists():
        lines = status.read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    url, options, *paths = sys.argv[1:]
    with Database(url) as db:
        loads = [load_file(db, path, **json.loads(options)) for path in paths]
        peak = peak_bytes()
        again = [load_file(db, path, **json.loads(options)) for path in paths]
    sys.stdout.write(json.dumps({
        "rows": sum(load.rows_read for load in loads),
        "inserted": sum(load.rows_inserted for load in loads),
        "way": sorted({load.path_taken for load in loads}),
        "seconds": sum(load.seconds for load in loads),
        "again": sum(load.seconds for load in again),
        "bytes": peak,
    }))  # fmt: skip


if __name__ == "__main__":
    main()
