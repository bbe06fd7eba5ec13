"""Parquet: from batches of rows to those that may be stored. A row's number stands for its line."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from dpm_assets.loads.arrays import Doubles, doubles, present, replaced, without
from dpm_assets.loads.blocks import is_text
from dpm_assets.loads.columns import Faults, without_missing
from dpm_assets.loads.faults import FileRefused, Reject
from dpm_assets.loads.feeds.types import Json, Text, Vector
from dpm_assets.loads.header import Header
from dpm_assets.loads.nested_values import documents_of
from dpm_assets.loads.sifting import Sieve, Sifted
from dpm_assets.loads.source import Source
from dpm_assets.loads.unpacking import check_unpacked

_BATCH_BYTES = 4 * 1024 * 1024
_MOST_ROWS = 4_096  # more are no faster, and cost memory: every thread keeps what its largest batch took
_READ_BUFFER = 256 * 1024
_ROWS_ALWAYS_TAKEN, _MOST_ROWS_A_BYTE = 1_000_000, 20
_TEXTS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
_LONG = 1024  # bytes of a text: as many as are written out at once are still little
_LONGEST_TEXT = 16 * 1024 * 1024  # as a line of JSON has it
_EXACT_BELOW = {16: 2.0**11, 32: 2.0**24, 64: 2.0**53}  # by the bits of a floating-point number
_SAID_IN_JSON = "expected text in UTF-8, and dates and times of the years 1 to 9999"


@dataclass(frozen=True)
class Batch:
    """Some rows of the file, of which `first_row` is the first (from 1)."""

    rows: pa.RecordBatch
    first_row: int


@contextmanager
def open_batches(source: Source, header: Header) -> Iterator[tuple[Iterator[Batch], Callable[[], int]]]:
    """The columns that the feed knows, batch by batch, and how many of the file's bytes they stand for so far.

    Pages are read as they are needed, so memory stays bounded.

    Raises FileRefused when the file is damaged, when it declares more than it can honestly hold, or when a column of it is of a
    type that no value can be read from.
    """
    with source.opened() as file:
        try:
            schema = parquet.read_schema(file)
            _check_types(source, header, schema)
            looked = _opened(file, _texts(header, schema))
            _refuse_bombs(source, looked.metadata)
            opened = _opened(file, list(_repeating_long_texts(looked, _texts(header, schema))))
            batches = _Batches(source, opened, header)
            yield iter(batches), lambda: source.bytes * batches.rows_done // max(1, opened.metadata.num_rows)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
            reason = " ".join(str(error).split()).rstrip(".")
            raise FileRefused(f"{source} cannot be read: {reason}. Write it again, and load it again.") from None


def _refuse_bombs(source: Source, about: parquet.FileMetaData) -> None:
    """A row has a key of its own, which takes room: many rows to a byte are repetitions made to keep a loader busy for days."""
    if about.num_rows > max(_ROWS_ALWAYS_TAKEN, _MOST_ROWS_A_BYTE * source.bytes):
        raise FileRefused(
            f"{source} declares {about.num_rows:,} rows in {source.bytes:,} bytes, more than {_MOST_ROWS_A_BYTE} a byte. "
            "Write it again from its rows, and load it again."
        )
    unpacked = sum(about.row_group(number).total_byte_size for number in range(about.num_row_groups))
    check_unpacked(source, unpacked, source.bytes)


def _opened(file: BinaryIO, as_dictionaries: list[str]) -> parquet.ParquetFile:
    return parquet.ParquetFile(file, pre_buffer=False, buffer_size=_READ_BUFFER, read_dictionary=as_dictionaries)


def _repeating_long_texts(looked: parquet.ParquetFile, texts: list[str]) -> set[str]:
    """The texts of which a long one may repeat: the file has it once, in the dictionary that begins a group, and so must memory.

    The others are read as they are: of those, a dictionary would take in what stands in the file behind it, text by text.
    """
    long = set[str]()
    for group in range(looked.num_row_groups):
        columns = [name for name in texts if name not in long]
        for row in looked.iter_batches(batch_size=1, row_groups=[group], columns=columns, use_threads=False):
            lengths = [pc.max(pc.binary_length(row.column(name).dictionary)).as_py() or 0 for name in columns]
            long.update(name for name, longest in zip(columns, lengths, strict=True) if longest > _LONG)
            break
    return long


def _texts(header: Header, schema: pa.Schema) -> list[str]:
    """The fields that hold texts."""
    return [
        field.name
        for field, column in zip(schema, header.columns, strict=True)
        if column and any(is_kind(field.type) for is_kind in _TEXTS)
    ]


class _Batches:
    def __init__(self, source: Source, file: parquet.ParquetFile, header: Header) -> None:
        self._source = source
        self._file = file
        self._wanted = [field for field, column in zip(header.fields, header.columns, strict=True) if column]
        self.rows_done = 0
        self._written_out = 0  # bytes of texts that the file has once and its rows many times

    def __iter__(self) -> Iterator[Batch]:
        for rows in self._file.iter_batches(batch_size=self._rows_at_once(), columns=self._wanted, use_threads=False):
            bytes_until = _repeated_bytes(rows)
            self._written_out += int(bytes_until[-1])
            check_unpacked(self._source, self._written_out, self._source.bytes)
            for piece in _of_bounded_size(rows, bytes_until):
                yield Batch(piece, self.rows_done + 1)
                self.rows_done += piece.num_rows

    def _rows_at_once(self) -> int:
        about = self._file.metadata
        groups = [about.row_group(number) for number in range(about.num_row_groups)]
        bytes_a_row = max((group.total_byte_size / max(1, group.num_rows) for group in groups), default=1)
        if any(pa.types.is_nested(self._file.schema_arrow.field(name).type) for name in self._wanted):
            # What repeats in nested values is written out at once: each may be as large as the whole group.
            bytes_a_row = max((group.total_byte_size / 16 for group in groups), default=1)
        return max(1, min(_MOST_ROWS, int(_BATCH_BYTES / max(1, bytes_a_row))))


def _repeated_bytes(rows: pa.RecordBatch) -> Doubles:
    """The bytes before each row of a batch, and at its end, that its repeated texts take when they are written out."""
    bytes_until = np.zeros(rows.num_rows + 1)
    for column in rows.columns:
        if pa.types.is_dictionary(column.type) and _is_text(column.type):
            texts = column.dictionary
            if not any(is_kind(texts.type) for is_kind in _TEXTS):
                texts = texts.cast(pa.string())
            lengths = np.nan_to_num(doubles(pc.binary_length(texts)))
            there = present(column)
            used = np.nan_to_num(doubles(column.indices)).astype(np.int64)
            bytes_until[1:] += np.where(there, lengths[used] if len(lengths) else 0, 0)
    return np.cumsum(bytes_until)


def _of_bounded_size(rows: pa.RecordBatch, bytes_until: Doubles) -> Iterator[pa.RecordBatch]:
    """Parts of a batch that stay small when repeated values are written out."""
    first = 0
    while first < rows.num_rows:
        after = int(np.searchsorted(bytes_until, bytes_until[first] + _BATCH_BYTES, side="right")) - 1
        after = min(max(after, first + 1), rows.num_rows)
        yield rows.slice(first, after - first)
        first = after


def _check_types(source: Source, header: Header, schema: pa.Schema) -> None:
    for field, column in zip(schema, header.columns, strict=True):
        if column and not _readable(field.type):
            raise FileRefused(
                f"{source}: the column {field.name!r} is of the type {field.type}, which cannot be read. "
                "Write it as text, a number, a date or a timestamp, and load it again."
            )


def _readable(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _readable(kind.value_type)
    unreadable = (pa.types.is_time, pa.types.is_duration, pa.types.is_interval, pa.types.is_union)
    return not any(is_kind(kind) for is_kind in unreadable)


class ParquetSieve(Sieve[Batch]):
    """Sifts batches of Parquet. The raw text of a reject is its row as JSON, under the file's own names."""

    def __init__(self, header: Header) -> None:
        super().__init__(header)
        self._fields = {
            column: field for field, column in zip(header.fields, header.columns, strict=True) if column is not None
        }

    def sift(self, batch: Batch) -> Sifted:
        given = {column: batch.rows.column(field) for column, field in self._fields.items()}
        faults, damaged = Faults(), set[int]()
        values: dict[str, pa.StringArray] = {}
        for column, array in given.items():
            texts, unsaid = as_strings(array)
            if pa.types.is_floating(array.type) and isinstance(self.header.feed.by_name[column].type, Text):
                texts, inexact = _with_all_digits(texts, doubles(array), _EXACT_BELOW[array.type.bit_width])
                for row in inexact:
                    faults.add(
                        row,
                        f"{column} is a floating-point number too large to be exact: expected text or a whole number",
                    )
            for row, reason in unsaid.items():
                faults.add(row, f"{column} cannot be said in JSON ({reason}): {_SAID_IN_JSON}")
            damaged.update(unsaid)
            texts, long = _without_long(texts)
            for row in long:
                faults.add(row, f"{column} holds more than {_LONGEST_TEXT // 1024**2} MB: expected less")
            damaged.update(long)
            values[column], bad = _only_text(texts)
            for row in bad:
                faults.add(row, f"{column} holds a NUL character or bytes that are not UTF-8: expected text")
            damaged.update(bad)
            if _is_text(array.type) and not isinstance(self.header.feed.by_name[column].type, Json | Vector):
                values[column] = without_missing(values[column])

        def reject(row: int, reason: str) -> Reject:
            shown = (
                f"{json.dumps(field, ensure_ascii=False)}: {_shown(values[column][row].as_py(), given[column].type)}"
                for column, field in self._fields.items()
            )
            return Reject(batch.first_row + row, reason, f"{{{', '.join(shown)}}}", damaged=row in damaged)

        order = np.arange(batch.first_row, batch.first_row + batch.rows.num_rows, dtype=np.int64)
        return self.judged(pa.table(values), order, reject, faults)


def _is_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return not (pa.types.is_primitive(kind) or pa.types.is_decimal(kind))


def as_strings(values: pa.Array) -> tuple[pa.StringArray, dict[int, str]]:
    """Values of any type as text that their exact value can be read from, nested ones as JSON; and why those that cannot be said
    in JSON are null, by row."""
    if isinstance(values, pa.ExtensionArray):
        values = values.storage
    kind = values.type
    if pa.types.is_dictionary(kind):
        values, kind = values.dictionary_decode(), kind.value_type
    return documents_of(values) if pa.types.is_nested(kind) else (_plain_strings(values, kind), {})


def _plain_strings(values: pa.Array, kind: pa.DataType) -> pa.StringArray:
    if pa.types.is_timestamp(kind):
        if kind.tz:  # first: rounding goes by local time, which tells nothing in the hour that clocks show twice
            values = pc.cast(values, pa.timestamp(kind.unit, "UTC"))
        if kind.unit == "ns":
            values = pc.cast(pc.round_temporal(values, unit="microsecond"), pa.timestamp("us", values.type.tz))
    if pa.types.is_date64(kind):
        values = pc.cast(values, pa.date32())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return pc.cast(pc.cast(values, pa.binary()), pa.string(), safe=False)
    return pc.cast(values, pa.string())


def _with_all_digits(texts: pa.StringArray, numbers: Doubles, exact_below: float) -> tuple[pa.StringArray, list[int]]:
    """Texts, ids above all, that a file holds as floating-point numbers: whole ones with all their digits, NaN as missing; and
    the rows of those too large to be exact."""
    size = np.abs(np.nan_to_num(numbers))
    whole = np.flatnonzero((size >= 1e10) & (size < exact_below) & (numbers == np.floor(numbers))).tolist()
    if whole:
        texts = replaced(texts, whole, [str(int(numbers[row])) for row in whole])
    return without(texts, np.isnan(numbers)), np.flatnonzero(size >= exact_below).tolist()


def _without_long(values: pa.StringArray) -> tuple[pa.StringArray, list[int]]:
    """The values, null where they are longer than any value can be, and the rows of these."""
    text = values.buffers()[2]
    if text is None or text.size <= _LONGEST_TEXT:
        return values, []
    long = np.nan_to_num(doubles(pc.binary_length(values))) > _LONGEST_TEXT
    return without(values, long), np.flatnonzero(long).tolist()


def _only_text(values: pa.StringArray) -> tuple[pa.StringArray, list[int]]:
    """The values, null where they are no text that PostgreSQL can hold, and the rows of these."""
    text = values.buffers()[2]
    if text is None or is_text(text.to_pybytes()):
        return values, []
    octets = pc.cast(values, pa.binary()).to_pylist()
    bad = [row for row, value in enumerate(octets) if value is not None and not is_text(value)]
    these = np.zeros(len(values), np.bool_)
    these[bad] = True
    return without(values, these), bad


def _shown(text: str | None, kind: pa.DataType) -> str:
    """A value in JSON: numbers, flags and nested values as they are, the others in quotes."""
    if text is None:
        return "null"
    bare = (
        pa.types.is_integer(kind) or pa.types.is_decimal(kind) or pa.types.is_boolean(kind) or pa.types.is_nested(kind)
    )
    if bare or (pa.types.is_floating(kind) and text.strip("-") not in ("nan", "inf")):
        return text
    return json.dumps(text, ensure_ascii=False)
