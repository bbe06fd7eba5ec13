"""The ledger of loads: what was loaded before, and the row that is committed together with what it counts."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from dpm_assets.loads.faults import FileRefused
from dpm_assets.loads.header import Header
from dpm_assets.loads.rejects import LISTED_WHEN_REFUSED, Rejects
from dpm_assets.loads.result import LoadResult
from dpm_assets.loads.retried_rejects import Retry, settle_rejects
from dpm_assets.loads.source import Source


@dataclass(frozen=True)
class Entry:
    """A file on its way into a feed."""

    batch_id: int
    source: Source
    header: Header
    started_at: datetime
    remarks: str = ""
    retry: Retry | None = None

    @property
    def feed(self) -> str:
        return self.header.feed.name


def open_entry(
    conn: psycopg.Connection[Any], source: Source, header: Header, remarks: str, retry: Retry | None = None
) -> Entry:
    """A new batch. Its time is the server's, so that the times of the ledger agree whoever loads."""
    row = conn.execute("select nextval('prop_trading_model.load_batches_batch_id_seq'), clock_timestamp()").fetchone()
    assert row is not None
    return Entry(row[0], source, header, row[1], remarks, retry)


def lock_feed(conn: psycopg.Connection[Any], feed: str) -> None:
    """Until the transaction ends: loads of one feed merge one after the other, so that each sees the others' rows."""
    conn.execute("select pg_advisory_xact_lock(hashtextextended('prop_trading_model.loads.' || %s, 0))", [feed])


def already_loaded(conn: psycopg.Connection[Any], source: Source, feed: str, asked: list[str]) -> LoadResult | None:
    """What the ledger says of this content in this feed, or None when it was never loaded.

    Raises FileRefused when it was loaded without one of the options that are `asked` for: what they do has not been done.
    """
    row = conn.execute(
        """
        select batch_id, file, finished_at, months, options from prop_trading_model.load_batches
        where feed = %s and sha256 = %s and status = 'loaded'
        """,
        [feed, source.sha256],
    ).fetchone()
    if not row:
        return None
    batch_id, file, finished_at, months, options = row
    before = f"loaded before as batch {batch_id} ({file}, {finished_at:%Y-%m-%d %H:%M} UTC)"
    if lacking := [f"--{option.replace(' ', '-')}" for option in asked if option not in options]:
        raise FileRefused(
            f"{source} was {before}, without {' and '.join(lacking)}. Undo that batch (dpm loads undo {batch_id}), and then load "
            "the file once more as now."
        )
    return LoadResult(
        batch_id,
        source.name,
        feed,
        "already loaded",
        months=list(months),
        message=f"{before}: nothing to do",
        source=source,
    )


def write(conn: psycopg.Connection[Any], entry: Entry, result: LoadResult, rejects: Rejects) -> None:
    """The ledger's row, and the rejects: all of a load, the first 1,000 of a refused file.

    Of a retry, the rejects stay with the batch that they are of. Raises what `settle_rejects` raises.
    """
    conn.execute(
        """
        insert into prop_trading_model.load_batches (
            batch_id, file, sha256, feed, bytes, rows_read, rows_inserted, rows_updated, rows_duplicate, rows_rejected,
            rows_removed, rows_written, months, seconds, status, started_at, message, path_taken, options, format, header,
            retry_of
        ) values (
            %(batch_id)s, %(file)s, %(sha256)s, %(feed)s, %(bytes)s, %(rows_read)s, %(rows_inserted)s, %(rows_updated)s,
            %(rows_duplicate)s, %(rows_rejected)s, %(rows_removed)s, %(rows_written)s, %(months)s::date[],
            extract(epoch from clock_timestamp() - %(started_at)s), %(status)s, %(started_at)s, %(message)s,
            %(path_taken)s, %(options)s::text[], %(format)s, %(header)s, %(retry_of)s
        )
        """,
        {
            **vars(result),
            "sha256": entry.source.sha256,
            "bytes": entry.source.bytes,
            "started_at": entry.started_at,
            "message": result.message or None,
            "path_taken": result.path_taken or None,
            "format": entry.header.format,
            "header": entry.header.text,
            "file": entry.retry.name if entry.retry else result.file,
            "retry_of": entry.retry.batch_id if entry.retry else None,
        },
    )
    if entry.retry:
        settle_rejects(
            conn,
            entry.header.feed,
            entry.retry,
            entry.batch_id,
            rows_kept=result.rows_read - result.rows_rejected,
            rejects=rejects.for_copy(),
        )
    elif rejects.count:
        copy = "copy prop_trading_model.load_rejects (batch_id, line, reason, raw_text, damaged) from stdin"
        with conn.cursor().copy(copy) as target:
            for piece in rejects.for_copy(None if result.status == "loaded" else LISTED_WHEN_REFUSED):
                target.write(piece)
