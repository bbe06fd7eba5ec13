"""The folders of a sample: refused when they hold anything, written file by file, and emptied again on failure."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.csv

from dpm_assets.errors import DpmError

FOLDERS = ("trades", "accounts", "plans", "corrections", "late")


def csv_text(table: pa.Table) -> Any:
    """The rows of a table as CSV, without header: nothing quoted, empty for missing. A pyarrow buffer of UTF-8.

    The system's allocator is asked because it gives freed memory back; pyarrow's own keeps some 90 MB more.
    """
    pool = pa.system_memory_pool()
    sink = pa.BufferOutputStream(pool)
    options = pa.csv.WriteOptions(include_header=False, batch_size=16_384, quoting_style="none")
    pa.csv.write_csv(table, sink, options, memory_pool=pool)
    return sink.getvalue()


def header(table: pa.Table) -> bytes:
    return (",".join(table.column_names) + "\n").encode()


class CsvFile:
    """A CSV file under construction; it has its name only once it is complete."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(path.name + ".part")
        self._file = self._part.open("xb", buffering=0)
        self._empty = True

    def write(self, heading: bytes, text: Any) -> None:
        if self._empty:
            self._all(heading)
            self._empty = False
        self._all(text)

    def _all(self, text: Any) -> None:
        left = memoryview(text)
        while left:
            left = left[self._file.write(left) :]

    def complete(self) -> None:
        self._file.close()
        self._part.rename(self._path)

    def discard(self) -> None:
        self._file.close()
        self._part.unlink(missing_ok=True)
        self._path.unlink(missing_ok=True)


class SampleFolder:
    """The folder of one sample. Whatever stops the writing, Ctrl-C included, no file of it stays behind."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: list[CsvFile] = []

    def __enter__(self) -> "SampleFolder":
        with _explained(self._folder):
            _refuse_occupied(self._folder)
            self._folder.mkdir(parents=True, exist_ok=True)
        return self

    def open(self, name: str) -> CsvFile:
        """A new file, named relative to the folder, such as 'trades/trades_2024-01.csv'."""
        path = self._folder / name
        with _explained(self._folder):
            path.parent.mkdir(exist_ok=True)
            self._files.append(CsvFile(path))
        return self._files[-1]

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if error is None:
            return
        for file in self._files:
            file.discard()
        if isinstance(error, OSError):
            raise _explanation(self._folder, error) from error

    @property
    def count(self) -> int:
        return len(self._files)


def _refuse_occupied(folder: Path) -> None:
    found = [path for path in folder.iterdir() if not path.is_dir()] if folder.exists() else []
    for name in FOLDERS:
        found += (folder / name).iterdir() if (folder / name).exists() else []
    visible = sorted(path for path in found if not path.name.startswith("."))
    if visible:
        raise DpmError(
            f"The folder {folder} holds files already ({visible[0].relative_to(folder)}). "
            "Name a new or empty folder, or remove them."
        )


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _explanation(folder, error) from error


def _explanation(folder: Path, error: OSError) -> DpmError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return DpmError(
            f"No space is left for the sample in {folder}; what was written is removed. "
            "Free some, name a folder on another disk, or ask for fewer trades (1,000,000 take about 0.2 GB)."
        )
    where = error.filename or folder
    return DpmError(f"The sample cannot be written to {where}: {error.strerror}. Name a folder that you may write to.")
