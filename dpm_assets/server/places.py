"""Who runs the server, and where its files are: under DPM_HOME, or elsewhere when the server's user cannot go there."""

import hashlib
import os
import pwd
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dpm_assets.errors import DpmError
from dpm_assets.server.binaries import Binaries
from dpm_assets.server.state import ServerState

_REACHABLE_BASE = Path("/var/lib/dpm")


@dataclass(frozen=True)
class ServerUser:
    """The operating-system user that runs the server in root's stead."""

    name: str
    uid: int
    gid: int


def server_user(data: Path) -> ServerUser | None:
    """None: whoever runs this. For root, whom PostgreSQL refuses, the owner of the data or an existing lesser user.

    No user is made. Raises DpmError when a normal user meets data that somebody else's server wrote.
    """
    owner = data.stat().st_uid if data.is_dir() else None
    if os.geteuid() != 0:
        if owner not in (None, os.geteuid()):
            raise DpmError(
                f"The data in {data} are another user's. Run dpm as the user who made them, or set DPM_HOME."
            )
        return None
    if owner:
        gid = data.stat().st_gid
        try:
            return ServerUser(pwd.getpwuid(owner).pw_name, owner, gid)
        except KeyError:
            return ServerUser(str(owner), owner, gid)
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return ServerUser(name, entry.pw_uid, entry.pw_gid)
    raise DpmError(
        "PostgreSQL does not run as root, and there is no user postgres or nobody to run it. Run dpm as a normal user."
    )


def as_user(user: ServerUser | None) -> dict[str, Any]:
    """Arguments for subprocess that make a child run as that user, in a folder that it can enter."""
    if user is None:
        return {"cwd": "/"}
    return {"user": user.uid, "group": user.gid, "extra_groups": [], "cwd": "/"}


def data_root(home: Path, before: ServerState | None) -> Path:
    """The folder of the server's data: `home`, or one made for it where the server's user can go.

    A folder outside of `home` has a name by chance: data of a home that was deleted never come back by themselves.
    """
    root = root_of(home, before) if before else home / "postgres"
    if root != home / "postgres" or _is_folder(root / "data") or _can_use(home, server_user(root / "data")):
        return root
    return _REACHABLE_BASE / f"{_mark(home)}-{secrets.token_hex(3)}" / "postgres"


def root_of(home: Path, before: ServerState) -> Path:
    """The folder of the data of a home in which a server was started before, whatever became of the home since.

    A copied home brings the state of the original with it, whose server and data are not the copy's. Raises DpmError when the
    data are outside of `home`, and were put there for another folder.
    """
    inside, outside = home / "postgres", Path(before.root)
    if _is_folder(inside / "data") or outside == inside or outside.parent.parent != _REACHABLE_BASE:
        return inside
    if not outside.parent.name.startswith(_mark(home)):
        raise DpmError(
            f"{home} was moved or copied: its data are in {outside}, made for another folder. Move it back, or "
            f"delete {home} to begin with an empty server."
        )
    return outside


def _mark(home: Path) -> str:
    """What the name of a folder outside of `home` begins with."""
    return hashlib.sha256(str(home).encode()).hexdigest()[:8]


def _is_folder(folder: Path) -> bool:
    """False, too, where this user may not look."""
    try:
        return folder.is_dir()
    except PermissionError:
        return False


def make_root(root: Path, home: Path, user: ServerUser | None) -> None:
    """Make the folder of the data, for the server's user alone; of the folders above it only those that are missing."""
    for folder in reversed(root.parents):
        if not folder.exists():
            folder.mkdir()
            if user and not folder.is_relative_to(home):
                folder.chmod(0o711)  # the server's user has to pass, whatever the umask
    root.mkdir(exist_ok=True)
    root.chmod(0o700)
    if user:
        os.chown(root, user.uid, user.gid)
        if not _can_use(root, user):
            raise DpmError(
                f"The user {user.name}, who runs the server for root, cannot enter {root}. Set DPM_HOME elsewhere."
            )


def reachable_binaries(found: Binaries, user: ServerUser | None, root: Path) -> Binaries:
    """The binaries themselves, or a copy beside the data when the server's user cannot run them.

    The programs find their libraries relative to themselves, so the folder tree around them is copied as it is.
    """
    if user is None or _can_run(found, user):
        return found
    parts = [found.folder.parent]
    package = found.folder.parent.parent
    if (libraries := package.with_name(f"{package.name}.libs")).is_dir():
        parts = [package, libraries]
    top = parts[0].parent
    target = root.parent / f"binaries-{found.version}"
    copied = Binaries(target / found.folder.relative_to(top), found.major, found.version)
    if not _can_run(copied, user):
        making = target.with_name(f"{target.name}.new")
        for old in (making, target):
            shutil.rmtree(old, ignore_errors=True)
        for part in parts:
            shutil.copytree(part, making / part.name, symlinks=True)
        for folder in (making, *(making / part.name for part in parts)):
            folder.chmod(0o755)
        making.rename(target)
    if not _can_run(copied, user):
        raise DpmError(
            f"The user {user.name} cannot run {found.folder}/postgres, nor a copy. Set DPM_PG_BIN or DPM_HOME."
        )
    return copied


def _can_use(folder: Path, user: ServerUser | None) -> bool:
    """Whether the server's user can work in a folder of its own in `folder`: tried, since modes do not tell all."""
    if user is None:
        return True
    probe = folder / f".probe-{secrets.token_hex(4)}"
    try:
        probe.mkdir(mode=0o700)
        os.chown(probe, user.uid, user.gid)
        tried = subprocess.run(
            ["/bin/sh", "-c", 'cd "$1" && : > file', "sh", str(probe)],
            **as_user(user),
            capture_output=True,
            check=False,
        )
        return tried.returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False
    finally:
        shutil.rmtree(probe, ignore_errors=True)


def _can_run(found: Binaries, user: ServerUser) -> bool:
    try:
        command = [found.program("postgres"), "--version"]
        return subprocess.run(command, **as_user(user), capture_output=True, check=False).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False
