"""What a file says by what it lacks: of the account-days or accounts that it covers, or of all, the rows of the table that
it does not hold are gone (busted trades, closed positions)."""

from typing import Any

import psycopg
from psycopg import sql

from dpm_assets.database import SCHEMA
from dpm_assets.loads.clauses import AND, COMMA, listed
from dpm_assets.loads.feeds import Feed
from dpm_assets.loads.options import Options
from dpm_assets.loads.staging import STAGE


class Removal:
    """Notes what the staged rows cover, then removes. `everything`: they are all that there is of the feed."""

    def __init__(self, conn: psycopg.Connection[Any], feed: Feed, batch_id: int, everything: bool) -> None:
        self._conn = conn
        self._feed = feed
        self._batch_id = batch_id
        self._everything = everything

    def note_covered(self) -> None:
        """Before rows of the stage are dropped because a later row of the file has their trade at another date."""
        if not self._everything:
            self._conn.execute(
                sql.SQL("create temporary table load_covered on commit drop as select distinct {} from {}").format(
                    listed(self._feed.covers), STAGE
                )
            )
            self._conn.execute("analyze pg_temp.load_covered")

    def remove(self) -> tuple[int, list[Any]]:
        """Remove the rows and keep their images. How many there were, and their months when they have dates."""
        month: sql.Composable = sql.SQL("null::date")
        if self._feed.dated_by:
            month = sql.SQL("date_trunc('month', gone.{})::date").format(sql.Identifier(self._feed.dated_by))
        row = self._conn.execute(
            sql.SQL(
                """
                with gone as (
                    delete from {table} as r
                    where {covered} and not exists (select from {stage} as s where {same})
                    returning r.*
                ), kept as (
                    insert into {corrections} (batch_id, key, kind, before)
                    select %(batch_id)s, jsonb_build_object({key}), 'removed', to_jsonb(gone) from gone
                )
                select count(*), array_agg(distinct {month}) filter (where {month} is not null) from gone
                """
            ).format(
                table=sql.Identifier(SCHEMA, self._feed.table),
                stage=STAGE,
                corrections=sql.Identifier(SCHEMA, "load_corrections"),
                covered=self._covered(),
                same=AND.join(map(_equal_in_stage, self._row_key())),
                key=COMMA.join(
                    sql.SQL("{}, gone.{}").format(sql.Literal(name), sql.Identifier(name))
                    for name in self._feed.identity
                ),
                month=month,
            ),
            {"batch_id": self._batch_id},
        ).fetchone()
        assert row is not None
        return row[0], row[1] or []

    def _covered(self) -> sql.Composable:
        if self._everything:
            return sql.SQL("true")
        return sql.SQL("exists (select from pg_temp.load_covered as c where {})").format(
            AND.join(sql.SQL("c.{0} = r.{0}").format(sql.Identifier(name)) for name in self._feed.covers)
        )

    def _row_key(self) -> tuple[str, ...]:
        return (*self._feed.identity, *([self._feed.dated_by] if self._feed.dated_by else []))


def removal_of(conn: psycopg.Connection[Any], feed: Feed, batch_id: int, options: Options) -> Removal | None:
    """None when the file's rows say nothing of those that it lacks."""
    if not (options.replace_days or feed.complete):
        return None
    return Removal(conn, feed, batch_id, everything=options.complete)


def _equal_in_stage(name: str) -> sql.Composed:
    return sql.SQL("s.{0} = r.{0}").format(sql.Identifier(name))
