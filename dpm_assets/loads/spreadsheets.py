"""Cells that a spreadsheet would take for formulas: marked with an apostrophe where a person is to open the file in one, and
unmarked again before the file is loaded. Every cell comes back as it was, those that began with an apostrophe too."""

import csv
import io
import re
from pathlib import Path

from dpm_assets.loads.exported_columns import LINE_COLUMN, MARKED_LINE_COLUMN, delimiter_of

_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")

# A cell may be as long as a row that was rejected; of itself the module takes 128 KB.
csv.field_size_limit(16 * 1024 * 1024)


def marked(cell: str) -> str:
    return f"'{cell}" if _would_run(cell) else cell


def unmarked(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and _would_run(cell[1:]) else cell


def _would_run(cell: str) -> bool:
    """A number is no formula, although it begins with a sign."""
    return _FORMULA.match(cell) is not None and _NUMBER.fullmatch(cell) is None


def marked_row(raw: str, delimiter: str) -> list[str]:
    """The cells of a row that was rejected, marked. What is more than one row, or none, by its quotes is one cell."""
    rows = list(csv.reader(io.StringIO(raw, newline=""), delimiter=delimiter))
    return [marked(cell) for cell in (rows[0] if len(rows) == 1 else [raw])]


def is_marked(header: str) -> bool:
    return header.lstrip('\ufeff"').startswith(MARKED_LINE_COLUMN)


def unmarked_copy(path: Path, folder: Path) -> Path:
    """A copy of a marked file, without its marks, as the export would have written it in the first place."""
    with path.open(encoding="utf-8-sig", newline="") as file:  # a line break within a cell stays the one that it was
        text = file.read()
    delimiter = delimiter_of(text.partition("\n")[0])
    copy = folder / "unmarked.csv"
    with copy.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        for number, row in enumerate(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)):
            writer.writerow([LINE_COLUMN, *row[1:]] if number == 0 else map(unmarked, row))
    return copy
