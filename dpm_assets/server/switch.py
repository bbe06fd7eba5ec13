"""The last step of an upgrade: the new data directory takes the place of the old, which is kept beside it.

Invariant: until `switching.json` is written, the old data directory is in its place and untouched; from then on the new one
is whole, and whoever comes next ends the switch. A start between the two renames would otherwise begin with no data.

The note and the dumps are beside the folder of the data, not in it: that one is the server's user's, who could put there what
root would obey.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dpm_assets.errors import DpmError
from dpm_assets.server.postmaster import end


def new_root(root: Path) -> Path:
    """The folder in which an upgrade makes the new data directory."""
    return root / "upgrade"


def dumps(root: Path) -> Path:
    """The folder of an upgrade's dumps, which only whoever runs dpm may enter."""
    return root.parent / "upgrade_dumps"


def kept(root: Path, major: int) -> Path:
    """Where the old data directory goes."""
    return root / f"data.{major}"


def begin_switch(root: Path, major: int) -> None:
    """The new data directory is whole, and on the disk: note that it takes the place of that of `major`."""
    note = _note(root)
    making = note.with_suffix(".new")
    with making.open("w", encoding="utf-8") as file:
        json.dump({"kept": kept(root, major).name}, file)
        file.flush()
        os.fsync(file.fileno())
    making.replace(note)
    with _opened(note.parent) as folder:
        os.fsync(folder)


def end_switch(root: Path) -> bool:
    """Do what is left of a switch that was begun; False where none was."""
    note = _note(root)
    if not note.exists():
        return False
    old = root / json.loads(note.read_text(encoding="utf-8"))["kept"]
    data, new = root / "data", new_root(root) / "data"
    if new.is_dir():
        with _opened(root) as folder, _opened(new_root(root), os.O_NOFOLLOW) as new_folder:
            if data.is_dir():
                data.rename(old)
                os.fsync(folder)
            os.rename("data", data, src_dir_fd=new_folder)  # of this folder, not of one that a link names
            os.fsync(folder)
    note.unlink()
    _remove(root)
    return True


def end_interrupted_upgrade(root: Path) -> None:
    """Finish a switch that was begun; of an upgrade that did not come so far, end its server and remove what it made.

    Raises DpmError when there are data of an earlier version and none in their place: nobody means to begin with empty ones.
    """
    if end_switch(root):
        return
    if not (root / "data").exists() and (old := sorted(root.glob("data.[0-9]*"))):
        raise DpmError(
            f"{root / 'data'} is missing, and {old[-1]} is there: an upgrade was killed in the moment of its switch. Rename"
            f" {new_root(root) / 'data'} to {root / 'data'} if it is there, or else {old[-1]}, which is of the PostgreSQL before;"
            " or move it away to begin with an empty server."
        )
    end(new_root(root) / "data", patience=10)
    _remove(root)


def _note(root: Path) -> Path:
    return root.parent / "switching.json"


def _remove(root: Path) -> None:
    for folder in (dumps(root), new_root(root)):
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _opened(folder: Path, flags: int = 0) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
