"""Running PostgreSQL's programs: as the server's user, without this environment's PG* variables, output to a file."""

import ctypes
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from dpm_assets.errors import DpmError
from dpm_assets.server.places import ServerUser, as_user


def forget_other_servers() -> None:
    """Take the PG* variables out of this process: PGSERVICE, PGSSLMODE and their like speak of another server."""
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]


def without_other_servers(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith("PG")}


def end_with_parent() -> None:
    """In a child: ask Linux to end it should the process that starts it be killed."""
    set_death_signal = 1
    ctypes.CDLL(None).prctl(set_death_signal, signal.SIGTERM)


def run(
    command: list[str], user: ServerUser | None, output: Path, environment: Mapping[str, str] | None = None
) -> None:
    """Run a program to its end. Raises DpmError with what it said.

    The output goes to a file: a pipe would be held open by the server that the program starts. Without `environment`, it
    gets this process's, less the PG* variables. Should this process be killed, the program is asked to end.
    """
    given = os.environ if environment is not None else without_other_servers(os.environ)
    environment = {**given, **(environment or {}), "LC_ALL": "C"}  # messages that the caller can read, whatever is set
    environment.pop("LANGUAGE", None)
    with output.open("ab") as file:
        begin = file.seek(0, os.SEEK_END)
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env=environment,
                check=False,
                preexec_fn=end_with_parent if sys.platform == "linux" else None,
                **as_user(user),
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise DpmError(f"{command[0]} cannot be run: {error}. Check DPM_PG_BIN, or unset it.") from None
    if done.returncode != 0:
        raise DpmError(f"{Path(command[0]).name} failed: {said_since(output, begin) or 'no message'}.")


def said_since(file: Path, begin: int) -> str:
    """What was written to a log after a position: its errors if there are any, else all; of a long text the end."""
    with file.open("rb") as log:
        log.seek(begin)
        lines = [line.strip() for line in log.read().decode(errors="replace").splitlines() if line.strip()]
    errors = [line for line in lines if re.search(r"FATAL:|PANIC:|ERROR:|error:", line)]
    if not errors or "contains errors" in errors[-1]:  # which setting is at fault stands in the lines before
        errors = lines
    return "; ".join(re.sub(r"^.*?\b(FATAL|PANIC|ERROR|LOG):\s+", "", line) for line in errors)[-500:]
