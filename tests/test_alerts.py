"""An incident is told once, whoever is restarted; a worsening once; and once that it is over."""

import dagster as dg
import pytest

from tests.alerting import Alerting, configure
from tests.command_line import dpm

pytestmark = pytest.mark.sql

OPENED, WORSENED, RESOLVED = (
    (event, "freshness") for event in ("opened", "worsened", "resolved")
)  # fmt: skip


def test_nothing_is_told_of_a_warehouse_in_which_nothing_is_wrong(alerting: Alerting) -> None:
    assert alerting.look() == "0 open incidents."
    assert alerting.webhook.requests == [] and not alerting.log.exists()


def test_a_change_that_waits_is_told_once_and_once_that_it_is_over(alerting: Alerting) -> None:
    alerting.change(minutes_ago=20)
    assert alerting.look() == "1 open incident. log: 1 message delivered. webhook: 1 message delivered."
    alerting.look()
    assert alerting.webhook.told == [OPENED]
    alerting.refresh()
    assert alerting.look().startswith("0 open incidents.")
    alerting.look()
    assert alerting.webhook.told == [OPENED, RESOLVED]
    assert len({message["incident"] for message in alerting.webhook.got}) == 1
    assert len({message["id"] for message in alerting.webhook.got}) == 2
    assert [(each["event"], each["id"]) for each in alerting.logged()] == [
        (each["event"], each["id"]) for each in alerting.webhook.got
    ]


def test_a_message_says_what_is_wrong_since_when_and_what_to_do(alerting: Alerting) -> None:
    alerting.change(minutes_ago=20)
    alerting.look()
    (message,) = alerting.webhook.got
    assert message["severity"] == "warning" and message["details"]["pending_account_days"] == 1
    assert message["text"].startswith("[warning] A change of") and "20 minutes" in message["text"]
    assert "dpm refresh" in message["text"] and message["resolved_at"] is None


def test_the_same_again_is_another_incident(alerting: Alerting) -> None:
    for _ in range(2):
        alerting.change(minutes_ago=20)
        alerting.look()
        alerting.refresh()
        alerting.look()
    assert alerting.webhook.told == [OPENED, RESOLVED] * 2
    assert len({message["incident"] for message in alerting.webhook.got}) == 2


def test_a_worsening_is_told_once_and_an_improvement_not(alerting: Alerting) -> None:
    alerting.change(minutes_ago=20)
    alerting.look()
    for minutes in (150, 160, 20, 150):
        alerting.execute("update changed_account_days set changed_at = now() - make_interval(mins => %s)", minutes)
        alerting.look()
    assert alerting.webhook.told == [OPENED, WORSENED]
    assert alerting.webhook.got[1]["text"].startswith("[now an error]")
    alerting.refresh()
    alerting.look()
    assert alerting.webhook.told == [OPENED, WORSENED, RESOLVED]


def test_a_restarted_daemon_neither_repeats_nor_forgets(alerting: Alerting) -> None:
    alerting.change(minutes_ago=20)
    alerting.look()
    alerting.restart()
    alerting.look()
    assert alerting.webhook.told == [OPENED]
    alerting.refresh()
    alerting.restart()
    alerting.look()
    assert alerting.webhook.told == [OPENED, RESOLVED]


def test_a_channel_that_is_configured_later_is_told_of_what_is_open_and_of_nothing_else(alerting: Alerting) -> None:
    configure(webhook_url=None)
    alerting.change(minutes_ago=20)
    alerting.look()
    alerting.refresh()
    alerting.look()
    alerting.change(minutes_ago=30)
    alerting.look()
    configure(webhook_url=alerting.webhook.url)
    alerting.look()
    assert alerting.webhook.told == [OPENED]
    assert [each["event"] for each in alerting.logged()] == ["opened", "resolved", "opened"]


def test_what_fails_to_be_judged_is_an_incident_and_leaves_open_what_it_found_before(alerting: Alerting) -> None:
    alerting.change(minutes_ago=20)
    alerting.look()
    alerting.execute("alter function pending_changes() rename to pending_changes_not_there")
    alerting.look()
    assert alerting.webhook.told == [OPENED, ("opened", "unjudged")]
    assert "pending_changes" in alerting.webhook.got[1]["summary"]
    alerting.execute("alter function pending_changes_not_there() rename to pending_changes")
    alerting.refresh()
    alerting.look()
    assert sorted(alerting.webhook.told[2:]) == [RESOLVED, ("resolved", "unjudged")]


def test_what_is_over_for_long_is_forgotten_with_its_messages(alerting: Alerting) -> None:
    alerting.change(minutes_ago=20)
    alerting.look()
    alerting.execute("update alert_incidents set opened_at = now() - interval '100 days'")
    alerting.look()
    assert len(alerting.rows("select from alert_incidents")) == 1, "it is open, however old"
    alerting.refresh()
    alerting.look()
    alerting.execute("update alert_incidents set resolved_at = now() - interval '91 days'")
    alerting.look()
    assert alerting.rows("select from alert_incidents") == alerting.rows("select from alert_messages") == []


def test_a_warehouse_that_cannot_be_reached_is_an_error_of_the_tick(
    alerting: Alerting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DPM_DATABASE_URL", "postgresql://nobody:not-to-be-seen@127.0.0.1:1/none")
    alerting.restart()
    with pytest.raises(Exception, match=r"evaluation|connect") as raised:
        alerting.look()
    causes = [str(raised.value), str(raised.value.__cause__)]
    assert any("127.0.0.1:1/none" in cause for cause in causes) and "not-to-be-seen" not in "".join(causes)
    monkeypatch.undo()


def test_the_command_lists_what_is_open_and_what_was(alerting: Alerting) -> None:
    assert "No incident" in dpm(alerting.db.url, "alerts", "list").stdout
    alerting.change(minutes_ago=20)
    alerting.look()
    shown = dpm(alerting.db.url, "alerts", "list").stdout
    assert "open" in shown and "freshness" in shown and "log opened delivered" in shown
    alerting.refresh()
    alerting.webhook.answers = [500] * 3
    alerting.look()
    shown = dpm(alerting.db.url, "alerts", "list").stdout
    assert "over" in shown and "webhook resolved not delivered: the receiver answered 500, 3 times" in shown
    assert "No incident" in dpm(alerting.db.url, "alerts", "list", "--open").stdout
    assert '"alert": "freshness"' in dpm(alerting.db.url, "alerts", "list", "--json").stdout


def test_the_sensor_runs_by_itself_and_launches_nothing() -> None:
    from dpm_assets.alerts.sensors import alert_sensor

    assert alert_sensor.default_status is dg.DefaultSensorStatus.RUNNING
    assert not alert_sensor.has_jobs
