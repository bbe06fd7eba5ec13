"""The clients that judge a migration, judged themselves: on the baseline they see no fault, and they notice one that is made."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dpm_assets.server import EmbeddedServer
from tests.baselines import DIRTY_METRICS, DIRTY_TRADES, application_url, baseline
from tests.interleaving import session
from tests.running_clients import acknowledged_and_not_there, clients_at_work

pytestmark = pytest.mark.sql


@pytest.fixture
def url(server: EmbeddedServer) -> Iterator[str]:
    with baseline(server, rows=2_000, dirty=True) as url:
        yield url


def test_clients_at_work_on_the_baseline_meet_no_fault(url: str, tmp_path: Path) -> None:
    with clients_at_work(application_url(url), tmp_path / "clients", pause=0) as clients:
        clients.wait_for(100)
    report = clients.report
    assert not report.failures and not report.wrong_reads
    assert report.transactions > 800 and len(report.rows) > 800
    with session(url) as conn:
        assert not acknowledged_and_not_there(conn, report)


def test_a_write_that_was_lost_is_noticed_by_its_client_and_by_its_journal(url: str, tmp_path: Path) -> None:
    with session(url, autocommit=True) as conn:
        with clients_at_work(application_url(url), tmp_path / "clients", clients=2, pause=0) as clients:
            clients.wait_for(20)
            conn.execute("delete from prop_trading_model.raw_trades_closed where trade_id like 'clients1-%'")
            clients.wait_for(20)
        assert any("differences" in wrong for wrong in clients.report.wrong_reads)
        assert acknowledged_and_not_there(conn, clients.report)


def test_a_client_whose_session_was_ended_says_so_and_goes_on(url: str, tmp_path: Path) -> None:
    with session(url, autocommit=True) as conn:
        with clients_at_work(application_url(url), tmp_path / "clients", clients=2, pause=0) as clients:
            for _ in range(10):
                clients.wait_for(2)
                conn.execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'client'")
            clients.wait_for(2)
        assert clients.report.failures
        assert not clients.report.wrong_reads
        assert not acknowledged_and_not_there(conn, clients.report)


def test_the_dirty_baseline_holds_each_kind_of_dirt(url: str) -> None:
    with session(url) as conn:
        for table, kinds in (("raw_trades_closed", DIRTY_TRADES), ("raw_metrics_daily", DIRTY_METRICS)):
            found = conn.execute(
                f"select source_api_endpoint from prop_trading_model.{table} where account_id = 'd1'".encode()
            ).fetchall()
            assert sorted(name for (name,) in found) == sorted(dirt.name for dirt in kinds)
