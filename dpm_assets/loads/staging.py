"""The good rows of a file in a temporary table, from which they are merged set by set."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from dpm_assets.loads.chunks import Chunk
from dpm_assets.loads.encoding import with_last
from dpm_assets.loads.feeds import Column, Feed
from dpm_assets.loads.sifting import FILE_ROW

STAGE = sql.Identifier("pg_temp", "load_stage")

PIECE = 10_000  # rows sent at once

Progress = Callable[[int, int], None]


@dataclass
class Staged:
    """What stands in the session's temporary table."""

    feed: Feed
    columns: tuple[Column, ...]  # those that the file, or what stands in for a missing one, gives
    stood_in: frozenset[str]  # those of which the file itself says nothing
    rows_kept: int = 0
    days: set[date] = field(default_factory=set)


class Stage:
    """The temporary table, filled chunk by chunk. It outlives its transaction, unless that is rolled back."""

    def __init__(
        self, conn: psycopg.Connection[Any], feed: Feed, columns: tuple[Column, ...], stood_in: frozenset[str]
    ) -> None:
        self._conn = conn
        self.staged = Staged(feed, columns, stood_in)
        conn.execute(_create(self.staged))
        names = sql.SQL(", ").join(sql.Identifier(name) for name in (*(c.name for c in columns), FILE_ROW))
        # FREEZE: the rows are never looked at by anyone else, so no hint bits need to be written when they are read.
        self._copy = sql.SQL("copy {} ({}) from stdin with (format text, freeze)").format(STAGE, names)

    def take(self, chunk: Chunk) -> None:
        """In the transaction that the stage was made in."""
        if not len(chunk.lines):
            return
        with self._conn.cursor().copy(self._copy) as target:
            for begin in range(0, len(chunk.lines), PIECE):
                file_rows = pc.cast(chunk.file_rows.slice(begin, PIECE), pa.string())
                target.write(with_last(chunk.lines.slice(begin, PIECE), file_rows))
        self.staged.rows_kept += len(chunk.lines)
        self.staged.days |= chunk.days


def discard_stage(conn: psycopg.Connection[Any]) -> None:
    conn.execute(sql.SQL("drop table if exists {}").format(STAGE))


def _create(staged: Staged) -> sql.Composed:
    feed = staged.feed
    names = {column.name for column in staged.columns} | set(feed.identity)
    columns = [
        sql.SQL("{} ").format(sql.Identifier(column.name)) + sql.SQL(column.type.sql)
        for column in feed.columns
        if column.name in names
    ]
    columns.append(sql.SQL("{} bigint not null").format(sql.Identifier(FILE_ROW)))
    return sql.SQL("create temporary table load_stage ({})").format(sql.SQL(", ").join(columns))
