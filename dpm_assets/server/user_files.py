"""Files in the folders of the server's user, made by that user.

Whoever has that account can put a link in the place of any file or folder there. Root, who writes through none of them, is not
led to files of others; the user can do no more by such a link than without it.
"""

import os
import subprocess
from pathlib import Path

from dpm_assets.errors import DpmError
from dpm_assets.server.places import ServerUser, as_user


def replace_file(path: Path, text: str, user: ServerUser | None) -> None:
    """Write a file whole or not at all, for the server's user alone. Raises DpmError when it cannot be written."""
    _do('rm -f "$1.new" && cat > "$1.new" && mv -f "$1.new" "$1"', user, path, text=text)


def append_text(path: Path, text: str, user: ServerUser | None) -> None:
    """Write at the end of a file. Raises DpmError when it cannot be written."""
    _do('cat >> "$1"', user, path, text=text)


def copy_file(source: Path, target: Path, user: ServerUser | None) -> None:
    """Copy a file that the server's user can read, with its mode. Raises DpmError when it cannot be copied."""
    _do('cp -p "$2" "$1"', user, target, source)


def make_folder(path: Path, user: ServerUser | None) -> None:
    """Make a folder for the server's user alone. Raises DpmError when it cannot be made, or something is there."""
    _do('mkdir "$1"', user, path)


def _do(script: str, user: ServerUser | None, path: Path, *more: Path, text: str = "") -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", f"umask 077; {script}", "sh", str(path), *map(str, more)],
        input=text.encode(),
        env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
        capture_output=True,
        check=False,
        **as_user(user),
    )
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        raise DpmError(f"{path} cannot be written: {said}. Mend that, then try again.")
