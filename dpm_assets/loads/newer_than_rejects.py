"""A reject is as old as its file: loaded now, it must not pass for newer than what came after that file.

Asked inside the load's transaction, when its rows are written and the stage still holds those that are no duplicates.
"""

from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql

from dpm_assets.database import SCHEMA
from dpm_assets.errors import DpmError
from dpm_assets.loads.clauses import AND, COMMA
from dpm_assets.loads.feeds import Feed
from dpm_assets.loads.staging import STAGE

# Loaded after the retried batch, from a file of its own.
_LATER = "b.feed = %(feed)s and b.batch_id > %(retried)s and b.status = 'loaded' and b.retry_of is null"


def check_nothing_newer(
    conn: psycopg.Connection[Any], feed: Feed, retried: int, loaded_at: datetime, new_batch: int
) -> None:
    """`retried` is the batch whose rejects the rows of `new_batch` were, `loaded_at` the time that those without one took.

    Raises DpmError when a row would replace what was written after the retried batch, or when a later batch may have said by
    what it repeated, or by what it lacked, that the row is no longer true.
    """
    _check_nothing_replaced(conn, retried, new_batch)
    if feed.snapshots_of:
        _check_nothing_repeated(conn, feed, retried, loaded_at)
    if feed.complete:
        _check_nothing_gone(conn, feed, retried)


def _check_nothing_replaced(conn: psycopg.Connection[Any], retried: int, new_batch: int) -> None:
    row = conn.execute(
        """
        select count(*), min(key::text), max((before ->> 'load_batch_id')::bigint)
        from prop_trading_model.load_corrections
        where batch_id = %s and kind <> 'superseded' and coalesce((before ->> 'load_batch_id')::bigint > %s, true)
        """,
        [new_batch, retried],
    ).fetchone()
    if row and row[0]:
        count, key, later = row
        by = f"by batch {later} and others" if later else "by somebody else"
        raise DpmError(
            f"{count:,} rejects of batch {retried} would replace rows that were written since, {by}, for example "
            f"{key}. Nothing was loaded. If the rejects are the newer ones, retry with --replace."
        )


def _check_nothing_repeated(conn: psycopg.Connection[Any], feed: Feed, retried: int, loaded_at: datetime) -> None:
    """A row that becomes the newest in place of an older one, which a later file may have said again: nothing is stored of
    that."""
    row = conn.execute(
        sql.SQL(
            """
            select unsure.rejects, unsure.example, b.batch_id, b.file, b.finished_at
            from (
                select count(*) as rejects, min(jsonb_build_object({key})::text) as example
                from {stage} as s
                where s.ingestion_timestamp = %(loaded_at)s::timestamptz at time zone 'utc'
                    and exists (
                        select from {table} as r
                        where {same_subject} and coalesce(r.ingestion_timestamp < s.ingestion_timestamp, true)
                    )
                    and not exists (
                        select from {table} as r where {same_subject} and r.ingestion_timestamp > s.ingestion_timestamp
                    )
            ) as unsure
            cross join prop_trading_model.load_batches as b
            where unsure.rejects > 0 and {later} and b.rows_duplicate > 0
            order by b.batch_id desc limit 1
            """
        ).format(
            stage=STAGE,
            table=sql.Identifier(SCHEMA, feed.table),
            key=COMMA.join(sql.SQL("{}, s.{}").format(sql.Literal(n), sql.Identifier(n)) for n in feed.snapshots_of),
            same_subject=_same(feed.snapshots_of),
            later=sql.SQL(_LATER),
        ),
        {"feed": feed.name, "retried": retried, "loaded_at": loaded_at},
    ).fetchone()
    if row:
        count, key, later, file, finished_at = row
        raise DpmError(
            f"{count:,} rejects of batch {retried} would become the newest snapshots, for example {key}, and batch {later} "
            f"({file}, {finished_at:%Y-%m-%d %H:%M} UTC), loaded since, may have repeated those that they replace. Nothing was "
            "loaded. If the rejects are the newer ones, retry with --replace."
        )


def _check_nothing_gone(conn: psycopg.Connection[Any], feed: Feed, retried: int) -> None:
    """Of the rows that a later file merely repeated nothing is stored: they may be of any account."""
    row = conn.execute(
        sql.SQL(
            """
            select b.batch_id, b.file, b.finished_at from prop_trading_model.load_batches as b
            where {later} and (
                b.rows_duplicate > 0
                or ('complete' = any (b.options) and b.rows_read > b.rows_rejected)
                or exists (
                    select from {stage} as s join {table} as r on {same_cover} where r.load_batch_id = b.batch_id
                )
            )
            order by b.batch_id desc limit 1
            """
        ).format(
            later=sql.SQL(_LATER),
            stage=STAGE,
            table=sql.Identifier(SCHEMA, feed.table),
            same_cover=_same(feed.covers),
        ),
        {"feed": feed.name, "retried": retried},
    ).fetchone()
    if row:
        later, file, finished_at = row
        raise DpmError(
            f"What the rejects of batch {retried} hold may be closed since: batch {later} ({file}, "
            f"{finished_at:%Y-%m-%d %H:%M} UTC), loaded after it, says by what it lacks what of its accounts is closed. Nothing "
            "was loaded. If they are still open, retry with --replace."
        )


def _same(names: tuple[str, ...]) -> sql.Composed:
    return AND.join(sql.SQL("r.{0} = s.{0}").format(sql.Identifier(name)) for name in names)
