"""A reject is as old as its file: loaded now, it must not pass for newer than what came after that file.

Asked inside the load's transaction, when its rows are written. Where it was merged, the stage still holds those of them that are
no duplicates; what went straight into the table has none.
"""

from datetime import date, datetime
from typing import Any

import psycopg
from psycopg import sql

from dpm_assets.calendar import add_months
from dpm_assets.database import SCHEMA
from dpm_assets.errors import DpmError
from dpm_assets.loads.clauses import AND, COMMA, listed
from dpm_assets.loads.feeds import Feed
from dpm_assets.loads.staging import STAGE

# Of a file that came after that of the retried batch: what was rejected of a file is as old as the file.
_LATER = "b.feed = %(feed)s and coalesce(b.retry_of, b.batch_id) > %(retried)s and b.status = 'loaded'"


def check_nothing_newer(
    conn: psycopg.Connection[Any], feed: Feed, retried: int, loaded_at: datetime, new_batch: int
) -> None:
    """`retried` is the batch whose rejects the rows of `new_batch` were, `loaded_at` the time that those without one took.

    Raises DpmError when a row would replace what was written after the retried batch, or when a later batch, or a row of the
    same file, may have said by what it repeated, by what it lacked or by its place that the row is no longer true.
    """
    _check_nothing_replaced(conn, retried, new_batch)
    _check_no_correction_taken_back(conn, feed, retried, new_batch)
    if feed.snapshots_of:
        _check_order_known(conn, feed, retried, loaded_at)
        _check_nothing_repeated(conn, feed, retried, loaded_at)
    if feed.complete:
        _check_nothing_gone(conn, feed, retried)
    if feed.dated_by:
        _check_nothing_busted(conn, feed, feed.dated_by, retried, new_batch)


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


def _check_no_correction_taken_back(conn: psycopg.Connection[Any], feed: Feed, retried: int, new_batch: int) -> None:
    """What is corrected is older than the reject, but a later file may have said it again: nothing is stored of that."""
    row = conn.execute(
        sql.SQL(
            """
            select unsure.rejects, unsure.example, b.batch_id, b.file, b.finished_at
            from (
                select count(*) as rejects, min(key::text) as example
                from prop_trading_model.load_corrections
                where batch_id = %(new_batch)s and kind <> 'superseded'
            ) as unsure
            cross join prop_trading_model.load_batches as b
            where unsure.rejects > 0 and {later} and b.rows_duplicate > 0
            order by b.batch_id desc limit 1
            """
        ).format(later=sql.SQL(_LATER)),
        {"feed": feed.name, "retried": retried, "new_batch": new_batch},
    ).fetchone()
    if row:
        count, key, later, file, finished_at = row
        raise DpmError(
            f"{count:,} rejects of batch {retried} would correct older rows, for example {key}, and batch {later} "
            f"({file}, {finished_at:%Y-%m-%d %H:%M} UTC), loaded since, may have repeated those as they are. Nothing was "
            "loaded. If the rejects are the newer ones, retry with --replace."
        )


def _check_order_known(conn: psycopg.Connection[Any], feed: Feed, retried: int, loaded_at: datetime) -> None:
    """A row that becomes the newest in place of one of the same file, which may have stood before or after it there, or of a
    later file, whose transaction may have taken its time while it waited for the retried batch."""
    row = conn.execute(
        _becoming_newest(
            feed,
            """
            select count(*), min(jsonb_build_object({key})::text)
            from {stage} as s
            where {becomes_newest} and exists (
                select from {table} as r
                join prop_trading_model.load_batches as b on b.batch_id = r.load_batch_id
                where {same_subject} and coalesce(r.ingestion_timestamp < s.ingestion_timestamp, true)
                    and coalesce(b.retry_of, b.batch_id) >= %(retried)s
            )
            """,
        ),
        {"retried": retried, "loaded_at": loaded_at},
    ).fetchone()
    if row and row[0]:
        count, key = row
        raise DpmError(
            f"{count:,} rejects of batch {retried} would become the newest snapshots, for example {key}, in place of ones that "
            "the same file or a later one holds, and which of them is newer is not known. Nothing was loaded. If the rejects "
            "are the newer ones, retry with --replace."
        )


def _check_nothing_repeated(conn: psycopg.Connection[Any], feed: Feed, retried: int, loaded_at: datetime) -> None:
    """A row that becomes the newest in place of an older one, which a later file may have said again: nothing is stored of
    that."""
    row = conn.execute(
        _becoming_newest(
            feed,
            """
            select unsure.rejects, unsure.example, b.batch_id, b.file, b.finished_at
            from (
                select count(*) as rejects, min(jsonb_build_object({key})::text) as example
                from {stage} as s
                where {becomes_newest} and exists (
                    select from {table} as r
                    where {same_subject} and coalesce(r.ingestion_timestamp < s.ingestion_timestamp, true)
                )
            ) as unsure
            cross join prop_trading_model.load_batches as b
            where unsure.rejects > 0 and {later} and b.rows_duplicate > 0
            order by b.batch_id desc limit 1
            """,
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


def _becoming_newest(feed: Feed, text: str) -> sql.Composed:
    """A statement about s, the rows that took the time of their file and than which the table r holds none newer."""
    table, same_subject = sql.Identifier(SCHEMA, feed.table), _same(feed.snapshots_of)
    return sql.SQL(text).format(
        stage=STAGE,
        table=table,
        key=COMMA.join(sql.SQL("{}, s.{}").format(sql.Literal(n), sql.Identifier(n)) for n in feed.snapshots_of),
        same_subject=same_subject,
        later=sql.SQL(_LATER),
        becomes_newest=sql.SQL(
            "s.ingestion_timestamp = %(loaded_at)s::timestamptz at time zone 'utc' and not exists ("
            "select from {table} as r where {same_subject} and r.ingestion_timestamp > s.ingestion_timestamp)"
        ).format(table=table, same_subject=same_subject),
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


def _check_nothing_busted(
    conn: psycopg.Connection[Any], feed: Feed, dated_by: str, retried: int, new_batch: int
) -> None:
    """A later full export of the same account-day that lacks the row says that it was busted. What that export merely repeated
    bears the number of an earlier batch: any row of the account-day may be its."""
    found = conn.execute(
        "select months from prop_trading_model.load_batches where batch_id = %s", [new_batch]
    ).fetchone()
    months: list[date] = found[0] if found else []
    if not months:
        return
    row = conn.execute(
        sql.SQL(
            """
            with written as materialized (
                select distinct {covers} from {table}
                where load_batch_id = %(new_batch)s and {dated_by} >= %(first_day)s and {dated_by} < %(past)s
            )
            select b.batch_id, b.file, b.finished_at from prop_trading_model.load_batches as b
            where {later} and 'replace days' = any (b.options) and exists (
                select from written as s join {table} as r on {same_cover}
                where r.load_batch_id = b.batch_id
                    or (b.rows_duplicate > 0 and r.load_batch_id is distinct from %(new_batch)s)
            )
            order by b.batch_id desc limit 1
            """
        ).format(
            covers=listed(feed.covers),
            table=sql.Identifier(SCHEMA, feed.table),
            dated_by=sql.Identifier(dated_by),
            later=sql.SQL(_LATER),
            same_cover=_same(feed.covers),
        ),
        {
            "feed": feed.name,
            "retried": retried,
            "new_batch": new_batch,
            "first_day": min(months),
            "past": add_months(max(months), 1),
        },
    ).fetchone()
    if row:
        later, file, finished_at = row
        raise DpmError(
            f"What the rejects of batch {retried} hold may be busted since: batch {later} ({file}, "
            f"{finished_at:%Y-%m-%d %H:%M} UTC), a full export of their account-days that was loaded after it, lacks them. "
            "Nothing was loaded. If they still count, retry with --replace."
        )


def _same(names: tuple[str, ...]) -> sql.Composed:
    return AND.join(sql.SQL("r.{0} = s.{0}").format(sql.Identifier(name)) for name in names)
