"""The disk that a server's files are on, where it can be seen from here."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg


@dataclass(frozen=True)
class Disk:
    """Bytes."""

    total: int
    free: int


def disk_of(conn: psycopg.Connection[Any], data: Path | None = None) -> Disk | None:
    """The disk of this database's files; None when it cannot be seen: the server runs elsewhere, or hides where its files are.

    `data` is the server's data directory where that is known: only a monitoring role is told.
    """
    row = conn.execute(
        "select nullif(pg_tablespace_location(d.dattablespace), ''),"
        " case when pg_has_role('pg_read_all_settings', 'usage') then current_setting('data_directory') end,"
        " inet_server_addr() is not distinct from inet_client_addr()"
        " from pg_database as d where d.datname = current_database()"
    ).fetchone()
    assert row is not None
    tablespace, directory, on_this_machine = row
    folder = tablespace or data or directory
    if folder is None or not on_this_machine:
        return None
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return None
    return Disk(usage.total, usage.free)
