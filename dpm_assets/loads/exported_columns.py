"""The columns that an export of rejects puts before those of their file. A feed ignores columns that it does not know, so the
file loads with these in it."""

import csv

LINE_COLUMN, REASON_COLUMN = "reject_line", "reject_reason"
MARKED_LINE_COLUMN = "reject_line_marked"  # instead of the first, where the cells are marked for a spreadsheet

_DELIMITERS = (",", "\t", ";", "|")


def delimiter_of(header: str) -> str:
    """The delimiter that gives the most columns, as the loader tells it."""
    return max(_DELIMITERS, key=lambda delimiter: len(next(csv.reader([header], delimiter=delimiter))))
