"""The file on disk: its fingerprint, what it must not be, and the stream of its bytes, decompressed."""

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from dpm_assets.loads.faults import FileMissing, FileRefused
from dpm_assets.loads.records import BOM

HEAD = 64 * 1024

_COMPRESSED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}

_NOT_CSV = {
    b"\xff\xfe": "is UTF-16 text. Save it as CSV in UTF-8",
    b"\xfe\xff": "is UTF-16 text. Save it as CSV in UTF-8",
    b"PK\x03\x04": "is a ZIP archive or an Excel workbook, not text. Unpack it, or save the sheet as CSV in UTF-8",
    b"\xd0\xcf\x11\xe0": "is an old Excel workbook, not text. Save the sheet as CSV in UTF-8",
    b"PAR1": "is a Parquet file, not text. Export it as CSV in UTF-8",
    b"%PDF": "is a PDF document, not text. Export the table as CSV in UTF-8",
    b"BZh": "is compressed with bzip2. Unpack it, or compress it with gzip or zstd",
}


@dataclass(frozen=True)
class Source:
    """A file as it was when it was first looked at; `sha256` is of its bytes as they lie on disk."""

    path: Path
    bytes: int
    modified_ns: int
    inode: int
    sha256: str

    def is_there(self) -> bool:
        """Whether this file, with these bytes, still stands under its name."""
        try:
            now = self.path.stat()
        except FileNotFoundError:
            return False
        return (now.st_size, now.st_mtime_ns, now.st_ino) == (self.bytes, self.modified_ns, self.inode)

    def check_unchanged(self) -> None:
        """Raises FileRefused when somebody has written to the file since its hash was taken."""
        if not self.is_there():
            raise FileRefused(
                f"{self.path} changed while it was being loaded, so nothing of it was. "
                "Write it under another name (file.csv.part), rename it when it is complete, and load it again."
            )


def look_at(path: Path) -> Source:
    """Take the file's hash. Raises FileRefused when it is missing, empty, unreadable or no regular file."""
    with reading(path), open_regular(path) as file:
        status = os.fstat(file.fileno())
        if status.st_size == 0:
            raise FileRefused(f"{path} is empty (0 bytes). Export it again; at least a header line is needed.")
        digest = hashlib.sha256()
        buffer = bytearray(1024 * 1024)
        while count := file.readinto(buffer):  # type: ignore[attr-defined]  # every real file has it
            digest.update(memoryview(buffer)[:count])
    return Source(path, status.st_size, status.st_mtime_ns, status.st_ino, digest.hexdigest())


@contextmanager
def open_regular(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file. Without O_NONBLOCK, a pipe that nobody writes to would hold the load for ever."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise FileRefused(f"{path} is not a regular file. Give a CSV file, or a folder of them.")
        yield file


@contextmanager
def open_text(path: Path) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """The stream of the file's bytes, decompressed, and the file under it (whose position tells the progress).

    Raises FileRefused for what is plainly no text.
    """
    with reading(path), open_regular(path) as file:
        magic = file.read(4)
        file.seek(0)
        codec = next((name for start, name in _COMPRESSED.items() if magic.startswith(start)), None)
        for start, what in _NOT_CSV.items():
            if magic.startswith(start):
                raise FileRefused(f"{path} {what}, and load it again.")
        yield (pa.CompressedInputStream(file, codec) if codec else file), file


def read_head(path: Path) -> bytes:
    """The first 64 KB of the text without a byte-order mark. Raises FileRefused when they are binary."""
    with open_text(path) as (stream, _):
        head = b""
        while len(head) < HEAD and (more := stream.read(HEAD - len(head))):
            head += more
    head = head.removeprefix(BOM)
    if not head.strip():
        raise FileRefused(f"{path} holds no text, only blanks. Export it again; at least a header line is needed.")
    first_line = head.splitlines()[0]
    if b"\0" in first_line or head.count(b"\0") > len(head) // 100:
        raise FileRefused(f"{path} is binary, not text. Export it as CSV in UTF-8, and load it again.")
    return head


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns what the operating system says about the file into a sentence with the remedy."""
    try:
        yield
    except FileNotFoundError:
        raise FileMissing(f"{path} does not exist. Check the path.") from None
    except IsADirectoryError:
        raise FileRefused(f"{path} is a folder, not a file. Give a CSV file, or a folder of them.") from None
    except PermissionError:
        raise FileRefused(f"{path} cannot be read: permission denied. Let this user read it (chmod +r).") from None
    except OSError as error:
        raise FileRefused(f"{path} cannot be read: {error}. Copy it again, and load it again.") from None
