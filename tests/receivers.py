"""What alerts are sent to in the tests: a web server and a mail server on this machine, which keep what they get."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from dpm_assets.server.state import free_port

SECONDS = 120


@dataclass
class Webhook:
    """Answers each POST with the next of `answers`, or with 200; while it `withholds`, it keeps its answers back."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    got: list[dict[str, Any]] = field(default_factory=list)
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    arrived: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    may_answer: threading.Event = field(default_factory=threading.Event)
    refuses: str = ""
    """A message that holds this text is answered with 400."""

    def take(self, path: str, headers: dict[str, str], body: bytes) -> int:
        self.requests.append((path, headers, body))
        refused = self.refuses and self.refuses in body.decode()
        code = 400 if refused else self.answers.pop(0) if self.answers else 200
        if code == 200:
            self.got.append(json.loads(body))
        self.arrived.release()
        self.may_answer.wait(SECONDS)
        return code

    @property
    def told(self) -> list[tuple[str, str]]:
        """Event and alert of each message that was taken, in order."""
        return [(message["event"], message["alert"]) for message in self.got]


@contextmanager
def webhook() -> Iterator[Webhook]:
    kept = Webhook()
    kept.may_answer.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            code = kept.take(self.path, dict(self.headers), body)
            try:
                self.send_response(code)
                if 300 <= code < 400:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()
            except OSError:
                pass  # who asked was killed meanwhile

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept.url = f"http://127.0.0.1:{server.server_address[1]}/services/T0/B0/path-that-nobody-may-see"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield kept
    finally:
        kept.may_answer.set()
        server.shutdown()
        server.server_close()


@dataclass
class Mailbox:
    port: int = 0
    got: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    logins: list[bytes] = field(default_factory=list)
    refuses: set[str] = field(default_factory=set)
    """Recipients that are not known here."""

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refuses:
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        mail = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(mail, EmailMessage)
        self.got.append(mail)
        self.recipients.append(envelope.rcpt_tos)
        return "250 taken"


@contextmanager
def mailbox(password: bytes | None = None, **options: Any) -> Iterator[Mailbox]:
    """A mail server; with a password it takes nothing from who has not logged in with it."""
    kept = Mailbox()

    def authenticate(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        kept.logins.append(data.login)
        return AuthResult(success=data.password == password, handled=False)

    if password is not None:
        options |= {"authenticator": authenticate, "auth_required": True}
        options.setdefault("auth_require_tls", False)
    kept.port = free_port()
    controller = Controller(kept, hostname="127.0.0.1", port=kept.port, **options)
    controller.start()
    try:
        yield kept
    finally:
        controller.stop()
