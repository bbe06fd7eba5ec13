"""How fast samples are made: trades a second, generation and writing together, and the peak memory of the process.

python bench/sample_rate.py [TRADES [MONTHS]]
"""

import resource
import sys
import tempfile
from pathlib import Path

from dpm_assets.samples import write_sample


def main() -> None:
    trades = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000_000
    months = int(sys.argv[2]) if len(sys.argv) > 2 else 12
    with tempfile.TemporaryDirectory() as folder:
        written = write_sample(Path(folder), trades=trades, months=months)
        size = sum(path.stat().st_size for path in Path(folder).rglob("*.csv"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    sys.stdout.write(
        f"{written.trades:,} trades in {written.seconds:.1f} s: {written.trades / written.seconds:,.0f} trades/s, "
        f"{size / written.trades:.0f} bytes a trade, peak memory {peak:.0f} MiB\n"
    )


if __name__ == "__main__":
    main()
