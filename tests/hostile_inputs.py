"""Files and names that are made to do harm, each with the answer that the warehouse gives. The one declaration is run by
tests/test_hostile_inputs.py and is the table of docs/security.md: `python -m tests.hostile_inputs` writes it there.

What is merely broken stands in tests/bad_files.
"""

import gzip
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from tests.trade_rows import COLUMNS, HEADER, trade, write

DOCS = Path(__file__).parent.parent / "docs" / "security.md"
BEGIN, END = "<!-- hostile inputs -->\n", "<!-- end of hostile inputs -->\n"

MB = 1024 * 1024
LONG = "é" * 125 + "x.csv"  # 255 bytes, the longest name there is


@dataclass(frozen=True)
class Hostile:
    """`make` puts it into a folder and returns what is offered: to `dpm load`, or, where it says so, in the landing folder.

    In `answer`, FILE is its name, and SIZE that of a file which is not the same to the byte each time. `bomb`: the answer comes
    from a loader that stays within the memory of any other load.
    `exported`: the row at fault is exported too, as it stands and for a spreadsheet. `shows`: a column whose value is told.
    """

    what: str
    make: Callable[[Path], Path]
    answer: str
    landing: bool = False
    bomb: bool = False
    exported: bool = False
    shows: str = ""


def named(name: str | bytes, *rows: str, header: str = HEADER) -> Callable[[Path], Path]:
    """A file with this name, of one good trade unless other rows are given."""
    return lambda folder: write(folder / os.fsdecode(name), *(rows or (trade("T1"),)), header=header)


def cell(**changed: str) -> Callable[[Path], Path]:
    """A file of a good trade and one with these values."""
    return named("rows.csv", trade("T0"), trade("T1", **changed))


def content(name: str, data: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(data)
        return folder / name

    return make


def link(target: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / "rows.csv").symlink_to(target)
        return folder / "rows.csv"

    return make


def folder_called(name: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).mkdir()
        return folder / name

    return make


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "rows.csv")
    return folder / "rows.csv"


def repeated(
    pack: Callable[[bytes], bytes], first: bytes, unit: bytes, megabytes: int, name: str
) -> Callable[[Path], Path]:
    """A compressed file that unpacks to `first` and then `megabytes` of a repeated unit, made without unpacking it."""

    def make(folder: Path) -> Path:
        with (folder / name).open("wb") as file:
            file.write(pack(first))
            packed = pack(unit * (16 * MB // len(unit)))
            for _ in range(megabytes // 16):
                file.write(packed)
        return folder / name

    return make


def zstd(data: bytes) -> bytes:
    return pa.compress(data, codec="zstd", asbytes=True)  # type: ignore[no-any-return]


def zstd_with_a_window_of_two_gigabytes(folder: Path) -> Path:
    """One frame (RFC 8878): no size, a window of 2^31 bytes, one raw block that is the last."""
    block = f"{HEADER}\n{trade('T1')}\n".encode()
    frame = b"\x28\xb5\x2f\xfd\x00\xa8" + ((len(block) << 3) | 1).to_bytes(3, "little") + block
    return content("rows.csv.zst", frame)(folder)


def line_of_250_megabytes(first: str, name: str) -> Callable[[Path], Path]:
    """Good lines, then one of 250 MB (a hole in the file, so that it takes no room), then a good one."""

    def make(folder: Path) -> Path:
        with (folder / name).open("wb") as file:
            file.write(f"{first}\n".encode() + b"\n" * 70_000 + b"x")
            file.seek(250 * MB, os.SEEK_CUR)
            file.write(f"\n{first.splitlines()[-1].replace('T1', 'T2')}\n".encode())
        return folder / name

    return make


def parquet_of(count: int, symbol_bytes: int = 6, compression: str = "zstd") -> Callable[[Path], Path]:
    """A good trade and `count` times another, each text once in a dictionary, whatever its size."""

    def make(folder: Path) -> Path:
        given = dict(zip(COLUMNS, trade("T1", symbol="x" * symbol_bytes).split(","), strict=True))
        good = given | {"trade_id": "T0", "symbol": "EURUSD"}
        which = pa.array(np.minimum(np.arange(count + 1), 1).astype(np.int8))
        table = pa.table(
            {name: pa.DictionaryArray.from_arrays(which, [good[name], text]) for name, text in given.items()}
        )
        options = {
            "compression": compression,
            "row_group_size": count + 1,
            "dictionary_pagesize_limit": 1024 * MB,
            "write_statistics": False,
        }
        parquet.write_table(table, folder / "rows.parquet", **options)
        return folder / "rows.parquet"

    return make


def parquet_that_declares_a_billion_rows(folder: Path) -> Path:
    """The numbers of rows in the footer are written anew (Thrift's compact form: seven bits a byte, twice the number)."""
    path = parquet_of(12_345)(folder)
    data = path.read_bytes()
    length = int.from_bytes(data[-8:-4], "little")
    footer = data[-8 - length : -8].replace(varint(2 * 12_346), varint(2 * 1_000_000_000))
    assert len(footer) > length
    path.write_bytes(data[: -8 - length] + footer + len(footer).to_bytes(4, "little") + b"PAR1")
    return path


def varint(number: int) -> bytes:
    digits = bytearray()
    while number > 127:
        digits.append(number & 127 | 128)
        number >>= 7
    return bytes([*digits, number])


def json_line(**changed: object) -> str:
    return json.dumps(dict(zip(COLUMNS, trade("T1").split(","), strict=True)) | changed)


def wide(count: int) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        names = [f"c{number:x}" for number in range(count)]
        return write(folder / "rows.csv", trade("T1") + "," * count, header=",".join([HEADER, *names]))

    return make


FAULTY = "0"  # of lots: whatever else the row holds, it is kept in the quarantine

INPUTS = [
    # Names
    Hostile("a line break in the name", named("a\nb.csv"), "1 loaded; then in done/", landing=True),
    Hostile("SQL in the name", named("'; drop table raw_trades_closed; --.csv"), "1 loaded; then in done/", landing=True),
    Hostile("a name that begins with a dash", named("--feed=plans.csv"), "1 loaded; then in done/", landing=True),
    Hostile("a name with an escape sequence", named("\x1b[2J\x1b]0;mine\x07.csv"), "1 loaded; then in done/", landing=True),
    Hostile("a name with a bidirectional override", named("\u202evsc.csv"), "1 loaded; then in done/", landing=True),
    Hostile("a name with markup", named("[red]a[bold] <script>.csv"), "1 loaded; then in done/", landing=True),
    Hostile("a name that is a formula", named("=cmd|' C calc'!A0.csv"), "1 loaded; then in done/", landing=True),
    Hostile("a name of dots and other slashes", named("a\\..\\..%2f..%2fpasswd.csv"), "1 loaded; then in done/", landing=True),
    Hostile("a name of 255 bytes", named(LONG), "1 loaded; then in done/ under a shorter name", landing=True),
    Hostile("a name of 255 bytes, and the file is at fault", named(LONG, header="short"),
        "refused: FILE, line 1: the header is not that of the feed trades: short. Name the columns as in trade_id, "
        "account_id, login, symbol, side, close_time, lots, profit, or give the feed with --feed; then in failed/ "
        "under a shorter name with the reason beside it", landing=True,
    ),
    Hostile("a name that is not UTF-8", named(b"\xff\xfe.csv"),
        "left alone: FILE has a name that is not UTF-8: rename it", landing=True,
    ),
    Hostile("a name that pretends to be a reason", named("rows.csv.reason.txt"),
        "left alone: FILE is called like the reason of a failure: rename it if it holds rows", landing=True,
    ),
    # Not what they seem
    Hostile("a link out of the landing folder", link("/etc/passwd"),
        "left alone: FILE is a link, which may lead anywhere: put the file itself here", landing=True,
    ),
    Hostile("a link to a device that never ends", link("/dev/zero"),
        "left alone: FILE is a link, which may lead anywhere: put the file itself here", landing=True,
    ),
    Hostile("a link to a file beside it", link("other.csv"),
        "left alone: FILE is a link, which may lead anywhere: put the file itself here", landing=True,
    ),
    Hostile("a link to itself", link("rows.csv"),
        "left alone: FILE is a link, which may lead anywhere: put the file itself here", landing=True,
    ),
    Hostile("a named pipe in the landing folder", pipe,
        "left alone: FILE is no regular file: put files of rows directly into FOLDER", landing=True,
    ),
    Hostile("a folder called like a file", folder_called("rows.csv"),
        "left alone: FILE is no regular file: put files of rows directly into FOLDER", landing=True,
    ),
    Hostile("a named pipe", pipe, "refused: FILE is not a regular file. Give a file of rows, or a folder of them"),
    Hostile("a device that never ends", lambda _: Path("/dev/zero"),
        "refused: FILE is not a regular file. Give a file of rows, or a folder of them",
    ),
    Hostile("a link to itself, given to `dpm load`", link("rows.csv"), "refused: FILE is a link. Put the file itself there"),
    # Values
    Hostile("SQL in a value", cell(symbol="'); drop table raw_trades_closed; --"), "2 loaded, as they are written"),
    Hostile("a formula in a value", cell(symbol="=cmd|' /C calc'!A0"), "2 loaded, as they are written"),
    Hostile("an escape sequence in a value", cell(symbol="\x1b]0;mine\x07\x1b[2J"), "2 loaded, as they are written"),
    Hostile("a bidirectional override in a value", cell(symbol="\u202eDSURUE\u2066"), "2 loaded, as they are written"),
    Hostile("markup in a value", cell(symbol="[bold red]EURUSD[/] <b>"), "2 loaded, as they are written"),
    Hostile("COPY's end of data in a value", cell(symbol="\\."), "2 loaded, as they are written"),
    Hostile("placeholders in a value", cell(symbol="%s %(x)s {0} $1 ${HOME}"), "2 loaded, as they are written"),
    Hostile("a path in a value", cell(account_id="../../../etc/passwd"), "2 loaded, as they are written"),
    Hostile("a NUL character in a value", cell(symbol="EUR\0USD"),
        "1 loaded; line 3 rejected: the row holds a NUL character (shown as \\x00): expected text",
    ),
    Hostile(
        "bytes that are not UTF-8 in a value",
        content("rows.csv", f"{HEADER}\n{trade('T0')}\n{trade('T1', symbol='EUR|')}\n".encode().replace(b"|", b"\xc0\x80")),
        "1 loaded; line 3 rejected: the row is not UTF-8 (shown as \\x..): save the file in UTF-8",
    ),
    Hostile(
        "half of a character in a JSON value",
        content("rows.jsonl", f"{json_line()}\n{json_line(symbol=chr(0xD800))}\n".encode()),
        "1 loaded; line 2 rejected: the line is no JSON object (JSON is malformed: unexpected end of hex escape (byte"
        " 73)): expected one whole object on the line",
    ),
    Hostile("an escape sequence in a value at fault", cell(side="\x1b[31mHOLD\x07"),
        "1 loaded; line 3 rejected: side '\\x1b[31mHOLD\\x07': expected buy or sell",
    ),
    Hostile("markup in a value at fault", cell(side="[red]HOLD[/red]"),
        "1 loaded; line 3 rejected: side '[red]HOLD[/red]': expected buy or sell",
    ),
    Hostile("a bidirectional override in a value at fault", cell(side="\u202eyub"),
        "1 loaded; line 3 rejected: side '\\u202eyub': expected buy or sell",
    ),
    Hostile("a value of 900,000 characters at fault", cell(side="x" * 900_000),
        "1 loaded; line 3 rejected: side "
        "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...': expected buy or sell",
    ),
    Hostile("a formula in a row at fault", cell(symbol="=HYPERLINK(A1)", lots=FAULTY),
        "1 loaded; line 3 rejected: lots '0': expected a number above 0; exported for a spreadsheet with "
        "'=HYPERLINK(A1)", exported=True,
    ),
    Hostile("a formula as the value at fault", cell(side="@SUM(1+1)*cmd|' /C calc'!A0"),
        "1 loaded; line 3 rejected: side \"@SUM(1+1)*cmd|' /C calc'!A0\": expected buy or sell; exported for a "
        "spreadsheet with '@SUM(1+1)*cmd|' /C calc'!A0", exported=True,
    ),
    Hostile("a formula after a tab", cell(symbol="\t=1+1", lots=FAULTY),
        "1 loaded; line 3 rejected: lots '0': expected a number above 0; exported for a spreadsheet with '\\t=1+1", exported=True,
    ),
    Hostile("a formula after a line break in quotes", cell(symbol='"\r=1+1"', lots=FAULTY),
        "1 loaded; line 3 rejected: lots '0': expected a number above 0; exported for a spreadsheet with '\\r=1+1", exported=True,
    ),
    Hostile("SQL in a row at fault", cell(symbol="'); drop table raw_trades_closed; --", lots=FAULTY),
        "1 loaded; line 3 rejected: lots '0': expected a number above 0; exported for a spreadsheet with every cell "
        "as it is", exported=True,
    ),
    # Numbers and dates
    Hostile("a number with an exponent of 999999999", cell(profit="1e999999999"),
        "1 loaded; line 3 rejected: profit '1e999999999': expected a finite number",
    ),
    Hostile("a number with an exponent of -999999999", cell(profit="1e-999999999"), "2 loaded, profit as 0.00", shows="profit"),
    Hostile("a number of 1,000,000 digits", cell(profit="9" * 1_000_000),
        "1 loaded; line 3 rejected: profit "
        "'99999999999999999999999999999999999999999999999999999999999999999999999999999...': expected a finite number",
    ),
    Hostile("a number with 1,000,000 zeros before its digit", cell(profit="0." + "0" * 1_000_000 + "1"),
        "2 loaded, profit as 0.00", shows="profit",
    ),
    Hostile("a date that PostgreSQL would read as today", cell(close_time="now"),
        "1 loaded; line 3 rejected: close_time 'now': expected a time such as 2025-01-31T10:15:00Z or 2025.01.31 "
        "10:15:00, from the year 1900 on",
    ),
    Hostile("a date in the year 294277", cell(close_time="294277-01-01T00:00:00"),
        "1 loaded; line 3 rejected: close_time '294277-01-01T00:00:00': expected a time such as 2025-01-31T10:15:00Z "
        "or 2025.01.31 10:15:00, from the year 1900 on",
    ),
    Hostile("a date before Christ", cell(close_time="4713-01-01T00:00:00 BC"),
        "1 loaded; line 3 rejected: close_time '4713-01-01T00:00:00 BC': expected a time such as 2025-01-31T10:15:00Z"
        " or 2025.01.31 10:15:00, from the year 1900 on",
    ),
    # Structure
    Hostile("two columns that mean the same", named("rows.csv", trade("T1") + ",2", header=HEADER + ",Trade\x1b\u202e ID"),
        "refused: FILE, line 1: the columns 'trade_id' and 'Trade\\x1b\\u202e ID' both mean trade_id. Keep one of them,"
        " and load the file again",
    ),
    Hostile("2,000 columns", wide(2_000),
        "1 loaded; unknown columns ignored: 'c0', 'c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7', 'c8', 'c9', 'ca', 'cb', "
        "'cc', 'cd', 'ce', 'cf', 'c10', 'c11', 'c12', 'c13' and 1,980 more",
    ),
    Hostile("100,000 columns", wide(100_000), "refused: FILE, line 1: no header within 64 KB. Write one line of column names"),
    Hostile(
        "a column called like SQL, with an escape sequence",
        named("rows.csv", trade("T1") + ",1", header=f"{HEADER},\x1b[2Jx; drop table raw_trades_closed; --"),
        "1 loaded; unknown column ignored: '\\x1b[2Jx; drop table raw_trades_closed; --'",
    ),
    Hostile("JSON nested 100,000 deep", content("rows.jsonl", f"{json_line()}\n{'[' * 100_000}\n".encode()),
        '1 loaded; line 2 rejected: the line is no JSON object: expected one such as {"tradeId": "T1", ...}',
    ),
    Hostile(
        "a JSON value nested 100,000 deep",
        content("rows.jsonl", f'{json_line()}\n{{"trade_id": {"[" * 100_000}{"]" * 100_000}}}\n'.encode()),
        "1 loaded; line 2 rejected: the line is nested too deep: expected one object of plain values",
    ),
    Hostile(
        "a document nested 100,000 deep",
        content("rows.csv", f"date,summary\n2025-03-02,{{}}\n2025-03-03,{'[' * 100_000}{']' * 100_000}\n".encode()),
        "1 loaded; line 3 rejected: summary "
        "'[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[...': expected JSON nested at "
        "most 500 deep",
    ),
    Hostile(
        "a vector of a number with 1,000,000 digits",
        named("rows.csv", "2025-03-02,{},[1]", f"2025-03-03,{{}},[{'9' * 1_000_000}]", header="date,summary,vector_daily_regime"),
        "1 loaded; line 3 rejected: vector_daily_regime "
        "'[9999999999999999999999999999999999999999999999999999999999999999999999999999...': expected a list of "
        "finite numbers such as [0.5,-1.25]",
    ),
    # Bombs
    Hostile("a line of 250 MB", line_of_250_megabytes(f"{HEADER}\n{trade('T1')}", "rows.csv"),
        "2 loaded; line 70,003 rejected: the line is longer than 3 MB (its first MB is kept): expected one row a line", bomb=True,
    ),
    Hostile("a line of JSON of 250 MB", line_of_250_megabytes(json_line(), "rows.jsonl"),
        "2 loaded; line 70,002 rejected: the line is longer than 16 MB (its first MB is kept): expected one object a line",
        bomb=True,
    ),
    Hostile("10 GB of zeros as gzip", repeated(gzip.compress, b"\0", b"\0", 10_240, "rows.csv.gz"),
        "refused: FILE is binary, not text. Export it as CSV in UTF-8, and load it again", bomb=True,
    ),
    Hostile(
        "a trade and 10 GB of zeros as gzip",
        repeated(gzip.compress, f"{HEADER}\n{trade('T1')}\n".encode() + b"\n" * 70_000, b"\0", 10_240, "rows.csv.gz"),
        "refused: FILE unpacks to more than 200 times its size (258 MB and more), as no export of rows does. See what"
        " is in it; if it is right all the same, write it as plain text, and load it again",
        bomb=True,
    ),
    Hostile(
        "a trade and a line of 10 GB as zstd",
        repeated(zstd, f"{HEADER}\n{trade('T1')}\n".encode(), b"x", 10_240, "rows.csv.zst"),
        "refused: FILE unpacks to more than 200 times its size (258 MB and more), as no export of rows does. See what"
        " is in it; if it is right all the same, write it as plain text, and load it again", bomb=True,
    ),
    Hostile(
        "10 GB of one JSON value as zstd",
        repeated(zstd, json_line()[:-1].encode() + b', "x": "', b"x", 10_240, "rows.jsonl.zst"),
        "refused: FILE begins like JSON lines, but not one object can be read at its beginning. Write one object a "
        'line, such as {"tradeId": "T1", ...}, and load it again', bomb=True,
    ),
    Hostile("zstd that wants a window of 2 GB", zstd_with_a_window_of_two_gigabytes,
        "refused: FILE was packed so that unpacking takes more memory than a load may have. Pack it again without "
        "--long, and load it again", bomb=True,
    ),
    Hostile("gzip within gzip", content("rows.csv.gz", gzip.compress(gzip.compress(b"x" * 10_000))),
        "refused: FILE is binary, not text. Export it as CSV in UTF-8, and load it again",
    ),
    Hostile("Parquet that declares 1,000,000,000 rows", parquet_that_declares_a_billion_rows,
        "refused: FILE declares 1,000,000,000 rows in SIZE bytes, more than 20 a byte. Write it again from its rows,"
        " and load it again", bomb=True,
    ),
    Hostile("Parquet of 2,000,000 times the same row", parquet_of(2_000_000),
        "refused: FILE unpacks to more than 200 times its size (270 MB and more), as no export of rows does. See what"
        " is in it; if it is right all the same, write it as plain text, and load it again", bomb=True,
    ),
    Hostile("Parquet with one text of 8 MB in 100,000 rows", parquet_of(100_000, 8 * MB),
        "refused: FILE unpacks to more than 200 times its size (32,760 MB and more), as no export of rows does. See "
        "what is in it; if it is right all the same, write it as plain text, and load it again", bomb=True,
    ),
    Hostile("Parquet with a value of 20 MB", parquet_of(1, 20 * MB),
        "1 loaded; line 2 rejected: symbol holds more than 16 MB: expected less", bomb=True,
    ),
]  # fmt: skip


BOMBS = [each for each in INPUTS if each.bomb]


def table() -> str:
    """The inputs and their answers as a table of Markdown."""
    rows = [f"| {each.what} | {_in_a_cell(each.answer)} |" for each in INPUTS]
    return "\n".join(["| what is offered | answer |", "|---|---|", *rows, ""])


def _in_a_cell(answer: str) -> str:
    return re.sub(r"([|<*_\[\]`\\])", r"\\\1", answer)


def written_into(text: str) -> str:
    """The page with the table of today."""
    head, _, rest = text.partition(BEGIN)
    return f"{head}{BEGIN}\n{table()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    DOCS.write_text(written_into(DOCS.read_text(encoding="utf-8")), encoding="utf-8")
