"""Arrow arrays and scalars made from buffers, and read from them.

`pa.array`, `pa.scalar` and `to_numpy` import pandas when it is installed: 50 MB and half a second of every load.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Mask = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]


def strings(values: Sequence[str | None]) -> pa.StringArray:
    encoded = [value.encode("utf-8", "replace") if value is not None else b"" for value in values]
    offsets = np.zeros(len(values) + 1, np.int32)
    np.cumsum([len(value) for value in encoded], out=offsets[1:])
    present = np.fromiter((value is not None for value in values), np.bool_, len(values))
    return pa.StringArray.from_buffers(
        len(values), pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded)), _bits(present), -1
    )


def whole_numbers(values: npt.NDArray[np.int64]) -> pa.Array:
    return pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(np.ascontiguousarray(values, np.int64))])


def booleans(values: Mask) -> pa.Array:
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, _bits(values)])


def _bits(values: Mask) -> pa.Buffer:
    return pa.py_buffer(np.packbits(values, bitorder="little"))


FALSE = booleans(np.array([False]))[0]
NO_TEXT = strings([None])[0]


def text(value: str) -> pa.StringScalar:
    return strings([value])[0]


def mask(values: Any) -> Mask:
    """A boolean array as NumPy's, null being False."""
    values = pc.coalesce(values, FALSE)
    bits = np.unpackbits(np.frombuffer(values.buffers()[1], np.uint8), bitorder="little")
    return bits[values.offset : values.offset + len(values)].astype(np.bool_)


def present(values: pa.Array) -> Mask:
    return mask(values.is_valid()) if values.null_count else np.ones(len(values), np.bool_)


def doubles(values: pa.Array) -> Doubles:
    """An array of numbers as NumPy's doubles, null being NaN."""
    values = pc.cast(values, pa.float64())
    if not len(values):
        return np.zeros(0)
    read = np.frombuffer(values.buffers()[1], np.float64)[values.offset : values.offset + len(values)]
    return np.where(present(values), read, np.nan) if values.null_count else read


def octets(values: pa.StringArray) -> npt.NDArray[np.uint8]:
    """All bytes of the values, one after the other, maybe with those of their neighbours: one look at them all is cheaper than
    one at each value."""
    return np.frombuffer(values.buffers()[2] or b"", np.uint8)


def without(values: pa.StringArray, these: Mask) -> pa.StringArray:
    """The values, null where `these` says so."""
    return pc.if_else(booleans(these), NO_TEXT, values) if these.any() else values


def replaced(values: pa.StringArray, rows: Sequence[int], by: Sequence[str | None]) -> pa.StringArray:
    """The values with those of some rows (in rising order) replaced."""
    these = np.zeros(len(values), np.bool_)
    these[list(rows)] = True
    return pc.replace_with_mask(values, booleans(these), strings(by))
