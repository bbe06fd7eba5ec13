"""Sessions that meet at a lock: one is sent off, the test goes on once it waits (or has finished)."""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

Connection = psycopg.Connection[Any]
SECONDS = 20


@contextmanager
def session(url: str, autocommit: bool = False) -> Iterator[Connection]:
    """A session of its own; what it has not committed at the end is rolled back."""
    conn = psycopg.connect(url, autocommit=autocommit)
    try:
        yield conn
    finally:
        # Now: the locks of one that is only closed go when its backend comes to it.
        if conn.info.transaction_status in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
            with suppress(psycopg.Error):
                conn.rollback()
        conn.close()


@contextmanager
def sent_off(conn: Connection, statement: Any) -> Iterator[Future[Any]]:
    """Runs a statement on `conn` beside the test; `.result(SECONDS)` is its first row or raises its error."""

    def run() -> Any:
        cursor = conn.execute(statement)
        return cursor.fetchone() if cursor.description else None

    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(run)


def wait_until_blocked(observer: Connection, blocked: Connection) -> None:
    """Returns once the session of `blocked` waits for a lock that another holds."""
    give_up = time.monotonic() + SECONDS
    while time.monotonic() < give_up:
        row = observer.execute("select pg_blocking_pids(%s) <> '{}'", [blocked.info.backend_pid]).fetchone()
        if row and row[0]:
            return
        time.sleep(0.02)
    raise AssertionError("the session was never blocked")
