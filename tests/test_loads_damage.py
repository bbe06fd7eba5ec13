"""Files damaged at random: never an error that nobody foresaw, every row counted, every reject at its own line."""

import random
import re
from pathlib import Path

import pytest

from dpm_assets.database import Database
from dpm_assets.loads.faults import FileRefused
from dpm_assets.loads.feeds import FEEDS
from dpm_assets.loads.load import load_file
from tests.feed_rows import ROWS
from tests.file_formats import FORMATS
from tests.trade_rows import HEADER, rows, trade

DAMAGE = (
    b'"', b'""', b",", b"\n", b"\r", b"\r\n", b"\0", b"\xff", b"\xc3\xa9", b"nan", b"-", b"+", b".", b" ", b"\\",
    b"\\N", b"\t", b"NULL", b"9" * 30, b"e99999", b"1e-99999", b"0", b"\xef\xbb\xbf", b";", b"2025", b"Z", b"+05:30",
    b"\x1a", b"\xe2\x80\xa8", b"",
)  # fmt: skip
JSON_DAMAGE = (b"{", b"}", b"[", b"]", b":", b"\\u0000", b"\\ud800", b"1e999999", b"null", b"true", b'"x":1,', b"NaN")
_LINE_BREAK = re.compile("\r\n|\n|\r")


def damaged(dice: random.Random) -> bytes:
    line_break = dice.choice(["\n", "\r\n"])
    days = [f"2025-0{dice.randint(1, 9)}-1{dice.randint(0, 9)}" for _ in range(dice.randint(0, 8))]
    lines = [HEADER, *(trade(f"T{dice.randrange(10**9)}", day) for day in days)]
    data = bytearray((line_break.join(lines) + line_break).encode())
    for _ in range(dice.randint(1, 6)):
        start = dice.randint(min(len(HEADER), len(data)) if dice.random() < 0.9 else 0, len(data))
        data[start : start + dice.choice([0, 0, 0, 1, 3, 20])] = dice.choice(DAMAGE)
    return bytes(data)


@pytest.mark.parametrize("seed", range(4))
def test_damaged_files_are_accounted_for_row_by_row(db: Database, tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    path = tmp_path / "damaged.csv"
    loaded = 0
    for _ in range(100):
        data = damaged(dice)
        path.write_bytes(data)
        try:
            result = load_file(db, path)
        except FileRefused as refused:
            assert "\n" not in str(refused) and str(path) in str(refused)
            continue
        loaded += 1
        counted = result.rows_inserted + result.rows_updated + result.rows_duplicate + result.rows_rejected
        assert result.rows_read == counted
        lines = _LINE_BREAK.split(data.decode("utf-8", "backslashreplace").replace("\0", "\\x00"))
        for line, text in rows(db, "select line, raw_text from load_rejects where batch_id = %s", result.batch_id):
            assert _LINE_BREAK.split(text)[0] == lines[line - 1]
    assert loaded > 80


def damaged_elsewhere(dice: random.Random, data: bytes) -> bytes:
    damaged = bytearray(data)
    for _ in range(dice.randint(1, 5)):
        start = dice.randrange(len(damaged))
        damaged[start : start + dice.choice([0, 1, 1, 1, 3, 20])] = dice.choice((*DAMAGE, *JSON_DAMAGE))
    return bytes(damaged)


@pytest.mark.parametrize("feed", ["trades", "regimes"])
@pytest.mark.parametrize(("suffix", "files"), [("jsonl", 80), ("parquet", 40)])
def test_damaged_json_lines_and_parquet_are_accounted_for(
    db: Database, tmp_path: Path, suffix: str, files: int, feed: str
) -> None:
    dice = random.Random(files)
    path = FORMATS[suffix](tmp_path / "whole", FEEDS[feed], ROWS[feed] * 3)
    whole = path.read_bytes()
    for _ in range(files):
        data = damaged_elsewhere(dice, whole)
        path.write_bytes(data)
        try:
            result = load_file(db, path, feed)
        except FileRefused as refused:
            assert "\n" not in str(refused) and str(path) in str(refused)
            continue
        counted = result.rows_inserted + result.rows_updated + result.rows_duplicate + result.rows_rejected
        assert result.rows_read == counted
        if suffix == "jsonl":
            lines = data.decode("utf-8", "backslashreplace").replace("\0", "\\x00").split("\n")
            for line, text in rows(db, "select line, raw_text from load_rejects where batch_id = %s", result.batch_id):
                assert text.rstrip("\r") == lines[line - 1].rstrip("\r")


def test_a_byte_order_mark_in_the_middle_of_a_file_is_part_of_its_row(db: Database, tmp_path: Path) -> None:
    """Files put behind one another leave one; whether it stands at the start of a block must not matter."""
    mark = b"\xef\xbb\xbf"
    path = tmp_path / "two.csv"
    path.write_bytes(f"{HEADER}\n".encode() + mark + f"{HEADER}\n{trade('T1')}\n".encode() + mark)
    result = load_file(db, path)
    assert result.rows_inserted == 1
    assert [line for line, _ in result.rejects] == [2, 4]


@pytest.mark.parametrize("quote", ["", '"'])
def test_a_line_longer_than_any_row_is_one_reject_at_its_line(db: Database, tmp_path: Path, quote: str) -> None:
    """Its pieces must not be taken for further rows of the same line."""
    path = tmp_path / "long.csv"
    long = trade("T2", symbol=quote + "x" * 9_000_000)
    path.write_text("\n".join([HEADER, trade("T1"), long, trade("T3", side="HOLD"), trade("T4")]) + "\n")
    result = load_file(db, path)
    assert (result.rows_read, result.rows_inserted) == (4, 2)
    assert [line for line, _ in result.rejects] == [3, 4]


def test_a_line_of_json_longer_than_any_row_is_one_reject_at_its_line(db: Database, tmp_path: Path) -> None:
    def line(trade_id: str, symbol: str) -> str:
        return (
            f'{{"tradeId":"{trade_id}","accountId":"A1","login":1,"symbol":"{symbol}","side":"buy",'
            '"tradeDate":"2025-03-03","lots":1,"profit":1}'
        )

    path = tmp_path / "long.jsonl"
    path.write_text("\n".join([line("T1", "EURUSD"), line("T2", "x" * 20_000_000), line("T3", "EURUSD"), "{"]))
    result = load_file(db, path)
    assert (result.rows_read, result.rows_inserted) == (4, 2)
    assert [line for line, _ in result.rejects] == [2, 4]
    assert "longer than 16 MB" in result.rejects[0][1]
