"""kill -9 at every step of a load, of its loader, of the Dagster run, of the server: the next tick loads the file once.

The server is one of its own, with the settings of production: it flushes what it commits.
"""

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg
import pytest

from dpm_assets.database import run_file
from dpm_assets.server import EmbeddedServer
from dpm_assets.server.postmaster import postmaster
from dpm_assets.settings import sql_dir
from tests import load_victims
from tests.conftest import fresh_database
from tests.interleaving import Connection, session
from tests.servers import own_server
from tests.trade_rows import many

pytestmark = pytest.mark.xdist_group("kills of loads")

ROWS = 30_000
SECONDS = 300
LOCK = 20250


@pytest.fixture(scope="module")
def production() -> Iterator[EmbeddedServer]:
    """A server as users have it, with a template of the warehouse."""
    with own_server("loads") as running:
        running.create_database("warehouse")
        with psycopg.connect(running.url("warehouse"), autocommit=True) as admin:
            run_file(admin, sql_dir() / "schema.sql")
            admin.execute("select prop_trading_model.ensure_trade_months('{2025-03-01}')")
            running.grant_roles()
        yield running


@pytest.fixture
def url(production: EmbeddedServer) -> Iterator[str]:
    with fresh_database(production, "warehouse") as url:
        with psycopg.connect(url, autocommit=True) as conn:
            # In production 5 seconds: how soon the server notices that a client is gone.
            conn.execute(f"alter database {conn.info.dbname} set client_connection_check_interval = '100ms'".encode())
        yield url


@pytest.fixture(scope="module")
def dagster_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Dagster's own databases, made once: each test gets a copy."""
    home = tmp_path_factory.mktemp("dagster")
    with dg.DagsterInstance.local_temp(str(home)):
        return home


@pytest.fixture
def folder(dagster_home: Path, tmp_path: Path) -> Path:
    """A folder whose landing/trades holds one file of 30,000 trades, with a home for Dagster."""
    shutil.copytree(dagster_home, tmp_path / "dagster")
    (tmp_path / "landing" / "trades").mkdir(parents=True)
    many(tmp_path / "landing" / "trades" / "one.csv", ROWS)
    return tmp_path


@contextmanager
def before_the_ledger_is_asked(url: str) -> Iterator[Connection]:
    with session(url) as holder:
        holder.execute("lock table load_batches in access exclusive mode")
        yield holder


@contextmanager
def in_the_middle_of_the_rows(url: str) -> Iterator[Connection]:
    """One of the file's keys is held by somebody who has not committed: whoever writes that row waits for him."""
    with session(url) as holder:
        holder.execute(
            "insert into raw_trades_closed (trade_id, account_id, login, trade_date)"
            " values ('T15000', 'A0', 'l', '2025-03-03')"
        )
        yield holder


@contextmanager
def before_the_commit(url: str) -> Iterator[Connection]:
    with _waits_for_advice(
        url,
        "create function wait_here() returns trigger language plpgsql as"
        f" $$ begin perform pg_advisory_xact_lock_shared({LOCK}); return null; end $$;"
        " create trigger wait_here after insert on load_batches execute function wait_here()",
    ) as holder:
        yield holder


@contextmanager
def between_commit_and_move(url: str) -> Iterator[Connection]:
    """The first thing that a load does after its commit is to summarize the months that it touched."""
    with _waits_for_advice(
        url,
        "create or replace function summarize_trade_months(months date[]) returns integer language plpgsql as"
        f" $$ begin perform pg_advisory_xact_lock_shared({LOCK}); return 0; end $$",
    ) as holder:
        yield holder


@contextmanager
def _waits_for_advice(url: str, statements: str) -> Iterator[Connection]:
    with session(url) as holder:
        holder.execute(statements.encode())
        holder.commit()
        holder.execute("select pg_advisory_xact_lock(%s)", [LOCK])
        yield holder


Step = Callable[[str], AbstractContextManager[Connection]]
STEPS: list[Step] = [
    before_the_ledger_is_asked, in_the_middle_of_the_rows, before_the_commit, between_commit_and_move,
]  # fmt: skip
# What a run adds to the loader has nothing to do with the version of PostgreSQL.
VICTIMS = [pytest.param(load_victims.loader, marks=pytest.mark.sql), load_victims.run]
Victim = Callable[[str, Path], BaseProcess]


def wait_until_it_stands(observer: Connection, holder: Connection, victim: BaseProcess) -> int:
    """The process id of the backend that waits for the holder."""
    give_up = time.monotonic() + SECONDS
    while True:
        row = observer.execute(
            "select pid from pg_stat_activity where %s = any (pg_blocking_pids(pid)) and backend_type = 'client backend'",
            [holder.info.backend_pid],
        ).fetchone()
        if row:
            return int(row[0])
        assert victim.is_alive() and time.monotonic() < give_up, "the load never stood at the step"
        time.sleep(0.02)


def wait_until_gone(observer: Connection, backend: int) -> None:
    give_up = time.monotonic() + SECONDS
    while observer.execute("select from pg_stat_activity where pid = %s", [backend]).fetchone():
        assert time.monotonic() < give_up, "the server has not noticed that the client is gone"
        time.sleep(0.02)


def state(url: str) -> tuple[int, int]:
    """Trades, and batches that the ledger calls loaded."""
    with session(url, autocommit=True) as conn:
        row = conn.execute(
            "select (select count(*) from raw_trades_closed), (select count(*) from load_batches where status = 'loaded')"
        ).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def assert_the_next_tick_loads_the_file_once(url: str, folder: Path) -> None:
    for _ in range(2):
        tick = load_victims.run(url, folder)
        tick.join(SECONDS)
        assert tick.exitcode == 0
        assert state(url) == (ROWS, 1)
        assert sorted(path.name for path in (folder / "landing" / "trades").iterdir()) == ["done"]
        assert [path.name for path in (folder / "landing" / "trades" / "done").iterdir()] == ["one.csv"]
    with session(url, autocommit=True) as conn:
        logged: Any = conn.execute(
            "select count(distinct (account_id, trade_date)) from changed_account_days"
        ).fetchone()
    assert logged == (100,)


def committed(step: Step) -> bool:
    return step is between_commit_and_move


@pytest.mark.kill
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
@pytest.mark.parametrize("victim", VICTIMS, ids=lambda victim: victim.__name__)
def test_a_killed_load_is_done_once_by_the_next_tick(url: str, folder: Path, victim: Victim, step: Step) -> None:
    with session(url, autocommit=True) as observer, step(url) as holder:
        process = victim(url, folder)
        backend = wait_until_it_stands(observer, holder, process)
        process.kill()
        process.join(SECONDS)
        assert process.exitcode == -signal.SIGKILL
        wait_until_gone(observer, backend)
    assert state(url) == ((ROWS, 1) if committed(step) else (0, 0))
    assert (folder / "landing" / "trades" / "one.csv").exists()
    assert_the_next_tick_loads_the_file_once(url, folder)


@pytest.mark.kill
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
@pytest.mark.parametrize("victim", VICTIMS, ids=lambda victim: victim.__name__)
def test_a_load_whose_server_is_killed_is_done_once_by_the_next_tick(
    production: EmbeddedServer, url: str, folder: Path, victim: Victim, step: Step
) -> None:
    with session(url, autocommit=True) as observer, step(url) as holder:
        process = victim(url, folder)
        wait_until_it_stands(observer, holder, process)
        server = postmaster(production.state().data)
        assert server
        os.kill(server, signal.SIGKILL)
        process.join(SECONDS)
        # After the commit the load is done, and what it could not do then is left to autovacuum; a run has more to ask.
        assert process.exitcode == (0 if committed(step) and victim is load_victims.loader else 1)
    if victim is load_victims.loader and not committed(step):
        said = (folder / "said.txt").read_text()
        assert "one.csv: the server stopped the load" in said and "Nothing is half-loaded. Check the server" in said
    assert production.start()
    assert state(url) == ((ROWS, 1) if committed(step) else (0, 0))
    assert_the_next_tick_loads_the_file_once(url, folder)


@pytest.mark.sql
@pytest.mark.kill
def test_two_runs_that_are_offered_the_same_file_load_it_once(url: str, folder: Path) -> None:
    """Both have read the file and stand before their commit when they may go on."""
    with session(url, autocommit=True) as observer, before_the_commit(url) as holder:
        processes = [load_victims.run(url, folder), load_victims.loader(url, folder)]
        for process in processes:
            wait_until_it_stands(observer, holder, process)
        holder.commit()
    for process in processes:
        process.join(SECONDS)
        assert process.exitcode == 0
    assert state(url) == (ROWS, 1)


@pytest.mark.sql
@pytest.mark.kill
def test_a_kill_of_loads_at_the_same_time_leaves_whole_files_only(url: str, folder: Path) -> None:
    """The first is committed, the second stands before its commit, and the third can only come after it."""
    landing = folder / "landing" / "trades"
    (landing / "one.csv").unlink()
    for number, day in enumerate(("2025-03-03", "2025-03-04", "2025-04-01")):
        many(landing / f"{number}.csv", ROWS, day, first=number * ROWS)
    at_the_second = _waits_for_advice(
        url,
        "create function wait_here() returns trigger language plpgsql as"
        f" $$ begin perform pg_advisory_xact_lock_shared({LOCK}); return null; end $$;"
        " create trigger wait_here after insert on load_batches for each row when (new.file like '%/1.csv')"
        " execute function wait_here()",
    )
    with session(url, autocommit=True) as observer, at_the_second as holder:
        process = load_victims.several(url, folder)
        backend = wait_until_it_stands(observer, holder, process)
        process.kill()
        process.join(SECONDS)
        assert process.exitcode == -signal.SIGKILL
        wait_until_gone(observer, backend)
    assert state(url) == (ROWS, 1)
    again = load_victims.several(url, folder)
    again.join(SECONDS)
    assert again.exitcode == 0
    assert state(url) == (3 * ROWS, 3)
