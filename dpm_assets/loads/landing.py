"""The landing folder: which files are complete, and where they go when they have been loaded or refused."""

import os
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dpm_assets.errors import DpmError
from dpm_assets.loads.faults import FileChanged, FileMissing, FileRefused
from dpm_assets.loads.feeds import FEEDS, Feed
from dpm_assets.loads.result import LoadResult
from dpm_assets.printing import in_one_line, visible

QUIET_SECONDS = 2.0
LONGEST_NAME = 255  # bytes, of a file's name on every usual file system
DONE, FAILED, REASON = "done", "failed", ".reason.txt"
FULL_HISTORY, REPLACE_DAYS, COMPLETE = "full-history", "replace-days", "complete"

_TEMPORARY = (".part", ".partial", ".tmp", ".temp", ".crdownload", ".download", ".filepart", ".swp", ".incomplete", "~")


@dataclass(frozen=True)
class Waiting:
    """A complete file that waits in the folder of its feed."""

    path: Path
    feed: str
    bytes: int
    asked: str | None = None  # the folder's name, when it asks for more than a plain load


@dataclass(frozen=True)
class Look:
    """A file as one scan saw it."""

    bytes: int
    modified_ns: int
    seen_at: float


@dataclass(frozen=True)
class Scan:
    """What waits (the oldest first), what was left alone and why, and what the next scan compares with."""

    files: list[Waiting] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    looks: dict[Path, Look] = field(default_factory=dict)


def scan(landing: Path, before: Scan | None = None, now: float | None = None) -> Scan:
    """Look through landing/<feed> of every feed, and the folders in it that ask for more than a plain load.

    A file is complete when it has no temporary name and nobody has written to it for 2 seconds: by its modification
    time, or, should that lie in the future, by what the scan `before` saw. A file that is renamed into place when it
    is complete is never seen half-written.
    """
    now = time.time() if now is None else now
    found = Scan()
    ages: list[tuple[int, Waiting]] = []
    for feed, folder, asked in _folders(landing):
        for path in _paths(folder, found.notes):
            status = None if _asks(feed, path) else _status(folder, path, found.notes)
            if status is None:
                continue
            look = _look(path, status, before, now)
            found.looks[path] = look
            if max(now - look.seen_at, now - look.modified_ns / 1e9) >= QUIET_SECONDS:
                ages.append((look.modified_ns, Waiting(path, feed.name, look.bytes, asked)))
            else:
                found.notes.append(
                    f"{_shown(path)} is still being written, or was a moment ago: it is taken when it is quiet."
                )
    found.files.extend(waiting for _, waiting in sorted(ages, key=lambda aged: (aged[0], aged[1].path)))
    return found


def _paths(folder: Path, notes: list[str]) -> list[Path]:
    """What is in a folder; a note when it cannot be looked into, which keeps no other folder's files waiting."""
    try:
        return sorted(folder.iterdir()) if folder.is_dir() else []
    except OSError as error:
        notes.append(f"{_shown(folder)} cannot be looked into: {error.strerror or error}. Its files wait.")
        return []


def _folders(landing: Path) -> Iterator[tuple[Feed, Path, str | None]]:
    for feed in FEEDS.values():
        yield feed, landing / feed.name, None
        for name in folders_that_ask(feed):
            yield feed, landing / feed.name / name, name


def folders_that_ask(feed: Feed) -> list[str]:
    """The folders in landing/<feed> whose files are loaded as with the option of `dpm load` of the same name."""
    if feed.dated_by:
        return [FULL_HISTORY, REPLACE_DAYS]
    return [COMPLETE] if feed.complete else []


def _asks(feed: Feed, path: Path) -> bool:
    return path.name in folders_that_ask(feed) and path.parent.name == feed.name and path.is_dir()


def _look(path: Path, status: os.stat_result, before: Scan | None, now: float) -> Look:
    last = before.looks.get(path) if before else None
    if last and (last.bytes, last.modified_ns) == (status.st_size, status.st_mtime_ns):
        return last
    return Look(status.st_size, status.st_mtime_ns, now)


def _status(folder: Path, path: Path, notes: list[str]) -> os.stat_result | None:
    """The file's status, or None and a note when it is left alone. Our own folders and hidden files need no note."""
    name = path.name
    if name in (DONE, FAILED) or name.startswith("."):
        return None
    if name.lower().endswith((*_TEMPORARY, REASON)):
        why = (
            "is called like the reason of a failure: rename it if it holds rows"
            if name.endswith(REASON)
            else "has a temporary name: it is taken when it is renamed"
        )
        notes.append(f"{_shown(path)} {why}.")
        return None
    try:
        os.fsencode(name).decode()
        status = path.lstat()
    except UnicodeDecodeError:
        notes.append(f"{_shown(path)} has a name that is not UTF-8: rename it.")
        return None
    except OSError as error:
        notes.append(f"{_shown(path)} cannot be looked at: {error.strerror or error}.")
        return None
    if stat.S_ISREG(status.st_mode):
        return status
    if stat.S_ISLNK(status.st_mode):
        notes.append(f"{_shown(path)} is a link, which may lead anywhere: put the file itself here.")
    else:
        notes.append(f"{_shown(path)} is no regular file: put files of rows directly into {_shown(folder)}.")
    return None


def _shown(path: Path) -> str:
    return in_one_line(str(path))


def settle(path: Path, outcome: LoadResult | DpmError) -> Path | None:
    """Move a file to done/ or failed/ (with the reason beside it), never over another file; returns where it is now.

    A file that is not at fault (server unreachable, disk full) stays for the next time, and so does a file that was put
    in the place of the one that was loaded: None then.
    """
    if isinstance(outcome, FileMissing | FileChanged) or not isinstance(outcome, LoadResult | FileRefused):
        return None
    if isinstance(outcome, LoadResult) and outcome.source and not outcome.source.is_there():
        return None
    failed = isinstance(outcome, FileRefused) or outcome.status == "refused"
    folder = path.parent / (FAILED if failed else DONE)
    folder.mkdir(exist_ok=True)
    if folder.is_symlink():
        raise DpmError(
            f"{_shown(folder)} is a link, so {_shown(path)} stays. Make it a folder: the file is moved then."
        )
    try:
        settled = _move(path, folder)
    except FileNotFoundError:
        return None
    if failed:
        reason = str(outcome) if isinstance(outcome, FileRefused) else _refusal(outcome)
        _write_beside(settled, reason)
    return settled


def _move(path: Path, folder: Path) -> Path:
    """Take a free name first (nobody else can then), and put the file in its place."""
    number = 0
    while True:
        target = folder / _name(path, number)
        try:
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            number += 1
            continue
        try:
            path.replace(target)
        except BaseException:
            target.unlink()
            raise
        return target


def _name(path: Path, number: int) -> str:
    """The file's name, with a number where there is one, so long that the file of the reason can be called after it."""
    suffix = path.suffix if len(os.fsencode(path.suffix)) <= 16 else ""
    end = f".{number}{suffix}" if number else suffix
    room = LONGEST_NAME - len(os.fsencode(end)) - len(REASON)
    stem = os.fsencode(path.name.removesuffix(suffix))[:room]
    return stem.decode("utf-8", "ignore") + end  # a character that was cut in two goes


def _write_beside(settled: Path, reason: str) -> None:
    """Never through a link that somebody has put there."""
    target = settled.with_name(settled.name + REASON)
    target.unlink(missing_ok=True)
    with target.open("x", encoding="utf-8") as file:
        file.write(visible(reason) + "\n")


def _refusal(result: LoadResult) -> str:
    rows = [f"line {line}: {reason}" for line, reason in result.rejects]
    return "\n".join([result.message, "", "The first rows at fault:", *rows])
