"""The file on disk: its fingerprint, and whether it is still the same."""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from dpm_assets.loads.faults import FileChanged, FileMissing, FileRefused


@dataclass(frozen=True)
class Source:
    """A file as it was when it was first looked at; `sha256` is of its bytes as they lie there.

    `name` is what people know it by: its path, or its URL without credentials. `path` is where this machine reads it;
    unless `follow_links`, only while no link stands there.
    """

    name: str
    path: Path
    bytes: int
    modified_ns: int
    inode: int
    device: int
    sha256: str
    follow_links: bool = True

    def __str__(self) -> str:
        return self.name

    def is_there(self) -> bool:
        """Whether this file, with these bytes, still stands under its name."""
        try:
            return self._is(self.path.stat(follow_symlinks=self.follow_links))
        except FileNotFoundError:
            return False

    def check_unchanged(self) -> None:
        """Raises FileChanged when somebody has written to the file since its hash was taken."""
        if not self.is_there():
            raise self._changed()

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """Open it once more. Raises FileChanged when something else stands there by now, FileRefused when it cannot be read."""
        with reading(self.name), _open_regular(self.path, self.name, self.follow_links) as file:
            if not self._is(os.fstat(file.fileno())):
                raise self._changed()
            yield file

    def _is(self, now: os.stat_result) -> bool:
        was = (self.bytes, self.modified_ns, self.inode, self.device)
        return (now.st_size, now.st_mtime_ns, now.st_ino, now.st_dev) == was

    def _changed(self) -> FileChanged:
        return FileChanged(
            f"{self} changed while it was being loaded, so nothing of it was. "
            "Write it under another name (file.csv.part), rename it when it is complete, and load it again."
        )


def look_at(path: Path, name: str | None = None, follow_links: bool = True) -> Source:
    """Take the file's hash. Raises FileRefused when it is missing, empty, unreadable, no regular file, or a link that is not
    to be followed."""
    name = name or str(path)
    with reading(name), _open_regular(path, name, follow_links) as file:
        status = os.fstat(file.fileno())
        if status.st_size == 0:
            raise FileRefused(f"{name} is empty (0 bytes). Export it again; at least a header line is needed.")
        digest = hashlib.sha256()
        buffer = bytearray(1024 * 1024)
        while count := file.readinto(buffer):  # type: ignore[attr-defined]  # every real file has it
            digest.update(memoryview(buffer)[:count])
    what = (status.st_size, status.st_mtime_ns, status.st_ino, status.st_dev, digest.hexdigest())
    return Source(name, path, *what, follow_links)


@contextmanager
def _open_regular(path: Path, name: str, follow_links: bool) -> Iterator[BinaryIO]:
    """Open a regular file. Without O_NONBLOCK, a pipe that nobody writes to would hold the load for ever."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags if follow_links else flags | getattr(os, "O_NOFOLLOW", 0))
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise FileRefused(f"{name} is a link. Put the file itself there.") from None
        raise
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise FileRefused(f"{name} is not a regular file. Give a file of rows, or a folder of them.")
        yield file


@contextmanager
def reading(name: str | Path) -> Iterator[None]:
    """Turns what the operating system says about the file into a sentence with the remedy."""
    try:
        yield
    except FileNotFoundError:
        raise FileMissing(f"{name} does not exist. Check the path.") from None
    except IsADirectoryError:
        raise FileRefused(f"{name} is a folder, not a file. Give a file of rows, or a folder of them.") from None
    except PermissionError:
        raise FileRefused(f"{name} cannot be read: permission denied. Let this user read it (chmod +r).") from None
    except OSError as error:
        reason = " ".join(str(error).split()).rstrip(". ")
        raise FileRefused(f"{name} cannot be read: {reason}. Copy it again, and load it again.") from None
