"""A copy that stands in the middle of a bite: its rows are read and written, and nothing of them is committed."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from dpm_assets.database import run_file
from dpm_assets.settings import sql_dir
from tests.interleaving import Connection, session

_LOCK = 20260
_SECONDS = 120
_WAITS = f"""
create or replace function prop_trading_model_migration.wait_here() returns trigger language plpgsql as
    $$ begin perform pg_advisory_xact_lock_shared({_LOCK}); return null; end $$;
create or replace trigger wait_here after update of copied_at on prop_trading_model_migration.bites
    for each row when (new.table_name = 'raw_trades_closed') execute function prop_trading_model_migration.wait_here()
"""


def make_ledger(conn: Connection) -> None:
    """What the first start makes first, so that a test can have its triggers in there before anything happens."""
    run_file(conn, sql_dir() / "roles.sql")
    conn.execute("reset role")
    conn.execute("create schema prop_trading_model_migration authorization dpm_owner")
    conn.execute("set role dpm_owner")
    run_file(conn, sql_dir() / "functions" / "migration_tables.sql")


class Command:
    """A `dpm migrate` command in a process of its own."""

    def __init__(self, url: str, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "dpm_assets", "migrate", *arguments],
            env={**os.environ, "DPM_DATABASE_URL": url, "COLUMNS": "200"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
        )

    def ends(self, code: int = 0) -> str:
        """What it said, once it has ended with this exit code."""
        said, _ = self.process.communicate(timeout=_SECONDS)
        assert self.process.returncode == code, said
        return said

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@contextmanager
def copy_may_not_end_a_bite(url: str) -> Iterator[Connection]:
    """While this holds, whoever copies trades stops at the end of a bite and keeps its transaction open."""
    with session(url, autocommit=True) as holder:
        make_ledger(holder)
        holder.execute(_WAITS.encode())
        # Of the session: a transaction that is open would hold up whatever waits for older ones.
        holder.execute("select pg_advisory_lock(%s)", [_LOCK])
        yield holder


def let_it_go_on(holder: Connection) -> None:
    holder.execute("select pg_advisory_unlock_all()")


@contextmanager
def standing_copy(url: str, *arguments: str) -> Iterator[Command]:
    """`dpm migrate start` that stands in its first bite of trades; at the end it goes on, and has to end well."""
    with copy_may_not_end_a_bite(url) as holder:
        command = Command(url, "start", *arguments)
        try:
            wait_for_one_that_waits(url, holder, command)
            yield command
            let_it_go_on(holder)
            command.ends()
        finally:
            command.kill()


def wait_for_one_that_waits(url: str, holder: Connection, command: Command) -> int:
    """The process id of the backend that waits for what the holder holds."""
    give_up = time.monotonic() + _SECONDS
    with session(url, autocommit=True) as observer:
        while time.monotonic() < give_up:
            row = observer.execute(
                "select pid from pg_stat_activity where %s = any (pg_blocking_pids(pid))", [holder.info.backend_pid]
            ).fetchone()
            if row:
                return int(row[0])
            assert command.process.poll() is None, command.process.communicate()[0]
            time.sleep(0.02)
    raise AssertionError("the command never waited")
