"""Nothing secret leaves in a message: what is known to be one is struck out, and what looks like one."""

import re
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from dpm_assets.alerts.settings import alert_settings
from dpm_assets.settings import settings

HIDDEN = "***"
SHORTEST = 4

_LOGIN_IN_URL = re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^\s/@]+@", re.IGNORECASE)
_NAMED = re.compile(
    r"(\b\w*(?:password|passwd|secret|token|api[_-]?key)\w*['\"]?\s*[=:]\s*)(?:'[^']*'|\"[^\"]*\"|[^\s,;&)}]+)",
    re.IGNORECASE,
)


def hide(value: Any) -> Any:
    """The same text, list or dict (of what JSON can hold), with every secret struck out."""
    if isinstance(value, str):
        return _hide_text(value)
    if isinstance(value, dict):
        return {name: hide(held) for name, held in value.items()}
    if isinstance(value, list):
        return [hide(held) for held in value]
    return value


def _hide_text(text: str) -> str:
    for secret in _known():
        text = text.replace(secret, HIDDEN)
    return _NAMED.sub(rf"\1{HIDDEN}", _LOGIN_IN_URL.sub(rf"\1{HIDDEN}@", text))


def _known() -> list[str]:
    """The secrets of the settings, and those within their URLs; the longest first, as one may be a part of another."""
    database = settings().database_url, settings().dagster_url
    whole = [*alert_settings().secrets(), *(url.get_secret_value() for url in database if url)]
    parts = []
    for url in whole:
        with suppress(ValueError):  # no URL, and then a secret as a whole
            split = urlsplit(url)
            parts += [split.password or "", split.path.strip("/") if split.scheme.startswith("http") else ""]
    # What is shorter is no secret, and striking it out would leave no sentence whole.
    return sorted({secret for secret in [*whole, *parts] if len(secret) >= SHORTEST}, key=len, reverse=True)
