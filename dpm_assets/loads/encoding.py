"""Judged rows as COPY takes them: text, one line a row."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dpm_assets.loads.arrays import text

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


def with_last(lines: pa.StringArray, last: pa.StringArray | pa.StringScalar) -> bytes:
    """The lines with a last value each, ended, as one piece of text."""
    ended = pc.binary_join_element_wise(pc.binary_join_element_wise(lines, last, _TAB), _LINE_BREAK, _NOTHING)
    _, offsets, text_of_lines = ended.buffers()
    ends = np.frombuffer(offsets, np.int32)[ended.offset : ended.offset + len(ended) + 1]
    piece: bytes = text_of_lines.slice(int(ends[0]), int(ends[-1] - ends[0])).to_pybytes()
    return piece


def _escaped(values: pa.StringArray) -> pa.StringArray:
    if _plain(values):
        return values
    for plain, escaped in _ESCAPES:
        values = pc.replace_substring(values, plain, escaped)
    return values


def _plain(values: pa.StringArray) -> bool:
    """Whether nothing in the text could need an escape: one look at all bytes is cheaper than four at each value."""
    if not (text_of_values := values.buffers()[2]):
        return True
    taken = np.frombuffer(text_of_values, np.uint8)
    return not ((taken < ord(" ")) | (taken == ord("\\"))).any()
