"""How much room the new tables need, and how much there is."""

from dataclasses import dataclass
from typing import Any

import psycopg

from dpm_assets.database import SCHEMA
from dpm_assets.errors import DpmError
from dpm_assets.migration.names import MOVED
from dpm_assets.migration.sessions import holds_originals
from dpm_assets.server.disk import disk_of

# Measured: 52 bytes a row of the key's index; BRIN and leaves without rows are small beside it. A row of the heap is as wide
# as in the original, with a wider id.
_KEY_BYTES = 52
_WIDER_BYTES = 8
_SPARE = 1.1


@dataclass(frozen=True)
class Room:
    """Bytes: of the original tables with their indexes, of what the copy adds at most, and free (None: cannot be seen)."""

    originals: int
    needed: int
    free: int | None


def room(conn: psycopg.Connection[Any], jobs: int, free: int | None = None) -> Room:
    """What `jobs` copies at a time need beside the originals: the new tables, a tenth, and sorts of the largest indexes."""
    originals = needed = sorts = 0
    for moved in MOVED:
        row = conn.execute(
            "select pg_total_relation_size(c.oid), pg_table_size(c.oid),"
            " coalesce((select n_live_tup from pg_stat_user_tables as s where s.relid = c.oid), 0), greatest(c.reltuples, 0)"
            " from pg_class as c where c.oid = to_regclass(%s)",
            [f"{SCHEMA}.{moved}"],
        ).fetchone()
        assert row is not None
        total, heap, live, estimated = row
        rows = max(int(live), int(estimated))
        originals += total
        needed += round(_SPARE * (heap + rows * (_KEY_BYTES + _WIDER_BYTES)))
        sorts = max(sorts, rows * _KEY_BYTES)
    return Room(originals, needed + min(jobs, 4) * sorts // 12, free if free is not None else _free(conn))


def refuse_small_disk(conn: psycopg.Connection[Any], jobs: int, free: int | None = None) -> None:
    """Raise DpmError when there is not enough room for what is not copied yet, as far as can be seen."""
    if not holds_originals(conn):
        return
    found = room(conn, jobs, free)
    there = conn.execute(
        "select coalesce(sum(pg_total_relation_size(c.oid)), 0) from pg_class as c join pg_namespace as n"
        " on n.oid = c.relnamespace where n.nspname = 'prop_trading_model_next' and c.relkind = 'r'"
    ).fetchone()
    missing = found.needed - (int(there[0]) if there else 0)
    if found.free is not None and found.free < missing:
        raise DpmError(
            f"The copy needs {gigabytes(missing)} more and {gigabytes(found.free)} are free. Make room on the server's disk"
            " (or give what is free there with --free-gb when this is seen wrongly), then start again."
        )


def gigabytes(size: int) -> str:
    """As in '12.3 GB'."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.0f} MB"


def _free(conn: psycopg.Connection[Any]) -> int | None:
    found = disk_of(conn)
    return found.free if found else None
