"""Where the trades of each month are, as month_state and cold_files have it, and the lock that one archiver holds at a time."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import class_row

from dpm_assets.database import Database

LOOK_EVERY_SECONDS = 0.2


class Step(NamedTuple):
    """A step that has been done, by its name, and in a sentence."""

    name: str
    said: str


@dataclass(frozen=True)
class ColdMonth:
    """A month that is not simply hot: where its trades are, and what is known of its file (None: no file, or none verified)."""

    month: date
    state: str
    location: str | None
    rows: int | None
    bytes: int | None
    partition_bytes: int | None
    columns: list[str] | None
    sums: dict[str, Any] | None
    content_sha256: str | None
    file_sha256: str | None
    archived_at: datetime | None

    @property
    def in_file(self) -> bool:
        """Whether the file is the copy that counts."""
        return self.state in ("cold", "restoring")

    @property
    def exact_sums(self) -> dict[str, Decimal]:
        return {name: Decimal(total) for name, total in (self.sums or {}).items() if total is not None}


def cold_months(conn: psycopg.Connection[Any], only: date | None = None) -> list[ColdMonth]:
    """The months in the archive, on their way, or whose file has been left over; oldest first."""
    return (
        conn.cursor(row_factory=class_row(ColdMonth))
        .execute(
            """
            select month, s.state, coalesce(f.location, s.location) as location, f.rows, f.bytes, f.partition_bytes,
                f.columns, f.sums, f.content_sha256, f.file_sha256, f.archived_at
            from prop_trading_model.month_state as s full join prop_trading_model.cold_files as f using (month)
            where (s.state <> 'hot' or f.location is not null) and (%(only)s::date is null or month = %(only)s)
            order by month
            """,
            {"only": only},
        )
        .fetchall()
    )


def state_of(conn: psycopg.Connection[Any], month: date) -> ColdMonth | None:
    """None for a month that is hot and has no file."""
    found = cold_months(conn, month)
    return found[0] if found else None


def attachment(conn: psycopg.Connection[Any], month: date) -> str | None:
    """Whether a month's table is attached: yes, pending (a detach was begun), no; None when there is no such table."""
    row = conn.execute("select prop_trading_model.month_attachment(%s)", [month]).fetchone()
    return row[0] if row else None


@contextmanager
def alone(db: Database, say: Callable[[str], None]) -> Iterator[psycopg.Connection[Any]]:
    """The owner's connection, while nobody else archives or restores. `say` is told once if somebody does."""
    with db.connection("dpm_owner") as conn:
        told = False
        # Asked again and again: a session that waits inside a statement would hold a snapshot, and others wait for that.
        while not _try_lock(conn):
            if not told:
                say("Another archive or restore is at work; waiting for it.")
                told = True
            time.sleep(LOOK_EVERY_SECONDS)
        try:
            yield conn
        finally:
            with suppress(psycopg.Error):  # of a server that is gone, the lock is too
                conn.execute("select pg_advisory_unlock_all()")


def _try_lock(conn: psycopg.Connection[Any]) -> bool:
    row = conn.execute("select pg_try_advisory_lock(hashtextextended('prop_trading_model.cold_months', 0))").fetchone()
    return bool(row and row[0])
