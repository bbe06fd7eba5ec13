"""Judged rows as COPY takes them: text, one line a row."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dpm_assets.loads.arrays import text

_TAB, _NOTHING, _LINE_BREAK = text("\t"), text(""), text("\n")
_ESCAPES = (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"))


def copy_text(rows: pa.RecordBatch) -> pa.Buffer:
    """The rows in COPY's text format, with their columns in this order. The values are strings or whole numbers."""
    columns = [_escaped(_as_text(values)) for values in rows.columns]
    columns[-1] = pc.binary_join_element_wise(
        columns[-1], _LINE_BREAK, _NOTHING, null_handling="replace", null_replacement="\\N"
    )
    lines = pc.binary_join_element_wise(*columns, _TAB, null_handling="replace", null_replacement="\\N")
    _, offsets, text_of_lines = lines.buffers()
    return text_of_lines.slice(0, int(np.frombuffer(offsets, np.int32, len(lines) + 1)[-1]))


def _as_text(values: pa.Array) -> pa.StringArray:
    return values if pa.types.is_string(values.type) else pc.cast(values, pa.string())


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
