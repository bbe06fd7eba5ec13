"""Loading one file: once, wholly or not at all, with every bad row accounted for."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg

from dpm_assets.calendar import month_of
from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.loads import ledger
from dpm_assets.loads.explaining import explained
from dpm_assets.loads.header import Header, read_header, with_more_fields
from dpm_assets.loads.json_lines import MoreColumns
from dpm_assets.loads.merging import Overtaken, merge
from dpm_assets.loads.rejects import LISTED_WHEN_REFUSED, RejectLimit, Rejects
from dpm_assets.loads.result import LoadResult
from dpm_assets.loads.retried_rejects import Retry
from dpm_assets.loads.source import Source
from dpm_assets.loads.staging import Progress, Staged, discard_stage, stage
from dpm_assets.loads.taking import public_name, taken
from dpm_assets.settings import settings

_ATTEMPTS = 6

_TRY_AGAIN = (
    Overtaken,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
    psycopg.errors.UniqueViolation,
)


def load_file(
    db: Database,
    path: str | Path,
    feed: str | None = None,
    *,
    progress: Progress | None = None,
    max_rejects: str | int = "10%",
    full_history: bool = False,
    retry: Retry | None = None,
) -> LoadResult:
    """Load one file in one transaction: its rows, its rejects and its row in the ledger.

    `path` may also be a URL that fsspec reads (s3://bucket/file.parquet), or "-" for standard input. `feed` is found by
    the header when not given. `progress` is called with bytes done and bytes in all. `max_rejects` is a share ("10%")
    or a count; a file of 1,000 rows or more that exceeds it is refused wholly. `full_history` looks for the old copy of
    a trade at every date, not only near the new one. The rows of a `retry` are rejects of an earlier batch, which are
    settled in the same transaction.

    Raises FileRefused (a DpmError) when the file itself is at fault, DpmError when something else is; then nothing of
    it is loaded, and it may be offered again.
    """
    limit = RejectLimit.parse(max_rejects)
    begun = time.monotonic()
    days = None if full_history else settings().correction_days
    with explained(public_name(path)), taken(path) as source:
        header = read_header(source, feed)
        while True:
            try:
                result = _load_with(
                    db, source, header, progress=progress, limit=limit, correction_days=days, retry=retry
                )
            except MoreColumns as more:
                header = with_more_fields(source, header, more.columns)
                continue
            return replace(result, seconds=round(time.monotonic() - begun, 3))


def _load_with(
    db: Database,
    source: Source,
    header: Header,
    *,
    progress: Progress | None,
    limit: RejectLimit,
    correction_days: int | None,
    retry: Retry | None,
) -> LoadResult:
    """Raises MoreColumns, with nothing loaded, when the file has columns that its header does not tell of."""
    with db.connection("dpm_loader") as conn:
        if earlier := ledger.already_loaded(conn, source, header.feed.name):
            return earlier
        entry = ledger.open_entry(conn, source, header, _remarks(header), retry)
        with Rejects(entry.batch_id) as rejects:
            staged = stage(conn, source, header, rejects, progress)
            source.check_unchanged()
            if limit.exceeded(rejects.count, staged.rows_read):
                result = _refuse(conn, entry, staged, rejects, limit)
            else:
                _ensure_partitions(conn, staged)
                result = _load(conn, entry, staged, rejects, correction_days)
        return _tidy_up(conn, result)


def _load(
    conn: psycopg.Connection[Any], entry: ledger.Entry, staged: Staged, rejects: Rejects, correction_days: int | None
) -> LoadResult:
    """The one transaction of a load, done again when other writers get in its way."""
    for attempt in range(_ATTEMPTS):
        try:
            with conn.transaction():
                conn.execute("set transaction isolation level read committed")
                conn.execute("set local work_mem = '64MB'")
                ledger.lock_feed(conn, entry.feed)
                if earlier := ledger.already_loaded(conn, entry.source, entry.feed):
                    return earlier
                merged = merge(conn, staged, entry.batch_id, correction_days)
                result = LoadResult(
                    batch_id=entry.batch_id,
                    file=entry.source.name,
                    feed=entry.feed,
                    status="loaded",
                    rows_read=staged.rows_read,
                    rows_inserted=merged.inserted,
                    rows_updated=merged.updated,
                    rows_duplicate=merged.duplicate,
                    rows_rejected=rejects.count,
                    rows_removed=merged.removed,
                    rows_written=merged.written,
                    months=list(merged.months),
                    rejects=[(reject.line, reject.reason) for reject in rejects.first],
                    message=entry.remarks,
                    source=entry.source,
                )
                ledger.write(conn, entry, result, rejects)
            return result
        except _TRY_AGAIN:
            time.sleep(0.05 * 2**attempt)
    raise DpmError(
        f"{entry.source}: other writers kept changing the same rows, {_ATTEMPTS} times in a row. "
        "Nothing was loaded; load it again when they are done."
    )


def _refuse(
    conn: psycopg.Connection[Any], entry: ledger.Entry, staged: Staged, rejects: Rejects, limit: RejectLimit
) -> LoadResult:
    listed = f"the first {LISTED_WHEN_REFUSED:,}" if rejects.count > LISTED_WHEN_REFUSED else "all"
    message = (
        f"{rejects.count:,} of {staged.rows_read:,} rows are at fault, more than the limit of {limit}: nothing was "
        f"loaded, {listed} are listed (dpm rejects list {entry.batch_id}). Mend the file, or raise --max-rejects."
    )
    result = LoadResult(
        batch_id=entry.batch_id,
        file=entry.source.name,
        feed=entry.feed,
        status="refused",
        rows_read=staged.rows_read,
        rows_rejected=rejects.count,
        rejects=[(reject.line, reject.reason) for reject in rejects.first],
        message=message,
        source=entry.source,
    )
    with conn.transaction():
        ledger.write(conn, entry, result, rejects)
    return result


def _ensure_partitions(conn: psycopg.Connection[Any], staged: Staged) -> None:
    """Each missing leaf in a transaction of its own: its lock on the parent must not last as long as the load."""
    if not staged.feed.partitions:
        return
    if staged.feed.partitions.every == "year":
        for year in sorted({day.year for day in staged.days}):
            conn.execute("select prop_trading_model.ensure_metrics_years(array[%s::integer])", [year])
        return
    for month in sorted({month_of(day) for day in staged.days}):
        conn.execute("select prop_trading_model.ensure_trade_months(array[%s::date])", [month])


def _tidy_up(conn: psycopg.Connection[Any], result: LoadResult) -> LoadResult:
    """After the commit: what fails here must not make a file that is loaded look as if it were not."""
    try:
        discard_stage(conn)
        if result.months and result.status == "loaded":
            # Without fresh BRIN summaries a day scan reads everything loaded since the last one.
            conn.execute("select prop_trading_model.summarize_trade_months(%s::date[])", [result.months])
    except psycopg.Error as error:
        left = f"BRIN summaries are left to autovacuum ({error.diag.message_primary or error})"
        return replace(result, message="; ".join(filter(None, [result.message, left])))
    return result


def _remarks(header: Header) -> str:
    if not header.ignored:
        return ""
    many = len(header.ignored) > 1
    return f"unknown column{'s' if many else ''} ignored: {', '.join(map(repr, header.ignored))}"


__all__ = ["LoadResult", "load_file"]
