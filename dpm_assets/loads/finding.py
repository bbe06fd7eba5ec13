"""From what people name (files, folders, patterns, URLs, standard input) to the single files."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from dpm_assets.errors import DpmError
from dpm_assets.loads.taking import STDIN, is_url, public_name, reach

SUFFIXES = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".parquet", ".pq", ".gz", ".zst")
_PATTERN = "*?["

_File = TypeVar("_File", str, Path)


def find_files(places: Iterable[str | Path]) -> Iterator[str | Path]:
    """The files that the places name, in order; those in folders whose names look like files of rows.

    Raises DpmError when a folder or a pattern has none.
    """
    for place in places:
        if place == STDIN:
            yield place
        elif is_url(place) and not str(place).startswith("file://"):
            yield from _at_url(str(place))
        else:
            yield from _here(Path(urlsplit(str(place)).path) if is_url(place) else Path(place))


def _here(path: Path) -> Iterator[Path]:
    if path.is_dir():
        inside = [file for file in sorted(path.rglob("*")) if _has_rows(file.name) and file.is_file()]
        yield from _some(inside, str(path), "holds no file")
    elif any(character in str(path) for character in _PATTERN) and not path.exists():
        root = Path(path.anchor) if path.anchor else Path()
        fitting = [file for file in sorted(root.glob(str(path.relative_to(path.anchor)))) if file.is_file()]
        yield from _some(fitting, str(path), "fits no file")
    else:
        yield path


def _at_url(url: str) -> Iterator[str]:
    """A URL of one file is taken as it is: only patterns and folders need to be looked up."""
    wild = "*" in urlsplit(url).path
    if not wild and not url.endswith("/"):
        yield url
        return
    filesystem, path = reach(url)
    try:
        found = filesystem.glob(path) if wild else filesystem.find(path)
    except Exception as error:  # every file system has errors of its own
        raise DpmError(
            f"{public_name(url)} cannot be listed ({type(error).__name__}). Check the credentials."
        ) from None
    fitting = [file for file in sorted(found) if wild or _has_rows(file)]
    urls = [url_of_found(str(file), url, path) for file in fitting]
    yield from _some(urls, public_name(url), "holds no file")


def url_of_found(file: str, url: str, path: str) -> str:
    """The URL of a file that a file system found at `url`, of which it calls the place `path`: with the host and the login, which
    its own names lack."""
    file, path = file.strip("/"), path.strip("/")
    if is_url(path) or "://" not in url:
        # HTTP calls a file by its URL, and files of this machine that are read through a cache have no host.
        return url.replace(path, file, 1).removesuffix("/")
    chain = url.split("::")
    where = next(number for number, part in enumerate(chain) if "://" in part)  # a cache before it has no path
    scheme, _, place = chain[where].partition("://")
    host, _, asked = place.partition("/")
    if path == place.strip("/"):  # a bucket stands in the place of the host, and counts as a part of the path
        root = "/" if place.startswith("/") else ""  # of a URL without a host
        chain[where] = f"{scheme}://{root}{file}"
    else:
        asked = asked.strip("/")
        container = path.removesuffix(asked) if path.endswith(asked) else ""  # of container@account; mostly nothing
        chain[where] = f"{scheme}://{host}/{file.removeprefix(container).lstrip('/')}"
    return "::".join(chain)


def _has_rows(name: str) -> bool:
    return name.lower().endswith(SUFFIXES) and not name.endswith(".reason.txt")


def _some(files: list[_File], place: str, lack: str) -> list[_File]:
    if not files:
        raise DpmError(f"{place} {lack} named {', '.join('*' + suffix for suffix in SUFFIXES)}. Name the files.")
    return files
