"""How much room a run needs at most, and whether it is there."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from dpm_assets.bench.plan import Plan
from dpm_assets.errors import DpmError

# Bytes a trade, measured with 1,000,000 to 7,000,000 trades and rounded up.
_CSV, _PACKED, _PARQUET = 225, 75, 60
_SYSTEM = {"baseline": 310, "v1": 330, "v2": 350, "production": 480}
_SORTING = 60
_SERVER = 600_000_000
_LARGEST_WAL = 8_192_000_000


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


def room(plan: Plan) -> Room:
    """Side by side all databases stand at once; one after the other, only the largest."""
    database = sum(_SYSTEM.values()) if plan.side_by_side else max(_SYSTEM.values())
    log = min(_LARGEST_WAL, plan.trades * 500 + 200_000_000)
    return Room(
        making=plan.trades * (_CSV + _PACKED),
        measuring=plan.trades * (_PACKED + _PARQUET + database + _SORTING) + log + _SERVER,
    )


def refuse_small_disk(plan: Plan, folder: Path, free: int | None = None) -> None:
    """Raise DpmError unless the disk of `folder` has the room, counting what an earlier start of the run has taken."""
    there = free if free is not None else shutil.disk_usage(folder).free
    taken = sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    needed = room(plan)
    if there + taken < needed.needed:
        raise DpmError(
            f"This run needs {needed.sentence()}; {gigabytes(there)} are free in {folder}. Ask for fewer --trades,"
            " or give a --folder on a larger disk."
        )


def gigabytes(size: float) -> str:
    """As in '12.3 GB'."""
    return f"{size / 1e9:,.1f} GB"
