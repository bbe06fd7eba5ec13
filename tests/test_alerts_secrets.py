"""No secret is in a message, a table, a log, the cursor, what the sensor says, or Dagster's storage."""

from pathlib import Path

import dagster as dg
import pytest

from dpm_assets.alerts import webhook as webhooks
from dpm_assets.alerts.hiding import hide
from dpm_assets.alerts.settings import alert_settings
from dpm_assets.calendar import month_of, today
from dpm_assets.definitions import defs
from dpm_assets.months import range_tags
from tests.alerting import Alerting, configure
from tests.command_line import dpm

OURS = ["path-that-nobody-may-see", "the-signing-key", "the-bearer-token", "the-mail-password"]
THEIRS = "their-database-password"


def test_no_secret_leaves_however_the_receivers_fail(
    alerting: Alerting,
    instance: dg.DagsterInstance,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(webhooks, "PAUSES_SECONDS", (0.0, 0.0))
    caplog.set_level("DEBUG")
    configure(
        webhook_key=OURS[1], webhook_token=OURS[2], mail_to="ops@example.com", smtp_host="127.0.0.1", smtp_port=1,
        smtp_user="dpm", smtp_password=OURS[3],
    )  # fmt: skip
    fail_a_run(alerting, f"no answer from {alerting.webhook.url} nor postgresql://dpm:{THEIRS}@db/dpm, key={OURS[1]}")
    caplog.clear()
    capfd.readouterr()  # Dagster's own log of that run
    for answers in ([500] * 3, [302], [200]):
        alerting.webhook.answers = answers
        alerting.look()
    configure(webhook_url=alerting.webhook.url.replace("/services", " /services"))  # no URL may hold a blank
    alerting.execute("delete from alert_messages")
    alerting.look()
    tried = dpm(alerting.db.url, "alerts", "test")
    assert alerting.webhook.told == [("opened", "run failure")]
    shown = {
        "messages": "".join(body.decode() for _, _, body in alerting.webhook.requests) + alerting.log.read_text(),
        "tables": str(alerting.rows("select i::text, m::text from alert_incidents as i natural join alert_messages as m")),
        "sensor": str(alerting.said) + str(alerting.cursor),
        "command": tried.stdout + tried.stderr + dpm(alerting.db.url, "alerts", "list").stdout,
        "logs": caplog.text,
        "output": "".join(capfd.readouterr()),
        "settings": f"{alert_settings()!r}{alert_settings()}{alert_settings().model_dump_json()}",
    }  # fmt: skip
    for where, text in shown.items():
        assert [secret for secret in OURS if secret in text] == [], where
    assert THEIRS not in shown["messages"] + shown["tables"] + shown["sensor"] + shown["command"]
    assert "no answer from ***" in shown["messages"]


def fail_a_run(alerting: Alerting, reason: str) -> None:
    alerting.execute(
        "create function fail() returns trigger language plpgsql as $$ begin raise exception using message = tg_argv[0]; end $$"
    )
    alerting.execute(f"create trigger fail before insert on refresh_log for each row execute function fail('{reason}')")
    alerting.change(minutes_ago=0)
    result = defs.resolve_job_def("refresh").execute_in_process(
        instance=alerting.instance, tags=range_tags(month_of(today()), month_of(today())), raise_on_error=False,
        run_config={"ops": {"refresh_warehouse": {"config": {"rebuild": False}}}},
    )  # fmt: skip
    assert not result.success


def test_dagsters_storage_gets_no_secret_of_a_look(
    alerting: Alerting, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "PAUSES_SECONDS", (0.0, 0.0))
    configure(webhook_token=OURS[2])
    alerting.webhook.answers = [500] * 3
    alerting.change(minutes_ago=20)
    alerting.look()
    files = [file for file in Path(instance.root_directory).rglob("*") if file.is_file()]
    assert files
    for file in files:
        held = file.read_bytes()
        assert [secret for secret in OURS if secret.encode() in held] == [], file


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see postgresql://me:pass:word@h/db now", "see postgresql://***@h/db now"),
        ("host=h password=abc dbname=d", "host=h password=*** dbname=d"),
        ("password='a b' next", "password=*** next"),
        ('{"api_key": "abc", "n": 1}', '{"api_key": ***, "n": 1}'),
        ("password authentication failed for user", "password authentication failed for user"),
    ],
)
def test_what_looks_like_a_secret_is_struck_out(text: str, shown: str) -> None:
    assert hide({"a": [text], "n": 1}) == {"a": [shown], "n": 1}
