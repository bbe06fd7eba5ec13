"""The one transaction in which a file's rows, its rejects and its row in the ledger are written, in two ways.

Directly: chunks are copied into the table as they come. Carefully: everything is staged, and merged when the whole file has
been read; so a file goes in that holds rows that the table has already.
"""

import time
from collections.abc import Iterable, Iterator
from typing import Any

import psycopg
from psycopg import sql

from dpm_assets.errors import DpmError
from dpm_assets.loads import chunks as sizes
from dpm_assets.loads import ledger
from dpm_assets.loads.chunks import Chunk
from dpm_assets.loads.cold_copies import ColdCopies
from dpm_assets.loads.direct import DirectCopy, knows
from dpm_assets.loads.feeds import Column
from dpm_assets.loads.late import require_hot
from dpm_assets.loads.leaves import MonthTargets, ensure_leaves
from dpm_assets.loads.merging import Merged, Overtaken, merge
from dpm_assets.loads.old_copies import Contradicted, remove_old_copies
from dpm_assets.loads.options import Options
from dpm_assets.loads.rejects import LISTED_WHEN_REFUSED, Rejects
from dpm_assets.loads.removing import removal_of
from dpm_assets.loads.result import LoadResult
from dpm_assets.loads.staging import Stage, Staged, discard_stage

TRY_AGAIN = (
    Overtaken,
    Contradicted,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
    psycopg.errors.UniqueViolation,
)

_ATTEMPTS = 6


class Writing:
    """A file on its way into the table of its feed. Each of the two ways may be gone once."""

    def __init__(
        self,
        conn: psycopg.Connection[Any],
        entry: ledger.Entry,
        options: Options,
        rejects: Rejects,
        *,
        columns: tuple[Column, ...],
    ) -> None:
        self.conn = conn
        self.entry = entry
        self.feed = entry.header.feed
        self.options = options
        self.columns = columns
        self.rejects = rejects
        self.rows_read = 0

    def instead_of_null(self) -> dict[str, str]:
        """What a row without a value gets that goes straight into the table, as a merge would give it."""
        defaults = {column.name: column.default for column in self.columns if column.default}
        if not defaults or not self.feed.dated_by:
            return {}
        values = sql.SQL(", ").join(sql.SQL("({})::text").format(sql.SQL(value)) for value in defaults.values())
        row = self.conn.execute(sql.SQL("select {}").format(values)).fetchone()
        assert row is not None
        return dict(zip(defaults, row, strict=True))

    def promises_well(self, first: Chunk) -> bool:
        """Whether the file is large enough for the direct way, and new as far as its first chunk tells."""
        if not self.feed.dated_by or self.options.replace_days or first.rows_read < sizes.FIRST_ROWS:
            return False
        return bool(len(first.lines)) and not knows(self.conn, self.feed, first)

    def carefully(self, chunks: Iterable[Chunk]) -> LoadResult:
        """The merge is done again, from the stage, when other writers get in its way. Raises InArchive, with nothing written,
        for rows or old copies of them in months that are not hot."""
        discard_stage(self.conn)
        with self.conn.transaction():
            stage = Stage(self.conn, self.feed, self.columns, self.entry.header.stood_in)
            for chunk in self._counted(chunks):
                stage.take(chunk)
        self.entry.source.check_unchanged()
        self.options.turn.wait_idle(self.conn)
        if self.options.limit.exceeded(self.rejects.count, self.rows_read):
            return self._refuse()
        require_hot(self.conn, self.feed, stage.staged.days)
        ensure_leaves(self.conn, self.feed, stage.staged.days)
        for attempt in range(_ATTEMPTS):
            try:
                with self.conn.transaction():
                    self._begin()
                    if earlier := self._earlier():
                        return earlier
                    copies = ColdCopies(self.conn, bool(self.feed.dated_by))
                    merged = self._merge(stage.staged)
                    copies.look(self.entry.batch_id, stage.staged.days, self.options.correction_days)
                    return self._write(merged, "merged")
            except TRY_AGAIN:
                time.sleep(0.05 * 2**attempt)
        raise DpmError(
            f"{self.entry.source}: other writers kept changing the same rows, {_ATTEMPTS} times in a row. "
            "Nothing was loaded; load it again when they are done."
        )

    def directly(self, chunks: Iterable[Chunk]) -> LoadResult:
        """Raises one of TRY_AGAIN, with nothing written, when the careful way has to be taken; InArchive as that does; OutOfTurn
        when the file has to be done again in its turn."""
        result: LoadResult | None = None
        turn = self.options.turn
        with self.conn.transaction() as transaction:
            self._begin()
            copies = ColdCopies(self.conn, dated=True)
            targets = MonthTargets(self.conn, self.feed, self.entry.batch_id, turn)
            direct = DirectCopy(self.conn, self.feed, self.columns, self.entry.batch_id, targets)
            for chunk in self._counted(chunks):
                direct.take(chunk)
                turn.give_way(self.conn)
            self.entry.source.check_unchanged()
            if self.options.limit.exceeded(self.rejects.count, self.rows_read):
                raise psycopg.Rollback(transaction)
            turn.wait(self.conn)
            if result := self._earlier():
                raise psycopg.Rollback(transaction)
            targets.attach()
            moved = remove_old_copies(self.conn, direct, self.options.correction_days, self.entry.header.stood_in)
            copies.look(self.entry.batch_id, direct.days, self.options.correction_days)
            merged = Merged(
                inserted=direct.rows - moved.rows,
                updated=moved.rows,
                written=direct.rows,
                months=tuple(sorted({*direct.months, *moved.months})),
            )
            result = self._write(merged, "direct")
        return result or self._refuse()

    def _counted(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        for chunk in chunks:
            self.rows_read += chunk.rows_read
            self.rejects.add(chunk.rejects)
            yield chunk
            if self.options.progress:
                self.options.progress(chunk.position, self.entry.source.bytes)

    def _begin(self) -> None:
        self.conn.execute("set transaction isolation level read committed")
        self.conn.execute("set local work_mem = '64MB'")
        # Of rows that are not yet committed the planner knows nothing; it would merge them by the account alone, and go
        # through all pairs of an account's trades.
        self.conn.execute("set local enable_mergejoin = off")
        if self.options.turn.takes_all_cores:
            # One core builds an index with a fifth less work than two.
            self.conn.execute("set local max_parallel_maintenance_workers = 0")

    def _earlier(self) -> LoadResult | None:
        """Under the feed's lock, which is held from here until the transaction ends: was the file loaded meanwhile?"""
        ledger.lock_feed(self.conn, self.entry.feed)
        return ledger.already_loaded(self.conn, self.entry.source, self.entry.feed, self.options.named)

    def _merge(self, staged: Staged) -> Merged:
        retry = self.options.retry
        removal = removal_of(self.conn, self.feed, self.entry.batch_id, self.options)
        return merge(
            self.conn,
            staged,
            self.entry.batch_id,
            self.options.correction_days,
            None if self._why_nothing_removed() else removal,
            as_of=retry.as_of if retry else None,
        )

    def _why_nothing_removed(self) -> str:
        """What the ledger says when the file could have removed rows and must not."""
        if not (self.options.replace_days or self.feed.complete):
            return ""
        if self.options.retry:
            return "nothing was removed: rejects that are loaded after all say nothing of other rows"
        if self.rejects.count:
            return "nothing was removed: what seems to be missing may be among the rejected rows"
        if not self.rows_read:
            return "nothing was removed: a file without rows is taken for an export that failed"
        return ""

    def _write(self, merged: Merged, way: str) -> LoadResult:
        result = LoadResult(
            batch_id=self.entry.batch_id,
            file=self.entry.source.name,
            feed=self.entry.feed,
            status="loaded",
            rows_read=self.rows_read,
            rows_inserted=merged.inserted,
            rows_updated=merged.updated,
            rows_duplicate=merged.duplicate,
            rows_rejected=self.rejects.count,
            rows_removed=merged.removed,
            rows_written=merged.written,
            months=list(merged.months),
            rejects=[(reject.line, reject.reason) for reject in self.rejects.first],
            message="; ".join(filter(None, [self.entry.remarks, self._why_nothing_removed()])),
            path_taken=way,
            options=self.options.named,
            source=self.entry.source,
        )
        ledger.write(self.conn, self.entry, result, self.rejects)
        return result

    def _refuse(self) -> LoadResult:
        rejected, limit = self.rejects.count, self.options.limit
        listed = f"the first {LISTED_WHEN_REFUSED:,}" if rejected > LISTED_WHEN_REFUSED else "all"
        message = (
            f"{rejected:,} of {self.rows_read:,} rows are at fault, more than the limit of {limit}: nothing was "
            f"loaded, {listed} are listed (dpm rejects list {self.entry.batch_id}). Mend the file, or raise --max-rejects."
        )
        result = LoadResult(
            batch_id=self.entry.batch_id,
            file=self.entry.source.name,
            feed=self.entry.feed,
            status="refused",
            rows_read=self.rows_read,
            rows_rejected=rejected,
            rejects=[(reject.line, reject.reason) for reject in self.rejects.first],
            message=message,
            options=self.options.named,
            source=self.entry.source,
        )
        self.options.turn.wait_idle(self.conn)
        with self.conn.transaction():
            ledger.write(self.conn, self.entry, result, self.rejects)
        return result
