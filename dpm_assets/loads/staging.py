"""Streaming a file into a temporary table: blocks are sifted in a thread of their own while COPY sends the last one."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from typing import Any, TypeVar

import psycopg
from psycopg import sql

from dpm_assets.loads.encoding import copy_text
from dpm_assets.loads.feeds import Column, Feed
from dpm_assets.loads.header import Header
from dpm_assets.loads.reading import open_pieces, sieve_for
from dpm_assets.loads.rejects import Rejects
from dpm_assets.loads.sifting import FILE_ROW
from dpm_assets.loads.source import Source

STAGE = sql.Identifier("pg_temp", "load_stage")

Progress = Callable[[int, int], None]

_In = TypeVar("_In")
_Out = TypeVar("_Out")


@dataclass
class Staged:
    """The good rows of a file in the session's temporary table, and what was counted on the way."""

    feed: Feed
    columns: tuple[Column, ...]  # those that the file, or what stands in for a missing one, gives
    rows_read: int = 0
    rows_kept: int = 0
    days: set[date] = field(default_factory=set)


def stage(
    conn: psycopg.Connection[Any],
    source: Source,
    header: Header,
    rejects: Rejects,
    progress: Progress | None,
) -> Staged:
    """Read the whole file into a temporary table that outlives its transaction, and the bad rows into `rejects`."""
    sieve = sieve_for(header)
    staged = Staged(header.feed, sieve.judge.columns)
    days: set[str] = set()
    with conn.transaction(), open_pieces(source, header) as (pieces, position):
        conn.execute(_create(staged))
        names = sql.SQL(", ").join(map(sql.Identifier, sieve.columns))
        # FREEZE: the rows are never looked at by anyone else, so no hint bits need to be written when they are read.
        copy = sql.SQL("copy {} ({}) from stdin with (format text, freeze)").format(STAGE, names)
        with conn.cursor().copy(copy) as target:
            for sifted in in_order(sieve.sift, pieces):
                for rows in sifted.rows:
                    target.write(copy_text(rows).to_pybytes())
                staged.rows_read += sifted.rows_read
                staged.rows_kept += sifted.rows_kept
                days |= sifted.days
                rejects.add(sifted.rejects)
                if progress:
                    progress(position(), source.bytes)
    staged.days = {date.fromisoformat(day) for day in days}
    return staged


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


def in_order(work: Callable[[_In], _Out], items: Iterable[_In]) -> Iterator[_Out]:
    """`work` on each item in threads, a few items ahead of the consumer, the results in the order of the items."""
    workers = max(1, min(3, (os.cpu_count() or 2) - 1))
    with ThreadPoolExecutor(workers, thread_name_prefix="sift") as pool:
        waiting: deque[Future[_Out]] = deque()
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
