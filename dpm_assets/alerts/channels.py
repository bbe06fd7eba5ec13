"""The channels that messages go through, as the settings name them."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from dpm_assets.alerts.messages import Message
from dpm_assets.alerts.settings import AlertSettings
from dpm_assets.errors import DpmError

_T = TypeVar("_T")


class DeliveryFailed(Exception):
    """A message was not taken. The text says why, without any secret; it is sent again at the next look."""


class Channel(Protocol):
    """Somewhere to send messages to. `name` is what the tables know it by, `where` shows no secret."""

    @property
    def name(self) -> str: ...

    @property
    def where(self) -> str: ...

    def send(self, message: Message) -> str | None:
        """Returns when it was taken, with a remark if not simply so. Raises DeliveryFailed."""


@dataclass(frozen=True)
class Channels:
    """Those that are configured, and a sentence about each that is configured wrongly."""

    usable: list[Channel]
    complaints: list[str]


def configured(given: AlertSettings) -> Channels:
    """The log file always; the others where their settings say where to. One that is wrong does not silence the others."""
    from dpm_assets.alerts.log_file import LogFile
    from dpm_assets.alerts.mail import Mail
    from dpm_assets.alerts.webhook import Webhook

    usable: list[Channel] = [LogFile(given.log_file)]
    complaints = []
    makers: list[tuple[object, Callable[[AlertSettings], Channel]]] = [
        (given.webhook_url, Webhook.from_settings),
        (given.mail_to or given.smtp_host, Mail.from_settings),
    ]
    for wanted, make in makers:
        if wanted:
            try:
                usable.append(make(given))
            except DpmError as error:
                complaints.append(str(error))
    return Channels(usable, complaints)


def within(seconds: float, work: Callable[[], _T]) -> _T:
    """What `work` returns or raises; DeliveryFailed once it has taken longer, wherever it stands.

    A timeout of a socket counts anew with each byte, and name resolution has none. What is left behind ends by those.
    """
    done: list[_T] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            done.append(work())
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if not done:
        raise DeliveryFailed(f"no answer within {seconds:g} s")
    return done[0]
