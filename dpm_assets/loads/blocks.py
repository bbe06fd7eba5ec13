"""A file's text in blocks of whole records or lines, each with the number of its first line, so that blocks are judged alone."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dpm_assets.loads.faults import Reject
from dpm_assets.loads.records import BOM, count_lines, line_ends, readable, record_ends
from dpm_assets.loads.unpacking import Readable

BLOCK = 2 * 1024 * 1024
LONGEST_RECORD = 1024 * 1024
_KEPT = 1024 * 1024  # of a line that is longer than any row; all of it would fill the quarantine
_LONG_LINE = (
    f"the line is longer than {(BLOCK + LONGEST_RECORD) // 1024**2} MB (its first MB is kept): expected one row a line"
)
_LINE_BREAK = re.compile(rb"\r\n|\n|\r")
LONGEST_LINE = 16 * 1024 * 1024  # of JSON lines
_LONG_JSON = f"the line is longer than {LONGEST_LINE // 1024**2} MB (its first MB is kept): expected one object a line"


@dataclass(frozen=True)
class Block:
    """Whole records; `first_line` counts from 1 in the file, `offset` is where they begin in its (decompressed) text.

    With a `fault` it is one line that no record could be made of.
    """

    data: bytes
    first_line: int
    offset: int
    fault: str | None = None


def is_text(data: bytes) -> bool:
    """Whether it is UTF-8 without NUL."""
    if b"\0" in data:
        return False
    if data.isascii():
        return True
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def whole_record(line: int, reason: str, raw: bytes) -> Reject:
    """The reject of a record that no values could be read from."""
    return Reject(line, reason, readable(raw), damaged=not is_text(raw))


def blocks(stream: Readable, delimiter: str, header_bytes: int, header_lines: int) -> Iterator[Block]:
    """The blocks after the header, in the order of the file."""
    pending, offset, line, finished = b"", 0, 1, False
    skip: int | None = None
    while not finished:
        more = stream.read(BLOCK)
        finished = not more
        pending += more
        if skip is None and (len(pending) >= 3 or finished):
            pending = pending.removeprefix(BOM)
            skip = header_bytes
        if skip:
            skipped = min(skip, len(pending))
            pending, skip, offset = pending[skipped:], skip - skipped, offset + skipped
            line = 1 + header_lines
        while pending and (found := _next(pending, delimiter, finished)):
            data, fault = found
            yield Block(data[:_KEPT] if fault == _LONG_LINE else data, line, offset, fault)
            pending, line, offset = pending[len(data) :], line + count_lines(data), offset + len(data)
            if fault and not data.endswith((b"\n", b"\r")):
                passed, pending = _pass_over_line(stream)
                offset, line = offset + passed, line + 1


def _next(pending: bytes, delimiter: str, finished: bool) -> tuple[bytes, str | None] | None:
    """The next block of `pending` and its fault, or None when more has to be read first."""
    end = _last_record_end(pending, delimiter)
    if end:
        return pending[:end], None
    if b'"' not in pending:
        if finished:
            return pending, None
        return (pending, _LONG_LINE) if len(pending) > BLOCK + LONGEST_RECORD else None
    if finished and _complete(pending, delimiter):
        return pending, None
    if finished or len(pending) > LONGEST_RECORD:
        lines = line_ends(pending)
        first = int(lines[0]) if len(lines) else len(pending)
        return pending[:first], 'a quote (") is opened and never closed; close it, or double it inside a quoted value'
    return None


def _last_record_end(pending: bytes, delimiter: str) -> int:
    if b'"' not in pending and b"\r" not in pending:
        return pending.rfind(b"\n") + 1
    ends = record_ends(pending, delimiter)
    return int(ends[-1]) if len(ends) else 0


def _complete(pending: bytes, delimiter: str) -> bool:
    """Whether the file's last record, which no line break ends, is complete as it stands."""
    return len(record_ends(pending + b"\n", delimiter)) > 0


def line_blocks(stream: Readable) -> Iterator[Block]:
    """The file in blocks of whole lines."""
    pending, offset, line, finished, started = b"", 0, 1, False, False
    while not finished:
        more = stream.read(BLOCK)
        finished = not more
        pending += more
        if not started and (len(pending) >= len(BOM) or finished):
            pending, started = pending.removeprefix(BOM), True
        end = len(pending) if finished else pending.rfind(b"\n") + 1
        fault = None
        if not end and len(pending) > LONGEST_LINE:
            end, fault = len(pending), _LONG_JSON
        if end:
            data, pending = pending[:end], pending[end:]
            yield Block(data[:_KEPT] if fault else data, line, offset, fault)
            if fault:
                passed, pending = _pass_over_line(stream)
                offset, line = offset + passed, line + 1
            offset, line = offset + len(data), line + count_lines(data)


def _pass_over_line(stream: Readable) -> tuple[int, bytes]:
    """Read to the end of the line: how many bytes that were, and what was read of the next one."""
    passed = 0
    while more := stream.read(BLOCK):
        # Looking for single bytes is a hundred times as fast as the pattern.
        if (b"\n" in more or b"\r" in more) and (found := _LINE_BREAK.search(more)):
            return passed + found.end(), more[found.end() :]
        passed += len(more)
    return passed, b""
