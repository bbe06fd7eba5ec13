"""Where the tests keep their files: in memory where there is room, for it is files that a fresh database takes its time for."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_MEMORY = Path("/dev/shm")
_ROOM = 4 * 2**30


def keep_files_in_memory() -> None:
    """Has temporary files of this process and its children in memory, unless TMPDIR says where they go.

    Not where memory is scarce (a container gets 64 MB), nor where programs may not run: servers may need theirs copied.
    """
    if (
        "TMPDIR" not in os.environ
        and _MEMORY.is_dir()
        and shutil.disk_usage(_MEMORY).free >= _ROOM
        and not os.statvfs(_MEMORY).f_flag & os.ST_NOEXEC
    ):
        os.environ["TMPDIR"] = tempfile.tempdir = str(_MEMORY)


@contextmanager
def open_folder(what: str) -> Iterator[Path]:
    """A folder that every user can enter, gone at the end: as root, a server runs as a lesser user who has to get in."""
    folder = Path(tempfile.mkdtemp(prefix=f"dpm-{what}-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def small_disk(size: str) -> Iterator[Path]:
    """A file system of its own of so much, as mount writes sizes; skips the test where none may be made."""
    with open_folder("small") as folder:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "dpm-small", str(folder)],
            capture_output=True,
            text=True,
            check=False,
        )
        if mounted.returncode:
            pytest.skip(f"a small file system needs a privilege: {mounted.stderr.strip() or mounted.stdout.strip()}")
        try:
            yield folder
        finally:
            subprocess.run(["umount", str(folder)], check=True)
