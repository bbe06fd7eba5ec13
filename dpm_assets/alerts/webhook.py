"""The channel `webhook`: a POST of JSON, signed or with a token if one is set.

The whole URL is taken for a secret (chat services put theirs into its path): only its host is ever shown, and what the
libraries say in their errors, which may quote it, is never passed on.
"""

import base64
import hashlib
import hmac
import http.client
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from dpm_assets.alerts.channels import DeliveryFailed, within
from dpm_assets.alerts.messages import Message
from dpm_assets.alerts.settings import AlertSettings
from dpm_assets.errors import DpmError

PAUSES_SECONDS = (0.5, 1.0)
"""Before the second and the third attempt; then the message waits for the next look."""

HIDDEN_PATH = "..."

_TRY_AGAIN = {408, 425, 429, 500, 502, 503, 504}


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """The token and the message are meant for the address that was set, and for no other."""

    def redirect_request(self, *_: Any) -> None:
        return None


@dataclass(frozen=True, repr=False)
class Webhook:
    url: str
    where: str
    authorization: str | None = None
    key: bytes | None = None
    timeout: float = 5.0
    name: str = field(default="webhook", init=False)

    @classmethod
    def from_settings(cls, given: AlertSettings) -> "Webhook":
        """Raises DpmError that names the setting which cannot be used, and not its value."""
        assert given.webhook_url is not None
        try:
            url = urlsplit(given.webhook_url.get_secret_value().strip())
            host, port = url.hostname, url.port
        except ValueError:
            host, port = None, None
        if not host or url.scheme not in ("http", "https"):
            raise DpmError(
                "The setting DPM_ALERT_WEBHOOK_URL is no URL that begins with https:// or http://. Correct it."
            )
        token = given.webhook_token.get_secret_value() if given.webhook_token else None
        authorization = f"Bearer {token}" if token else None
        if url.username is not None:
            if token:
                raise DpmError(
                    "DPM_ALERT_WEBHOOK_URL holds a login and DPM_ALERT_WEBHOOK_TOKEN is set: unset one of them."
                )
            login = f"{unquote(url.username)}:{unquote(url.password or '')}"
            authorization = f"Basic {base64.b64encode(login.encode()).decode()}"
        address = f"[{host}]" if ":" in host else host
        place = f"{address}:{port}" if port else address
        return cls(
            url=url._replace(netloc=place, fragment="").geturl(),
            where=f"{url.scheme}://{place}/{HIDDEN_PATH if url.path.strip('/') or url.query else ''}",
            authorization=authorization,
            key=given.webhook_key.get_secret_value().encode() if given.webhook_key else None,
            timeout=given.webhook_timeout_seconds,
        )

    def send(self, message: Message) -> None:
        """Three attempts at most, if the receiver cannot be reached or asks for another."""
        for pause in (*PAUSES_SECONDS, None):
            try:
                return within(self.timeout, lambda: self._post(message))
            except _Refused as refused:
                raise DeliveryFailed(str(refused)) from None
            except (_TryAgain, DeliveryFailed) as failed:
                if pause is None:
                    raise DeliveryFailed(f"{failed}, {len(PAUSES_SECONDS) + 1} times") from None
                time.sleep(pause)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _post(self, message: Message) -> None:
        body = message.as_json().encode()
        request = urllib.request.Request(self.url, body, self._headers(message, body), method="POST")
        try:
            with urllib.request.build_opener(_NoRedirects).open(request, timeout=self.timeout):
                return
        except urllib.error.HTTPError as error:
            error.close()
            kind = _TryAgain if error.code in _TRY_AGAIN else _Refused
            raise kind(f"the receiver answered {error.code}") from None
        except urllib.error.URLError as error:
            raise _TryAgain(_reason(error.reason)) from None
        except OSError as error:
            raise _TryAgain(_reason(error)) from None
        except http.client.InvalidURL:
            raise _Refused("the URL holds characters that no URL may have") from None
        except http.client.HTTPException:
            raise _TryAgain("the receiver did not answer as a web server does") from None
        except ValueError:  # its text quotes the header
            raise _Refused("the URL or the token holds characters that no request may have") from None

    def _headers(self, message: Message, body: bytes) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "dpm-alerts",
            "Idempotency-Key": message.id,
        }
        if self.authorization:
            headers["Authorization"] = self.authorization
        if self.key:
            headers |= signature(self.key, body, int(time.time()))
        return headers


class _TryAgain(Exception):
    """The receiver may take it in a moment."""


class _Refused(Exception):
    """The receiver would answer the same again."""


def signature(key: bytes, body: bytes, at: int) -> dict[str, str]:
    """The headers that prove who sent the body and when (seconds since 1970): the HMAC-SHA256 of 'at.body', in hex."""
    signed = hmac.new(key, f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return {"X-DPM-Timestamp": str(at), "X-DPM-Signature": f"sha256={signed}"}


def _reason(error: object) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    said = error.strerror if isinstance(error, OSError) else None
    return f"the receiver cannot be reached ({said or type(error).__name__})"
