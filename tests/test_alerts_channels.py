"""Each channel: what it sends, what it does with a receiver that fails, and that it shows no secret."""

import hashlib
import hmac
import json
import socket
import ssl
import subprocess
import time
from pathlib import Path

import pytest

from dpm_assets.alerts import webhook as webhooks
from dpm_assets.alerts.channels import DeliveryFailed, within
from dpm_assets.server.state import free_port
from tests.alerting import Alerting, configure
from tests.command_line import dpm
from tests.receivers import mailbox

SECRET = "path-that-nobody-may-see"


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "PAUSES_SECONDS", (0.0, 0.0))


def headers(alerting: Alerting) -> dict[str, str]:
    return {name.lower(): value for name, value in alerting.webhook.requests[-1][1].items()}


def test_a_receiver_that_fails_is_tried_three_times_and_again_at_the_next_look(alerting: Alerting) -> None:
    alerting.webhook.answers = [503] * 3
    alerting.change(minutes_ago=20)
    said = alerting.look()
    assert "webhook: 1 not delivered (the receiver answered 503, 3 times), tried again at the next look." in said
    assert "log: 1 message delivered." in said, "one channel keeps no other back"
    assert len(alerting.webhook.requests) == 3
    alerting.look()
    assert alerting.webhook.told == [("opened", "freshness")]
    assert len(alerting.logged()) == 1


def test_what_the_receiver_will_never_take_is_tried_once_a_look(alerting: Alerting) -> None:
    alerting.webhook.answers = [404]
    alerting.change(minutes_ago=20)
    assert "(the receiver answered 404)" in alerting.look()
    assert len(alerting.webhook.requests) == 1


def test_a_message_that_is_never_taken_keeps_no_other_back(alerting: Alerting) -> None:
    alerting.webhook.refuses = "freshness"
    alerting.change(minutes_ago=20)
    alerting.look()
    alerting.execute("alter function check_partitions(integer) rename to check_partitions_not_there")
    alerting.look()
    assert alerting.webhook.told == [("opened", "unjudged")]


def test_nobody_is_told_that_it_is_over_before_being_told_of_it(alerting: Alerting) -> None:
    alerting.webhook.answers = [400] * 2
    alerting.change(minutes_ago=20)
    alerting.look()
    alerting.refresh()
    alerting.look()
    assert alerting.webhook.told == []
    alerting.look()
    assert alerting.webhook.told == [("opened", "freshness"), ("resolved", "freshness")]


def test_a_redirect_is_not_followed(alerting: Alerting) -> None:
    alerting.webhook.answers = [302]
    alerting.change(minutes_ago=20)
    assert "(the receiver answered 302)" in alerting.look()
    assert [path for path, _, _ in alerting.webhook.requests] == ["/services/T0/B0/" + SECRET]


def test_the_body_is_signed_with_the_time_and_the_id_is_a_header(alerting: Alerting) -> None:
    configure(webhook_key="the-key", webhook_token="the-token")
    alerting.change(minutes_ago=20)
    alerting.look()
    got, (_, _, body) = headers(alerting), alerting.webhook.requests[-1]
    expected = hmac.new(b"the-key", f"{got['x-dpm-timestamp']}.".encode() + body, hashlib.sha256).hexdigest()
    assert got["x-dpm-signature"] == f"sha256={expected}"
    assert got["authorization"] == "Bearer the-token"
    assert got["idempotency-key"] == json.loads(body)["id"]


def test_a_login_in_the_url_is_sent_as_a_header(alerting: Alerting) -> None:
    configure(webhook_url=alerting.webhook.url.replace("://", "://user:p%40ss@"))
    alerting.change(minutes_ago=20)
    alerting.look()
    assert headers(alerting)["authorization"] == "Basic dXNlcjpwQHNz"


def test_an_answer_that_takes_too_long_is_a_failure() -> None:
    began = time.monotonic()
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        pytest.raises(DeliveryFailed, match=r"no answer within 0.2 s"),
    ):
        within(0.2, lambda: socket.create_connection(silent.getsockname()).recv(1))
    assert time.monotonic() - began < 10


def test_the_log_ends_a_line_that_was_cut_off(alerting: Alerting) -> None:
    alerting.log.write_text('{"id": "cut o')
    alerting.change(minutes_ago=20)
    alerting.look()
    first, second = alerting.log.read_text().splitlines()
    assert first == '{"id": "cut o' and json.loads(second)["event"] == "opened"


def test_a_log_that_cannot_be_written_keeps_its_message(alerting: Alerting) -> None:
    alerting.log.mkdir()
    alerting.change(minutes_ago=20)
    assert "log: 1 not delivered (the file cannot be written: Is a directory)" in alerting.look()
    alerting.log.rmdir()
    alerting.look()
    assert [each["event"] for each in alerting.logged()] == ["opened"]


def test_mail_is_sent_with_the_ids_of_message_and_incident(alerting: Alerting) -> None:
    with mailbox(password=b"mail-password") as box:
        configure(
            mail_to="ops@example.com, risk@example.com", mail_from="dpm@example.com", smtp_host="127.0.0.1",
            smtp_port=box.port, smtp_security="none", smtp_user="dpm", smtp_password="mail-password",
        )  # fmt: skip
        alerting.change(minutes_ago=20)
        alerting.look()
        alerting.refresh()
        alerting.look()
    opened, resolved = box.got
    assert box.recipients == [["ops@example.com", "risk@example.com"]] * 2 and set(box.logins) == {b"dpm"}
    assert opened["From"] == "dpm@example.com" and str(opened["Subject"]).startswith("[warning] A change of")
    assert str(resolved["Subject"]).startswith("[over] A change of")
    assert resolved["In-Reply-To"] == opened["Message-ID"] == f"<{alerting.webhook.got[0]['id']}@dpm-alerts>"
    assert "pending_account_days: 1" in opened.get_content()


def test_a_recipient_that_is_refused_makes_nobody_get_it_twice(alerting: Alerting) -> None:
    with mailbox() as box:
        box.refuses = {"gone@example.com"}
        configure(
            mail_to="ops@example.com,gone@example.com", smtp_host="127.0.0.1", smtp_port=box.port, smtp_security="none"
        )
        alerting.change(minutes_ago=20)
        alerting.look()
        alerting.look()
    assert box.recipients == [["ops@example.com"]]
    told = alerting.rows("select remark, delivered_at is not null from alert_messages where channel = 'mail'")
    assert told == [("refused for gone@example.com", True)]


def test_mail_that_is_refused_waits_for_the_next_look(alerting: Alerting) -> None:
    with mailbox(password=b"mail-password") as box:
        mail = {"mail_to": "ops@example.com", "smtp_host": "127.0.0.1", "smtp_port": box.port, "smtp_security": "none"}
        configure(**mail, smtp_user="dpm", smtp_password="wrong-password")
        alerting.change(minutes_ago=20)
        assert "mail: 1 not delivered (the mail server refused the login (535))" in alerting.look()
        box.refuses = {"ops@example.com"}
        configure(smtp_password="mail-password")
        assert "mail: 1 not delivered (the mail server refused every recipient)" in alerting.look()
        box.refuses = set()
        alerting.look()
    assert len(box.got) == 1


def test_no_password_is_sent_to_a_server_that_does_not_encrypt(alerting: Alerting) -> None:
    with mailbox(password=b"mail-password") as box:
        mail = {"mail_to": "ops@example.com", "smtp_host": "127.0.0.1", "smtp_port": box.port}
        configure(**mail, smtp_user="dpm", smtp_password="mail-password")
        alerting.change(minutes_ago=20)
        assert "(the mail server does not offer what starttls or the login needs)" in alerting.look()
        assert box.logins == [] and box.got == []


def test_mail_is_encrypted_by_starttls_and_only_for_a_certificate_that_is_trusted(
    alerting: Alerting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    with mailbox(password=b"mail-password", tls_context=context, require_starttls=True, auth_require_tls=True) as box:
        mail = {"mail_to": "ops@example.com", "smtp_host": "localhost", "smtp_port": box.port}
        configure(**mail, smtp_user="dpm", smtp_password="mail-password")
        alerting.change(minutes_ago=20)
        assert "(the mail server's certificate is not trusted: self-signed certificate)" in alerting.look()
        assert box.logins == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        alerting.look()
    assert len(box.got) == 1 and box.logins == [b"dpm"]


WRONG = [
    ({"webhook_url": f"hooks.example.com/{SECRET}"}, "DPM_ALERT_WEBHOOK_URL"),
    ({"webhook_url": f"https://user:{SECRET}@:x/"}, "DPM_ALERT_WEBHOOK_URL"),
    ({"webhook_url": "https://u:p@h/", "webhook_token": SECRET}, "DPM_ALERT_WEBHOOK_TOKEN"),
    ({"mail_to": "ops@example.com"}, "DPM_ALERT_SMTP_HOST"),
    ({"mail_to": "ops", "smtp_host": "h"}, "DPM_ALERT_MAIL_TO"),
    ({"mail_to": "o@x", "smtp_host": "h", "smtp_password": SECRET}, "DPM_ALERT_SMTP_USER"),
    (
        {"mail_to": "o@x", "smtp_host": "h", "smtp_user": "u", "smtp_password": SECRET, "smtp_security": "none"},
        "DPM_ALERT_SMTP_SECURITY",
    ),
]


@pytest.mark.parametrize(("given", "named"), WRONG, ids=[named for _, named in WRONG])
def test_a_channel_that_is_configured_wrongly_is_named_and_silences_no_other(
    alerting: Alerting, given: dict[str, str], named: str
) -> None:
    configure(webhook_url=None)
    configure(**given)
    alerting.change(minutes_ago=20)
    alerting.look()
    assert [each["event"] for each in alerting.logged()] == ["opened"]
    tried = dpm(alerting.db.url, "alerts", "test")
    assert tried.returncode == 1 and named in tried.stdout and SECRET not in tried.stdout


def test_the_test_command_says_of_each_channel_what_became_of_it(alerting: Alerting) -> None:
    nobody = free_port()
    configure(webhook_token="the-token", mail_to="ops@example.com", smtp_host="127.0.0.1", smtp_port=nobody)
    tried = dpm(alerting.db.url, "alerts", "test")
    port = alerting.webhook.url.split(":")[2].split("/")[0]
    assert tried.returncode == 1 and tried.stdout.splitlines() == [
        f"log: the test message was delivered to {alerting.log}.",
        f"webhook: the test message was delivered to http://127.0.0.1:{port}/....",
        f"mail: the test message was not delivered to ops@example.com by 127.0.0.1:{nobody}: "
        "the mail server cannot be reached (Connection refused).",
    ]
    assert alerting.webhook.told == [("test", "test")]
    configure(mail_to=None, smtp_host=None)
    assert dpm(alerting.db.url, "alerts", "test").returncode == 0
    assert alerting.rows("select from alert_incidents") == []


def test_a_token_that_no_header_may_hold_is_never_said_and_keeps_no_other_channel_back(alerting: Alerting) -> None:
    """As a file with a line's end makes it."""
    with mailbox() as box:
        configure(
            webhook_token=f"{SECRET}\n", mail_to="ops@example.com", smtp_host="127.0.0.1", smtp_port=box.port,
            smtp_security="none",
        )  # fmt: skip
        tried = dpm(alerting.db.url, "alerts", "test")
    assert tried.returncode == 1 and SECRET not in tried.stdout + tried.stderr
    assert "holds characters that no request may have" in tried.stdout
    assert len(box.got) == 1


def test_a_mail_password_that_cannot_be_sent_is_said_in_a_sentence(alerting: Alerting) -> None:
    with mailbox(password="pässword".encode()) as box:
        configure(
            mail_to="ops@example.com", smtp_host="127.0.0.1", smtp_port=box.port, smtp_security="none",
            smtp_user="dpm", smtp_password="pässword",
        )  # fmt: skip
        tried = dpm(alerting.db.url, "alerts", "test")
    assert tried.returncode == 1 and "mail: the test message was not delivered" in tried.stdout
    assert "pässword" not in tried.stdout + tried.stderr
