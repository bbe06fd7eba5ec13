"""Rows from Arrow to PostgreSQL: exactly the CSV that COPY writes of them, byte for byte, so that one hash speaks of both."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_COMMA, _NEWLINE, _EMPTY, _QUOTE = (pa.scalar(text) for text in (",", "\n", "", '"'))
_TO_QUOTE = np.frombuffer(b',"\n\r', np.uint8)


def csv_lines(batch: pa.RecordBatch) -> bytes:
    """The rows of a batch as COPY ... TO STDOUT (FORMAT CSV) gives them: null is nothing, an empty string is quoted."""
    if not batch.num_rows:
        return b""
    values = [_as_text(column) for column in batch.columns]
    lines = pc.binary_join_element_wise(*values, _COMMA, null_handling="replace", null_replacement="")
    ended = pc.binary_join_element_wise(lines, _NEWLINE, _EMPTY)
    _, offsets, data = ended.buffers()
    ends = np.frombuffer(offsets, np.int32)[ended.offset : ended.offset + len(ended) + 1]
    text: bytes = data.slice(int(ends[0]), int(ends[-1] - ends[0])).to_pybytes()
    return text


def _as_text(values: pa.Array) -> pa.Array:
    kind = values.type
    if pa.types.is_string(kind):
        return _quoted(values)
    if pa.types.is_timestamp(kind):
        return _without_trailing_zeros(pc.cast(values, pa.string()))
    if pa.types.is_boolean(kind):
        return pc.if_else(values, pa.scalar("t"), pa.scalar("f"))
    return pc.cast(values, pa.string())


def _without_trailing_zeros(times: pa.Array) -> pa.Array:
    """Arrow writes six digits of a second's fraction, PostgreSQL none that is a trailing zero."""
    return pc.utf8_rtrim(pc.utf8_rtrim(times, "0"), ".")


def _quoted(values: pa.Array) -> pa.Array:
    if not _need_quotes(values):
        return values
    doubled = pc.binary_join_element_wise(_QUOTE, pc.replace_substring(values, '"', '""'), _QUOTE, _EMPTY)
    needed = pc.or_(pc.match_substring_regex(values, '[,"\\n\\r]'), pc.equal(values, _EMPTY))
    return pc.if_else(needed, doubled, values)


def _need_quotes(values: pa.Array) -> bool:
    """Whether any value has to be quoted: one look at all bytes is cheaper than a search in each value."""
    present = values.drop_null() if values.null_count else values
    if len(present) and pc.min(pc.binary_length(present)).as_py() == 0:
        return True
    data = values.buffers()[2]
    return data is not None and bool(np.isin(np.frombuffer(data, np.uint8), _TO_QUOTE).any())
