"""Where files come from: this machine, standard input, or any place that fsspec reaches, copied once to a temporary file.

A URL's user, password and query never leave this module: whatever is shown or stored goes by `public_name`.
"""

import errno
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from dpm_assets.errors import DpmError
from dpm_assets.loads.faults import FileMissing, FileRefused
from dpm_assets.loads.source import Source, look_at
from dpm_assets.printing import in_one_line

STDIN = "-"

# What fsspec needs for the places that people have files at, beyond what comes with this package.
_PACKAGES = {
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "abfs": "adlfs",
    "abfss": "adlfs",
    "az": "adlfs",
    "http": "aiohttp",
    "https": "aiohttp",
    "sftp": "paramiko",
    "ssh": "paramiko",
    "smb": "smbprotocol",
}


def is_url(place: str | Path) -> bool:
    return isinstance(place, str) and re.match(r"[A-Za-z][A-Za-z0-9+.-]*(?:::|://)", place) is not None


def public_name(place: str | Path) -> str:
    """What a place may be called where others read it: without user, password, query and fragment, and in one visible line."""
    if place == STDIN:
        return "stdin"
    if not is_url(place):
        return in_one_line(str(Path(place).absolute()))
    return in_one_line("::".join(_without_secrets(part) for part in str(place).split("::")))


def _without_secrets(url: str) -> str:
    if "://" not in url:
        return url
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


@contextmanager
def taken(place: str | Path, follow_links: bool = True) -> Iterator[Source]:
    """The file at a place, with its hash; a copy that was made of it is gone afterwards.

    Raises FileRefused when there is no such file or it cannot be read, DpmError when the place cannot be reached.
    """
    if isinstance(place, str) and place.startswith("file://"):
        place = Path(urlsplit(place).path)
    if place != STDIN and not is_url(place):
        path = Path(place).absolute()
        yield look_at(path, public_name(path), follow_links)
        return
    name = public_name(place)
    with tempfile.TemporaryDirectory(prefix="dpm-load-") as folder:
        copy = Path(folder) / "file"
        with _explained(place, name):
            if place == STDIN:
                _copy_stdin(copy)
            else:
                filesystem, path_there = reach(str(place))
                filesystem.get_file(path_there, str(copy))
        yield look_at(copy, name)


def reach(url: str) -> tuple[Any, str]:
    """fsspec's file system for a URL, and the path in it. Raises DpmError when a package for it is missing."""
    import fsspec  # seldom needed, and not quick to import

    scheme = re.split(r"::|://", url)[0].lower()
    name = public_name(url)
    try:
        filesystem, path = fsspec.core.url_to_fs(url)
    except ImportError as error:
        package = _PACKAGES.get(scheme)
        remedy = f"pip install {package}" if package else str(error).rstrip(".")
        raise DpmError(
            f"{name} is reached with a package that is not installed: {remedy}, and load it again."
        ) from None
    except ValueError as error:
        if "Protocol not known" not in str(error):
            raise DpmError(f"{name} is no URL that can be read. Check it, and load it again.") from None
        raise DpmError(
            f"{name}: nothing is known that reads {scheme}:// URLs. Copy the file here, and load it."
        ) from None
    return filesystem, str(path)


def _copy_stdin(copy: Path) -> None:
    if sys.stdin.isatty():
        raise DpmError("There is nothing on standard input: pipe a file into `dpm load -`.")
    with copy.open("wb") as file:
        shutil.copyfileobj(sys.stdin.buffer, file, 1024 * 1024)


@contextmanager
def _explained(place: str | Path, name: str) -> Iterator[None]:
    """What a file system says may quote the URL: it is shown without its secrets, and without a cause that has them."""
    try:
        yield
    except DpmError:
        raise
    except FileNotFoundError:
        raise FileMissing(f"{name} does not exist. Check the URL.") from None
    except IsADirectoryError:
        raise FileRefused(f"{name} is a folder, not a file. Give a file of rows, or a pattern such as *.csv.") from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DpmError(
                f"{name} could not be copied to {tempfile.gettempdir()}: {error.strerror}. "
                "Free space there, or set TMPDIR to a folder that has some, and load it again."
            ) from None
        raise _unreachable(place, name, error) from None
    except Exception as error:  # every file system has errors of its own
        raise _unreachable(place, name, error) from None


def _unreachable(place: str | Path, name: str, error: Exception) -> DpmError:
    said = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    for part in str(place).split("::"):
        url = urlsplit(part)
        for secret in (part, url.query, url.fragment, url.username, url.password):
            said = said.replace(secret, "...") if secret else said
    return DpmError(f"{name} cannot be fetched: {said}. Check the URL and the credentials for it, and load it again.")
