"""Records, their lines and their text are found exactly as Arrow's parser, which reads the values, finds them."""

import io
import random

import pyarrow as pa
import pyarrow.csv as arrow_csv
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dpm_assets.loads import blocks as block_reader
from dpm_assets.loads.blocks import blocks
from dpm_assets.loads.records import record_ends, records

fields = st.one_of(
    st.text("ab1. ", max_size=4),
    st.sampled_from(['"a,b"', '"a\nb"', '"a\r\nb"', '"say ""hi"""', '""', 'x"y', '"a"b', 'a""b', '"a"b"c"']),
)
lines = st.lists(fields, min_size=3, max_size=3).map(",".join)
texts = st.tuples(st.lists(lines, min_size=1, max_size=12), st.sampled_from(["\n", "\r\n"]), st.booleans()).map(
    lambda parts: (parts[1].join(parts[0]) + (parts[1] if parts[2] else "")).encode()
)


def as_arrow_counts(data: bytes) -> tuple[int, list[int]]:
    """How many rows Arrow makes of it, and the numbers of those with another count of fields than three."""
    misfits: list[int] = []

    def misfit(row: arrow_csv.InvalidRow) -> str:
        misfits.append(row.number)
        return "skip"

    table = arrow_csv.read_csv(
        pa.BufferReader(data),
        read_options=arrow_csv.ReadOptions(column_names=["a", "b", "c"], block_size=len(data) + 1, use_threads=False),
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=misfit),
        convert_options=arrow_csv.ConvertOptions(column_types=dict.fromkeys("abc", pa.string())),
    )
    return table.num_rows + len(misfits), misfits


@settings(max_examples=400, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(texts)
@example(b'a,"b",c\n,,\n"x""y",1,2')
@example(b'a,b"c,d\n"e\nf",g,h\n')
def test_there_are_as_many_records_as_arrow_makes_rows(data: bytes) -> None:
    found = records(data, ",")
    rows, misfits = as_arrow_counts(data)
    assert len(found.starts) == rows
    assert all(1 <= number <= rows for number in misfits)
    assert b"".join(data[s:e] for s, e in zip(found.starts, found.ends, strict=True)).strip(b"\r\n") in data
    assert [data[: int(start)].count(b"\n") for start in found.starts] == found.lines.tolist()


@settings(max_examples=200, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(texts, st.integers(1, 40))
def test_blocks_cut_a_file_between_records_wherever_the_reads_end(data: bytes, size: int) -> None:
    whole = records(data, ",")
    expected = [data[s:e].rstrip(b"\r\n") for s, e in zip(whole.starts, whole.ends, strict=True)]
    original = block_reader.BLOCK
    block_reader.BLOCK = size
    try:
        cut = list(blocks(io.BytesIO(data), ",", 0, 0))
    finally:
        block_reader.BLOCK = original
    assert b"".join(block.data for block in cut) == data
    found: list[bytes] = []
    for block in cut:
        assert block.fault is None
        assert block.data == data[block.offset : block.offset + len(block.data)]
        assert block.first_line == 1 + data[: block.offset].count(b"\n")
        parts = records(block.data, ",")
        found += [block.data[s:e].rstrip(b"\r\n") for s, e in zip(parts.starts, parts.ends, strict=True)]
    assert found == expected


def test_the_slow_way_agrees_with_the_fast_one() -> None:
    random.seed(7)
    for _ in range(300):
        rows = [
            ",".join(random.choice(['"a"', '"b\nc"', '"d,e"', '"f""g"', "h", "", '""']) for _ in range(3))
            for _ in range(5)
        ]
        plain = ("\n".join(rows) + "\n").encode()
        stray = b'x"y,1,2\n' + plain
        shifted = [int(end) + 8 for end in record_ends(plain, ",")]
        assert record_ends(stray, ",").tolist() == [8, *shifted]


@pytest.mark.parametrize(
    ("data", "count"), [(b"a\rb\rc", 3), (b"a\r\nb\r\n", 2), (b"\n\na\n\n", 1), (b"", 0), (b"a", 1)]
)
def test_every_kind_of_line_break_ends_a_record(data: bytes, count: int) -> None:
    assert len(records(data, ",").starts) == count
