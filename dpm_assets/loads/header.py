"""The header line: which feed it belongs to, and which of the feed's columns each field is."""

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path

from dpm_assets.loads.faults import FileRefused
from dpm_assets.loads.feeds import FEEDS, Feed, feed_named, squash
from dpm_assets.loads.source import HEAD, read_head

_DELIMITERS = (",", "\t", ";", "|")


@dataclass(frozen=True)
class Header:
    """The header as read: the feed, how fields are separated, and the feed's column for each field (None: ignored)."""

    feed: Feed
    delimiter: str
    columns: tuple[str | None, ...]
    ignored: tuple[str, ...]
    bytes: int
    lines: int
    text: str | None = None  # as it stands in the file; None where a file has no header line
    format: str = "csv"  # how a row's raw text is to be read: csv (any delimiter), jsonl or parquet (shown as JSON)

    @property
    def given(self) -> tuple[str, ...]:
        """The feed's columns that the file has, in the feed's order."""
        return tuple(column.name for column in self.feed.columns if column.name in self.columns)


def detect_feed(path: Path) -> str:
    """The name of the feed whose columns the header has. Raises FileRefused when no feed fits, or two do."""
    return read_header(path).feed.name


def read_header(path: Path, feed: str | None = None) -> Header:
    """Read the header line for `feed`, or for the feed that fits it best.

    Raises FileRefused when a required column is missing, a column stands there twice, or no feed fits.
    """
    head = read_head(path)
    candidates = [feed_named(feed)] if feed else list(FEEDS.values())
    lines = [_header_line(path, head, delimiter) for delimiter in _DELIMITERS]
    fits = [(candidate, line) for candidate in candidates for line in lines if feed or not _foreign(candidate, line)]
    best, line = max(fits, key=lambda fit: (_recognised(*fit), not _missing(*fit)))
    known, whole = _recognised(best, line), not _missing(best, line)
    if known == 0 or (not feed and known < 2):
        raise FileRefused(
            f"{line}: the header is not that of {_feeds_in_words(candidates)}: {_shortened(line.fields)}. "
            f"Name the columns as in {_example(best)}, or give the feed with --feed."
        )
    rivals = sorted(
        {name.name for name, other in fits if (_recognised(name, other), not _missing(name, other)) == (known, whole)}
    )
    if len(rivals) > 1:
        raise FileRefused(f"{line}: the header fits the feeds {' and '.join(rivals)}. Say which with --feed.")
    return _header(best, line)


@dataclass(frozen=True)
class _HeaderLine:
    """The header's fields under one delimiter, and the bytes and lines until its end (blank lines before it too)."""

    path: Path
    delimiter: str
    fields: list[str]
    first_line: int
    bytes: int
    lines: int
    text: str

    def __str__(self) -> str:
        return f"{self.path}, line {self.first_line}"


def _header_line(path: Path, head: bytes, delimiter: str) -> _HeaderLine:
    text = head.decode("utf-8", "surrogateescape")
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    first_line, fields = 1, [""]
    try:
        while not any(field.strip() for field in fields):
            first_line, fields = rows.line_num + 1, next(rows)
    except (csv.Error, StopIteration):
        raise FileRefused(f"{path}, line 1: no header can be read. Write one line of column names.") from None
    lines = io.StringIO(text, newline="").readlines()[: rows.line_num]
    size = len("".join(lines).encode("utf-8", "surrogateescape"))
    if size >= HEAD:
        raise FileRefused(f"{path}, line 1: no header within 64 KB. Write one line of column names.")
    return _HeaderLine(path, delimiter, fields, first_line, size, rows.line_num, "".join(lines).strip("\r\n"))


def _recognised(feed: Feed, line: _HeaderLine) -> int:
    return len({feed.headers[squash(field)] for field in line.fields if squash(field) in feed.headers})


def _foreign(feed: Feed, line: _HeaderLine) -> list[str]:
    """The fields that tell that the file is none of this feed."""
    squashed = {squash(name) for name in feed.foreign}
    return [field.strip() for field in line.fields if squash(field) in squashed]


def _missing(feed: Feed, line: _HeaderLine) -> list[tuple[str, ...]]:
    """The groups of required columns of which the header has none."""
    given = {feed.headers.get(squash(field)) for field in line.fields}
    return [group for group in feed.required if not set(group) & given]


def _header(feed: Feed, line: _HeaderLine) -> Header:
    columns = tuple(feed.headers.get(squash(field)) for field in line.fields)
    for name in feed.by_name:
        same = [field.strip() for field, column in zip(line.fields, columns, strict=True) if column == name]
        if len(same) > 1:
            raise FileRefused(
                f"{line}: the columns {' and '.join(map(repr, same))} both mean {name}. "
                "Keep one of them, and load the file again."
            )
    if foreign := _foreign(feed, line):
        raise FileRefused(
            f"{line}: the column {foreign[0]!r} tells that this is no file of the feed {feed.name}. "
            "Load it into the feed that has such a column, or remove the column."
        )
    missing = [_alternatives(group) for group in _missing(feed, line)]
    if missing:
        raise FileRefused(
            f"{line}: the header lacks {', '.join(missing)}, which the feed {feed.name} needs "
            f"(it has {_shortened(line.fields)}). Add what is missing, and load the file again."
        )
    ignored = tuple(field.strip() for field, column in zip(line.fields, columns, strict=True) if column is None)
    text = line.text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return Header(feed, line.delimiter, columns, ignored, line.bytes, line.lines, text)


def _alternatives(group: tuple[str, ...]) -> str:
    return " or ".join(group) if len(group) <= 3 else " or ".join((*group[:3], "another figure"))


def _feeds_in_words(feeds: list[Feed]) -> str:
    return f"the feed {feeds[0].name}" if len(feeds) == 1 else f"any feed ({', '.join(feed.name for feed in feeds)})"


def _example(feed: Feed) -> str:
    return ", ".join(group[0] for group in feed.required)


def _shortened(fields: list[str]) -> str:
    text = ", ".join(re.sub(r"\s+", " ", field).strip() for field in fields)
    text = text.encode("utf-8", "backslashreplace").decode("utf-8", "backslashreplace")
    return text if len(text) <= 160 else text[:157] + "..."
