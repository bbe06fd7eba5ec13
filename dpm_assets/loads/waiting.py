"""Loading what waits in the landing folder, one file after the other, and telling Dagster of each."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg

from dpm_assets.database import Database
from dpm_assets.months import key_of, known_months
from dpm_assets.settings import settings

if TYPE_CHECKING:
    from dpm_assets.loads.result import LoadResult

FEED_ASSETS = {
    "trades": "raw_trades_closed",
    "accounts": "raw_accounts_data",
    "plans": "raw_plans_data",
}


@dataclass
class Loaded:
    """What a run loaded: results in the order of loading, and the files that were refused with the reason."""

    results: "list[LoadResult]" = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    def months(self) -> list[date]:
        return sorted({month for result in self.results for month in result.months})

    def metadata(self, feed: str) -> dict[str, int | float]:
        """Numbers of one feed, for the UI to plot."""
        mine = [result for result in self.results if result.feed == feed]
        rows, seconds = sum(r.rows_read for r in mine), sum(r.seconds for r in mine)
        return {
            "files": len(mine),
            "rows_read": rows,
            "rows_inserted": sum(r.rows_inserted for r in mine),
            "rows_updated": sum(r.rows_updated for r in mine),
            "rows_duplicate": sum(r.rows_duplicate for r in mine),
            "rows_rejected": sum(r.rows_rejected for r in mine),
            "rows_removed": sum(r.rows_removed for r in mine),
            "seconds": round(seconds, 3),
            "rows_per_second": round(rows / seconds) if seconds else 0,
        }


def load_waiting(log: dg.DagsterLogManager, db: Database, feeds: Sequence[str], only: set[str] | None = None) -> Loaded:
    """Load every complete file of these feeds (only those with these paths, if given).

    A file that is refused is moved to failed/ with the reason beside it and does not keep the others waiting.
    """
    from dpm_assets.loads.landing import scan  # parsing libraries: only a run that loads should pay for their import

    loaded = Loaded()
    for waiting in scan(settings().landing).files:
        if waiting.feed not in feeds or (only is not None and str(waiting.path) not in only):
            continue
        _load_one(log, db, waiting.feed, waiting.path, loaded)
    return loaded


def _load_one(log: dg.DagsterLogManager, db: Database, feed: str, path: Path, loaded: Loaded) -> None:
    from dpm_assets.loads.faults import FileMissing, FileRefused
    from dpm_assets.loads.landing import settle
    from dpm_assets.loads.load import load_file

    try:
        result = load_file(db, path, feed)
    except FileMissing:
        return  # another run has taken it since the folder was looked at
    except FileRefused as error:
        log.error("%s", error)
        loaded.failed[path.name] = str(error)
        settle(path, error)
        return
    log.info(
        "%s: %s, %d rows, %d rejected, %.1f s",
        path.name,
        result.status,
        result.rows_read,
        result.rows_rejected,
        result.seconds,
    )
    if result.status == "refused":
        loaded.failed[path.name] = result.message
    else:
        loaded.results.append(result)
    settle(path, result)


def month_counts(db: Database, months: Sequence[date]) -> dict[date, int]:
    """Trades in each month, counted."""
    with db.connection() as conn:
        rows = conn.execute(
            "select m, (select count(*) from prop_trading_model.raw_trades_closed"
            " where trade_date >= m and trade_date < m + interval '1 month') from unnest(%s::date[]) as m",
            [list(months)],
        ).fetchall()
    return {row[0]: row[1] for row in rows}


def trade_events(db: Database, loaded: Loaded) -> list[dg.AssetMaterialization]:
    """One event for each month that the loaded trades touched."""
    months = [month for touched in loaded.months() for month in known_months(touched, touched)]
    counts = month_counts(db, months)
    numbers = loaded.metadata("trades")
    return [
        dg.AssetMaterialization(
            "raw_trades_closed",
            partition=key_of(month),
            metadata={"dagster/partition_row_count": counts[month], **numbers},
        )
        for month in months
    ]
