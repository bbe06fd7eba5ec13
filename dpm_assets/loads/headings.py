"""The names of a file's fields, as each format gives them."""

import csv
import io
import re
from dataclasses import dataclass

import msgspec
import pyarrow as pa
from pyarrow import parquet

from dpm_assets.loads.blocks import LONGEST_LINE
from dpm_assets.loads.faults import FileRefused
from dpm_assets.loads.formats import HEAD, Format, format_of, read_head
from dpm_assets.loads.records import BOM
from dpm_assets.loads.source import Source

_DELIMITERS = (",", "\t", ";", "|")


@dataclass(frozen=True)
class Heading:
    """The fields of a file, in its order. Of delimited text, also the bytes and lines until the header's end."""

    source: Source
    format: Format
    fields: tuple[str, ...]
    delimiter: str = ""
    first_line: int = 0
    bytes: int = 0
    lines: int = 0
    text: str | None = None  # the header as it stands in the file

    def __str__(self) -> str:
        return f"{self.source}, line {self.first_line}" if self.first_line else str(self.source)


def headings(source: Source) -> list[Heading]:
    """Of delimited text one for each delimiter that there might be; otherwise one."""
    match format_of(source):
        case "parquet":
            return [_parquet(source)]
        case "jsonl":
            return [_json_lines(source)]
        case "csv":
            head = read_head(source)
            return [_delimited(source, head, delimiter) for delimiter in _DELIMITERS]


def _delimited(source: Source, head: bytes, delimiter: str) -> Heading:
    text = head.decode("utf-8", "surrogateescape")
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    first_line, fields = 1, [""]
    try:
        while not any(field.strip() for field in fields):
            first_line, fields = rows.line_num + 1, next(rows)
    except (csv.Error, StopIteration):
        raise FileRefused(f"{source}, line 1: no header can be read. Write one line of column names.") from None
    lines = io.StringIO(text, newline="").readlines()[: rows.line_num]
    size = len("".join(lines).encode("utf-8", "surrogateescape"))
    if size >= HEAD:
        raise FileRefused(f"{source}, line 1: no header within 64 KB. Write one line of column names.")
    as_it_stands = "".join(lines).strip("\r\n").encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return Heading(source, "csv", tuple(fields), delimiter, first_line, size, rows.line_num, as_it_stands)


def _json_lines(source: Source) -> Heading:
    """The keys of the objects that begin the file; broken lines among them are left to their rejection."""
    head, size = read_head(source), HEAD
    while len(head) >= size - len(BOM) and b"\n" not in head and size < LONGEST_LINE:
        size *= 4  # documents make long lines, of which the first has to be whole
        head = read_head(source, size)
    keys: dict[str, None] = {}
    for line in head.split(b"\n"):  # the last may be cut off, and is no object then
        try:
            keys |= dict.fromkeys(msgspec.json.decode(line, type=dict[str, msgspec.Raw]))
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            continue
    if not keys:
        raise FileRefused(
            f"{source} begins like JSON lines, but not one object can be read at its beginning. "
            'Write one object a line, such as {"tradeId": "T1", ...}, and load it again.'
        )
    return Heading(source, "jsonl", tuple(keys))


def _parquet(source: Source) -> Heading:
    with source.opened() as file:
        try:
            schema = parquet.read_schema(file)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise FileRefused(
                f"{source} is a Parquet file that cannot be read: {_one_line(error)}. Write it again, and load it again."
            ) from None
    return Heading(source, "parquet", tuple(schema.names))


def _one_line(error: Exception) -> str:
    return re.sub(r"\s+", " ", str(error)).strip().rstrip(".")
