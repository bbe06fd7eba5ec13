"""How much room a run needs at most, and whether it is there."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from dpm_assets.bench.plan import Plan
from dpm_assets.errors import DpmError
from dpm_assets.server.tuning import largest_log, machine_memory

# Bytes a trade, rounded up from what runs of 300,000, 1 and 2.5 million trades took: files 195, 57 and 40; the original 289,
# v1 311, v2 322. A sort is taken to be as large as the largest index.
_CSV, _PACKED, _PARQUET = 225, 75, 60
_BASELINE, _V1, _V2, _SORT = 310, 330, 350, 60
# Production's rollups weigh the more, the fewer trades an account makes a month: in all it took 483 bytes a trade at 23,000
# trades a month, 430 at 77,000 and 407 at 312,000.
_DENSE, _ROLLUPS, _SPARSE_MONTH = 310, 190, 250_000
_SERVER = 600_000_000


@dataclass(frozen=True)
class Room:
    """Bytes, at the worst moment: of the sample while it is made, and of sample, databases, log and sorts after that."""

    making: int
    measuring: int

    @property
    def needed(self) -> int:
        return max(self.making, self.measuring)

    def sentence(self) -> str:
        return (
            f"at most {gigabytes(self.needed)} of disk: {gigabytes(self.making)} while the sample is made, then"
            f" {gigabytes(self.measuring)} for the sample, the databases, their log and sorts"
        )


def room(plan: Plan, free: int) -> Room:
    """Side by side all databases stand at once; one after the other, only the largest. The log follows what is `free`."""
    production = _DENSE + min(_ROLLUPS, _ROLLUPS * _SPARSE_MONTH * plan.months // plan.trades)
    together = _BASELINE + _V1 + _V2 + production + _SORT
    alone = max(production, max(_BASELINE, _V1, _V2) + _SORT)
    log = min(largest_log(machine_memory(), free), plan.trades * 500 + 200_000_000)
    databases = plan.trades * (_PACKED + (together if plan.side_by_side else alone)) + log
    return Room(
        making=0 if plan.sample else plan.trades * (_CSV + _PACKED // plan.months),
        measuring=max(databases, plan.trades * (_PACKED + _PARQUET)) + _SERVER,
    )


def refuse_small_disk(plan: Plan, folder: Path, free: int | None = None) -> None:
    """Raise DpmError unless the disk of `folder` has the room, counting what an earlier start of the run has taken."""
    there = free if free is not None else free_at(folder)
    taken = sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    needed = room(plan, there + taken)
    if there + taken < needed.needed:
        raise DpmError(
            f"This run needs {needed.sentence()}; {gigabytes(there)} are free in {folder}. Ask for fewer --trades,"
            " or give a --folder on a larger disk."
        )


def free_at(folder: Path) -> int:
    """Free bytes of the disk that a folder is, or will be, on."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def gigabytes(size: float) -> str:
    """As in '12.3 GB'."""
    return f"{size / 1e9:,.1f} GB"
