"""Delimited text: from a block of it to the rows that may be stored, and the rejects with their own lines and text.

pyarrow parses it: three times as fast as DuckDB where polars is four times (bench/parsing.py), and of the three it alone tells
which rows have too few or too many fields and goes on with the others.
"""

import io
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

from dpm_assets.loads.arrays import strings
from dpm_assets.loads.blocks import Block, blocks, is_text, whole_record
from dpm_assets.loads.columns import MISSING
from dpm_assets.loads.faults import Reject
from dpm_assets.loads.header import Header
from dpm_assets.loads.records import BOM, Offsets, Records, line_ends, readable, records
from dpm_assets.loads.sifting import Sieve, Sifted


class DelimitedSieve(Sieve[Block]):
    """Sifts blocks of CSV, TSV and the like."""

    def __init__(self, header: Header) -> None:
        super().__init__(header)
        self.names = [name or f"ignored {position}" for position, name in enumerate(header.columns)]

    def sift(self, block: Block) -> Sifted:
        if block.fault:
            return Sifted(rows_read=1, rejects=[whole_record(block.first_line, block.fault, block.data)])
        whole = is_text(block.data)
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
            if is_text(piece):
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
                others.add(Sifted(rows_read=1, rejects=[whole_record(line, quote, raw[:first])]))
                return others
        return Sifted(rows_read=1, rejects=[whole_record(line, reason, raw)])

    def _sift_rows(self, block: Block, table: pa.Table, found: Records | None, kept: Offsets | None) -> Sifted:
        """Judge the parsed rows. `kept` are their records among those `found`: all of them when None."""

        def reject(row: int, reason: str) -> Reject:
            nonlocal found
            found = found or records(block.data, self.header.delimiter)
            record = row if kept is None else int(kept[row])
            raw = block.data[int(found.starts[record]) : int(found.ends[record])]
            return Reject(block.first_line + int(found.lines[record]), reason, readable(raw))

        order = np.arange(table.num_rows) if found is None or kept is None else found.starts[kept]
        return self.judged(table, order + block.offset, reject)
