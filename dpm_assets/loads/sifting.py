"""What every format's rows go through: good ones from bad ones, each bad one with its line and its text."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dpm_assets.loads.arrays import booleans, whole_numbers
from dpm_assets.loads.columns import Faults
from dpm_assets.loads.faults import Reject
from dpm_assets.loads.header import Header
from dpm_assets.loads.judging import Judge
from dpm_assets.loads.records import Offsets

FILE_ROW = "file_row"

Piece = TypeVar("Piece")


@dataclass
class Sifted:
    """What became of one piece of a file: `rows` are its good ones, judged, with the columns of `Sieve.columns`.

    The values are strings that PostgreSQL takes for sure, null where missing; the last column is a whole number.
    """

    rows: list[pa.RecordBatch] = field(default_factory=list)
    rows_read: int = 0
    rejects: list[Reject] = field(default_factory=list)
    days: set[str] = field(default_factory=set)

    @property
    def rows_kept(self) -> int:
        return self.rows_read - len(self.rejects)

    def add(self, other: "Sifted") -> None:
        self.rows += other.rows
        self.rows_read += other.rows_read
        self.rejects += other.rejects
        self.days |= other.days


class Sieve(ABC, Generic[Piece]):
    """Tells the good rows of pieces from the bad ones. It holds no state of the file: pieces may go in parallel."""

    def __init__(self, header: Header) -> None:
        self.header = header
        self.judge = Judge(header.feed, header.given)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the rows; the last tells the order of the rows in the file."""
        return (*(column.name for column in self.judge.columns), FILE_ROW)

    @abstractmethod
    def sift(self, piece: Piece) -> Sifted:
        """Judge the rows of a piece."""

    def judged(
        self, table: pa.Table, order: Offsets, reject: Callable[[int, str], Reject], faults: Faults | None = None
    ) -> Sifted:
        """Judge rows that were parsed into strings. `reject` makes a reject of a row of the table and the reason;
        `faults` are those that parsing has found already."""
        values, faults = self.judge.judge(table, faults)
        sifted = Sifted(rows_read=table.num_rows)
        columns = [values[column.name] for column in self.judge.columns]
        if len(faults):
            good = np.ones(table.num_rows, np.bool_)
            for row, reason in faults.rows():
                sifted.rejects.append(reject(row, reason))
                good[row] = False
            rows = booleans(good)
            columns, order = [column.filter(rows) for column in columns], order[good]
        if len(order):
            sifted.rows.append(pa.record_batch([*columns, whole_numbers(order)], names=list(self.columns)))
            if partitions := self.header.feed.partitions:
                names = [column.name for column in self.judge.columns]
                sifted.days = set(pc.unique(columns[names.index(partitions.by)]).to_pylist())
        return sifted
