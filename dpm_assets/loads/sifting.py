"""From a block of text to the rows that may be stored, and the rejects with their own lines and text."""

import io
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from dpm_assets.loads.arrays import booleans, strings, whole_numbers
from dpm_assets.loads.blocks import Block, blocks
from dpm_assets.loads.columns import MISSING
from dpm_assets.loads.faults import Reject
from dpm_assets.loads.header import Header
from dpm_assets.loads.judging import Judge
from dpm_assets.loads.records import BOM, Offsets, Records, line_ends, readable, records

FILE_ROW = "file_row"


@dataclass
class Sifted:
    """What became of one block: `rows` are its good ones, judged, with the columns of `Sieve.columns`.

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


class Sieve:
    """Tells the good rows of blocks from the bad ones. It holds no state of the file: blocks may go in parallel."""

    def __init__(self, header: Header) -> None:
        self.header = header
        self.judge = Judge(header.feed, header.given)
        self.names = [name or f"ignored {position}" for position, name in enumerate(header.columns)]

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the rows; the last tells the order of the rows in the file."""
        return (*(column.name for column in self.judge.columns), FILE_ROW)

    def sift(self, block: Block) -> Sifted:
        if block.fault:
            return Sifted(rows_read=1, rejects=[_whole_record(block.first_line, block.fault, block.data)])
        whole = _is_text(block.data)
        data, bad_records = (block.data, {}) if whole else self._without_unreadable(block)
        table, misfits = self._parse(data)
        if whole and not misfits:
            return self._sift_rows(block, table, None, None)
        found = records(block.data, self.header.delimiter)
        readable_records = np.delete(np.arange(len(found.starts)), sorted(bad_records))
        for number, fields in misfits:
            bad_records[int(readable_records[number - 1])] = (
                f"the row has {fields} field{'' if fields == 1 else 's'}, the header has {len(self.names)}"
            )
        kept = np.delete(np.arange(len(found.starts)), sorted(bad_records))
        sifted = self._sift_rows(block, table, found, kept)
        for record, reason in bad_records.items():
            sifted.add(self._reject_record(block, found, record, reason))
        sifted.rejects.sort(key=lambda reject: reject.line)
        return sifted

    def _without_unreadable(self, block: Block) -> tuple[bytes, dict[int, str]]:
        """The block without the records that are not text, and these with the reason."""
        starts, ends, _ = records(block.data, self.header.delimiter)
        pieces, unreadable = [], {}
        for record, (start, end) in enumerate(zip(starts.tolist(), ends.tolist(), strict=True)):
            piece = block.data[start:end]
            if _is_text(piece):
                pieces.append(piece)
            elif b"\0" in piece:
                unreadable[record] = "the row holds a NUL character (shown as \\x00): expected text"
            else:
                unreadable[record] = "the row is not UTF-8 (shown as \\x..): save the file in UTF-8"
        return b"".join(pieces), unreadable

    def _parse(self, data: bytes) -> tuple[pa.Table, list[tuple[int, int]]]:
        """The rows as strings, and (number among the records, fields found) of the rows too short or too long."""
        misfits: list[tuple[int, int]] = []

        def misfit(row: arrow_csv.InvalidRow) -> str:
            misfits.append((row.number, row.actual_columns))
            return "skip"

        wanted = [name for name in self.names if name in self.header.columns]
        if not data:
            return pa.table({name: strings([]) for name in wanted}), misfits
        if data.startswith(BOM):
            data = (
                b"\n" + data
            )  # Arrow would drop it, as if every block were a file of its own; blank lines do not count
        table = arrow_csv.read_csv(
            pa.BufferReader(data),
            read_options=arrow_csv.ReadOptions(column_names=self.names, block_size=len(data) + 1, use_threads=False),
            parse_options=arrow_csv.ParseOptions(
                delimiter=self.header.delimiter, newlines_in_values=b'"' in data, invalid_row_handler=misfit
            ),
            convert_options=arrow_csv.ConvertOptions(
                include_columns=wanted,
                column_types=dict.fromkeys(wanted, pa.string()),
                strings_can_be_null=True,
                null_values=MISSING,
                check_utf8=False,
            ),
        )
        return table, misfits

    def _reject_record(self, block: Block, found: Records, record: int, reason: str) -> Sifted:
        """One reject; or, where a stray quote swallowed good lines, its first line, and the others judged again."""
        start, end = int(found.starts[record]), int(found.ends[record])
        raw = block.data[start:end]
        line = block.first_line + int(found.lines[record])
        breaks = line_ends(raw[:-1])
        if len(breaks):
            first = int(breaks[0])
            others = Sifted()
            for piece in blocks(io.BytesIO(raw[first:]), self.header.delimiter, 0, 0):
                offset = block.offset + start + first + piece.offset
                others.add(self.sift(replace(piece, first_line=line + piece.first_line, offset=offset)))
            if others.rows_kept:
                quote = 'a quote (") is opened on this line and closed on a later one; ' + reason
                others.add(Sifted(rows_read=1, rejects=[_whole_record(line, quote, raw[:first])]))
                return others
        return Sifted(rows_read=1, rejects=[_whole_record(line, reason, raw)])

    def _sift_rows(self, block: Block, table: pa.Table, found: Records | None, kept: Offsets | None) -> Sifted:
        """Judge the parsed rows. `kept` are their records among those `found`: all of them when None."""
        values, faults = self.judge.judge(table)
        sifted = Sifted(rows_read=table.num_rows)
        order = np.arange(table.num_rows) if found is None or kept is None else found.starts[kept]
        columns = [values[column.name] for column in self.judge.columns]
        if len(faults):
            found = found or records(block.data, self.header.delimiter)
            good = np.ones(table.num_rows, np.bool_)
            for row, reason in faults.rows():
                record = row if kept is None else int(kept[row])
                line = block.first_line + int(found.lines[record])
                raw = block.data[int(found.starts[record]) : int(found.ends[record])]
                sifted.rejects.append(Reject(line, reason, readable(raw)))
                good[row] = False
            rows = booleans(good)
            columns, order = [column.filter(rows) for column in columns], order[good]
        if len(order):
            sifted.rows.append(
                pa.record_batch([*columns, whole_numbers(order + block.offset)], names=list(self.columns))
            )
            if partitions := self.header.feed.partitions:
                names = [column.name for column in self.judge.columns]
                sifted.days = set(pc.unique(columns[names.index(partitions.by)]).to_pylist())
        return sifted


def _whole_record(line: int, reason: str, raw: bytes) -> Reject:
    return Reject(line, reason, readable(raw), damaged=not _is_text(raw))


def _is_text(data: bytes) -> bool:
    if b"\0" in data:
        return False
    if data.isascii():
        return True
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
