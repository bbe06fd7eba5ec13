"""Loading what waits in the landing folder, one file after the other."""

import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
import psycopg

from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.printing import in_one_line
from dpm_assets.settings import settings

if TYPE_CHECKING:
    from dpm_assets.loads.landing import Waiting
    from dpm_assets.loads.result import LoadResult


@dataclass
class Loaded:
    """What a run loaded: results in the order of loading, the files that were refused with the reason, and what kept others
    from being loaded, which was not their fault."""

    results: "list[LoadResult]" = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    errors: list[Exception] = field(default_factory=list)

    def raise_first(self) -> None:
        """Raises the first error, when what is loaded was told of; a Failure that is not tried again for refused files."""
        if self.errors:
            raise self.errors[0]
        if self.failed:
            raise dg.Failure(
                description="; ".join(self.failed.values()),
                metadata={
                    "files": len(self.failed),
                    "next": "Mend the file in landing/<feed>/failed and move it back.",
                },
                allow_retries=False,
            )

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

    A file that is refused is moved to failed/ with the reason beside it. Neither that nor an error that is about one file (its
    month is on its way into the archive, its folder cannot be written, a reader stumbles over it) keeps the others waiting;
    with the server out of reach the rest is left for the next time.
    """
    loaded = Loaded()
    for waiting in _complete(settings().landing):
        if waiting.feed not in feeds or (only is not None and str(waiting.path) not in only):
            continue
        try:
            _load_one(log, db, waiting, loaded)
        except Exception as error:
            # Also what nobody has thought of: the oldest file would keep all others waiting for ever.
            log.error("%s", _told(waiting, error))
            loaded.errors.append(error)
            if not _answers(db):
                break
    return loaded


def _told(waiting: "Waiting", error: Exception) -> str:
    """An error that is meant to be read as it is; any other with its file, and with the place in the program where it arose."""
    if isinstance(error, DpmError | OSError):
        return str(error)
    trace = "".join(traceback.format_exception(error)).rstrip()
    return (
        f"{in_one_line(str(waiting.path))} stays: loading it failed unexpectedly. Report this with the file.\n{trace}"
    )


def _complete(landing: Path) -> "list[Waiting]":
    """The complete files. Whether one of a clock that is ahead is complete, only a second look tells."""
    # Parsing libraries: only a run that loads should pay for their import.
    from dpm_assets.loads import landing as folder

    first = folder.scan(landing)
    if not any(look.modified_ns / 1e9 > look.seen_at for look in first.looks.values()):
        return first.files
    time.sleep(folder.QUIET_SECONDS)
    return folder.scan(landing, first).files


def _answers(db: Database) -> bool:
    try:
        with db.connection() as conn:
            conn.execute("select")
    except (DpmError, psycopg.Error):
        return False
    return True


def _load_one(log: dg.DagsterLogManager, db: Database, waiting: "Waiting", loaded: Loaded) -> None:
    from dpm_assets.loads.faults import FileChanged, FileMissing, FileRefused
    from dpm_assets.loads.landing import settle
    from dpm_assets.loads.load import load_file

    path, name = waiting.path, in_one_line(waiting.path.name)
    asked: dict[str, Any] = {waiting.asked.replace("-", "_"): True} if waiting.asked else {}
    try:
        result = load_file(db, path, waiting.feed, follow_links=False, **asked)
    except FileMissing:
        return  # another run has taken it since the folder was looked at
    except FileChanged as error:
        log.warning("%s It stays, and what is there now is loaded next.", error)
        return
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
