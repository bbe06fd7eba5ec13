"""Compressed text, and the limit of what may come out of it."""

from typing import BinaryIO, Protocol

import pyarrow as pa

from dpm_assets.loads.faults import FileRefused
from dpm_assets.loads.source import Source

# Exports of rows shrink to a fifth, of very repetitive ones to a fiftieth. What unpacks to more than this many times its size
# was made to fill memory, disks or hours.
MOST_TIMES = 200
COUNTED_FROM = 256 * 1024 * 1024


class Readable(Protocol):
    """What the text of a file is read from."""

    def read(self, size: int, /) -> bytes: ...


class Unpacked:
    """The text of a compressed file. `read` raises FileRefused once more has come out than rows can have made of it."""

    def __init__(self, source: Source, file: BinaryIO, codec: str) -> None:
        self._source, self._file = source, file
        self._stream = pa.CompressedInputStream(file, codec)
        self._unpacked = 0

    def read(self, size: int, /) -> bytes:
        try:
            more: bytes = self._stream.read(size)
        except OSError as error:
            if "too much memory" not in str(error):
                raise
            raise FileRefused(
                f"{self._source} was packed so that unpacking takes more memory than a load may have. "
                "Pack it again without --long, and load it again."
            ) from None
        self._unpacked += len(more)
        check_unpacked(self._source, self._unpacked, self._file.tell())
        return more


def check_unpacked(source: Source, unpacked: int, packed: int) -> None:
    """Raises FileRefused when `packed` bytes of the file cannot honestly hold that many."""
    if unpacked > COUNTED_FROM and unpacked > MOST_TIMES * packed:
        raise FileRefused(
            f"{source} unpacks to more than {MOST_TIMES} times its size ({unpacked // 1024**2:,} MB and more), as no export of "
            "rows does. See what is in it; if it is right all the same, write it as plain text, and load it again."
        )
