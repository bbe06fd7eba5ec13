"""Loading one file: once, wholly or not at all, with every bad row accounted for."""

import itertools
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg

from dpm_assets.database import Database
from dpm_assets.loads import ledger
from dpm_assets.loads.chunks import open_chunks
from dpm_assets.loads.explaining import explained
from dpm_assets.loads.header import Header, read_header, with_more_fields
from dpm_assets.loads.json_lines import MoreColumns
from dpm_assets.loads.late import InArchive, noticed, settle_late
from dpm_assets.loads.options import Options
from dpm_assets.loads.reading import sieve_for
from dpm_assets.loads.rejects import RejectLimit, Rejects
from dpm_assets.loads.result import LoadResult
from dpm_assets.loads.retried_rejects import Retry
from dpm_assets.loads.source import Source
from dpm_assets.loads.staging import Progress, discard_stage
from dpm_assets.loads.taking import public_name, taken
from dpm_assets.loads.writing import TRY_AGAIN, Writing

_NAMED = 20  # of columns that the feed does not know


def load_file(
    db: Database,
    path: str | Path,
    feed: str | None = None,
    *,
    progress: Progress | None = None,
    max_rejects: str | int = "10%",
    full_history: bool = False,
    complete: bool = False,
    replace_days: bool = False,
    retry: Retry | None = None,
    follow_links: bool = True,
) -> LoadResult:
    """Load one file in one transaction: its rows, its rejects and its row in the ledger.

    `path` may also be a URL that fsspec reads (s3://bucket/file.parquet), or "-" for standard input. `feed` is found by
    the header when not given. `progress` is called with bytes done and bytes in all. `max_rejects` is a share ("10%")
    or a count; a file of 1,000 rows or more that exceeds it is refused wholly. `full_history` looks for the old copy of
    a trade at every date, not only near the new one. `complete`: a snapshot of all positions, so
    those that it lacks are closed, of whichever account. `replace_days`: a full export of the account-days in it, so
    their trades that it lacks were busted. A file with rejects removes nothing. The rows of a `retry`
    are rejects of an earlier batch, which are settled in the same transaction. Without `follow_links` a link is no file.

    Raises FileRefused (a DpmError) when the file itself is at fault, DpmError when something else is; then nothing of
    it is loaded, and it may be offered again.
    """
    options = Options(RejectLimit.parse(max_rejects), full_history, complete, replace_days, progress, retry)
    begun = time.monotonic()
    with explained(public_name(path)), taken(path, follow_links) as source:
        header = read_header(source, feed)
        options.check(header.feed)
        while True:
            try:
                result = _load_with(db, source, header, options)
            except MoreColumns as more:
                header = with_more_fields(source, header, more.columns)
                continue
            return replace(result, seconds=round(time.monotonic() - begun, 3))


def _load_with(db: Database, source: Source, header: Header, options: Options) -> LoadResult:
    """Raises MoreColumns, with nothing loaded, when the file has columns that its header does not tell of."""
    with db.connection("dpm_loader") as conn:
        if earlier := ledger.already_loaded(conn, source, header.feed.name):
            return earlier
        entry = ledger.open_entry(conn, source, header, _remarks(header), options.retry)
        while True:
            try:
                with noticed():
                    return _tidy_up(conn, _load(conn, entry, options))
            except InArchive as late:
                settle_late(db, source.name, late)


def _load(conn: psycopg.Connection[Any], entry: ledger.Entry, options: Options) -> LoadResult:
    """Straight into the table if that promises well; the careful way if it does not, or something came in between."""
    sieve = sieve_for(entry.header)
    try:
        with Rejects(entry.batch_id) as rejects:
            writing = Writing(conn, entry, options, rejects, columns=sieve.judge.columns)
            with open_chunks(entry.source, sieve, writing.instead_of_null()) as chunks:
                first = next(chunks)
                way = writing.directly if writing.promises_well(first) else writing.carefully
                return way(itertools.chain([first], chunks))
    except TRY_AGAIN:
        if earlier := ledger.already_loaded(conn, entry.source, entry.feed):
            return earlier
    with Rejects(entry.batch_id) as rejects:
        writing = Writing(conn, entry, options, rejects, columns=sieve.judge.columns)
        with open_chunks(entry.source, sieve, {}) as chunks:
            return writing.carefully(chunks)


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
    named, count = header.ignored[:_NAMED], len(header.ignored)
    more = f" and {count - _NAMED:,} more" if count > _NAMED else ""
    return f"unknown column{'s' if count > 1 else ''} ignored: {', '.join(_quoted(name) for name in named)}{more}"


def _quoted(name: str) -> str:
    return repr(name if len(name) <= 80 else f"{name[:77]}...")


__all__ = ["LoadResult", "load_file"]
