"""Rows from PostgreSQL to Arrow: COPY's CSV, parsed piece by piece. An empty field is null, a quoted empty one is empty."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.csv
from psycopg import sql

from dpm_assets.errors import DpmError

_WAITING = 2  # pieces that are read ahead while one is parsed


@dataclass
class CopyRows:
    """Iterates over the rows of a query as tables of `piece` rows, in the query's order.

    While one piece is worked on, the next is fetched in a thread, so `conn` belongs to this object until it ends. `digest`
    is of all that was sent; `rows` counts. Raises DpmError for a value that has no place in `schema` (a year before 1).
    """

    conn: psycopg.Connection[Any]
    query: sql.Composable
    schema: pa.Schema
    piece: int
    rows: int = 0
    digest: Any = field(default_factory=sha256)

    def __iter__(self) -> Iterator[pa.Table]:
        pieces: Queue[bytes | BaseException | None] = Queue(_WAITING)
        stop = Event()
        fetching = Thread(target=self._fetch, args=(pieces, stop), daemon=True)
        fetching.start()
        try:
            while (piece := pieces.get()) is not None:
                if isinstance(piece, BaseException):
                    raise piece
                self.digest.update(piece)
                table = self._parse(piece)
                self.rows += table.num_rows
                yield table
        finally:
            stop.set()
            if fetching.is_alive():
                self.conn.cancel_safe()
            while fetching.is_alive():
                with suppress(Empty):
                    pieces.get_nowait()
                fetching.join(0.05)

    def _fetch(self, pieces: "Queue[bytes | BaseException | None]", stop: Event) -> None:
        def put(item: bytes | BaseException | None) -> None:
            while not stop.is_set():
                with suppress(Full):
                    return pieces.put(item, timeout=0.1)

        try:
            rows: list[bytes | bytearray | memoryview] = []
            with self.conn.cursor().copy(sql.SQL("copy ({}) to stdout (format csv)").format(self.query)) as copy:
                for row in copy:  # the server sends one message a row
                    rows.append(row)
                    if len(rows) == self.piece:
                        put(b"".join(rows))
                        rows.clear()
                        if stop.is_set():
                            break
            if rows:
                put(b"".join(rows))
            put(None)
        except BaseException as error:
            put(error)

    def _parse(self, piece: bytes) -> pa.Table:
        try:
            return pyarrow.csv.read_csv(
                pa.py_buffer(piece),
                pyarrow.csv.ReadOptions(column_names=self.schema.names),
                pyarrow.csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
                pyarrow.csv.ConvertOptions(
                    column_types=self.schema,
                    null_values=[""],
                    true_values=["t"],
                    false_values=["f"],
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                ),
            )
        except pa.ArrowInvalid as error:
            raise DpmError(f"A row holds what a Parquet file cannot: {error}. Correct the row in PostgreSQL.") from None
