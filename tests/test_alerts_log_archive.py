"""The alert on a log that is not archived, on a server that archives it."""

from collections.abc import Iterator
from datetime import datetime, timezone

import dagster as dg
import psycopg
import pytest

from dpm_assets.alerts.conditions import Condition, Look
from dpm_assets.alerts.judges import JUDGES
from dpm_assets.server import EmbeddedServer
from tests.alerting import REPOSITORY
from tests.interleaving import Connection, session
from tests.servers import own_server
from tests.service import wait_for

pytestmark = pytest.mark.sql


@pytest.fixture
def failing() -> Iterator[EmbeddedServer]:
    """A server whose command for the log fails."""
    with own_server("log-archive") as running:
        with session(running.url("postgres"), autocommit=True) as admin:
            admin.execute("alter system set archive_mode = on")
            admin.execute("alter system set archive_command = 'false'")
        running.stop()
        running.start()
        yield running


def judged(server: EmbeddedServer, instance: dg.DagsterInstance) -> list[Condition]:
    """What the service is told, which is no superuser."""
    with psycopg.connect(server.service_url(), autocommit=True) as conn:
        return JUDGES["log archive"](Look(conn, instance, REPOSITORY, datetime.now(timezone.utc)))


def is_so(conn: Connection, condition: str) -> bool:
    return conn.execute(f"select from pg_stat_archiver where {condition}".encode()).fetchone() is not None


def test_a_log_that_is_not_archived_is_told_until_it_is(failing: EmbeddedServer, instance: dg.DagsterInstance) -> None:
    with session(failing.url(), autocommit=True) as admin:
        admin.execute("create table written as select 1 as x")
        admin.execute("select pg_switch_wal()")
        wait_for(lambda: is_so(admin, "failed_count > 0"), 90, "an attempt to archive the log")
        (told,) = judged(failing, instance)
        assert told.severity == "error" and told.summary.startswith("The log is not archived since 2")
        assert told.details["file"] in told.summary
        admin.execute("alter system set archive_command = 'true'")
        admin.execute("select pg_reload_conf()")
        wait_for(lambda: is_so(admin, "last_archived_time > last_failed_time"), 90, "a log that is archived")
    assert judged(failing, instance) == []


def test_a_server_that_is_to_archive_nothing_is_left_alone(
    server: EmbeddedServer, instance: dg.DagsterInstance
) -> None:
    assert judged(server, instance) == []
