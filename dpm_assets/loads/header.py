"""Which feed a file belongs to, by the names of its fields, and which of the feed's columns each field is."""

import re
from dataclasses import dataclass, replace

from dpm_assets.loads.exported_columns import MARKED_LINE_COLUMN
from dpm_assets.loads.faults import FileRefused
from dpm_assets.loads.feeds import FEEDS, Feed, as_set_up, feed_named, squash
from dpm_assets.loads.formats import Format
from dpm_assets.loads.headings import Heading, headings
from dpm_assets.loads.source import Source
from dpm_assets.printing import in_one_line


@dataclass(frozen=True)
class Header:
    """The header as read: the feed, the fields as they are called, and the feed's column for each (None: ignored).

    Of delimited text also how fields are separated, and the bytes and lines until the header's end.
    """

    feed: Feed
    format: Format
    fields: tuple[str, ...]
    columns: tuple[str | None, ...]
    delimiter: str = ","
    bytes: int = 0
    lines: int = 0
    text: str | None = None  # as it stands in the file; None where a file has no header line

    @property
    def given(self) -> tuple[str, ...]:
        """The feed's columns that the file has, in the feed's order."""
        return tuple(column.name for column in self.feed.columns if column.name in self.columns)

    @property
    def stood_in(self) -> frozenset[str]:
        """The feed's columns that the file lacks, but for which one stands that it has."""
        given = self.given
        stands_for = self.feed.stands_for.items()
        return frozenset(name for name, other in stands_for if other in given and name not in given)

    @property
    def ignored(self) -> tuple[str, ...]:
        """The fields that mean nothing to the feed."""
        return tuple(field.strip() for field, column in zip(self.fields, self.columns, strict=True) if column is None)


def detect_feed(source: Source) -> str:
    """The name of the feed whose columns the header has. Raises FileRefused when no feed fits, or two do."""
    return read_header(source).feed.name


def read_header(source: Source, feed: str | None = None) -> Header:
    """Read the header for `feed`, or for the feed that fits it best.

    Raises FileRefused when a required column is missing, a column stands there twice, or no feed fits.
    """
    candidates = [feed_named(feed)] if feed else list(FEEDS.values())
    lines = headings(source)
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
    return header_of(as_set_up(best), line)


def with_more_fields(source: Source, header: Header, more: tuple[str, ...]) -> Header:
    """The header of JSON lines in which further keys were found. Raises FileRefused when they do not go together."""
    return header_of(header.feed, Heading(source, header.format, (*header.fields, *more)))


def _recognised(feed: Feed, line: Heading) -> int:
    return len({feed.headers[squash(field)] for field in line.fields if squash(field) in feed.headers})


def _foreign(feed: Feed, line: Heading) -> list[str]:
    """The fields that tell that the file is none of this feed."""
    squashed = {squash(name) for name in feed.foreign}
    return [field.strip() for field in line.fields if squash(field) in squashed]


def _missing(feed: Feed, line: Heading) -> list[tuple[str, ...]]:
    """The groups of required columns of which the header has none."""
    given = {feed.headers.get(squash(field)) for field in line.fields}
    return [group for group in feed.required if not set(group) & given]


def header_of(feed: Feed, line: Heading) -> Header:
    """The header of a file of this feed. Raises FileRefused when its fields do not make one.

    JSON lines may write a key in several ways: the first stands for all, and an object that has two of them is at fault.
    """
    if line.format == "jsonl":
        first = {feed.headers.get(squash(field), field): field for field in reversed(line.fields)}
        line = replace(line, fields=tuple(field for field in line.fields if field in set(first.values())))
    columns = tuple(feed.headers.get(squash(field)) for field in line.fields)
    for name in feed.by_name:
        same = [field.strip() for field, column in zip(line.fields, columns, strict=True) if column == name]
        if len(same) > 1:
            raise FileRefused(
                f"{line}: the columns {' and '.join(map(repr, same))} both mean {name}. "
                "Keep one of them, and load the file again."
            )
    if MARKED_LINE_COLUMN in line.fields:
        raise FileRefused(
            f"{line}: rejects that were exported with --spreadsheet have marks before their formulas. "
            "Load them with `dpm rejects retry BATCH --mended FILE`, which takes the marks off."
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
    return Header(feed, line.format, line.fields, columns, line.delimiter, line.bytes, line.lines, line.text)


def _alternatives(group: tuple[str, ...]) -> str:
    return " or ".join(group) if len(group) <= 3 else " or ".join((*group[:3], "another figure"))


def _feeds_in_words(feeds: list[Feed]) -> str:
    return f"the feed {feeds[0].name}" if len(feeds) == 1 else f"any feed ({', '.join(feed.name for feed in feeds)})"


def _example(feed: Feed) -> str:
    return ", ".join(group[0] for group in feed.required)


def _shortened(fields: tuple[str, ...]) -> str:
    text = in_one_line(", ".join(re.sub(r"\s+", " ", field).strip() for field in fields))
    return text if len(text) <= 160 else text[:157] + "..."
