"""Production with its old months as Parquet files: what is left in the database, and what the files take."""

from pathlib import Path
from typing import Any

from dpm_assets.bench.storage import storage
from dpm_assets.bench.systems import Connection
from dpm_assets.database import Database
from dpm_assets.partitions.cold.ages import parts_to_archive
from dpm_assets.partitions.cold.archive import archive
from dpm_assets.partitions.cold.tables import TRADES

OLD_MONTHS = 6


def store_cold(conn: Connection, db: Database, folder: Path) -> dict[str, Any]:
    """Archive the months that ended six or more months ago, and measure; files count as bytes too."""
    for part in parts_to_archive(db, OLD_MONTHS, [TRADES]):
        list(archive(db, part, folder))
    files = list(folder.rglob("*.parquet"))
    hot = storage(conn)
    parquet = sum(path.stat().st_size for path in files)
    return {
        **hot,
        "months": len(files),
        "parquet": parquet,
        "bytes": hot["bytes"] + parquet,
        "bytes_a_trade": round((hot["bytes"] + parquet) / hot["trades"], 1),
    }
