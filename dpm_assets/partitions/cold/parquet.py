"""The Parquet file of a month or year: how it is written, and how it is read back to the rows that PostgreSQL sent.

Encodings are chosen by column, by measurement, among those of the format's first versions: BYTE_STREAM_SPLIT, which older readers
lack for integers, would make the file smaller by a fourteenth.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Set
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dpm_assets.errors import DpmError
from dpm_assets.partitions.cold.columns import Column, schema_of
from dpm_assets.partitions.cold.rows_out import csv_lines
from dpm_assets.partitions.cold.tables import ColdTable

ROWS_PER_GROUP = 65_536
"""A reader of one account reads one group of a month. Smaller ones make the footer, which every reader reads, longer."""

ROWS_PER_PIECE = ROWS_PER_GROUP // 8
"""Rows that are text at one time: text takes several times the room of the columns."""

ZSTD_LEVEL = 3

_READ_AHEAD = 1024 * 1024  # bytes of a column; otherwise whole row groups are read before they are decoded
_AT_ONCE = 2  # batches that are encoded while one is taken


def write_file(path: Path, table: ColdTable, columns: tuple[Column, ...], pieces: Iterable[pa.Table]) -> None:
    """Write the rows of all pieces, ROWS_PER_GROUP to a row group when pieces have ROWS_PER_PIECE."""
    schema = schema_of(columns)
    dictionary = [c.name for c in columns if _repeats(table, c)]
    writing = partial(
        pq.ParquetWriter,
        schema=schema,
        compression="zstd",
        compression_level=ZSTD_LEVEL,
        use_dictionary=dictionary,
        column_encoding={c.name: table.encodings.get(c.name, "PLAIN") for c in columns if c.name not in dictionary},
        store_decimal_as_integer=True,
        write_page_checksum=True,
        sorting_columns=[pq.SortingColumn(schema.get_field_index(name)) for name in table.key],
    )
    # Opened here, so that it is closed whatever the writer meets, a full disk for one.
    with path.open("wb") as file, writing(file) as writer:
        for group in _groups(pieces):
            writer.write_table(group, row_group_size=ROWS_PER_GROUP)
    pa.default_memory_pool().release_unused()


def _groups(pieces: Iterable[pa.Table]) -> Iterator[pa.Table]:
    gathered: list[pa.Table] = []
    for piece in pieces:
        gathered.append(piece)
        if sum(table.num_rows for table in gathered) >= ROWS_PER_GROUP:
            yield pa.concat_tables(gathered)
            gathered.clear()
    if gathered:
        yield pa.concat_tables(gathered)


def _repeats(table: ColdTable, column: Column) -> bool:
    """Whether it has few distinct values: text but for the trade's own id, amounts that repeat, and days."""
    return column.name in table.repeating or (column.name not in table.encodings and pa.types.is_string(column.arrow))


@dataclass
class Content:
    """What a file was found to hold, so far: rows, exact sums of the decimal columns, and the hash of the rows as CSV."""

    rows: int = 0
    sums: dict[str, Decimal] = field(default_factory=dict)
    digest: Any = field(default_factory=sha256)

    def take(self, batch: pa.RecordBatch, lines: bytes) -> None:
        self.rows += batch.num_rows
        self.digest.update(lines)
        for name, values in zip(batch.schema.names, batch.columns, strict=True):
            if pa.types.is_decimal(values.type) and (total := pc.sum(values).as_py()) is not None:
                self.sums[name] = self.sums.get(name, Decimal(0)) + total

    def check(self, where: str, rows: int, sums: Mapping[str, Decimal], content_sha256: str) -> None:
        """Raises DpmError unless the file holds exactly this."""
        if self.rows != rows:
            raise DpmError(f"{where} holds {self.rows:,} rows and not {rows:,}: it is not what was archived.")
        for name in sorted({*sums, *self.sums}):
            if self.sums.get(name) != sums.get(name):
                raise DpmError(f"{where} is damaged: the sum of {name} is {self.sums.get(name)}, not {sums.get(name)}.")
        if self.digest.hexdigest() != content_sha256:
            raise DpmError(f"{where} is damaged: its rows are not those that were archived.")


def read_back(path: Path, content: Content, without: Set[str] = frozenset()) -> Iterator[bytes]:
    """The rows of a file as COPY's CSV, a batch at a time, noted in `content`. Raises DpmError when it cannot be read.

    Columns of `without` are noted as the others are, and not among what is given. Batches are encoded in threads beside whoever
    takes them.
    """
    try:
        with (
            pq.ParquetFile(path, buffer_size=_READ_AHEAD, page_checksum_verification=True) as file,
            ThreadPoolExecutor(_AT_ONCE) as pool,
        ):
            batches = file.iter_batches(ROWS_PER_PIECE)
            under_way: deque[tuple[pa.RecordBatch, Future[bytes]]] = deque()
            while True:
                for batch in islice(batches, 1 + _AT_ONCE - len(under_way)):
                    under_way.append((batch, pool.submit(csv_lines, batch)))
                if not under_way:
                    return
                batch, encoded = under_way.popleft()
                lines = encoded.result()
                content.take(batch, lines)
                yield csv_lines(_without(batch, without)) if without else lines
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise DpmError(f"The Parquet file is damaged: {' '.join(str(error).split()).rstrip('.')}.") from None


def _without(batch: pa.RecordBatch, names: Set[str]) -> pa.RecordBatch:
    return batch.select([name for name in batch.schema.names if name not in names])
