"""What stands in the way of an undo: later batches that built on the rows, and writers that took no notice of loads."""

from collections.abc import Mapping
from typing import Any, NoReturn

import psycopg
from psycopg import sql

from dpm_assets.database import SCHEMA
from dpm_assets.errors import DpmError
from dpm_assets.loads.feeds import Feed


class UndoRefused(DpmError):
    """The batch stays as it is; the sentence says what stands in the way and what to do about it."""


# A later batch touched the keys of this one if it took a row of it away, or wrote what this one had removed. Later is what was
# committed later: a number is drawn before the file is read.
_TOUCHED_SINCE = """
with touched as (
    select c.batch_id, c.key
    from prop_trading_model.load_corrections as c
    where c.batch_id = any (array(
            select o.batch_id
            from prop_trading_model.load_batches as o
            join prop_trading_model.load_batches as a on a.batch_id = %(batch)s
            where o.feed = a.feed and o.status = 'loaded' and o.batch_id <> a.batch_id and o.finished_at > a.started_at
        ))
        and c.kind <> 'superseded' and (c.before ->> 'load_batch_id')::bigint = %(batch)s
    union all
    select r.load_batch_id, c.key
    from prop_trading_model.load_corrections as c
    join {table} as r on {same_identity}
    join prop_trading_model.load_batches as w on w.batch_id = r.load_batch_id
    where c.batch_id = %(batch)s and c.kind = 'removed'
        and w.finished_at > (select finished_at from prop_trading_model.load_batches where batch_id = %(batch)s)
)
select b.batch_id, b.file, b.finished_at, count(distinct t.key), min(t.key::text)::jsonb, count(*) over ()
from touched as t join prop_trading_model.load_batches as b using (batch_id)
where b.status = 'loaded' and b.feed = %(feed)s
group by b.batch_id
order by b.finished_at desc
limit 1
"""

# A later file that says by what it lacks what is gone covers what this batch removed rows of. Of rows that it merely repeated
# nothing is stored: any row of what is covered may be its, unless all that it has written is of other months.
_LACKED_SINCE = """
select b.batch_id, b.file, b.finished_at
from prop_trading_model.load_batches as b
join prop_trading_model.load_batches as a on a.batch_id = %(batch)s
where b.feed = %(feed)s and b.status = 'loaded' and b.finished_at > a.finished_at and b.retry_of is null
    and b.rows_rejected = 0 and b.rows_read > 0 and {says_what_is_gone}
    and exists (
        select from prop_trading_model.load_corrections as c
        where c.batch_id = %(batch)s and c.kind = 'removed' and (
            'complete' = any (b.options)
            or exists (
                select from {table} as r where {same_cover} and (
                    r.load_batch_id = b.batch_id or (b.rows_duplicate > 0 and {may_be_its})
                )
            )
        )
    )
order by b.finished_at desc
limit 1
"""


def check_later_batches(conn: psycopg.Connection[Any], batch_id: int, feed: Feed) -> None:
    """Raises UndoRefused when a later batch, not undone itself, touched the same keys, or lacks what this one removed."""
    statement = sql.SQL(_TOUCHED_SINCE).format(
        table=sql.Identifier(SCHEMA, feed.table), same_identity=_as_removed(feed, feed.identity)
    )
    row = conn.execute(statement, {"batch": batch_id, "feed": feed.name}).fetchone()
    if not row:
        _check_not_lacked_since(conn, batch_id, feed)
        return
    later, file, finished_at, keys, example, batches = row
    others = f" (and {batches - 1} more before it)" if batches > 1 else ""
    raise UndoRefused(
        f"Batch {batch_id} stays: batch {later} ({file}, {finished_at:%Y-%m-%d %H:%M} UTC){others} has since changed {keys:,} "
        f"{_keys(keys)} of it, for example {_in_words(feed, example)}. Undo batch {later} first."
    )


def _check_not_lacked_since(conn: psycopg.Connection[Any], batch_id: int, feed: Feed) -> None:
    if not feed.covers:
        return
    statement = sql.SQL(_LACKED_SINCE).format(
        table=sql.Identifier(SCHEMA, feed.table),
        says_what_is_gone=sql.SQL("true" if feed.complete else "'replace days' = any (b.options)"),
        same_cover=_as_removed(feed, feed.covers),
        may_be_its=sql.SQL("(b.months = '{{}}' or date_trunc('month', r.{}::timestamp)::date = any (b.months))").format(
            sql.Identifier(feed.dated_by)
        )
        if feed.dated_by
        else sql.SQL("true"),
    )
    row = conn.execute(statement, {"batch": batch_id, "feed": feed.name}).fetchone()
    if row:
        later, file, finished_at = row
        what = "accounts" if feed.complete else "account-days"
        raise UndoRefused(
            f"Batch {batch_id} stays: what it removed may be gone by batch {later} too ({file}, {finished_at:%Y-%m-%d %H:%M} "
            f"UTC), a later file that may hold the same {what} and lacks it. Undo batch {later} first, and load its file "
            "again afterwards."
        )


def _as_removed(feed: Feed, names: tuple[str, ...]) -> sql.Composed:
    """The row r has the values of the removed row that the correction c keeps."""
    return sql.SQL(" and ").join(
        sql.SQL("r.{} = (c.before ->> {})::{}").format(
            sql.Identifier(name), sql.Literal(name), sql.SQL(feed.by_name[name].type.sql)
        )
        for name in names
    )


def check_rows(conn: psycopg.Connection[Any], batch_id: int, feed: Feed, allowed: list[int], missing: int) -> NoReturn:
    """Raises UndoRefused with the reason why `missing` of the batch's rows were not found as it had written them.

    A row carries the number of the transaction that wrote it: one of the batch with another number was changed since.
    """
    key = sql.SQL(", ").join(
        sql.SQL("{}, {}").format(sql.Literal(name), sql.Identifier(name)) for name in feed.identity
    )
    row = conn.execute(
        sql.SQL(
            "select count(*), min(jsonb_build_object({key})::text)::jsonb from {table} as r"
            " where load_batch_id = %s and not xmin::text::bigint = any(%s)"
        ).format(key=key, table=sql.Identifier(SCHEMA, feed.table)),
        [batch_id, allowed],
    ).fetchone()
    if row and row[0]:
        changed, example = row
        raise UndoRefused(
            f"Batch {batch_id} stays: {changed:,} of its rows were changed since by somebody else than a load, for example "
            f"{_in_words(feed, example)} (or their table was rewritten, or restored from a dump or the archive). "
            "Load a file that corrects them instead."
        )
    raise UndoRefused(
        f"Batch {batch_id} stays: {missing:,} of its rows are no longer there: somebody else than a load deleted them, "
        "or gave them to another batch. Load a file that corrects the rest instead."
    )


def _keys(count: int) -> str:
    return "key" if count == 1 else "keys"


def _in_words(feed: Feed, key: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {key[name]}" for name in feed.identity)
