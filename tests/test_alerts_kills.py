"""A look that is killed at any step loses no message, and repeats at most the one that it was sending, with its id."""

import socket
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

from dpm_assets.alerts.conditions import Look
from dpm_assets.alerts.incidents import record
from dpm_assets.alerts.judges.freshness import lag
from dpm_assets.alerts.log_file import LogFile
from dpm_assets.alerts.looking import look_and_tell
from dpm_assets.alerts.sensors import alert_database
from tests.alert_victims import look
from tests.alerting import REPOSITORY, Alerting, configure
from tests.interleaving import session, wait_until_blocked
from tests.receivers import SECONDS
from tests.service import wait_for

OPENED, RESOLVED = ("opened", "freshness"), ("resolved", "freshness")


def kill(victim: BaseProcess) -> None:
    victim.kill()
    victim.join(SECONDS)
    assert victim.exitcode == -9


def wait_until_gone(alerting: Alerting) -> None:
    """Until the server has noticed that the killed process is not there any more."""
    with session(alerting.db.url, autocommit=True) as observer:
        wait_for(
            lambda: (
                observer.execute(
                    "select count(*) from pg_stat_activity"
                    " where datname = current_database() and application_name = 'dpm alerts'"
                ).fetchone()
                == (0,)
            ),
            SECONDS,
            "the end of the killed session",
        )


@pytest.fixture
def alone(alerting: Alerting) -> Alerting:
    """Without sessions of its own, so that those of a victim are told apart."""
    alerting.restart()
    configure(webhook_timeout_seconds=10)
    return alerting


@pytest.mark.kill
def test_killed_between_the_delivery_and_its_record_it_repeats_that_message_once_with_the_same_id(
    alone: Alerting, tmp_path: Path
) -> None:
    alone.change(minutes_ago=20)
    alone.webhook.may_answer.clear()
    victim = look(tmp_path / "dagster")
    assert alone.webhook.arrived.acquire(timeout=SECONDS)
    in_log = "select from alert_messages where channel = 'log' and delivered_at is not null"
    wait_for(lambda: len(alone.rows(in_log)) == 1, SECONDS, "the record of the line in the log")
    kill(victim)
    alone.webhook.may_answer.set()
    wait_until_gone(alone)
    for _ in range(2):
        alone.look()
    assert alone.webhook.told == [OPENED] * 2
    assert len({message["id"] for message in alone.webhook.got}) == 1
    assert [each["event"] for each in alone.logged()] == ["opened"]


@pytest.mark.kill
def test_killed_before_an_incident_is_recorded_it_is_told_by_the_next_look(alone: Alerting, tmp_path: Path) -> None:
    alone.change(minutes_ago=20)
    with session(alone.db.url) as holder, session(alone.db.url, autocommit=True) as observer:
        holder.execute("lock table alert_incidents in exclusive mode")
        victim = look(tmp_path / "dagster")
        wait_for(
            lambda: (
                observer.execute(
                    "select count(*) from pg_stat_activity where application_name = 'dpm alerts'"
                    " and datname = current_database() and %s = any (pg_blocking_pids(pid))",
                    [holder.info.backend_pid],
                ).fetchone()
                == (1,)
            ),
            SECONDS,
            "the look at the incidents",
        )
        kill(victim)
    wait_until_gone(alone)
    assert alone.rows("select from alert_incidents") == []
    for _ in range(2):
        alone.look()
    assert alone.webhook.told == [OPENED]


@pytest.mark.kill
def test_killed_between_the_record_and_the_delivery_it_is_delivered_by_the_next_look(
    alone: Alerting, tmp_path: Path
) -> None:
    alone.change(minutes_ago=20)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        configure(webhook_url=f"http://127.0.0.1:{silent.getsockname()[1]}/")
        victim = look(tmp_path / "dagster")
        wait_for(lambda: len(alone.rows("select from alert_messages")) == 2, SECONDS, "the record of the incident")
        kill(victim)
    wait_until_gone(alone)
    configure(webhook_url=alone.webhook.url)
    for _ in range(2):
        alone.look()
    assert alone.webhook.told == [OPENED]


@pytest.mark.kill
def test_killed_as_it_tells_that_it_is_over_that_is_told_by_the_next_look(alone: Alerting, tmp_path: Path) -> None:
    alone.change(minutes_ago=20)
    alone.look()
    alone.refresh()
    alone.restart()
    assert alone.webhook.arrived.acquire(timeout=SECONDS)
    alone.webhook.may_answer.clear()
    victim = look(tmp_path / "dagster")
    assert alone.webhook.arrived.acquire(timeout=SECONDS)
    kill(victim)
    alone.webhook.may_answer.set()
    wait_until_gone(alone)
    for _ in range(2):
        alone.look()
    assert alone.webhook.told == [OPENED, RESOLVED, RESOLVED]
    assert len({message["id"] for message in alone.webhook.got}) == 2


def test_what_one_look_is_sending_no_other_sends(alone: Alerting, tmp_path: Path) -> None:
    alone.change(minutes_ago=20)
    alone.webhook.may_answer.clear()
    first = look(tmp_path / "dagster")
    assert alone.webhook.arrived.acquire(timeout=SECONDS)
    assert alone.look() == "1 open incident."
    alone.webhook.may_answer.set()
    first.join(SECONDS)
    assert first.exitcode == 0
    alone.look()
    assert alone.webhook.told == [OPENED] and len(alone.logged()) == 1


def test_looks_at_the_same_time_make_one_incident(alerting: Alerting) -> None:
    """Also where nothing keeps them apart: the one that comes second finds the incident there."""
    alerting.change(minutes_ago=20)
    with (
        session(alerting.db.url) as first,
        session(alerting.db.url) as second,
        session(alerting.db.url, autocommit=True) as observer,
        ThreadPoolExecutor(1) as other,
    ):
        found = lag(Look(first, alerting.instance, REPOSITORY, datetime.now(timezone.utc)))
        record(first, found, ["freshness"], ["log", "webhook"])
        late = other.submit(record, second, found, ["freshness"], ["log", "webhook"])
        wait_until_blocked(observer, second)
        first.commit()
        late.result(SECONDS)
        second.commit()
    alerting.look()
    assert alerting.rows("select count(*) from alert_incidents") == [(1,)]
    assert alerting.webhook.told == [OPENED]


def test_a_look_waits_for_no_other(alerting: Alerting) -> None:
    alerting.change(minutes_ago=20)
    with session(alerting.db.url, autocommit=True) as other:
        other.execute("select pg_advisory_lock(hashtextextended('prop_trading_model.alerts', 0))")
        outcome = look_and_tell(alert_database(), alerting.instance, REPOSITORY, [LogFile(alerting.log)])
        assert outcome.open == 0
        other.execute("select pg_advisory_unlock_all()")
    assert alerting.look().startswith("1 open incident.")
