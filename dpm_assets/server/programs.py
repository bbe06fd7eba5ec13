"""Running PostgreSQL's programs: as the server's user, without this environment's PG* variables, output to a file."""

import os
import re
import subprocess
from pathlib import Path

from dpm_assets.errors import DpmError
from dpm_assets.server.places import ServerUser, as_user


def forget_other_servers() -> None:
    """Take the PG* variables out of this process: PGSERVICE, PGSSLMODE and their like speak of another server."""
    for name in [name for name in os.environ if name.startswith("PG")]:
        del os.environ[name]


def run(command: list[str], user: ServerUser | None, output: Path) -> None:
    """Run a program to its end. Raises DpmError with what it said.

    The output goes to a file: a pipe would be held open by the server that the program starts.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    environment["LC_ALL"] = "C"  # messages that the caller can read, whatever language is set
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
