"""Which process serves a data directory, and ending it."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from dpm_assets.errors import DpmError

_PROC = Path("/proc")


def postmaster(data: Path) -> int | None:
    """The id of the living server process of a data directory, or None.

    The number in postmaster.pid alone proves nothing: after a crash or a reboot it may be another program's.
    """
    try:
        pid = int((data / "postmaster.pid").read_text().splitlines()[0])
    except (OSError, ValueError, IndexError):
        return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        pass  # alive, and another user's
    return pid if _works_in(pid, data) else None


def listening(data: Path) -> tuple[int | None, bool]:
    """The port of the server process of a data directory, as soon as it is known, and whether it has noted that it is ready."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        return int(lines[3]), len(lines) > 7 and lines[7].strip() == "ready"
    except (OSError, ValueError, IndexError):
        return None, False


def end(data: Path, patience: float = 60) -> bool:
    """End the server's sessions and the server: in order, and when that takes too long, at once. False if none runs."""
    pid = postmaster(data)
    if pid is None:
        return False
    for number, seconds in ((signal.SIGINT, patience), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 10.0)):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return True
        except PermissionError:
            raise DpmError(f"The server in {data} is another user's. Stop it as that user, or as root.") from None
        give_up = time.monotonic() + seconds
        while time.monotonic() < give_up:
            if postmaster(data) != pid:
                return True
            time.sleep(0.05)
    raise DpmError(f"The server in {data} (process {pid}) does not end. Its log says what it is doing.")


def clear_after_crash(data: Path, patience: float = 5) -> None:
    """Make room for a new server where the last one was killed.

    Sessions outlive a killed server for a moment and hold its memory; one in a long query for as long as that takes, so
    it is ended. The pid file of a server that nobody has reaped (a container without an init), or whose number another
    program has by now, would be refused for ever: it goes, once no process of a server is left in the data directory.
    """
    if not _PROC.is_dir() or not (data / "postmaster.pid").exists() or postmaster(data) is not None:
        return
    give_up = time.monotonic() + patience
    while left := _server_processes_in(data):
        if time.monotonic() >= give_up:
            for pid in left:
                with suppress(ProcessLookupError):  # ended by itself meanwhile
                    os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    (data / "postmaster.pid").unlink(missing_ok=True)


def _works_in(pid: int, data: Path) -> bool:
    """Whether a process has the data directory as its working directory, as every process of a server does."""
    if not _PROC.is_dir():
        return True
    try:
        return (_PROC / str(pid) / "cwd").samefile(data)
    except PermissionError:
        return True
    except OSError:
        return False


def _server_processes_in(data: Path) -> list[int]:
    """Not those of a user who looks around there: his shell, and dpm itself when it is started from it."""
    found = []
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            try:
                if (entry / "comm").read_bytes().strip() == b"postgres" and (entry / "cwd").samefile(data):
                    found.append(int(entry.name))
            except OSError:
                continue
    return found
