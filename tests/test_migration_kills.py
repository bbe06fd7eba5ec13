"""kill -9 of a migration at random moments: the process, its sessions, the server. The next start goes on where it was.

A moment is told by how much the server has written to its log since the command began, so that a slow machine is killed in the
same places. The server is one of its own, with the settings of production: it flushes what it commits.
"""

import os
import random
import signal
import time
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from dpm_assets.server import EmbeddedServer
from dpm_assets.server.postmaster import postmaster
from tests.baselines import application_url, baseline
from tests.command_line import dpm
from tests.interleaving import Connection, session
from tests.migrated import misplaced
from tests.migration_victims import BITE_ROWS, starting
from tests.running_clients import acknowledged_and_not_there, clients_at_work
from tests.servers import own_server
from tests.standing_copies import make_ledger

pytestmark = pytest.mark.xdist_group("kills of migrations")

ROWS = 6_000
MIGRATIONS, KILLS = 5, 4
SECONDS = 60
_VICTIMS = "select pid from pg_stat_activity where application_name = 'victim'"
# The ledger of bites is written once a bite, whoever writes it.
_AUDIT = """
reset role;
create table public.audit (bite_id bigint);
create function public.audit() returns trigger language plpgsql as
    $$ begin insert into public.audit values (new.bite_id); return null; end $$;
grant insert on public.audit to public;
create trigger audit after update of copied_at on prop_trading_model_migration.bites
    for each row execute function public.audit();
"""


@pytest.fixture(scope="module")
def production() -> Iterator[EmbeddedServer]:
    with own_server("migrations") as running:
        yield running


@pytest.fixture(scope="module")
def written(production: EmbeddedServer) -> int:
    """Bytes of the server's log that a start writes from its beginning to its end."""
    with baseline(production, ROWS, dirty=True) as url, session(url, autocommit=True) as conn:
        begin = _position(conn)
        process = starting(url)
        process.join(SECONDS)
        assert process.exitcode == 0
        return _position(conn) - begin


def _position(conn: Connection) -> int:
    row = conn.execute("select pg_current_wal_insert_lsn() - '0/0'").fetchone()
    assert row
    return int(row[0])


def wait_for_the_moment(url: str, process: BaseProcess, further: int) -> None:
    """Returns once so many bytes more are written, or the process has ended by then."""
    with session(url, autocommit=True) as conn:
        begin = _position(conn)
        while process.is_alive() and _position(conn) - begin < further:
            time.sleep(0.005)


def kill_process(production: EmbeddedServer, url: str, process: BaseProcess) -> None:
    process.kill()
    process.join(SECONDS)
    with session(url, autocommit=True) as conn:
        give_up = time.monotonic() + SECONDS
        while conn.execute(_VICTIMS.encode()).fetchone():
            assert time.monotonic() < give_up, "the server has not noticed that the client is gone"
            time.sleep(0.02)


def kill_sessions(production: EmbeddedServer, url: str, process: BaseProcess) -> None:
    with session(url, autocommit=True) as conn:
        while (
            process.is_alive()
            and not conn.execute(f"select pg_terminate_backend(pid) from ({_VICTIMS}) as v".encode()).fetchall()
        ):
            time.sleep(0.005)
    process.join(SECONDS)


def kill_server(production: EmbeddedServer, url: str, process: BaseProcess) -> None:
    server = postmaster(production.state().data)
    assert server
    os.kill(server, signal.SIGKILL)
    process.join(SECONDS)
    assert production.start()


WAYS = (kill_process, kill_sessions, kill_server)


@pytest.mark.kill
@pytest.mark.parametrize("seed", range(MIGRATIONS))
def test_a_migration_that_is_killed_at_random_moments_ends_as_one_that_is_not(
    production: EmbeddedServer, written: int, seed: int
) -> None:
    draw = random.Random(seed)
    killed = 0
    with baseline(production, ROWS, dirty=True) as url:
        with session(url, autocommit=True) as conn:
            make_ledger(conn)
            conn.execute(_AUDIT.encode())
        for number in range(KILLS):
            process = starting(url, jobs=1 + seed % 2)
            # What earlier ones have done is not written again, so each is given a share of what is left, about.
            wait_for_the_moment(url, process, int(draw.random() * written / (number + 1)))
            WAYS[(seed + number) % len(WAYS)](production, url, process)
            killed += process.exitcode != 0
        last = starting(url)
        last.join(SECONDS)
        assert last.exitcode == 0 and killed
        done = dpm(url, "migrate", "cutover")
        assert done.returncode == 0, done.stderr
        with session(url) as conn:
            assert not misplaced(conn)
            assert_no_bite_was_copied_twice(conn, killed)


def assert_no_bite_was_copied_twice(conn: Connection, killed: int) -> None:
    """In the ledger none is twice; of rows that were written and rolled back there is one bite at most for each kill."""
    twice = conn.execute("select bite_id from public.audit group by 1 having count(*) > 1").fetchall()
    assert not twice
    row = conn.execute(
        "select (select sum(n_tup_ins) from pg_stat_user_tables where relname ~ '^raw_(trades_closed|metrics_daily)_20'),"
        " (select sum(rows) from prop_trading_model_migration.bites)"
    ).fetchone()
    assert row
    assert row[0] <= row[1] + killed * 2 * BITE_ROWS


@pytest.mark.kill
def test_an_application_at_work_does_not_notice_that_the_migration_is_killed(
    production: EmbeddedServer, written: int, tmp_path: Path
) -> None:
    draw = random.Random(0)
    with baseline(production, ROWS, dirty=True) as url:
        with clients_at_work(application_url(url), tmp_path / "clients") as clients:
            for number in range(3):
                process = starting(url, jobs=2)
                wait_for_the_moment(url, process, int(draw.random() * written))
                WAYS[number % 2](production, url, process)
            for command in ("start", "cutover"):
                done = dpm(url, "migrate", command)
                assert done.returncode == 0, done.stderr
            clients.wait_for(10)
        assert dpm(url, "migrate", "start").returncode == 0
        assert not clients.report.failures and not clients.report.wrong_reads
        with session(url) as conn:
            assert not acknowledged_and_not_there(conn, clients.report)
            assert not misplaced(conn)
