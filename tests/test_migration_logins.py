"""A migration by a login that is no superuser: the owner of the database and of everything in it, with and without CREATEROLE."""

from collections.abc import Iterator

import psycopg
import pytest

from dpm_assets.database import Database
from dpm_assets.migration.sessions import login
from dpm_assets.partitions.patience import run_patiently
from dpm_assets.server import EmbeddedServer
from tests.baselines import application_url, baseline
from tests.command_line import dpm
from tests.interleaving import session
from tests.migrated import misplaced

pytestmark = pytest.mark.sql


@pytest.fixture(params=["createrole", "nocreaterole"])
def url(server: EmbeddedServer, request: pytest.FixtureRequest) -> Iterator[str]:
    """As the owner's login."""
    with baseline(server, rows=600, dirty=True, owned=True) as url:
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(f"alter database {admin.info.dbname} owner to trading_app".encode())
            admin.execute(f"alter role trading_app {request.param}".encode())
        yield application_url(url)
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute("alter role trading_app nocreaterole")
            admin.execute("revoke dpm_owner from trading_app cascade")


def test_an_owner_who_is_no_superuser_can_go_there_and_back_and_clean_up(url: str) -> None:
    for command in ("plan", "start --set-aside", "cutover", "verify", "rollback", "cutover"):
        done = dpm(url, "migrate", *command.split())
        assert done.returncode == 0, done.stderr
    with session(url, autocommit=True) as conn:
        assert not misplaced(conn)
        conn.execute("update prop_trading_model.raw_trades_closed set profit = 1 where account_id = 'a1'")
        # One trade on two dates is what the warehouse's own proof would name, rightly.
        conn.execute("delete from prop_trading_model.raw_trades_closed where trade_id = 'moved'")
    for arguments in (["migrate", "clean", "--forget-unmoved"], ["refresh"], ["verify"]):
        done = dpm(url, *arguments)
        assert done.returncode == 0, done.stderr + done.stdout


def test_what_the_firm_has_set_for_new_sessions_does_not_stand_in_the_way(server: EmbeddedServer) -> None:
    with baseline(server, rows=6_000, dirty=True) as url:
        with psycopg.connect(url, autocommit=True) as admin:
            for setting in (
                "default_transaction_isolation = 'repeatable read'",
                "default_transaction_read_only = on",
                "statement_timeout = '200ms'",
                "lock_timeout = '10ms'",
                "datestyle = 'SQL, DMY'",
                "search_path = ''",
                "timezone = 'Pacific/Kiritimati'",
            ):
                admin.execute(f"alter database {admin.info.dbname} set {setting}".encode())
        for command in ("plan", "start --set-aside", "cutover", "verify"):
            done = dpm(url, "migrate", *command.split())
            assert done.returncode == 0, done.stderr
        with session(url) as conn:
            conn.execute("set statement_timeout = 0")
            assert not misplaced(conn)


def test_the_firms_limit_for_locks_does_not_come_back_in_the_middle_of_a_migration(server: EmbeddedServer) -> None:
    with baseline(server, rows=10) as url:
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(f"alter database {admin.info.dbname} set lock_timeout = '5s'".encode())
        with Database(url) as db, login(db) as conn:
            run_patiently(conn, "select 1")
            assert conn.execute("show lock_timeout").fetchone() == ("0",)
