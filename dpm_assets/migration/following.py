"""Bringing over what was written meanwhile, by account-day, in bites."""

from typing import Any, Literal

import psycopg

from dpm_assets.errors import DpmError
from dpm_assets.migration.names import MIGRATION, MOVED
from dpm_assets.migration.parts import Part
from dpm_assets.partitions.patience import patiently

# Account-days of one transaction: some tens of thousands of rows.
BITE_KEYS = 5_000

# Account-days that are brought over in milliseconds, as under the lock of a cutover.
LITTLE = 40


def follow_part(conn: psycopg.Connection[Any], part: Part) -> int:
    """Bring a part that this session holds, and that is attached, up to date; the account-days brought over."""
    followed = 0
    while taken := _count(conn, "follow_original(%s, %s, %s, %s)", [part.table, part.starts, part.ends, BITE_KEYS]):
        followed += taken
        if taken < BITE_KEYS:
            break  # what was written while this ran is left to the next
    return followed


def follow_outside(conn: psycopg.Connection[Any]) -> int:
    """The same for the days that no part takes."""
    followed = 0
    for moved in MOVED:
        while taken := _count(conn, "follow_outside(%s, %s)", [moved, BITE_KEYS]):
            followed += taken
            if taken < BITE_KEYS:
                break
    return followed


def follow_side(
    conn: psycopg.Connection[Any], side: Literal["originals", "successors"], seconds: float | None = None
) -> int:
    """While nobody else copies: bring over what was written to the originals (successors), until little is left; the keys
    brought over. Raises DpmError for an id that stands at two rows, which the originals cannot hold, and LockNotAvailable when
    a transaction that brings its own changes over does not end within `seconds`, or one second if that is less."""
    if side == "successors":
        log_new_leaves(conn)
    if seconds is not None:
        conn.execute("select set_config('lock_timeout', %s, false)", [f"{max(1000, round(1000 * seconds))}ms"])
    followed = 0
    while taken := _count(conn, f"follow_{side}(%s)", [BITE_KEYS]):
        followed += taken
        if taken < LITTLE:
            break
    return followed


def log_new_leaves(conn: psycopg.Connection[Any]) -> None:
    """Have partitions that were made after the cutover followed too, with what is in them already."""
    patiently(
        conn,
        lambda: conn.execute(f"select {MIGRATION}.log_new_leaves()".encode()),
        "the log of partitions made after the cutover",
    )


def leaves_without_log(conn: psycopg.Connection[Any]) -> bool:
    """Whether there are such partitions that are not followed yet."""
    row = conn.execute(f"select exists (select from {MIGRATION}.leaves_without_log())".encode()).fetchone()
    return row == (True,)


def truncated(conn: psycopg.Connection[Any]) -> list[str]:
    """The originals that somebody emptied with TRUNCATE since the last copy."""
    rows = conn.execute(
        f"select distinct table_name from {MIGRATION}.changed_originals where account_id is null and day is null".encode()
    ).fetchall()
    return [row[0] for row in rows]


def keys_waiting(conn: psycopg.Connection[Any], log: str, bound: int = 2**62) -> int:
    """How many keys wait in a log (changed_originals, changed_successors), counted up to `bound`."""
    return _count(conn, "keys_waiting(%s, %s)", [log, bound])


def _count(conn: psycopg.Connection[Any], call: str, values: list[Any]) -> int:
    try:
        row = conn.execute(f"select {MIGRATION}.{call}".encode(), values).fetchone()
    except psycopg.errors.NumericValueOutOfRange as error:
        raise DpmError(
            "A row has been given an id above 2,147,483,647, which the original tables cannot hold. Give it another in the"
            " new one: update ... set id = default."
        ) from error
    except psycopg.errors.IntegrityError as error:
        raise DpmError(
            f"{error.diag.message_primary}. {error.diag.message_hint or error.diag.message_detail} Then do this again."
        ) from error
    assert row is not None
    return int(row[0])
