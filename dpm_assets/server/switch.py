"""The last step of an upgrade: the new data directory takes the place of the old, which is kept beside it.

Invariant: until `switching.json` is written, the old data directory is in its place and untouched; from then on the new one
is whole, and whoever comes next ends the switch. A start between the two renames would otherwise begin with no data.
"""

import json
import os
import shutil
from pathlib import Path

from dpm_assets.server.postmaster import end


def new_root(root: Path) -> Path:
    """The folder in which an upgrade makes the dump and the new data directory."""
    return root / "upgrade"


def kept(root: Path, major: int) -> Path:
    """Where the old data directory goes."""
    return root / f"data.{major}"


def begin_switch(root: Path, major: int) -> None:
    """The new data directory is whole, and on the disk: note that it takes the place of that of `major`."""
    note = root / "switching.json"
    making = note.with_suffix(".new")
    with making.open("w", encoding="utf-8") as file:
        json.dump({"kept": kept(root, major).name}, file)
        file.flush()
        os.fsync(file.fileno())
    making.replace(note)
    _sync(root)


def end_switch(root: Path) -> bool:
    """Do what is left of a switch that was begun; False where none was."""
    note = root / "switching.json"
    if not note.exists():
        return False
    old = root / json.loads(note.read_text(encoding="utf-8"))["kept"]
    data, new = root / "data", new_root(root) / "data"
    if new.is_dir():
        if data.is_dir():
            data.rename(old)
            _sync(root)
        new.rename(data)
        _sync(root)
    note.unlink()
    shutil.rmtree(new_root(root), ignore_errors=True)
    return True


def end_interrupted_upgrade(root: Path) -> None:
    """Finish a switch that was begun; of an upgrade that did not come so far, end its server and remove what it made."""
    if end_switch(root) or not new_root(root).exists():
        return
    end(new_root(root) / "data", patience=10)
    shutil.rmtree(new_root(root), ignore_errors=True)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
