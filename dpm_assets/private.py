"""Folders that only their owner may enter: what is in the home of a warehouse is nobody else's business."""

import os
from pathlib import Path


def private_folder(folder: Path) -> Path:
    """Make the folder, or take from it what others were allowed."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    return folder


def make_home(home: Path) -> None:
    """Make the home of a warehouse where there is none; one that is there keeps its mode, which its owner has chosen.

    Where root makes it, the lesser user who runs the server has to pass through it, and may not look around.
    """
    if not home.exists():
        home.mkdir(parents=True, exist_ok=True)
        home.chmod(0o711 if os.geteuid() == 0 else 0o700)
