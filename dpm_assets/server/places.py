"""Who runs the server, and where its files are: under DPM_HOME, or where the server's user can reach when that is not."""

import hashlib
import os
import pwd
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dpm_assets.errors import DpmError
from dpm_assets.server.binaries import Binaries

_REACHABLE_BASE = Path("/var/lib/dpm")


@dataclass(frozen=True)
class ServerUser:
    """The operating-system user of the server: None for the one who runs this."""

    name: str
    uid: int
    gid: int


def server_user() -> ServerUser | None:
    """PostgreSQL refuses to run as root: then an existing lesser user runs it, and no new one is made."""
    if sys.platform == "win32" or os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return ServerUser(name, entry.pw_uid, entry.pw_gid)
    raise DpmError("PostgreSQL does not run as root, and there is no user postgres or nobody to run it. Run dpm as another user.")


def can_reach(user: ServerUser | None, path: Path) -> bool:
    """Whether the server's user can enter a folder (or, while it does not exist, the nearest one above it)."""
    if user is None:
        return True
    while not path.exists():
        path = path.parent
    return subprocess.run(["test", "-x", str(path)], **as_user(user), check=False).returncode == 0


def as_user(user: ServerUser | None) -> dict[str, Any]:
    """Arguments for subprocess that make a child run as that user, in a folder that it can enter."""
    if user is None:
        return {}
    return {"user": user.uid, "group": user.gid, "extra_groups": [], "cwd": "/"}


def data_root(home: Path, user: ServerUser | None) -> Path:
    """The folder of the server's data: `home`, or one made for it where the server's user can go."""
    if can_reach(user, home):
        return home / "postgres"
    name = hashlib.sha256(str(home).encode()).hexdigest()[:12]
    return _REACHABLE_BASE / name / "postgres"


def reachable_binaries(found: Binaries, user: ServerUser | None, root: Path) -> Binaries:
    """The binaries themselves, or a copy beside the data when the server's user cannot reach them.

    The programs find their libraries relative to themselves, so the folder tree around them is copied as it is.
    """
    if can_reach(user, found.folder):
        return found
    package = found.folder.parent.parent
    copied = root.parent / f"binaries-{found.major}"
    target = copied / package.name
    if not target.exists():
        for part in (package, package.with_name(package.name + ".libs")):
            if part.is_dir():
                shutil.copytree(part, copied / part.name, symlinks=True, dirs_exist_ok=True)
    return Binaries(target / found.folder.relative_to(package), found.major)


def make_folder(path: Path, user: ServerUser | None, mode: int) -> None:
    """Make a folder that belongs to the server's user; of its parents only those that are missing."""
    path.mkdir(parents=True, exist_ok=True, mode=0o755)
    path.chmod(mode)
    if user:
        os.chown(path, user.uid, user.gid)
