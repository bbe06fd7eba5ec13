"""Judged rows as COPY takes them: text, one line a row."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dpm_assets.loads.arrays import octets, text

_TAB, _NOTHING, _LINE_BREAK = text("\t"), text(""), text("\n")
_ESCAPES = (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"))


def copy_lines(rows: pa.RecordBatch, names: Sequence[str], instead_of_null: Mapping[str, str]) -> pa.StringArray:
    """Each row's values of the columns `names` in COPY's text format, without the line's end.

    `instead_of_null` gives what is written for a missing value; of other columns null is.
    """
    columns = []
    for name in names:
        values = _escaped(rows.column(name))
        if name in instead_of_null and values.null_count:
            values = pc.coalesce(values, text(instead_of_null[name]))
        columns.append(values)
    return pc.binary_join_element_wise(*columns, _TAB, null_handling="replace", null_replacement="\\N")


def with_last(lines: pa.StringArray, last: pa.StringArray | pa.StringScalar) -> memoryview:
    """The lines with a last value each, ended, as one piece of text."""
    ended = pc.binary_join_element_wise(last, _LINE_BREAK, _NOTHING)  # first, for the lines are long
    whole = pc.binary_join_element_wise(lines, ended, _TAB)
    _, offsets, text_of_lines = whole.buffers()
    ends = np.frombuffer(offsets, np.int32)[whole.offset : whole.offset + len(whole) + 1]
    return memoryview(text_of_lines.slice(int(ends[0]), int(ends[-1] - ends[0])))


def _escaped(values: pa.StringArray) -> pa.StringArray:
    if _plain(values):
        return values
    for plain, escaped in _ESCAPES:
        values = pc.replace_substring(values, plain, escaped)
    return values


def _plain(values: pa.StringArray) -> bool:
    """Whether nothing in the text could need an escape."""
    taken = octets(values)
    return not ((taken < ord(" ")) | (taken == ord("\\"))).any()
