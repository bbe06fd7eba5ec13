"""Statements that need a strong lock for a moment, in autocommit: each gives the lock up soon and is tried again, so that
nobody queues behind it for longer than that."""

import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

import psycopg

from dpm_assets.errors import DpmError

LOCK_MILLISECONDS = 40

ATTEMPTS = 60

_T = TypeVar("_T")


def outlast_autovacuum(conn: psycopg.Connection[Any]) -> None:
    """Let an autovacuum that holds a lock give it up to us, for as long as this session lasts.

    It does so after deadlock_timeout, which is longer than our patience, so that a table that is vacuumed for an hour would
    refuse every attempt. Only a superuser may change that; for others nothing happens here.
    """
    conn.execute("select set_config('deadlock_timeout', '10ms', false) where current_setting('is_superuser') = 'on'")


def run_patiently(conn: psycopg.Connection[Any], statement: str, attempts: int = ATTEMPTS) -> None:
    """Run one statement as often as its lock is refused. Raises DpmError that names who holds the lock in the end."""
    patiently(conn, lambda: conn.execute(statement.encode()), statement, attempts)


def patiently(conn: psycopg.Connection[Any], work: Callable[[], _T], what: str, attempts: int = ATTEMPTS) -> _T:
    """Do `work`, a transaction or statement on `conn`, as often as a lock of it is refused; what it returns.

    Raises DpmError that says `what` could not be locked in the end.
    """
    before = conn.execute("select current_setting('lock_timeout')").fetchone()  # RESET would give what the firm has set
    for attempt in range(1, attempts + 1):
        conn.execute("select set_config('lock_timeout', %s, false)", [f"{LOCK_MILLISECONDS}ms"])
        try:
            return work()
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            if attempt == attempts:
                raise DpmError(
                    f"The lock for this was refused {attempts} times: {what}. See who holds it in pg_locks, or in"
                    " pg_stat_activity by xact_start, then run this again; what is done stays done."
                ) from None
            time.sleep(min(0.05 * attempt, 1.0) * (0.5 + random.random()))
        finally:
            if not conn.broken:
                conn.execute("select set_config('lock_timeout', %s, false)", before)
    raise AssertionError("unreachable: the last attempt returns or raises")
