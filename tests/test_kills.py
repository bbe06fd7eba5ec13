"""kill -9 at every step of a refresh, of its backend, of the server, of the Dagster run: the next refresh finishes the work.

The server is one of its own, with the settings of production: it flushes what it commits.

The kills of a Dagster run are played on the newest PostgreSQL only: what a run adds has nothing to do with its version.
"""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from multiprocessing.process import BaseProcess
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from dpm_assets.database import run_file
from dpm_assets.server import EmbeddedServer
from dpm_assets.server.postmaster import postmaster
from dpm_assets.settings import sql_dir
from tests import dagster_run, steps
from tests.history import differences
from tests.interleaving import SECONDS, session
from tests.permutations import CALLS
from tests.servers import own_server
from tests.stage import Stage
from tests.steps import Step, install, standing

pytestmark = pytest.mark.xdist_group("kills")

OF_A_REFRESH = tuple(
    ("a refresh", step)
    for step in (steps.BEFORE_THE_LOCK, *steps.OF_KEYS, *steps.OF_VIEWS)
    if step not in steps.WRITING.values()  # after each rollup is where the one before the next is
)
OF_OTHERS = (
    ("a refresh in bites", steps.BETWEEN_BITES),
    ("a refresh of a marked month", steps.TAKING_MONTH),
    ("a refresh of a marked month", steps.MONTH_TAKEN),
    ("a refresh of a marked month", steps.WRITTEN["rollup_account_symbol_day"]),
    ("a rebuild", steps.KEYS_TAKEN),
    ("a rebuild", steps.WRITTEN["rollup_account_symbol_day"]),
    ("a rebuild", steps.BITE_WRITTEN),
    ("a refresh in one transaction", steps.BEFORE_THE_LAST_COMMIT),
)
KILLS = (*OF_A_REFRESH, *OF_OTHERS)
OF_A_RUN = (
    steps.BEFORE_THE_LOCK,
    steps.KEYS_TAKEN,
    steps.BITE_WRITTEN,
    steps.BEFORE_THE_VIEWS,
    steps.MADE["mv_daily_trading_stats"],
    steps.VIEWS_WRITTEN,
)
OF_A_REBUILDING_RUN = (steps.KEYS_TAKEN, steps.WRITTEN["rollup_account_symbol_day"])
RUNS = (*((False, step) for step in OF_A_RUN), *((True, step) for step in OF_A_REBUILDING_RUN))


@pytest.fixture(scope="module")
def production() -> Iterator[EmbeddedServer]:
    """A server as users have it, with a warehouse in the database `stage`."""
    with own_server("kills") as running:
        running.create_database("stage")
        with psycopg.connect(running.url("stage"), autocommit=True) as admin:
            for name in ("fsync", "full_page_writes", "synchronous_commit"):
                assert admin.execute(sql.SQL("show {}").format(sql.Identifier(name))).fetchone() == ("on",)
            run_file(admin, sql_dir() / "schema.sql")
            running.grant_roles()
        with psycopg.connect(running.url("stage"), autocommit=True) as admin:
            install(admin)
            # In production 5 seconds: how soon the server notices that a client is gone.
            admin.execute("alter database stage set client_connection_check_interval = '100ms'")
        yield running


@pytest.fixture(scope="module")
def dagster_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("dagster")


def prepare(stage: Stage, call: str) -> None:
    stage.restore()
    if call == "a refresh of a marked month":
        stage.observer.execute("insert into changed_months (month, reason) values ('2024-02-01', 'marked')")


def wait_for_server(url: str, killed: int) -> None:
    """Returns once the server takes sessions again and the killed process is none of them."""
    give_up = time.monotonic() + SECONDS
    while True:
        try:
            with psycopg.connect(url, autocommit=True) as conn:
                if conn.execute("select from pg_stat_activity where pid = %s", [killed]).fetchone() is None:
                    return
        except psycopg.OperationalError:
            pass
        assert time.monotonic() < give_up, "the server did not come back"
        time.sleep(0.02)


def assert_the_next_refresh_finishes(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as conn:
        held = conn.execute("select count(*) from pg_locks where locktype = 'advisory'").fetchone()
        assert held == (0,), "a lock of the dead is held"
        row = conn.execute("select keys + cardinality(inputs) + cardinality(views) from pending_changes()").fetchone()
        assert row and row[0] > 0, "what was taken is neither in the log nor in the views"
    with closing(Stage(url)) as after:
        assert after.settle() == []


def name(kill: tuple[str, Step]) -> str:
    return f"{kill[0]}_{kill[1].name}".replace(" ", "_")


@pytest.mark.sql
@pytest.mark.kill
@pytest.mark.parametrize("kill", KILLS, ids=name)
def test_a_backend_killed_while_it_refreshes_loses_nothing(production: EmbeddedServer, kill: tuple[str, Step]) -> None:
    call, step = kill
    url = production.url("stage")
    with closing(Stage(url)) as stage:
        prepare(stage, call)
        with standing(stage, CALLS[call], step) as refresh:
            killed = stage.refresher.info.backend_pid
            os.kill(killed, signal.SIGKILL)
            with pytest.raises(psycopg.OperationalError):
                refresh.done.result(SECONDS)
            refresh.released = True
    wait_for_server(url, killed)
    assert_the_next_refresh_finishes(url)


@pytest.mark.sql
@pytest.mark.kill
@pytest.mark.parametrize("kill", KILLS, ids=name)
def test_a_server_killed_while_it_refreshes_loses_nothing(production: EmbeddedServer, kill: tuple[str, Step]) -> None:
    call, step = kill
    with closing(Stage(production.url("stage"))) as stage:
        prepare(stage, call)
        with standing(stage, CALLS[call], step) as refresh:
            kill_server(production, stage.refresher.info.backend_pid)
            with pytest.raises(psycopg.OperationalError):
                refresh.done.result(SECONDS)
            refresh.released = True
    assert production.start()
    assert_the_next_refresh_finishes(production.url("stage"))


def kill_server(server: EmbeddedServer, refreshing: int) -> None:
    """The postmaster and the refreshing backend at once: otherwise a backend that sees its postmaster gone may let go of the lock
    that the refresh waits for, before the refresh itself has seen it."""
    killed = postmaster(server.state().data)
    assert killed
    os.kill(refreshing, signal.SIGSTOP)
    os.kill(killed, signal.SIGKILL)
    os.kill(refreshing, signal.SIGKILL)


def backend_at(stage: Stage, process: BaseProcess) -> int:
    """The process id of the backend that the held step stops."""
    give_up = time.monotonic() + 15 * SECONDS
    while True:
        row = stage.observer.execute(
            "select pid from pg_stat_activity where %s = any (pg_blocking_pids(pid))", [stage.holder.info.backend_pid]
        ).fetchone()
        if row:
            return int(row[0])
        assert process.is_alive() and time.monotonic() < give_up, "the run never stood at the step"
        time.sleep(0.02)


@pytest.mark.kill
@pytest.mark.parametrize(
    ("rebuild", "step"), RUNS, ids=lambda value: str(getattr(value, "name", value)).replace(" ", "_")
)
def test_a_dagster_run_killed_while_it_refreshes_loses_nothing(
    production: EmbeddedServer, dagster_home: Path, rebuild: bool, step: Step
) -> None:
    url = production.url("stage")
    with closing(Stage(url)) as stage:
        stage.restore()
        release = steps.hold(stage, step)
        run = dagster_run.start(url, dagster_home, rebuild)
        backend = backend_at(stage, run)
        run.kill()
        wait_for_server(url, backend)  # which has noticed: its backend is gone, and with it the locks
        release()
    assert_the_next_refresh_finishes(url)


def test_the_dagster_run_after_one_that_was_killed_finishes_its_work(
    production: EmbeddedServer, dagster_home: Path
) -> None:
    url = production.url("stage")
    with closing(Stage(url)) as stage:
        stage.restore()
        release = steps.hold(stage, steps.BITE_WRITTEN)
        run = dagster_run.start(url, dagster_home, rebuild=False)
        backend = backend_at(stage, run)
        run.kill()
        wait_for_server(url, backend)
        release()
        again = dagster_run.start(url, dagster_home, rebuild=False)
        again.join(15 * SECONDS)
        assert again.exitcode == 0
        assert differences(stage.db) == []


@pytest.mark.sql
@pytest.mark.mutation
def test_a_log_that_does_not_survive_the_kill_is_noticed(production: EmbeddedServer) -> None:
    url = production.url("stage")
    with closing(Stage(url)) as stage:
        stage.restore()
        assert stage.settle() == []
        stage.restore()
        stage.observer.execute("alter table changed_account_days set unlogged")
        try:
            with standing(stage, CALLS["a refresh"], steps.KEYS_TAKEN) as refresh:
                killed = stage.refresher.info.backend_pid
                os.kill(killed, signal.SIGKILL)
                refresh.released = True
            wait_for_server(url, killed)
            with pytest.raises(AssertionError, match="Difference"):
                assert_the_next_refresh_finishes(url)
        finally:
            with psycopg.connect(url, autocommit=True) as conn:
                conn.execute("alter table changed_account_days set logged")


@pytest.mark.sql
def test_a_server_killed_while_an_unlogged_table_is_made_starts_again(production: EmbeddedServer) -> None:
    """Its backend gives the table up when the server dies, and leaves a file that the first recovery trips over."""
    url = production.url("stage")
    with session(url) as maker, session(url, autocommit=True) as other:
        maker.execute("create unlogged table being_made as select 1 as one")
        other.execute("create table flushed ()")  # commits, and so brings the log of what maker did to the disk
        other.execute("drop table flushed")
        killed = postmaster(production.state().data)
        assert killed
        os.kill(killed, signal.SIGKILL)
        assert production.start()
