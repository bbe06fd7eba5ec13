"""The old copies of trades whose rows a load has copied straight into the table: the same trade at another date.

Looked for when all rows are there, and joined only where some may be.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import psycopg
from psycopg import sql

from dpm_assets.calendar import add_months
from dpm_assets.database import SCHEMA
from dpm_assets.loads.direct import DirectCopy
from dpm_assets.loads.merging import Overtaken
from dpm_assets.loads.suspects import LARGEST, hash_of, suspects

_FEW = 10_000
"""Suspects that are named to the join; with more it takes all."""


class Contradicted(Exception):
    """What becomes of an old copy only the careful path tells: the file holds its trade at two dates, or lacks a column of which
    the copy holds a value."""


@dataclass
class Moved:
    """How many of the load's rows came instead of old copies, and the months that these stood in."""

    rows: int = 0
    months: set[date] = field(default_factory=set)


def remove_old_copies(
    conn: psycopg.Connection[Any], direct: DirectCopy, correction_days: int | None, stood_in: frozenset[str]
) -> Moved:
    """Remove the old copies inside the load's transaction, under the feed's lock, and keep their images.

    `correction_days` tells how far either side of its new date the old copy of a trade is looked for; None: everywhere.
    `stood_in`: the columns in which the rows hold what stood in for a missing value.
    Raises Contradicted when a copy is the load's own, or holds a value that the rows of the file cannot bring; Overtaken when
    another writer came in between.
    """
    if not direct.rows:
        return Moved()
    parameters = {
        "batch_id": direct.batch_id,
        "first_id": direct.first_id,
        "first_day": min(direct.days),
        "last_day": max(direct.days),
        "days": correction_days,
    }
    found = _find(conn, direct, correction_days is None, parameters)
    if not found:
        return Moved()
    conn.execute("analyze pg_temp.load_old_copies")
    contradicted, rows, months = _judged(conn, _holds_more(direct, stood_in), parameters)
    if contradicted:
        raise Contradicted
    kept = conn.execute(_statement(_KEEP), parameters).rowcount
    deleted = conn.execute(_statement(_DELETE), parameters).rowcount
    if not found == kept == deleted:
        raise Overtaken
    return Moved(rows, set(months))


def _find(conn: psycopg.Connection[Any], direct: DirectCopy, everywhere: bool, parameters: dict[str, Any]) -> int:
    """Name the old copies in pg_temp.load_old_copies; returns how many there are. When there are none it may not be there.
    Raises Contradicted when the load itself holds a trade at two dates."""
    narrowed: sql.Composable = sql.SQL("")
    if direct.rows <= LARGEST:
        others = _statement(_OTHERS, everywhere, elsewhere=_elsewhere(direct.targets.bare))
        found = suspects(conn, _statement(_OWN), others, parameters)
        if found.repeated:
            raise Contradicted
        if not len(found.hashes):
            return 0
        if len(found.hashes) <= _FEW:
            narrowed = sql.SQL("and {} = any(%(suspects)s) and {} = any(%(suspects)s)").format(
                hash_of("n"), hash_of("r")
            )
            parameters = {**parameters, "suspects": found.hashes.tolist()}
    # Taking the rows that are not yet committed for few, the planner would look them up one by one.
    conn.execute("set local enable_nestloop = off")
    copies = conn.execute(_statement(_FIND, everywhere, narrowed=narrowed), parameters).rowcount
    conn.execute("set local enable_nestloop to default")
    return copies


def _elsewhere(months: Iterable[date]) -> sql.Composable:
    """That r is in none of the months, which hold nothing but the load's own rows; so that they are not read."""
    return sql.SQL("").join(
        sql.SQL(" and (r.trade_date < {} or r.trade_date >= {})").format(
            sql.Literal(month), sql.Literal(add_months(month, 1))
        )
        for month in months
    )


def _statement(text: str, everywhere: bool = False, **more: sql.Composable) -> sql.Composed:
    within = "r.trade_date between %(first_day)s::date - %(days)s::integer and %(last_day)s::date + %(days)s::integer"
    near = (
        "(r.load_batch_id = %(batch_id)s"  # a later row of the file, however far away
        " or r.trade_date between n.trade_date - %(days)s::integer and n.trade_date + %(days)s::integer)"
    )
    return sql.SQL(text).format(
        table=sql.Identifier(SCHEMA, "raw_trades_closed"),
        corrections=sql.Identifier(SCHEMA, "load_corrections"),
        within=sql.SQL("true" if everywhere else within),
        near=sql.SQL("true" if everywhere else near),
        **more,
    )


def _judged(
    conn: psycopg.Connection[Any], holds_more: sql.Composable, parameters: dict[str, Any]
) -> tuple[bool, int, list[date]]:
    """Whether the copies are for the careful path; of how many trades they are, and the months that they stand in."""
    statement = _statement(_JUDGE, holds_more=holds_more)
    row: tuple[bool, int, list[date]] | None = conn.execute(statement, parameters).fetchone()
    assert row is not None
    return row


def _holds_more(direct: DirectCopy, stood_in: frozenset[str]) -> sql.Composable:
    """Whether r, an old copy, holds a value of a column that the file lacks, and one of its own where another column stands for
    that: a correction keeps what it does not tell. When a row was taken in, every load says itself."""
    given = {column.name for column in direct.columns}
    lacked = [column.name for column in direct.feed.columns if column.name not in given and not column.default]
    return sql.SQL(" or ").join(
        [
            sql.SQL("false"),
            *(sql.SQL("r.{} is not null").format(sql.Identifier(name)) for name in lacked),
            *(_is_its_own(name, direct.feed.stands_for[name]) for name in sorted(stood_in)),
        ]
    )


def _is_its_own(name: str, stands_for_it: str) -> sql.Composed:
    return sql.SQL("r.{} is distinct from r.{}").format(sql.Identifier(name), sql.Identifier(stands_for_it))


_OWN = """
from {table} as n
where n.load_batch_id = %(batch_id)s and n.id > %(first_id)s
    and n.trade_date between %(first_day)s and %(last_day)s
"""
# All but those: a row from another warehouse, or from before a recovery, may bear the same number.
_OTHERS = """
from {table} as r
where {within} {elsewhere} and (
    r.load_batch_id is distinct from %(batch_id)s or r.id <= %(first_id)s
    or r.trade_date not between %(first_day)s and %(last_day)s
)
"""
# `create table as` may use parallel workers, `insert ... select` may not.
_FIND = """
create temporary table load_old_copies on commit drop as
select distinct r.account_id, r.trade_id, r.trade_date as old_date
from {table} as n
join {table} as r
    on r.account_id = n.account_id and r.trade_id = n.trade_id and r.trade_date <> n.trade_date and {within} and {near}
where n.load_batch_id = %(batch_id)s and n.id > %(first_id)s
    and n.trade_date between %(first_day)s and %(last_day)s
    {narrowed}
"""
_JUDGE = """
select coalesce(bool_or(r.load_batch_id is not distinct from %(batch_id)s or {holds_more}), false),
    count(distinct (c.account_id, c.trade_id)), array_agg(distinct date_trunc('month', c.old_date)::date)
from pg_temp.load_old_copies as c
join {table} as r on r.account_id = c.account_id and r.trade_id = c.trade_id and r.trade_date = c.old_date
"""
_KEEP = """
insert into {corrections} (batch_id, key, kind, before)
select %(batch_id)s, jsonb_build_object('account_id', r.account_id, 'trade_id', r.trade_id), 'moved', to_jsonb(r)
from pg_temp.load_old_copies as c
join {table} as r on r.account_id = c.account_id and r.trade_id = c.trade_id and r.trade_date = c.old_date
"""
_DELETE = """
delete from {table} as r using pg_temp.load_old_copies as c
where r.account_id = c.account_id and r.trade_id = c.trade_id and r.trade_date = c.old_date
"""
