"""Taking a batch back: its rows go, and what it corrected, moved or removed returns exactly as it was.

Refused, with the reason, where that would not give the table as it was before the batch: a later batch built on its
rows, somebody else changed or deleted them, or a month or year that it touched is archived.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from dpm_assets.calendar import add_months
from dpm_assets.database import SCHEMA, Database
from dpm_assets.errors import DpmError
from dpm_assets.loads.feeds import Feed, feed_named
from dpm_assets.loads.late import away
from dpm_assets.loads.ledger import lock_feed
from dpm_assets.loads.undo_conflicts import UndoRefused, check_later_batches, check_rows
from dpm_assets.partitions.cold.tables import TABLES


@dataclass(frozen=True)
class Undone:
    """What an undo did, or (`dry_run`) would do. `rows_gone` the batch had written; `rows_returned` stand again."""

    batch_id: int
    file: str
    feed: str
    rows_gone: int
    rows_returned: int
    rejects_reopened: int
    months: list[date]
    dry_run: bool


@dataclass(frozen=True)
class Batch:
    """What the ledger says of the batch that is to be undone."""

    batch_id: int
    file: str
    feed_name: str
    status: str
    months: list[date]
    rows_written: int | None
    transactions: list[int] | None
    undone_at: datetime | None
    undone_by: str | None

    @property
    def feed(self) -> Feed:
        return feed_named(self.feed_name)


def undo_load(db: Database, batch_id: int, *, dry_run: bool = False) -> Undone:
    """Take a batch back in one transaction; its file may be loaded again afterwards.

    Waits for a load of the same feed that is under way. Raises UndoRefused (a DpmError) when something stands in the
    way; then nothing has changed. With `dry_run` everything is done and rolled back.
    """
    with db.connection("dpm_loader") as conn:
        batch = _batch(conn, batch_id)
        _check_ledger(batch)
        with conn.transaction(force_rollback=dry_run):
            conn.execute("set transaction isolation level read committed")
            lock_feed(conn, batch.feed_name)
            undone = _undo(conn, _batch(conn, batch_id, lock=True), dry_run)
        if batch.feed.dated_by and not dry_run:
            conn.execute("select prop_trading_model.summarize_trade_months(%s::date[])", [batch.months])
    return undone


def _undo(conn: psycopg.Connection[Any], batch: Batch, dry_run: bool) -> Undone:
    """Inside the transaction, under the feed's lock; the batch's row in the ledger is locked too."""
    _check_ledger(batch)
    _check_archive(conn, batch)
    check_later_batches(conn, batch.batch_id, batch.feed)
    allowed = _transactions(conn, batch)
    gone = _delete_rows(conn, batch, allowed)
    if gone != batch.rows_written:
        check_rows(conn, batch.batch_id, batch.feed, allowed, (batch.rows_written or 0) - gone)
    returned = _return_rows(conn, batch)
    reopened = conn.execute(
        "update prop_trading_model.load_rejects set resolved_by = null where resolved_by = %s", [batch.batch_id]
    ).rowcount
    conn.execute(
        """
        update prop_trading_model.load_batches set
            status = 'undone', undone_at = clock_timestamp(), undone_by = session_user, undone_in = pg_current_xact_id()
        where batch_id = %s
        """,
        [batch.batch_id],
    )
    return Undone(
        batch.batch_id, batch.file, batch.feed_name, gone, returned, reopened, months=batch.months, dry_run=dry_run
    )


def _batch(conn: psycopg.Connection[Any], batch_id: int, lock: bool = False) -> Batch:
    found = (
        conn.cursor(row_factory=class_row(Batch))
        .execute(
            sql.SQL(
                """
                select batch_id, file, feed as feed_name, status, months, rows_written,
                    transactions::text[]::bigint[] as transactions, undone_at, undone_by
                from prop_trading_model.load_batches where batch_id = %s {}
                """
            ).format(sql.SQL("for update" if lock else "")),
            [batch_id],
        )
        .fetchone()
    )
    if not found:
        raise DpmError(f"There is no batch {batch_id}. See `dpm loads list`.")
    return found


def _check_ledger(batch: Batch) -> None:
    if batch.status == "undone":
        raise UndoRefused(
            f"Batch {batch.batch_id} was undone already, by {batch.undone_by} at {batch.undone_at:%Y-%m-%d %H:%M} UTC."
        )
    if batch.status != "loaded":
        raise UndoRefused(f"Batch {batch.batch_id} was refused when it was offered: there is nothing to undo.")
    if batch.rows_written is None or batch.transactions is None:
        raise UndoRefused(
            f"Batch {batch.batch_id} was loaded before the ledger noted what an undo needs. "
            "Load a file that corrects its rows instead."
        )


def _check_archive(conn: psycopg.Connection[Any], batch: Batch) -> None:
    table = TABLES.get(batch.feed.table)
    if not table:
        return
    touched = {table.part(month) for month in batch.months}
    for start, state in away(conn, table).items():
        if (part := table.part(start)) in touched:
            raise UndoRefused(
                f"Batch {batch.batch_id} stays: it touched {part}, and that {table.every} is {state}. "
                f"Restore the {table.every}, then undo the batch."
            )


def _transactions(conn: psycopg.Connection[Any], batch: Batch) -> list[int]:
    """What `xmin` an untouched row of the batch has: the load's, or that of an undo that brought the row back."""
    rows = conn.execute(
        "select undone_in::text::bigint from prop_trading_model.load_batches"
        " where feed = %s and batch_id <> %s and undone_in is not null",
        [batch.feed_name, batch.batch_id],
    ).fetchall()
    return [number % 2**32 for number in [*(batch.transactions or []), *(row[0] for row in rows)]]


def _delete_rows(conn: psycopg.Connection[Any], batch: Batch, allowed: list[int]) -> int:
    """Delete the batch's rows as the batch wrote them, month by month where the ledger names the months."""
    statement = sql.SQL(
        "delete from {table} as r where r.load_batch_id = %(batch)s and r.xmin::text::bigint = any(%(allowed)s)"
    ).format(table=sql.Identifier(SCHEMA, batch.feed.table))
    values = {"batch": batch.batch_id, "allowed": allowed}
    if not batch.feed.dated_by:
        return conn.execute(statement, values).rowcount
    in_month = sql.SQL(" and r.{0} >= %(first)s and r.{0} < %(next)s").format(sql.Identifier(batch.feed.dated_by))
    return sum(
        conn.execute(statement + in_month, {**values, "first": month, "next": add_months(month, 1)}).rowcount
        for month in batch.months
    )


def _return_rows(conn: psycopg.Connection[Any], batch: Batch) -> int:
    try:
        return conn.execute(
            sql.SQL(
                """
                insert into {table}
                select r.*
                from prop_trading_model.load_corrections as c
                cross join lateral jsonb_populate_record(null::{table}, c.before) as r
                where c.batch_id = %s and c.kind <> 'superseded'
                """
            ).format(table=sql.Identifier(SCHEMA, batch.feed.table)),
            [batch.batch_id],
        ).rowcount
    except psycopg.errors.UniqueViolation as error:
        raise UndoRefused(
            f"Batch {batch.batch_id} stays: a row that it had removed is there again, written by somebody else "
            f"({error.diag.message_detail}). Delete that row, then undo the batch."
        ) from None
    except psycopg.errors.CheckViolation as error:
        raise UndoRefused(
            f"Batch {batch.batch_id} stays: a row that it had taken away has nowhere to return to "
            f"({error.diag.message_primary}; {error.diag.message_detail}). Make or attach that partition, then undo it."
        ) from None
