"""Loading one file: once, wholly or not at all, with every bad row accounted for."""

import itertools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg

from dpm_assets.database import Database
from dpm_assets.loads import ledger
from dpm_assets.loads.chunks import open_chunks
from dpm_assets.loads.explaining import explained
from dpm_assets.loads.faults import FileMissing, FileRefused
from dpm_assets.loads.header import Header, read_header, with_more_fields
from dpm_assets.loads.json_lines import MoreColumns
from dpm_assets.loads.late import InArchive, noticed, settle_late
from dpm_assets.loads.old_copies import Contradicted
from dpm_assets.loads.options import Options
from dpm_assets.loads.reading import sieve_for
from dpm_assets.loads.rejects import RejectLimit, Rejects
from dpm_assets.loads.result import LoadResult
from dpm_assets.loads.retried_rejects import Retry
from dpm_assets.loads.sifting import Sieve
from dpm_assets.loads.source import Source
from dpm_assets.loads.staging import Progress, discard_stage
from dpm_assets.loads.taking import public_name, taken
from dpm_assets.loads.turns import OutOfTurn, Turn
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
    turn: Turn | None = None,
) -> LoadResult:
    """Load one file in one transaction: its rows, its rejects and its row in the ledger.

    `path` may also be a URL that fsspec reads (s3://bucket/file.parquet), or "-" for standard input. `feed` is found by
    the header when not given. `progress` is called with bytes done and bytes in all. `max_rejects` is a share ("10%")
    or a count; a file of 1,000 rows or more that exceeds it is refused wholly. `full_history` looks for the old copy of
    a trade at every date, not only near the new one. `complete`: a snapshot of all positions, so
    those that it lacks are closed, of whichever account. `replace_days`: a full export of the account-days in it, so
    their trades that it lacks were busted. A file with rejects removes nothing. The rows of a `retry`
    are rejects of an earlier batch, which are settled in the same transaction. Without `follow_links` a link is no file.
    `turn`: of a file that is loaded at the same time as others (`several.load_files`).

    Raises FileRefused (a DpmError) when the file itself is at fault, DpmError when something else is; then nothing of
    it is loaded, and it may be offered again.
    """
    options = Options(
        RejectLimit.parse(max_rejects), full_history, complete, replace_days, progress, retry, turn or Turn()
    )
    begun = time.monotonic()
    with explained(public_name(path)), taken(path, follow_links) as found:
        source = replace(found, sha256=retry.ledger_hash(found.sha256)) if retry else found
        try:
            header = read_header(source, feed)
            options.check(header.feed)
            result = _load_with(db, source, header, options)
        except FileMissing:
            raise
        except FileRefused:
            found.check_unchanged()  # what is at fault may only not have been written yet
            raise
        return replace(result, seconds=round(time.monotonic() - begun, 3))


def _load_with(db: Database, source: Source, header: Header, options: Options) -> LoadResult:
    """Begun anew, with nothing loaded so far, for columns that the header does not tell of, and for an archived month."""
    options.turn.wait_for_numbers()  # before the connection: a file before this one may need it
    with db.connection("dpm_loader") as conn, _working(options.turn, conn):
        if not options.turn.is_first((header.feed.name, source.sha256)):
            options.turn.wait_idle(conn)
        if earlier := ledger.already_loaded(conn, source, header.feed.name, options.named):
            return earlier
        entry = ledger.open_entry(conn, source, header, _remarks(header), options.retry)
        options.turn.has_number()
        while True:
            ahead = not options.turn.has_come()
            try:
                with noticed():
                    return _tidy_up(conn, _load(conn, entry, options))
            except MoreColumns as more:
                header = with_more_fields(source, header, more.columns)
                entry = replace(entry, header=header, remarks=_remarks(header))
            except InArchive as late:
                if not ahead:  # what was in the archive when this file was ahead may be back since
                    settle_late(db, source.name, late, options.turn.go_on)
                options.turn.wait_idle(conn)


@contextmanager
def _working(turn: Turn, conn: psycopg.Connection[Any]) -> Iterator[None]:
    turn.enter(conn)
    try:
        yield
    finally:
        turn.leave()


def _load(conn: psycopg.Connection[Any], entry: ledger.Entry, options: Options) -> LoadResult:
    """As the file promises, also ahead of its turn; what went wrong then is done again in it, and what goes wrong in it with
    care."""
    while True:
        ahead = not options.turn.has_come()
        try:
            return _load_as_promised(conn, entry, options)
        except Contradicted:
            ahead = False
        except (OutOfTurn, *TRY_AGAIN):
            options.turn.wait_idle(conn)
        except psycopg.Error:
            if not ahead or conn.closed:
                raise
            # Such as the end of a lock_timeout, for which a file before this one held the lock.
            options.turn.wait_idle(conn)
        if earlier := ledger.already_loaded(conn, entry.source, entry.feed, options.named):
            return earlier
        if not ahead:
            break
    with _opened(conn, entry, options) as (writing, sieve), open_chunks(entry.source, sieve, {}) as chunks:
        return writing.carefully(chunks)


def _load_as_promised(conn: psycopg.Connection[Any], entry: ledger.Entry, options: Options) -> LoadResult:
    """Straight into the table if that promises well; the careful way if it does not. Raises one of TRY_AGAIN when
    something came in between."""
    with (
        _opened(conn, entry, options) as (writing, sieve),
        open_chunks(entry.source, sieve, writing.instead_of_null()) as chunks,
    ):
        first = next(chunks)
        way = writing.directly if writing.promises_well(first) else writing.carefully
        return way(itertools.chain([first], chunks))


@contextmanager
def _opened(
    conn: psycopg.Connection[Any], entry: ledger.Entry, options: Options
) -> Iterator[tuple[Writing, Sieve[Any]]]:
    sieve = sieve_for(entry.header)
    with Rejects(entry.batch_id) as rejects:
        yield Writing(conn, entry, options, rejects, columns=sieve.judge.columns), sieve


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
