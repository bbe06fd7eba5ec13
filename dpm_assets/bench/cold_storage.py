"""Production with its old months as Parquet files: what is left in the database, and what the files take."""

from pathlib import Path
from typing import Any

from dpm_assets.bench.storage import storage
from dpm_assets.bench.systems import Connection, settle
from dpm_assets.database import Database
from dpm_assets.partitions.cold.ages import parts_to_archive
from dpm_assets.partitions.cold.archive import archive
from dpm_assets.partitions.cold.tables import TRADES

OLD_MONTHS = 6


def store_cold(conn: Connection, db: Database, folder: Path) -> dict[str, Any]:
    """Archive the months that ended six or more months ago, and measure; the files count as bytes too."""
    conn.execute("call prop_trading_model.refresh_warehouse()")
    for part in parts_to_archive(db, OLD_MONTHS, [TRADES]):
        list(archive(db, part, folder))
    settle(conn)
    row = conn.execute("select sum(total_trades)::bigint from prop_trading_model.mv_daily_trading_stats").fetchone()
    assert row is not None
    files = list(folder.rglob("*.parquet"))
    parquet = sum(path.stat().st_size for path in files)
    hot = storage(conn, row[0])
    total = hot["bytes"] + parquet
    return {**hot, "months": len(files), "parquet": parquet, "bytes": total, "bytes_a_trade": round(total / row[0], 1)}
