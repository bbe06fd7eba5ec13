"""A migration under the hands of a firm's application: nothing fails, nothing is lost, on the way there and on the way back."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dpm_assets.server import EmbeddedServer
from tests.baselines import application_url, baseline
from tests.command_line import Ended, dpm
from tests.interleaving import Connection, session
from tests.migrated import misplaced
from tests.running_clients import Report, acknowledged_and_not_there, clients_at_work

pytestmark = pytest.mark.sql


@pytest.fixture(params=[False, True], ids=["the_application_has_grants", "the_application_owns_the_tables"])
def url(server: EmbeddedServer, request: pytest.FixtureRequest) -> Iterator[str]:
    with baseline(server, dirty=True, owned=request.param) as url:
        yield url


def migrate(url: str, *arguments: str) -> Ended:
    ended = dpm(url, "migrate", *arguments)
    assert ended.returncode == 0, ended.stderr + ended.stdout
    return ended


def assert_nobody_noticed(report: Report) -> None:
    assert not report.failures
    assert not report.wrong_reads


def assert_all_is_there(conn: Connection, report: Report) -> None:
    """Every acknowledged write is in the tables that programs use, and the tables kept beside them say the same."""
    assert not acknowledged_and_not_there(conn, report)
    assert not misplaced(conn)


def test_an_application_at_work_notices_neither_the_way_there_nor_the_way_back(url: str, tmp_path: Path) -> None:
    application = application_url(url)
    with session(url, autocommit=True) as conn:
        with clients_at_work(application, tmp_path / "there") as clients:
            migrate(url, "start", "--set-aside")
            clients.wait_for(5)
            migrate(url, "cutover")
            clients.wait_for(30)
        assert_nobody_noticed(clients.report)
        migrate(url, "start")  # brings the old tables up to date
        assert_all_is_there(conn, clients.report)
        migrate(url, "verify")
        with clients_at_work(application, tmp_path / "back") as clients:
            migrate(url, "rollback")
            clients.wait_for(30)
        assert_nobody_noticed(clients.report)
        assert not acknowledged_and_not_there(conn, clients.report)
