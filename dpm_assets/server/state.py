"""What the embedded server has to remember between commands: where it is, its port, its passwords."""

import fcntl
import json
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from dpm_assets.errors import DpmError
from dpm_assets.private import make_home


@dataclass(frozen=True)
class ServerState:
    """Where the data and the binaries are, and the port that the server listens on."""

    root: str
    binaries: str
    major: int
    port: int

    @property
    def data(self) -> Path:
        return Path(self.root) / "data"

    @property
    def log(self) -> Path:
        return Path(self.root) / "server.log"


def read_state(home: Path) -> ServerState | None:
    """The state of a home, or None when no server was ever started in it."""
    try:
        return ServerState(**json.loads((home / "server.json").read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except PermissionError:
        raise DpmError(
            f"{home}/server.json cannot be read by this user. Run dpm as the user who started the server."
        ) from None
    except (ValueError, TypeError):
        raise DpmError(
            f"{home}/server.json is damaged. Put it back from a copy: it names the folder of the data, which are not touched"
            " (without one, the folder that holds data/PG_VERSION, its programs, major version and port)."
        ) from None


def write_state(home: Path, state: ServerState) -> None:
    _write(home / "server.json", json.dumps(asdict(state), indent=2), 0o644)


def passwords(home: Path) -> dict[str, str]:
    """The passwords of the server's two logins, made at the first call, in a file that only its owner can read."""
    path = home / "passwords.json"
    if not path.exists():
        made = {name: secrets.token_urlsafe(24) for name in ("postgres", "dpm_service")}
        _write(path, json.dumps(made), 0o600)
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except PermissionError:
        raise DpmError(f"{path} cannot be read by this user. Run dpm as the user who started the server.") from None


def _write(path: Path, text: str, mode: int) -> None:
    """Write a file whole or not at all, with its mode from the first byte on."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def free_port(preferred: int | None = None) -> int:
    """The preferred port if nobody listens on it, else one that the system gives."""
    for port in (preferred, 0):
        if port is None:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise DpmError("No free TCP port on 127.0.0.1. Stop a program that holds many, then start again.")


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Hold the home for a start or stop: of two at once the second waits and finds the work done."""
    try:
        make_home(home)
        file = (home / "server.lock").open("a")
    except OSError as error:
        raise DpmError(f"Cannot write in {home}: {error.strerror}. Set DPM_HOME to a folder of this user.") from None
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
