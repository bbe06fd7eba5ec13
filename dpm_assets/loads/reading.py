"""A file in pieces and the sieve that they go through, whatever its format."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from dpm_assets.loads.blocks import blocks, line_blocks
from dpm_assets.loads.delimited import DelimitedSieve
from dpm_assets.loads.formats import open_text
from dpm_assets.loads.header import Header
from dpm_assets.loads.json_lines import JsonLinesSieve
from dpm_assets.loads.parquet_rows import ParquetSieve, open_batches
from dpm_assets.loads.sifting import Sieve
from dpm_assets.loads.source import Source

_SIEVES: dict[str, Callable[[Header], Sieve[Any]]] = {
    "csv": DelimitedSieve,
    "jsonl": JsonLinesSieve,
    "parquet": ParquetSieve,
}


def sieve_for(header: Header) -> Sieve[Any]:
    return _SIEVES[header.format](header)


@contextmanager
def open_pieces(source: Source, header: Header) -> Iterator[tuple[Iterator[Any], Callable[[], int]]]:
    """The file's pieces, in order, for the sieve; and a function that tells how many of its bytes are read.

    Raises FileRefused when the file cannot be read to its end.
    """
    if header.format == "parquet":
        with open_batches(source, header) as (batches, position):
            yield batches, position
        return
    with open_text(source) as (stream, file):
        pieces = (
            line_blocks(stream)
            if header.format == "jsonl"
            else blocks(stream, header.delimiter, header.bytes, header.lines)
        )
        yield pieces, file.tell
