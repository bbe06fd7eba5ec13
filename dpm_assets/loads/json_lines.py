"""JSON lines: from a block of them to the rows that may be stored. Numbers are taken as they are written.

msgspec finds each value's own text without making a number or a string of it. The parsers measured (bench/parsing.py) are
within a fifth of one another, columns apart; but polars, DuckDB and orjson read numbers as floats, so that
12345678901234567.89 loses its cents, and pyarrow's decimals refuse the block for one nested value or one digit too many.
"""

import json
import re
from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from dpm_assets.loads.arrays import booleans, strings
from dpm_assets.loads.blocks import Block, is_text, whole_record
from dpm_assets.loads.columns import MISSING, Faults, without_missing
from dpm_assets.loads.documents import NO_TEXT_IN_POSTGRESQL
from dpm_assets.loads.faults import Reject
from dpm_assets.loads.feeds import squash
from dpm_assets.loads.feeds.types import Json, Vector
from dpm_assets.loads.header import Header
from dpm_assets.loads.records import Offsets, readable
from dpm_assets.loads.sifting import Sieve, Sifted

# Few enough lines for their objects to stay in the processor's cache: half again as fast as a block in one go.
_AT_ONCE = 128 * 1024

_ODD_KEY = re.compile(r"[\x00-\x1f\"\\]")  # which msgspec takes for no field's name: objects with it go one by one

_KEYS_REMEMBERED = 10_000

_NULL = msgspec.Raw(b"null")
_QUOTE, _N, _OPEN, _CLOSE, _BRACKET, _LF, _CR = b'"n{}[\n\r'
_ANY_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])


class MoreColumns(Exception):
    """Columns of the feed that stand in the file, but not in the objects that begin it: `columns` names them."""

    def __init__(self, columns: Sequence[str]) -> None:
        super().__init__(", ".join(columns))
        self.columns = tuple(columns)


class JsonLinesSieve(Sieve[Block]):
    """Sifts blocks of JSON lines. Raises MoreColumns when a column of the feed stands in them that the header lacks."""

    def __init__(self, header: Header) -> None:
        super().__init__(header)
        named = {f"f{position}": key for position, key in enumerate(header.fields)}
        keys = {name: key for name, key in named.items() if not _ODD_KEY.search(key)}
        row = msgspec.defstruct(
            "Row", [(name, msgspec.Raw, _NULL) for name in keys], rename=keys, forbid_unknown_fields=True, gc=False
        )
        self._decoder = msgspec.json.Decoder(row)
        wanted = {column: name for name, column in zip(named, header.columns, strict=True) if column}
        self._keys = {column: named[name] for column, name in wanted.items()}
        self._getters = {column: attrgetter(name) for column, name in wanted.items() if name in keys}
        self._columns: dict[str, str | None] = {}  # of each key met so far
        self._documents = {name for name in self._keys if isinstance(header.feed.by_name[name].type, Json | Vector)}

    def sift(self, block: Block) -> Sifted:
        if block.fault:
            return Sifted(rows_read=1, rejects=[whole_record(block.first_line, block.fault, block.data)])
        starts, ends = _lines(block.data)
        if (tokens := self._decode(block.data, starts, ends)) is not None:
            return self._sift_rows(block, tokens, np.arange(len(starts)), starts, ends)
        return self._sift_line_by_line(block, starts, ends)

    def _decode(self, data: bytes, starts: Offsets, ends: Offsets) -> dict[str, bytes] | None:
        """Each column's values; None where a line is not an object of the header's keys, or no object alone on it."""
        octets = np.frombuffer(data, np.uint8)
        if (
            len(self._getters) < len(self._keys)
            or not is_text(data)
            or not ((octets[starts] == _OPEN) & (octets[ends - 1] == _CLOSE)).all()
        ):
            return None
        tokens: dict[str, list[bytes]] = {column: [] for column in self._getters}
        first = 0
        while first < len(starts):
            after = max(first + 1, int(np.searchsorted(starts, starts[first] + _AT_ONCE)))
            try:
                objects = self._decoder.decode_lines(data[starts[first] : ends[after - 1]])
            except (msgspec.DecodeError, RecursionError):
                return None
            # Lines that begin and end with braces hold whole objects: as many objects as lines are one on each.
            if len(objects) != after - first:
                return None
            for column, get in self._getters.items():
                tokens[column].append(b"\0".join(map(get, objects)))
            first = after
        return {column: b"\0".join([*parts, b""]) for column, parts in tokens.items()}

    def _sift_line_by_line(self, block: Block, starts: Offsets, ends: Offsets) -> Sifted:
        objects: list[dict[str, msgspec.Raw]] = []
        kept: list[int] = []
        broken: list[Reject] = []
        for row, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
            line = block.data[start:end]
            found = _object(line)
            if not isinstance(found, str):
                found = self._by_column(found)
            if isinstance(found, str):
                broken.append(whole_record(block.first_line + _lines_before(block.data, start), found, line))
            else:
                objects.append(found)
                kept.append(row)
        self._check_columns(objects)
        tokens = {column: b"".join(bytes(each.get(column, _NULL)) + b"\0" for each in objects) for column in self._keys}
        sifted = self._sift_rows(block, tokens, np.array(kept, np.int64), starts, ends)
        sifted.add(Sifted(rows_read=len(broken), rejects=broken))
        sifted.rejects.sort(key=lambda reject: reject.line)
        return sifted

    def _by_column(self, found: Mapping[str, msgspec.Raw]) -> dict[str, msgspec.Raw] | str:
        """An object's values under the names of their columns, however its keys are written; or what is wrong with it."""
        values: dict[str, msgspec.Raw] = {}
        for key, value in found.items():
            if key not in self._columns:
                if len(self._columns) >= _KEYS_REMEMBERED:
                    self._columns.clear()  # keys that never come again would fill memory
                self._columns[key] = self.header.feed.headers.get(squash(key))
            column = self._columns[key]
            if column in values:
                return f"two keys of the object mean {column}: expected one"
            if column:
                values[column] = value
        return values

    def _check_columns(self, objects: Sequence[Mapping[str, Any]]) -> None:
        if more := {column for each in objects for column in each.keys() - self._keys.keys()}:
            raise MoreColumns(sorted(more))

    def _sift_rows(
        self, block: Block, tokens: Mapping[str, bytes], kept: Offsets, starts: Offsets, ends: Offsets
    ) -> Sifted:
        """Judge the values of the lines `kept`, each ended by NUL."""

        def reject(row: int, reason: str) -> Reject:
            start, end = int(starts[kept[row]]), int(ends[kept[row]])
            line = block.first_line + _lines_before(block.data, start)
            return Reject(line, reason, readable(block.data[start:end]))

        faults = Faults()
        values = {
            column: _documents(text) if column in self._documents else _values(text, column, faults)
            for column, text in tokens.items()
        }
        return self.judged(pa.table(values), starts[kept] + block.offset, reject, faults)


def _lines(data: bytes) -> tuple[Offsets, Offsets]:
    """Where the lines that are not blank start and end, without line break."""
    octets = np.frombuffer(data, np.uint8)
    breaks = np.flatnonzero(octets == _LF).astype(np.int64)
    starts = np.concatenate([np.zeros(1, np.int64), breaks + 1])
    ends = np.append(breaks, len(data))
    ends = ends - ((ends > starts) & (octets[ends - 1] == _CR))
    filled = ends > starts
    for line in np.flatnonzero(filled & (octets[np.minimum(starts, len(data) - 1)] <= ord(" "))).tolist():
        filled[line] = bool(data[starts[line] : ends[line]].strip())
    return starts[filled], ends[filled]


def _lines_before(data: bytes, position: int) -> int:
    return data.count(b"\n", 0, position)


def _object(line: bytes) -> dict[str, msgspec.Raw] | str:
    """The line's object, or what is wrong with it."""
    if b"\0" in line:
        return "the line holds a NUL character (shown as \\x00): expected text"
    if not is_text(line):
        return "the line is not UTF-8 (shown as \\x..): save the file in UTF-8"
    try:
        return _ANY_OBJECT.decode(line)
    except msgspec.ValidationError:
        return 'the line is no JSON object: expected one such as {"tradeId": "T1", ...}'
    except msgspec.DecodeError as error:
        return f"the line is no JSON object ({str(error).rstrip('.')}): expected one whole object on the line"
    except RecursionError:
        return "the line is nested too deep: expected one object of plain values"


def _values(tokens: bytes, column: str, faults: Faults) -> pa.StringArray:
    """The values of a column of plain values, null where its tokens say that there is none."""
    octets = np.frombuffer(tokens, np.uint8)
    ends = np.flatnonzero(octets == 0).astype(np.int64)
    starts = np.concatenate([np.zeros(1, np.int64), ends + 1])[: len(ends)]
    first = octets[starts]
    quoted, null = first == _QUOTE, first == _N
    nested = (first == _OPEN) | (first == _BRACKET)
    if nested.any() or b"\\" in tokens or np.count_nonzero(octets == _QUOTE) != 2 * np.count_nonzero(quoted):
        return _values_one_by_one(tokens, column, faults)
    offsets = np.zeros(len(starts) + 1, np.int32)
    np.cumsum(np.where(null, 0, ends - starts - 2 * quoted), out=offsets[1:])
    text = tokens.replace(b"null\0", b"\0").translate(None, b'"\0')  # of bare tokens only null ends so
    values = pa.StringArray.from_buffers(
        len(starts), pa.py_buffer(offsets), pa.py_buffer(text), booleans(~null).buffers()[1], -1
    )
    return without_missing(values) if quoted.any() else values


def _values_one_by_one(tokens: bytes, column: str, faults: Faults) -> pa.StringArray:
    """For values with escapes or quotes in them, and nested ones, which a plain value must not be."""
    read: list[str | None] = []
    for row, token in enumerate(tokens.decode().split("\0")[:-1]):
        value: str | None = token
        if token.startswith('"'):
            value = json.loads(token)
            if value in MISSING:
                value = None
        elif token == "null":
            value = None
        elif token[:1] in "{[":
            faults.add(row, f"{column} is a nested value: expected a plain one")
            value = None
        if value is not None and NO_TEXT_IN_POSTGRESQL.search(value):
            faults.add(row, f"{column} {token[:80]}: expected text without \\u0000 and halves of surrogate pairs")
            value = None
        read.append(value)
    return strings(read)


def _documents(tokens: bytes) -> pa.StringArray:
    """Documents as they stand; of a string that holds one (as databases export them), what it holds."""
    read: list[str | None] = []
    for token in tokens.decode().split("\0")[:-1]:
        if token == "null":
            read.append(None)
            continue
        inner = json.loads(token).strip() if token.startswith('"') else ""
        read.append(inner if inner[:1] in ("{", "[") else token)
    return strings(read)
