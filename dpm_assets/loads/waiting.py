"""Loading what waits in the landing folder, one file after the other."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import dagster as dg

from dpm_assets.database import Database
from dpm_assets.printing import in_one_line
from dpm_assets.settings import settings

if TYPE_CHECKING:
    from dpm_assets.loads.landing import Waiting
    from dpm_assets.loads.result import LoadResult


@dataclass
class Loaded:
    """What a run loaded: results in the order of loading, and the files that were refused with the reason."""

    results: "list[LoadResult]" = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    def of(self, feed: str) -> "list[LoadResult]":
        return [result for result in self.results if result.feed == feed]

    def metadata(self, feed: str) -> dict[str, int | float | str]:
        """Numbers of one feed, for the UI to plot over time, and the batches that they are of."""
        mine = self.of(feed)
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
            "batches": ", ".join(str(r.batch_id) for r in mine) or "none",
        }


def load_waiting(log: dg.DagsterLogManager, db: Database, feeds: Sequence[str], only: set[str] | None = None) -> Loaded:
    """Load every complete file of these feeds (only those with these paths, if given).

    A file that is refused is moved to failed/ with the reason beside it and does not keep the others waiting.
    """
    from dpm_assets.loads.landing import scan  # parsing libraries: only a run that loads should pay for their import

    loaded = Loaded()
    for waiting in scan(settings().landing).files:
        if waiting.feed in feeds and (only is None or str(waiting.path) in only):
            _load_one(log, db, waiting, loaded)
    return loaded


def _load_one(log: dg.DagsterLogManager, db: Database, waiting: "Waiting", loaded: Loaded) -> None:
    from dpm_assets.loads.faults import FileMissing, FileRefused
    from dpm_assets.loads.landing import settle
    from dpm_assets.loads.load import load_file

    path, name = waiting.path, in_one_line(waiting.path.name)
    asked: dict[str, Any] = {waiting.asked.replace("-", "_"): True} if waiting.asked else {}
    try:
        result = load_file(db, path, waiting.feed, follow_links=False, **asked)
    except FileMissing:
        return  # another run has taken it since the folder was looked at
    except FileRefused as error:
        log.error("%s", error)
        loaded.failed[name] = str(error)
        settle(path, error)
        return
    log.info(
        "%s: %s, %d rows, %d rejected, %.1f s",
        name,
        result.status,
        result.rows_read,
        result.rows_rejected,
        result.seconds,
    )
    if result.status == "refused":
        loaded.failed[name] = result.message
    else:
        loaded.results.append(result)
    settle(path, result)
