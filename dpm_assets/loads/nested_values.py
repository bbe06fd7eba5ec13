"""Nested values of Parquet as JSON documents."""

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from dpm_assets.loads.arrays import strings

_JSON = msgspec.json.Encoder(decimal_format="number")

# Bytes that are not UTF-8, times that Python has none for, zones that this machine does not know, types that JSON has none for.
_CANNOT_BE_SAID = (ValueError, OverflowError, TypeError, LookupError, RecursionError)


def documents_of(values: pa.Array) -> tuple[pa.StringArray, dict[int, str]]:
    """Each value as JSON, null where there is none or where it cannot be said in JSON; and the reasons of these, by row."""
    kind = _in_microseconds(values.type)
    if kind != values.type:
        values = pc.cast(values, kind, safe=False)
    documents: list[str | None] = []
    faults: dict[int, str] = {}
    for row, value in enumerate(values):
        document: str | None = None
        try:
            plain = value.as_py(maps_as_pydicts="lossy")
            document = None if plain is None else _JSON.encode(plain).decode()
        except _CANNOT_BE_SAID as error:
            faults[row] = " ".join(str(error).split())
        documents.append(document)
    return strings(documents), faults


def _in_microseconds(kind: pa.DataType) -> pa.DataType:
    """The type with its nanoseconds left away: those of Python, from which JSON is made, end with microseconds."""
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", kind.tz) if kind.unit == "ns" else kind
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_in_microseconds(field.type)) for field in kind])
    if pa.types.is_map(kind):
        item = kind.item_field
        return pa.map_(_in_microseconds(kind.key_type), item.with_type(_in_microseconds(item.type)), kind.keys_sorted)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        item = kind.value_field.with_type(_in_microseconds(kind.value_type))
        if pa.types.is_fixed_size_list(kind):
            return pa.list_(item, kind.list_size)
        return pa.large_list(item) if pa.types.is_large_list(kind) else pa.list_(item)
    return kind
