"""Where the rows of each month or year are, as partition_state and cold_files have it, and the lock of the one archiver."""

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
from dpm_assets.partitions.cold.tables import TABLES, ColdTable, Part

LOOK_EVERY_SECONDS = 0.2
# What a firm may have set for its database or its logins: a snapshot older than the lock would miss the last writer's keys, rows
# are read as ISO dates, and a large month takes its time.
_OWN_WAYS = (
    "set default_transaction_isolation = 'read committed'",
    "set datestyle = 'iso'",
    "set statement_timeout = 0",
    "set idle_in_transaction_session_timeout = 0",
)


class Step(NamedTuple):
    """A step that has been done, by its name, and in a sentence."""

    name: str
    said: str


@dataclass(frozen=True)
class ColdPart:
    """A month or year that is not simply hot: where its rows are, and what is known of its file (None: no file, or none
    verified; `location` is known before it is written). `ours`: this database wrote it, so nobody else counts on it; not so of
    one that a restored backup names."""

    parent_table: str
    lower: date
    state: str
    location: str | None
    ours: bool
    rows: int | None
    bytes: int | None
    partition_bytes: int | None
    columns: list[str] | None
    sums: dict[str, Any] | None
    content_sha256: str | None
    file_sha256: str | None
    archived_at: datetime | None

    @property
    def part(self) -> Part:
        return Part(TABLES[self.parent_table], self.lower)

    @property
    def in_file(self) -> bool:
        """Whether the file is the copy that counts."""
        return self.state in ("cold", "restoring")

    @property
    def exact_sums(self) -> dict[str, Decimal]:
        return {name: Decimal(total) for name, total in (self.sums or {}).items() if total is not None}


def cold_parts(
    conn: psycopg.Connection[Any], table: ColdTable | None = None, only: date | None = None
) -> list[ColdPart]:
    """The months and years (of one table, of one first day) in the archive, on their way, or whose file has been left over;
    by table, oldest first."""
    return (
        conn.cursor(row_factory=class_row(ColdPart))
        .execute(
            """
            select parent_table, lower, s.state, coalesce(f.location, s.location) as location,
                (f.location is null or s.location is not distinct from f.location) as ours, f.rows, f.bytes, f.partition_bytes,
                f.columns, f.sums, f.content_sha256, f.file_sha256, f.archived_at
            from prop_trading_model.partition_state as s
            full join prop_trading_model.cold_files as f using (parent_table, lower)
            where (s.state <> 'hot' or coalesce(f.location, s.location) is not null)
                and (%(only)s::date is null or lower = %(only)s)
                and (%(table)s::text is null or parent_table = %(table)s)
            order by parent_table desc, lower
            """,
            {"table": table.name if table else None, "only": only},
        )
        .fetchall()
    )


def state_of(conn: psycopg.Connection[Any], part: Part) -> ColdPart | None:
    """None for one that is hot and has no file."""
    found = cold_parts(conn, part.table, part.first_day)
    return found[0] if found else None


def attachment(conn: psycopg.Connection[Any], part: Part) -> str | None:
    """Whether a partition's table is attached: yes, pending (a detach was begun), no; None when there is no such table."""
    row = conn.execute("select prop_trading_model.attachment_of(%s::regclass, %s)", part.arguments).fetchone()
    return row[0] if row else None


@contextmanager
def alone(
    db: Database, say: Callable[[str], None], go_on: Callable[[], None] = lambda: None
) -> Iterator[psycopg.Connection[Any]]:
    """The owner's connection, while nobody else archives, restores or takes a backup. `say` is told once if somebody does, and
    `go_on` is asked again and again: what it raises ends the wait."""
    with db.connection("dpm_owner") as conn:
        for setting in _OWN_WAYS:
            conn.execute(setting.encode())
        told = False
        # Asked again and again: a session that waits inside a statement would hold a snapshot, and others wait for that.
        while not _try_lock(conn):
            if not told:
                say("Another archive, restore or backup is at work; waiting for it.")
                told = True
            go_on()
            time.sleep(LOOK_EVERY_SECONDS)
        try:
            yield conn
        finally:
            with suppress(psycopg.Error):  # of a server that is gone, the lock is too
                conn.execute("select pg_advisory_unlock_all()")


def _try_lock(conn: psycopg.Connection[Any]) -> bool:
    row = conn.execute("select pg_try_advisory_lock(hashtextextended('prop_trading_model.cold_months', 0))").fetchone()
    return bool(row and row[0])
