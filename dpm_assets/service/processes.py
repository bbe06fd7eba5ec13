"""The processes of the service: started together, watched, stopped together with all that they started."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dpm_assets.private import private_folder
from dpm_assets.server.programs import end_with_parent

STOP_SECONDS = 8.0


@dataclass
class Child:
    """One process and its log; the leader of a group, so that its own children can be ended with it."""

    name: str
    log: Path
    process: subprocess.Popen[bytes]


def start(name: str, command: list[str], environment: Mapping[str, str], logs: Path) -> Child:
    """Start a process in a group of its own, output to `logs/name.log`."""
    log = private_folder(logs) / f"{name}.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            start_new_session=True,
            preexec_fn=end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509
        )
    return Child(name, log, process)


def stop(children: list[Child]) -> None:
    """Ask every process group to end, and end by force what has not after some seconds."""
    for child in reversed(children):
        _signal(child, signal.SIGTERM)
    give_up = time.monotonic() + STOP_SECONDS
    while time.monotonic() < give_up and any(child.process.poll() is None for child in children):
        time.sleep(0.1)
    for child in children:
        # Also where the leader is gone: a run that it started may not be.
        _signal(child, signal.SIGKILL)
        child.process.wait()


def _signal(child: Child, number: int) -> None:
    try:
        os.killpg(child.process.pid, number)
    except ProcessLookupError:
        return


def last_lines(log: Path, count: int = 5) -> str:
    """The end of a log, for a message."""
    try:
        return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-count:])
    except OSError:
        return ""
