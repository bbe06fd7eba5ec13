"""Where the files of the archive are: a folder of this machine, or any URL that fsspec reaches.

One file a partition: root/raw_trades_closed/year=2023/month=01/trades.parquet, root/raw_metrics_daily/year=2023/metrics.parquet.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pyarrow as pa

from dpm_assets.errors import DpmError
from dpm_assets.loads.taking import is_url, reach
from dpm_assets.partitions.cold.tables import Part
from dpm_assets.settings import settings


def file_of(root: str | Path, part: Part) -> str:
    """The location of a partition's file under a root; a folder, of a URL of this machine too, is made absolute."""
    if str(root).startswith("file://"):
        root = Path(urlsplit(str(root)).path)
    base = str(root).rstrip("/") if is_url(root) else str(Path(root).absolute())
    return f"{base}/{part.file}"


def is_there(location: str) -> bool:
    """Whether there is a file. Raises DpmError when the place cannot be reached."""
    with explained(location, "looked for"):
        if not is_url(location):
            return Path(location).exists()
        filesystem, path = reach(location)
        return bool(filesystem.exists(path))


@contextmanager
def written_to(location: str) -> Iterator[Path]:
    """A path to write a file to, which takes its place at `location` when the block ends well, whole or not at all.

    Raises DpmError when there is no room, or the place cannot be reached; then nothing is left of it.
    """
    with explained(location, "written"):
        if not is_url(location):
            target = Path(location)
            mode = 0o700 if target.is_relative_to(settings().home) else 0o777  # elsewhere as the user's umask has it
            made = [each for each in target.parents if not each.exists()]
            target.parent.mkdir(parents=True, exist_ok=True, mode=mode)
            part = _unfinished(target)
            try:
                yield part
                _flush(part)
                part.replace(target)
                _flush(target.parent)
                for each in made:
                    with suppress(PermissionError):  # of a folder that one may pass through and not read
                        _flush(each.parent)
            finally:
                part.unlink(missing_ok=True)
            return
        filesystem, path = reach(location)
        with tempfile.TemporaryDirectory(prefix="dpm-cold-") as folder:
            part = Path(folder) / "part"
            yield part
            filesystem.makedirs(path.rpartition("/")[0], exist_ok=True)
            filesystem.put_file(str(part), path)


@contextmanager
def read_from(location: str) -> Iterator[Path]:
    """The file at a location as a path of this machine; a copy that was fetched is gone afterwards."""
    with explained(location, "read"):
        if not is_url(location):
            yield Path(location)
            return
        filesystem, path = reach(location)
        with tempfile.TemporaryDirectory(prefix="dpm-cold-") as folder:
            copy = Path(folder) / "copy.parquet"
            filesystem.get_file(path, str(copy))
            yield copy


def remove(location: str) -> None:
    """Delete the file, and what a writer that was killed has left of it; one that is not there is no error."""
    with explained(location, "deleted"), suppress(FileNotFoundError):
        if is_url(location):
            filesystem, path = reach(location)
            filesystem.rm_file(path)
        else:
            _unfinished(Path(location)).unlink(missing_ok=True)
            Path(location).unlink()


def _unfinished(target: Path) -> Path:
    """What a file is called while it is written; a dot before, so that readers of the layout pass it over."""
    return target.with_name(f".{target.name}.part")


def sha256_of(path: Path) -> str:
    digest = sha256()
    with path.open("rb") as file:
        while piece := file.read(1024 * 1024):
            digest.update(piece)
    return digest.hexdigest()


@contextmanager
def explained(location: str, done: str) -> Iterator[None]:
    """Says in one sentence what a file system, ours or a bucket's, has against it."""
    try:
        yield
    except FileNotFoundError:
        raise DpmError(
            f"{location} is not there. Put the file back from a copy of yours, then do this again."
        ) from None
    except OSError as error:
        raise DpmError(f"{location} could not be {done}: {_reason(error)}. Mend that, then do this again.") from None
    except Exception as error:
        if _is_ours(error):
            raise
        # Every file system has errors of its own.
        raise DpmError(f"{location} could not be {done}: {_reason(error)}. Mend that, then do this again.") from None


def _is_ours(error: Exception) -> bool:
    return isinstance(error, DpmError | psycopg.Error | pa.ArrowException | AssertionError)


def _reason(error: Exception) -> str:
    text: Any = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split()).rstrip(".")


def _flush(path: Path) -> None:
    """To the disk: the partition is dropped for the sake of this file."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
