"""Where the UI listens, and what it lets people do. Dagster's webserver asks nobody who he is."""

import ipaddress
import socket
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

from dpm_assets.errors import DpmError

ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


@dataclass(frozen=True)
class Ui:
    """The webserver's address. `read_only`: it shows everything, and starts, stops and switches nothing."""

    host: str
    port: int
    read_only: bool = False

    @property
    def url(self) -> str:
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    @property
    def _from_here(self) -> "Ui":
        """The address at which this machine reaches it."""
        return Ui(ANYWHERE.get(self.host, self.host), self.port)

    def arguments(self) -> list[str]:
        return ["-h", self.host, "-p", str(self.port), *(["--read-only"] if self.read_only else [])]

    def warnings(self) -> Iterator[str]:
        """What whoever opens the UI to other machines has to know."""
        if not is_loopback(self.host):
            may = "see everything" if self.read_only else "start, stop and delete runs"
            yield (
                f"WARNING: the UI listens on {self.host}, and asks nobody for a password: whoever reaches port {self.port} may "
                f"{may}. Leave DPM_HOST at 127.0.0.1 and put a proxy with a login before it (docs/security.md)."
            )

    def refuse_taken(self) -> None:
        """Raises DpmError when something listens there already, or the address is none of this machine's."""
        here = self._from_here
        if listens(here.host, here.port):
            raise DpmError(
                f"Something listens on {self.host}:{self.port} already. Stop it, or choose another port with --port or DPM_PORT."
            )
        try:
            family, *_, address = socket.getaddrinfo(self.host, 0, type=socket.SOCK_STREAM)[0]
            with socket.socket(family) as probe:
                probe.bind(address)
        except OSError as error:
            raise DpmError(
                f"The UI cannot listen on {self.host}: {error.strerror or error}. Give an address of this machine with --host or "
                "DPM_HOST."
            ) from None

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self._from_here.url}/server_info", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it. A name other than localhost may become any address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def listens(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False
