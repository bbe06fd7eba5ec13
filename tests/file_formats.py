"""The same rows as a file of any format, for the tests of loads."""

import csv
import gzip
import json
from collections.abc import Callable, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from dpm_assets.loads.feeds import ColumnType, Day, Feed, Flag, Json, Moment, Number, Text, Vector, Whole
from tests.feed_rows import Row


def camel(name: str) -> str:
    """A column's name as the API has it, the irregular ones included."""
    irregular = {"volume_usd": "volumeUSD", "unrealized_pnl": "unrealizedPnL", "average_rrr": "averageRRR"}
    head, *rest = name.split("_")
    return irregular.get(name, head + "".join(part.title() for part in rest))


def delimited(path: Path, feed: Feed, given: Sequence[Row], delimiter: str = ",") -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, given[0], delimiter=delimiter)
        writer.writeheader()
        writer.writerows(given)
    return path


def tabs(path: Path, feed: Feed, given: Sequence[Row]) -> Path:
    return delimited(path, feed, given, "\t")


def json_lines(path: Path, feed: Feed, given: Sequence[Row]) -> Path:
    """Numbers, flags and documents bare, exactly as they are written in the rows; nothing is null."""
    bare = Number | Whole | Flag | Json | Vector
    path.write_text(
        "".join(
            "{"
            + ", ".join(
                f'"{camel(name)}": '
                + ("null" if not text else text if isinstance(feed.by_name[name].type, bare) else json.dumps(text))
                for name, text in row.items()
            )
            + "}\n"
            for row in given
        ),
        encoding="utf-8",
    )
    return path


def parquet(path: Path, feed: Feed, given: Sequence[Row]) -> Path:
    """Every column in the type that its values have; documents as text."""
    columns = {}
    for name in given[0]:
        kind, read = _TYPED[type(feed.by_name[name].type)]
        columns[name] = pa.array([read(row[name]) if row[name] else None for row in given], kind)
    pa.parquet.write_table(pa.table(columns), path)
    return path


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.ljust(26, "0") if "." in text else text)


_TYPED: dict[type[ColumnType], tuple[pa.DataType, Callable[[str], Any]]] = {
    Number: (pa.decimal128(38, 10), Decimal),
    Whole: (pa.int32(), int),
    Flag: (pa.bool_(), "true".__eq__),
    Day: (pa.date32(), date.fromisoformat),
    Moment: (pa.timestamp("us"), _moment),
    Vector: (pa.list_(pa.float64()), json.loads),
    Text: (pa.dictionary(pa.int32(), pa.string()), str),
    Json: (pa.string(), str),
}


def zstd(path: Path) -> Path:
    packed = path.with_name(path.name + ".zst")
    with pa.CompressedOutputStream(str(packed), "zstd") as stream:
        stream.write(path.read_bytes())
    return packed


def gzipped(path: Path) -> Path:
    packed = path.with_name(path.name + ".gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    return packed


FORMATS: dict[str, Callable[[Path, Feed, Sequence[Row]], Path]] = {
    "csv": delimited,
    "tsv": tabs,
    "csv.gz": lambda path, feed, given: gzipped(delimited(path, feed, given)),
    "csv.zst": lambda path, feed, given: zstd(delimited(path, feed, given)),
    "tsv.gz": lambda path, feed, given: gzipped(tabs(path, feed, given)),
    "jsonl": json_lines,
    "jsonl.gz": lambda path, feed, given: gzipped(json_lines(path, feed, given)),
    "ndjson.zst": lambda path, feed, given: zstd(json_lines(path, feed, given)),
    "parquet": parquet,
}
