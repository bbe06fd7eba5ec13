"""From the staged rows into the feed's table, set by set: what is new, what is a correction, what was there already.

The same outcome as if the rows had come one by one in the order of the file, each replacing an earlier one of the same
identity; a version that a later row of the same file replaces is kept in load_corrections and counted as updated.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import psycopg
from psycopg import sql

from dpm_assets.calendar import month_of
from dpm_assets.loads.clauses import AND, Clauses, listed
from dpm_assets.loads.removing import Removal
from dpm_assets.loads.sifting import FILE_ROW
from dpm_assets.loads.staging import Staged

# What snapshots without a time take: the same for all statements of a transaction.
_MOMENT = sql.SQL("coalesce(%(as_of)s::timestamptz, now()) at time zone 'utc'")


class Overtaken(Exception):
    """Another writer changed the same rows in between: the transaction has to be done again."""


@dataclass
class Merged:
    inserted: int = 0
    updated: int = 0
    duplicate: int = 0
    removed: int = 0
    written: int = 0  # rows that bear the batch's id now: an undo has to find as many
    months: tuple[date, ...] = ()


def merge(
    conn: psycopg.Connection[Any],
    staged: Staged,
    batch_id: int,
    correction_days: int | None,
    removal: Removal | None = None,
    *,
    as_of: datetime | None = None,
) -> Merged:
    """Merge inside the load's transaction, under the feed's lock; then remove what the rows say is gone.

    `correction_days` tells how far either side of its new date the old copy of a trade is looked for; None: everywhere.
    `as_of` is the time that snapshots without one take; None: this moment.
    Raises Overtaken when a writer that takes no lock of ours came in between.
    """
    if not staged.rows_kept:
        return Merged()
    if removal:
        removal.note_covered()
    merged = _Merge(conn, staged, batch_id, correction_days, as_of).run()
    if removal:
        merged.removed, months = removal.remove()
        merged.months = tuple(sorted({*merged.months, *months}))
    return merged


class _Merge:
    def __init__(
        self,
        conn: psycopg.Connection[Any],
        staged: Staged,
        batch_id: int,
        correction_days: int | None,
        as_of: datetime | None,
    ) -> None:
        self.conn = conn
        self.feed = staged.feed
        self.days = staged.days
        self.sql = Clauses(staged, everywhere=correction_days is None)
        self.merged = Merged()
        self.parameters = {
            "batch_id": batch_id,
            "days": correction_days,
            "first_day": min(staged.days, default=None),
            "last_day": max(staged.days, default=None),
            "as_of": as_of,
        }

    def run(self) -> Merged:
        if self.feed.snapshots_of:
            self._date_snapshots()
        self._execute("analyze {stage}")
        superseded = self._drop_superseded()
        if self.feed.snapshots_of:
            self._drop_snapshots_that_say_nothing_new()
        existing = self._find_existing()
        if existing:
            self._replace_existing()
        self.merged.inserted = self._insert()
        self.merged.written += self.merged.inserted
        self.merged.months = self._months(look=superseded or existing)
        return self.merged

    def _execute(self, text: str, **clauses: sql.Composable) -> psycopg.Cursor[Any]:
        return self.conn.execute(self.sql.statement(text, **clauses), self.parameters)

    def _row(self, text: str, **clauses: sql.Composable) -> tuple[Any, ...]:
        row: tuple[Any, ...] | None = self._execute(text, **clauses).fetchone()
        return row or ()

    def _date_snapshots(self) -> None:
        """Rows without a time of their own take this moment's, or the one that they are said to be of."""
        self._execute(
            "update {stage} set ingestion_timestamp = {moment} where ingestion_timestamp is null", moment=_MOMENT
        )

    def _drop_snapshots_that_say_nothing_new(self) -> None:
        """Of the rows that were dated here, the last of each subject by now, those that the newest snapshot until then says."""
        dropped = self._execute(
            """
            delete from {stage} as s
            using (
                select distinct on ({subject}) *
                from {table}
                where %(as_of)s::timestamptz is null or ingestion_timestamp is null or ingestion_timestamp <= {moment}
                order by {subject}, ingestion_timestamp desc nulls last, id desc
            ) as r
            where s.ingestion_timestamp = {moment} and {same_subject} and {same}
            """,
            subject=listed(self.feed.snapshots_of),
            moment=_MOMENT,
            same_subject=AND.join(sql.SQL("r.{0} = s.{0}").format(sql.Identifier(n)) for n in self.feed.snapshots_of),
            same=self.sql.same("r", "s"),
        ).rowcount
        if dropped:
            self._execute("analyze {stage}")
        self.merged.duplicate += dropped

    def _drop_superseded(self) -> bool:
        """Drop the rows that a later row of the same file replaces. Whether there were any."""
        identity = self.sql.identity
        (repeated,) = self._row(
            "select exists (select from {stage} group by {identity} having count(*) > 1)", identity=identity
        )
        if not repeated:
            return False
        self._execute("create temporary table load_superseded (file_row bigint, identical boolean) on commit drop")
        self._execute(
            """
            insert into {superseded}
            with repeated as (
                select {identity}, max({file_row}) as last_row from {stage} group by {identity} having count(*) > 1
            )
            select s.{file_row}, {same}
            from repeated
            join {stage} as s using ({identity})
            join {stage} as l on l.{file_row} = repeated.last_row
            where s.{file_row} <> repeated.last_row
            """,
            identity=identity,
            same=self.sql.same("s", "l"),
        )
        different = self._execute(
            """
            insert into {corrections} (batch_id, key, kind, before)
            select %(batch_id)s, {key}, 'superseded', to_jsonb(s) - {hidden}
            from {superseded} as p join {stage} as s on s.{file_row} = p.file_row
            where not p.identical
            order by p.file_row
            """,
            key=self.sql.key_of_s,
            hidden=sql.Literal(FILE_ROW),
        ).rowcount
        dropped = self._execute(
            "delete from {stage} as s using {superseded} as p where s.{file_row} = p.file_row"
        ).rowcount
        self.merged.updated += different
        self.merged.duplicate += dropped - different
        return True

    def _find_existing(self) -> bool:
        """Note the rows of the table with a staged row's identity; `before` is null where nothing differs.

        Of several, the one at the same date or else at the latest is `place` 1: it is updated, the others go.
        """
        self._execute(
            """
            create temporary table load_existing (
                file_row bigint, place integer, dated date, kind text, before jsonb
            ) on commit drop
            """
        )
        found = self._execute(
            """
            insert into {existing}
            select s.{file_row},
                row_number() over (partition by s.{file_row} order by {here} desc, {date_of_r} desc),
                {date_of_r},
                case when {here} then 'corrected' else 'moved' end,
                case when {here} and {same} then null else to_jsonb(r) end
            from {stage} as s join {table} as r on {same_identity}
            where {window}
            """,
            here=self.sql.here,
            same=self.sql.same("r", "s"),
            date_of_r=self.sql.date_of_r,
            same_identity=self.sql.same_identity,
            window=self.sql.window,
        ).rowcount
        if found:
            self._execute("analyze {existing}")
        return found > 0

    def _replace_existing(self) -> None:
        changed, unchanged, to_update, to_delete = self._row(
            """
            select count(*) filter (where updates + deletes > 0), count(*) filter (where updates + deletes = 0),
                coalesce(sum(updates), 0), coalesce(sum(deletes), 0)
            from (
                select count(*) filter (where place = 1 and before is not null) as updates,
                    count(*) filter (where place > 1) as deletes
                from {existing} group by file_row
            ) as found
            """
        )
        if changed:
            self._keep_before_images()
        deleted = self._delete_other_copies() if to_delete else 0
        updated = self._update() if to_update else 0
        if (deleted, updated) != (to_delete, to_update):
            raise Overtaken
        self.merged.written += updated
        self.merged.updated += changed
        self.merged.duplicate += unchanged

    def _keep_before_images(self) -> None:
        self._execute(
            """
            insert into {corrections} (batch_id, key, kind, before)
            select %(batch_id)s, {key}, e.kind, e.before
            from {existing} as e join {stage} as s on s.{file_row} = e.file_row
            where e.before is not null
            """,
            key=self.sql.key_of_s,
        )

    def _delete_other_copies(self) -> int:
        return self._execute(
            "delete from {table} as r using {existing} as e, {stage} as s where e.place > 1 and {r_found_for_s}",
            r_found_for_s=self.sql.r_found_for_s,
        ).rowcount

    def _update(self) -> int:
        return self._execute(
            """
            update {table} as r set ({names}) = row({values}), load_batch_id = %(batch_id)s
            from {existing} as e, {stage} as s
            where e.place = 1 and e.before is not null and {r_found_for_s}
            """,
            names=self.sql.names,
            values=self.sql.updated_values,
            r_found_for_s=self.sql.r_found_for_s,
        ).rowcount

    def _insert(self) -> int:
        return self._execute(
            """
            insert into {table} ({names}, load_batch_id)
            select {values}, %(batch_id)s from {stage} as s
            where not exists (select from {existing} as e where e.file_row = s.{file_row})
            """,
            names=self.sql.names,
            values=self.sql.values,
        ).rowcount

    def _months(self, look: bool) -> tuple[date, ...]:
        """The months that changed: those of all staged days, unless some rows were repeated or known (`look`)."""
        if not self.feed.partitions:
            return ()
        if not self.feed.dated_by or not look:
            return tuple(sorted({month_of(day) for day in self.days}))
        rows = self._execute(
            """
            select distinct date_trunc('month', changed.day)::date from (
                select s.{day} from {stage} as s
                where not exists (
                    select from {existing} as e where e.file_row = s.{file_row} and e.place = 1 and e.before is null
                )
                union all
                select e.dated from {existing} as e where e.before is not null
            ) as changed (day)
            order by 1
            """,
            day=sql.Identifier(self.feed.dated_by),
        ).fetchall()
        return tuple(row[0] for row in rows)
