"""What a file is, told by its first bytes and never by its name; and the text of those that are text."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Literal

from dpm_assets.loads.faults import FileRefused
from dpm_assets.loads.records import BOM
from dpm_assets.loads.source import Source
from dpm_assets.loads.unpacking import Readable, Unpacked

Format = Literal["csv", "jsonl", "parquet"]  # csv with any delimiter

HEAD = 64 * 1024

PARQUET = b"PAR1"

_COMPRESSED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}

_NOT_TAKEN = {
    b"\xff\xfe": "is UTF-16 text. Save it as CSV in UTF-8",
    b"\xfe\xff": "is UTF-16 text. Save it as CSV in UTF-8",
    b"PK\x03\x04": "is a ZIP archive or an Excel workbook, not text. Unpack it, or save the sheet as CSV in UTF-8",
    b"\xd0\xcf\x11\xe0": "is an old Excel workbook, not text. Save the sheet as CSV in UTF-8",
    b"PARE": "is an encrypted Parquet file. Export it without encryption",
    b"ARRO": "is an Arrow (Feather) file. Export it as Parquet, CSV or JSON lines",
    b"%PDF": "is a PDF document, not text. Export the table as CSV in UTF-8",
    b"BZh": "is compressed with bzip2. Unpack it, or compress it with gzip or zstd",
    b"\xfd7zX": "is compressed with xz. Unpack it, or compress it with gzip or zstd",
    b"\x04\x22\x4d\x18": "is compressed with lz4. Unpack it, or compress it with gzip or zstd",
}


def format_of(source: Source) -> Format:
    """Raises FileRefused for what can be nothing that a load takes."""
    with source.opened() as file:
        if file.read(4) == PARQUET:
            return "parquet"
    text = read_head(source).lstrip()
    if text.startswith(b"{"):
        return "jsonl"
    if re.match(rb"\[\s*[\[{]", text):
        raise FileRefused(
            f"{source} is one JSON array, not JSON lines. "
            "Write one object a line (jq -c '.[]' file.json > file.jsonl), and load it again."
        )
    return "csv"


@contextmanager
def open_text(source: Source) -> Iterator[tuple[Readable, BinaryIO]]:
    """The stream of the file's bytes, decompressed, and the file under it (whose position tells the progress).

    Raises FileRefused for what is plainly no text.
    """
    with source.opened() as file:
        magic = file.read(4)
        file.seek(0)
        codec = next((name for start, name in _COMPRESSED.items() if magic.startswith(start)), None)
        for start, what in _NOT_TAKEN.items():
            if magic.startswith(start):
                raise FileRefused(f"{source} {what}, and load it again.")
        yield (Unpacked(source, file, codec) if codec else file), file


def read_head(source: Source, size: int = HEAD) -> bytes:
    """The first 64 KB of the text without a byte-order mark. Raises FileRefused when they are binary."""
    with open_text(source) as (stream, _):
        head = b""
        while len(head) < size and (more := stream.read(size - len(head))):
            head += more
    head = head.removeprefix(BOM)
    if not head.strip():
        raise FileRefused(f"{source} holds no text, only blanks. Export it again; at least a header line is needed.")
    if head.startswith(PARQUET):
        raise FileRefused(f"{source} is a Parquet file within another compression. Unpack it, and load it again.")
    first_line = head.splitlines()[0]
    if b"\0" in first_line or head.count(b"\0") > len(head) // 100:
        raise FileRefused(f"{source} is binary, not text. Export it as CSV in UTF-8, and load it again.")
    return head
