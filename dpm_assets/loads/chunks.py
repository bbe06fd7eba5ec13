"""A file's good rows on their way to COPY: judged, encoded and gathered into chunks in threads of their own, while the
server takes the last chunk.

The rows of a chunk are sorted by date and key: inserted so, they touch a page of the key's index once, where rows in the
order of time would touch all of its pages again and again.
"""

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dpm_assets.loads.arrays import strings, whole_numbers
from dpm_assets.loads.encoding import copy_lines
from dpm_assets.loads.faults import Reject
from dpm_assets.loads.ordered import in_order, made_ahead
from dpm_assets.loads.reading import open_pieces
from dpm_assets.loads.sifting import FILE_ROW, Sieve, Sifted
from dpm_assets.loads.source import Source

# The first chunk is small: the server waits for it, and what it holds tells how the file is best loaded.
FIRST_ROWS = 16_000
ROWS = 50_000
BYTES = 12 * 1024 * 1024


@dataclass
class Chunk:
    """Rows of a file that follow each other, in the order in which they are best inserted.

    `lines` are the rows in COPY's text format but for a last column (`encoding.with_last`); `keys` are their columns of
    the feed's date and identity; `file_rows` tells their order in the file.
    """

    lines: pa.StringArray
    keys: pa.RecordBatch
    file_rows: pa.Array
    rows_read: int
    rejects: list[Reject]
    days: set[date]
    position: int  # bytes of the file read so far

    def months(self, dated_by: str) -> list[tuple[date, int, int]]:
        """The months of the rows, each with its first row and the row after its last."""
        found, begin = [], 0
        for count in pc.value_counts(pc.utf8_slice_codeunits(self.keys.column(dated_by), 0, 7)).to_pylist():
            found.append((date.fromisoformat(count["values"] + "-01"), begin, begin + count["counts"]))
            begin += count["counts"]
        return found


@dataclass
class _Encoded:
    """Pieces whose judged columns were left behind for the text of the lines."""

    lines: list[pa.StringArray] = field(default_factory=list)
    keys: list[pa.RecordBatch] = field(default_factory=list)
    sifted: Sifted = field(default_factory=Sifted)

    def add(self, other: "_Encoded") -> None:
        self.lines += other.lines
        self.keys += other.keys
        self.sifted.add(other.sifted)

    def full(self, rows: int) -> bool:
        return self.sifted.rows_read >= rows or sum(lines.nbytes for lines in self.lines) >= BYTES


class _Encoder:
    """Judges and encodes pieces of the file; they may go in parallel."""

    def __init__(self, sieve: Sieve[Any], instead_of_null: Mapping[str, str]) -> None:
        self._sieve = sieve
        self._instead_of_null = instead_of_null
        feed = sieve.header.feed
        dated = [feed.partitions.by] if feed.partitions else []
        self.key = [*dated, *(name for name in feed.identity if name not in dated and name in sieve.columns)]

    def encode(self, piece: Any) -> _Encoded:
        sifted = self._sieve.sift(piece)
        rows, sifted.rows = sifted.rows, []
        names = self._sieve.columns[:-1]
        return _Encoded(
            [copy_lines(each, names, self._instead_of_null) for each in rows],
            [each.select([*self.key, FILE_ROW]) for each in rows],
            sifted,
        )

    def chunk(self, encoded: _Encoded, position: int) -> Chunk:
        lines, keys = self._in_order(encoded)
        return Chunk(
            lines=lines,
            keys=keys,
            file_rows=keys.column(FILE_ROW),
            rows_read=encoded.sifted.rows_read,
            rejects=encoded.sifted.rejects,
            days={date.fromisoformat(day) for day in encoded.sifted.days},
            position=position,
        )

    def _in_order(self, encoded: _Encoded) -> tuple[pa.StringArray, pa.RecordBatch]:
        if not encoded.keys:
            nothing = [strings([]) for _ in self.key]
            return strings([]), pa.record_batch([*nothing, whole_numbers(np.zeros(0, np.int64))], [*self.key, FILE_ROW])
        keys = pa.Table.from_batches(encoded.keys).combine_chunks()
        lines = pa.concat_arrays(encoded.lines)
        encoded.lines, encoded.keys = [], []  # or memory would hold the chunk three times
        order = pc.sort_indices(keys, sort_keys=[(name, "ascending") for name in [*self.key, FILE_ROW]])
        return lines.take(order), keys.take(order).combine_chunks().to_batches()[0]


@contextmanager
def open_chunks(source: Source, sieve: Sieve[Any], instead_of_null: Mapping[str, str]) -> Iterator[Iterator[Chunk]]:
    """The chunks of a file; one at least. The next is made while the caller works on the one before.

    `instead_of_null` gives what stands for a missing value of a column.
    """
    encoder = _Encoder(sieve, instead_of_null)
    with open_pieces(source, sieve.header) as (pieces, position):
        chunks = made_ahead(_gathered(in_order(encoder.encode, pieces), position, encoder))
        try:
            yield chunks
        finally:
            chunks.close()


def _gathered(
    encoded: Iterator[_Encoded], position: Callable[[], int], encoder: _Encoder
) -> Generator[Chunk, None, None]:
    gathered, size, first = _Encoded(), FIRST_ROWS, True
    for each in encoded:
        gathered.add(each)
        if gathered.full(size):
            chunk, gathered = encoder.chunk(gathered, position()), _Encoded()
            yield chunk
            del chunk  # or it would stay until the next is made
            size, first = ROWS, False
    if gathered.sifted.rows_read or first:
        yield encoder.chunk(gathered, position())
