"""The rejects of a batch judged again: those that are good now are loaded as a batch of its own, the others stay."""

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import psycopg

from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.loads.exported_columns import LINE_COLUMN, delimiter_of
from dpm_assets.loads.exporting import Quarantine, open_rejects, quarantine
from dpm_assets.loads.formats import HEAD
from dpm_assets.loads.load import load_file
from dpm_assets.loads.records import BOM, count_lines, record_ends, records
from dpm_assets.loads.result import LoadResult
from dpm_assets.loads.retried_rejects import NothingMended, Retry
from dpm_assets.loads.spreadsheets import is_marked, unmarked_copy


@dataclass
class Retried:
    """What came of a retry. `result` is None when no row is good yet: then no batch was made."""

    batch_id: int
    judged: int
    resolved: int
    still_open: int
    result: LoadResult | None = None


@dataclass
class _Rows:
    """The lines at which rows begin in the file that is loaded, and the lines of the rejects that they were."""

    file_lines: list[int] = field(default_factory=list)
    reject_lines: list[int] = field(default_factory=list)

    def add(self, file_line: int, reject_line: int) -> None:
        self.file_lines.append(file_line)
        self.reject_lines.append(reject_line)


def retry_rejects(db: Database, batch_id: int, mended: Path | None = None, *, replace: bool = False) -> Retried:
    """Judge the open rejects of a batch again, or load the file into which they were exported and `mended`.

    A row that is good now is loaded and its reject marked as resolved, in one transaction; the others stay open with the
    reason of today. A snapshot without a time takes that at which the load of its file ended. A row that would replace one that a
    later batch has loaded or repeated, or that may have been closed or busted since, stops the whole retry; so does a snapshot of
    which it is not known whether it is the newest. With `replace` the rows are the newest.
    Raises DpmError when there is nothing to retry, FileRefused when the mended file is at fault.
    """
    with tempfile.TemporaryDirectory(prefix="dpm-retry-") as folder:
        with db.connection() as conn, conn.transaction():
            rejected = quarantine(conn, batch_id)
            _check_status(rejected)
            if mended and is_marked(_first_line(mended)):
                mended = unmarked_copy(mended, Path(folder))
            path = mended or Path(folder) / ("rows.csv" if rejected.format == "csv" else "rows.jsonl")
            rows = _lines_of_mended(rejected, path) if mended else _write(conn, rejected, path)
        result = _load(db, rejected, path, rows, replace)
    still_open = _count_open(db, batch_id)
    return Retried(batch_id, len(rows.reject_lines), rejected.open - still_open, still_open, result)


def _check_status(rejected: Quarantine) -> None:
    if rejected.status != "loaded":
        raise DpmError(
            f"Batch {rejected.batch_id} was {rejected.status}, so nothing of its file is loaded. "
            f"Load {rejected.file} itself again."
        )


def _load(db: Database, rejected: Quarantine, path: Path, rows: _Rows, replace: bool) -> LoadResult | None:
    if not rows.reject_lines:
        return None
    name = f"rejects of batch {rejected.batch_id} ({rejected.file})"
    retry = Retry(rejected.batch_id, name, rows.file_lines, rows.reject_lines, replace, rejected.finished_at)
    try:
        return load_file(db, path, rejected.feed, max_rejects="100%", retry=retry)
    except NothingMended:
        return None


def _write(conn: psycopg.Connection[Any], rejected: Quarantine, path: Path) -> _Rows:
    """The file of rejects, as text under the header of the file that they came from."""
    rows, line = _Rows(), 1
    delimiter = delimiter_of(rejected.header) if rejected.header else ""
    with path.open("w", encoding="utf-8", newline="") as file:
        if rejected.format == "csv":
            file.write(f"{rejected.header}\n")
            line += count_lines(f"{rejected.header}\n".encode())
        for reject_line, _, raw in open_rejects(conn, rejected.batch_id):
            text = f"{raw}\n"
            if not (_stands_alone(text.encode(), delimiter) if rejected.format == "csv" else _is_object(raw)):
                continue
            file.write(text)
            rows.add(line, reject_line)
            line += count_lines(text.encode())
    return rows


def _stands_alone(record: bytes, delimiter: str) -> bool:
    """Whether the row ends where its text ends: an open quote would make one row of it and the next."""
    ends = record_ends(record, delimiter)
    return len(ends) > 0 and int(ends[-1]) == len(record)


def _is_object(line: str) -> bool:
    """Whether the line is one JSON object; another at the beginning would pass for a file of another format."""
    try:
        msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def _lines_of_mended(rejected: Quarantine, path: Path) -> _Rows:
    """Which rejects the rows of a mended file are: they still carry the line that the export gave them."""
    rows = _Rows()
    text = path.read_bytes().removeprefix(BOM)
    for line, reject_line in _json_members(text) if text.lstrip().startswith(b"{") else _first_fields(text):
        if reject_line.isascii() and reject_line.isdigit():
            rows.add(line, int(reject_line))
    if not rows.reject_lines:
        raise DpmError(
            f"{path} has no column {LINE_COLUMN} that says which rejects its rows are. Mend what "
            f"`dpm rejects export {rejected.batch_id}` wrote, or load the file with `dpm load`."
        )
    return rows


def _first_line(path: Path) -> str:
    """Raises DpmError when the mended file is no text, or cannot be read."""
    try:
        with path.open(encoding="utf-8") as file:
            return file.readline(HEAD)
    except UnicodeDecodeError:
        raise DpmError(f"{path} is not UTF-8. Save it as CSV in UTF-8, and give it again.") from None
    except OSError as error:
        raise DpmError(
            f"{path} cannot be read: {error.strerror}. Give the file that was exported and mended."
        ) from None


def _first_fields(text: bytes) -> Iterator[tuple[int, str]]:
    first_line = text.split(b"\n", 1)[0].decode("utf-8", "replace").strip()
    if not first_line.strip('"').startswith(LINE_COLUMN):
        return
    delimiter = delimiter_of(first_line)
    found = records(text, delimiter)
    for start, end, line in zip(found.starts.tolist(), found.ends.tolist(), found.lines.tolist(), strict=True):
        yield line + 1, text[start:end].split(delimiter.encode(), 1)[0].decode("utf-8", "replace").strip(' "')


def _json_members(text: bytes) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            yield number, str(row.get(LINE_COLUMN, ""))


def _count_open(db: Database, batch_id: int) -> int:
    with db.connection() as conn:
        row = conn.execute(
            "select count(*) from prop_trading_model.load_rejects"
            " where batch_id = %s and resolved_by is null and not damaged",
            [batch_id],
        ).fetchone()
    return int(row[0]) if row else 0
