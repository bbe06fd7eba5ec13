"""Where the records of a piece of CSV begin and end: quoted newlines, CRLF, lone CR and stray quotes included.

The rules are those of Arrow's parser, because its row numbers are matched with the records found here.
"""

import re
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Offsets = npt.NDArray[np.int64]

BOM = b"\xef\xbb\xbf"

_LF, _CR, _QUOTE = 10, 13, 34


def line_ends(data: bytes) -> Offsets:
    """The offset after each line break: LF, CRLF, or a CR alone (none at the very end, where it may be half a CRLF)."""
    octets = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero(octets == _LF)
    if b"\r" in data and data.count(b"\r") != data.count(b"\r\n"):
        returns = np.flatnonzero(octets[:-1] == _CR)
        alone = returns[octets[returns + 1] != _LF]
        ends = np.sort(np.concatenate([ends, alone]))
    return ends.astype(np.int64) + 1


def count_lines(data: bytes) -> int:
    """How many line breaks there are; a CR at the very end counts."""
    breaks = int(np.count_nonzero(np.frombuffer(data, np.uint8) == _LF))  # bytes.count takes five times as long
    return breaks + (data.count(b"\r") - data.count(b"\r\n") if b"\r" in data else 0)


def record_ends(data: bytes, delimiter: str) -> Offsets:
    """The offset after each line break that ends a record; what follows the last one is not complete yet."""
    ends = line_ends(data)
    if b'"' not in data:
        return ends
    octets = np.frombuffer(data, np.uint8)
    quotes = np.flatnonzero(octets == _QUOTE)
    opening = quotes[0::2]
    before = octets[opening[opening > 0] - 1]
    if not np.isin(before, [ord(delimiter), _LF, _CR, _QUOTE]).all():
        return _record_ends_field_by_field(data, delimiter)
    outside_quotes: Offsets = ends[np.searchsorted(quotes, ends) % 2 == 0]
    return outside_quotes


@lru_cache(maxsize=8)
def _field(delimiter: str) -> "re.Pattern[bytes]":
    d = re.escape(delimiter.encode())
    quoted, plain = rb'"[^"]*"(?:"[^"]*")*', rb"[^" + d + rb"\r\n]*"
    return re.compile(rb"(?:" + quoted + plain + rb"|(?!\")" + plain + rb")(" + d + rb"|\r\n|\n|\r(?=[\s\S]))")


def _record_ends_field_by_field(data: bytes, delimiter: str) -> Offsets:
    """For quotes in the middle of fields, which are text: slower, and seldom needed."""
    field, separator = _field(delimiter), delimiter.encode()
    ends: list[int] = []
    position = 0
    while match := field.match(data, position):
        position = match.end()
        if match[1] != separator:
            ends.append(position)
    return np.array(ends, np.int64)


class Records(NamedTuple):
    """For each record: where it starts, where it ends (line break included), and how many lines lie before it."""

    starts: Offsets
    ends: Offsets
    lines: Offsets


def records(data: bytes, delimiter: str) -> Records:
    """Every record that is not a blank line, in a piece of text that is complete."""
    ends = record_ends(data, delimiter)
    if len(data) > (ends[-1] if len(ends) else 0):
        ends = np.append(ends, len(data))
    starts = np.concatenate([np.zeros(1, np.int64), ends])[: len(ends)]
    octets = np.frombuffer(data, np.uint8)
    filled = ~np.isin(octets[starts], [_LF, _CR])
    starts, ends = starts[filled], ends[filled]
    return Records(starts, ends, np.searchsorted(line_ends(data), starts, side="right").astype(np.int64))


def without_line_break(record: bytes) -> bytes:
    for line_break in (b"\r\n", b"\n", b"\r"):
        if record.endswith(line_break):
            return record[: -len(line_break)]
    return record


def readable(record: bytes) -> str:
    r"""The record as PostgreSQL can store it: exactly as it stands, but for bytes that are no text, and NUL (\x00)."""
    return without_line_break(record).decode("utf-8", "backslashreplace").replace("\0", "\\x00")
