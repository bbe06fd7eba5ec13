"""Copying parts: bite by bite, then indexes, then what was written meanwhile, then the proof."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from time import monotonic
from typing import Any

import psycopg

from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.migration.following import follow_part
from dpm_assets.migration.in_place import Report
from dpm_assets.migration.names import MIGRATION
from dpm_assets.migration.parts import Part, held, parts
from dpm_assets.migration.sessions import copying

# Rows of one transaction of the copy: a second's work, and what a kill repeats.
BITE_ROWS = 100_000

_MEGABYTES_FOR_INDEXES = 512


def copy_parts(db: Database, wanted: Callable[[Part], bool], report: Report, *, jobs: int = 1) -> list[Part]:
    """Bring every wanted part to `verified`, `jobs` at a time; those that came there now.

    Parts that other sessions work on are waited for. Raises DpmError for a part that differs from its original: it will be
    copied anew by the next call.
    """
    stop = Event()
    with ThreadPoolExecutor(jobs) as workers:
        futures = [workers.submit(_work, db, wanted, report, stop, jobs) for _ in range(jobs)]
        try:
            done = [part for future in futures for part in future.result()]
        finally:
            stop.set()
    return done


def _work(db: Database, wanted: Callable[[Part], bool], report: Report, stop: Event, jobs: int) -> list[Part]:
    """One worker: takes parts that nobody has until none is left, then waits for those that somebody has."""
    done: list[Part] = []
    try:
        with copying(db) as conn:
            conn.execute(
                "select set_config('maintenance_work_mem', %s, false),"
                " set_config('max_parallel_maintenance_workers', '0', false)",
                [f"{_MEGABYTES_FOR_INDEXES // jobs}MB"],
            )
            for wait in (False, True):
                while todo := [part for part in parts(conn) if wanted(part) and part.state != "verified"]:
                    found = [_take(conn, part, wait, lambda p: bring_over(conn, p, report, stop)) for part in todo]
                    done += [part for part in found if part]
                    if stop.is_set() or not any(found):
                        break
    except BaseException:
        stop.set()
        raise
    return done


def _take(conn: psycopg.Connection[Any], part: Part, wait: bool, work: Callable[[Part], bool]) -> Part | None:
    """Do `work` on a part unless somebody does; the part when it was done."""
    with held(conn, part, wait) as mine:
        if mine:
            current = next(now for now in parts(conn) if (now.table, now.starts) == (part.table, part.starts))
            if current.state != "verified" and work(current):
                return current
    return None


def bring_over(conn: psycopg.Connection[Any], part: Part, report: Report, stop: Event) -> bool:
    """Take a part that this session holds from whatever state it is in to verified; False when `stop` was set before."""
    key = [part.table, part.starts]
    began = monotonic()
    state = part.state
    if stop.is_set():
        return False
    if state == "waiting":
        conn.execute(f"select {MIGRATION}.begin_part(%s, %s, %s)".encode(), [*key, BITE_ROWS])
        state = "copying"
    if state == "copying":
        rows = 0
        for bite in _bites(conn, part):
            if stop.is_set():
                return False
            copied = conn.execute(f"select {MIGRATION}.copy_bite(%s)".encode(), [bite]).fetchone()
            rows += copied[0] if copied else 0
        conn.execute(f"select {MIGRATION}.attach_part(%s, %s)".encode(), key)
        report(f"{part.name}: {rows:,} rows in {monotonic() - began:.1f} s")
        conn.execute(f"analyze {_leaf(conn, part)}".encode())
    follow_part(conn, part)
    verify_part(conn, part)
    return True


def verify_part(conn: psycopg.Connection[Any], part: Part) -> None:
    """Compare a part that is attached. Raises DpmError, and has it copied anew by the next start, when it differs."""
    key = [part.table, part.starts]
    row = conn.execute(f"select {MIGRATION}.verify_part(%s, %s)".encode(), key).fetchone()
    if row and row[0]:
        conn.execute(f"select {MIGRATION}.reset_part(%s, %s)".encode(), key)
        raise DpmError(
            f"{part.name} differs from its original: {row[0]}. Somebody wrote to the new table, or a log was passed by."
            " dpm migrate start copies it anew."
        )


def _bites(conn: psycopg.Connection[Any], part: Part) -> Sequence[int]:
    rows = conn.execute(
        f"select bite_id from {MIGRATION}.bites where table_name = %s and starts = %s and copied_at is null"
        " order by first_day, account_from nulls first".encode(),
        [part.table, part.starts],
    ).fetchall()
    return [row[0] for row in rows]


def _leaf(conn: psycopg.Connection[Any], part: Part) -> str:
    row = conn.execute(
        f"select format('%%I.%%I', n.nspname, c.relname) from {MIGRATION}.parts as p"
        f" join {MIGRATION}.moved_tables as m using (table_name)"
        " join pg_inherits as i on i.inhparent = m.successor join pg_class as c on c.oid = i.inhrelid and c.relname = p.leaf"
        " join pg_namespace as n on n.oid = c.relnamespace where p.table_name = %s and p.starts = %s".encode(),
        [part.table, part.starts],
    ).fetchone()
    assert row is not None
    return str(row[0])
