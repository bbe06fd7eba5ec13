"""The rejects of a batch as a file that can be mended and loaded: the rows as they stand in their file, each with its line
there and the reason in front."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row

from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.loads.exported_columns import LINE_COLUMN, MARKED_LINE_COLUMN, REASON_COLUMN, delimiter_of
from dpm_assets.loads.spreadsheets import marked_row

# What a spreadsheet takes for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Quarantine:
    """A batch as far as its rejects are concerned. `damaged` ones hold bytes that are no text: they are shown only."""

    batch_id: int
    file: str
    feed: str
    status: str
    finished_at: datetime
    format: str | None
    header: str | None
    open: int
    damaged: int


def quarantine(conn: psycopg.Connection[Any], batch_id: int) -> Quarantine:
    """Raises DpmError when there is no such batch, or when it has no reject that could be loaded from here."""
    found = (
        conn.cursor(row_factory=class_row(Quarantine))
        .execute(
            """
            select b.batch_id, b.file, b.feed, b.status, b.finished_at, b.format, b.header,
                count(r.line) filter (where r.resolved_by is null and not r.damaged) as open,
                count(r.line) filter (where r.resolved_by is null and r.damaged) as damaged
            from prop_trading_model.load_batches as b left join prop_trading_model.load_rejects as r using (batch_id)
            where b.batch_id = %s
            group by b.batch_id
            """,
            [batch_id],
        )
        .fetchone()
    )
    if not found:
        raise DpmError(f"There is no batch {batch_id}. See `dpm rejects list`.")
    if not found.open:
        damaged = (
            f"; {found.damaged:,} hold bytes that are no text (dpm rejects list {batch_id})" if found.damaged else ""
        )
        raise DpmError(f"Batch {batch_id} has no open reject that could be loaded from here{damaged}.")
    if not found.format or (found.format == "csv" and not found.header):
        raise DpmError(
            f"Batch {batch_id} was loaded before the ledger kept the header of a file. "
            f"See `dpm rejects list {batch_id}`, mend the rows in {found.file}, and load that again."
        )
    return found


def open_rejects(conn: psycopg.Connection[Any], batch_id: int) -> Iterator[tuple[int, str, str]]:
    """(line, reason, raw text) of those that could be loaded from here, in the order of the file. In a transaction."""
    with conn.cursor(name="open_rejects") as cursor:
        cursor.itersize = 10_000
        cursor.execute(
            "select line, reason, raw_text from prop_trading_model.load_rejects"
            " where batch_id = %s and resolved_by is null and not damaged order by line",
            [batch_id],
        )
        yield from cursor


def export_rejects(db: Database, batch_id: int, for_spreadsheet: bool = False) -> Iterator[str]:
    """The lines of the file, without line breaks: a header for delimited text, one object each for JSON lines.

    Rows stand in it exactly as in their file, formulas included, or it could not be loaded; `for_spreadsheet` marks the cells
    that a spreadsheet would run. Raises DpmError for JSON lines then: they have no cells.
    """
    with db.connection() as conn, conn.transaction():
        rejected = quarantine(conn, batch_id)
        if rejected.format != "csv" and for_spreadsheet:
            raise DpmError(
                f"The rejects of batch {batch_id} are JSON, which has no cells. Export them without --spreadsheet."
            )
        if rejected.format != "csv":
            for line, reason, raw in open_rejects(conn, batch_id):
                yield _json_line(line, reason, raw)
            return
        assert rejected.header is not None
        delimiter = delimiter_of(rejected.header)
        if for_spreadsheet:
            yield _cells(delimiter, MARKED_LINE_COLUMN, REASON_COLUMN, *marked_row(rejected.header, delimiter))
            for line, reason, raw in open_rejects(conn, batch_id):
                yield _cells(delimiter, str(line), _harmless(reason), *marked_row(raw, delimiter))
            return
        yield f"{_cells(delimiter, LINE_COLUMN, REASON_COLUMN)}{delimiter}{rejected.header}"
        for line, reason, raw in open_rejects(conn, batch_id):
            yield f"{_cells(delimiter, str(line), _harmless(reason))}{delimiter}{raw}"


def _cells(delimiter: str, *values: str) -> str:
    line = io.StringIO()
    csv.writer(line, delimiter=delimiter).writerow(values)  # quotes what holds a part of its own line end alone
    return line.getvalue().removesuffix("\r\n")


def _harmless(reason: str) -> str:
    """A reason quotes what stands in somebody's file: a spreadsheet must not take it for a formula."""
    reason = " ".join(reason.split())
    return f"'{reason}" if reason.startswith(_FORMULA) else reason


def _json_line(line: int, reason: str, raw: str) -> str:
    """The raw object as it stands, with two members more in front; what is no object stays alone."""
    body = raw.strip()
    if not body.startswith("{"):
        return raw
    more = json.dumps({LINE_COLUMN: line, REASON_COLUMN: _harmless(reason)}, ensure_ascii=False)[:-1]
    return f"{more}{body[1:]}" if body[1:].lstrip().startswith("}") else f"{more}, {body[1:]}"
