"""Whatever format the rows come in, the same rows are stored, and a reject keeps its line and its text."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest

from dpm_assets.database import Database
from dpm_assets.loads.feeds import FEEDS
from dpm_assets.loads.load import load_file
from tests.feed_rows import ROWS
from tests.file_formats import FORMATS
from tests.trade_rows import rows, value


def trade(trade_id: str, **more: str) -> str:
    """One line; the values of `more` are JSON."""
    given = dict(tradeId=f'"{trade_id}"', accountId='"A1"', login="1001", symbol='"EURUSD"', side='"buy"',
                 closeTime='"2025-03-03T11:00:00Z"', lots="0.1", profit="1") | more  # fmt: skip
    return "{" + ",".join(f'"{key}":{value}' for key, value in given.items()) + "}"


def stored(db: Database, feed: str) -> list[tuple[object, ...]]:
    names = ", ".join(f"{column.name}::text" for column in FEEDS[feed].columns)
    return rows(db, f"select {names} from {FEEDS[feed].table} order by {', '.join(FEEDS[feed].identity)}")


@pytest.mark.parametrize("feed", FEEDS)
def test_the_same_rows_of_a_feed_are_stored_from_every_format(db: Database, tmp_path: Path, feed: str) -> None:
    expected = None
    for suffix, write in FORMATS.items():
        # Its name says nothing of what it is.
        path = write(tmp_path / f"{suffix.replace('.', '_')}.data", FEEDS[feed], ROWS[feed])
        result = load_file(db, path)
        assert (result.feed, result.rows_inserted, result.rejects) == (feed, 2, []), suffix
        found = stored(db, feed)
        expected = expected or found
        assert found == expected, suffix
        with db.connection(None) as conn:
            conn.execute(f"truncate {FEEDS[feed].table}".encode())


def lines(path: Path, *texts: str) -> Path:
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return path


def test_numbers_in_json_lines_are_taken_exactly_as_they_are_written(db: Database, tmp_path: Path) -> None:
    """Read as floats, the first would become 1234567890123456.8 and lose its cents."""
    written = ["1234567890123456.78", "0.105", "-1E2", "1e-3", "9007199254740993.00"]
    path = lines(tmp_path / "t.jsonl", *(trade(f"T{n}", profit=profit) for n, profit in enumerate(written)))
    assert load_file(db, path).rows_inserted == len(written)
    profits = [row[0] for row in rows(db, "select profit::text from raw_trades_closed order by trade_id")]
    assert profits == ["1234567890123456.78", "0.11", "-100.00", "0.00", "9007199254740993.00"]


def test_a_broken_line_of_json_is_one_reject_with_its_line_and_text(db: Database, tmp_path: Path) -> None:
    said = {
        trade("T2", lots=""): "the line is no JSON object (JSON is malformed: invalid character",
        "[1,2]": "the line is no JSON object: expected one such as",
        trade("T3", profit='"ten"'): "profit 'ten': expected a plain number",
        trade("T4")[:-1]: "the line is no JSON object (Input data was truncated)",
    }
    result = load_file(db, lines(tmp_path / "t.jsonl", trade("T1"), "", *said, trade("T9")))
    assert (result.rows_read, result.rows_inserted) == (6, 2)
    found = rows(db, "select line, raw_text, reason from load_rejects order by line")
    assert [(line, text) for line, text, _ in found] == list(zip((3, 4, 5, 6), said, strict=True))
    assert all(reason.startswith(said[text]) for _, text, reason in found)


def test_two_objects_on_one_line_and_one_on_two_do_not_add_up(db: Database, tmp_path: Path) -> None:
    start, end = trade("T4").split(',"lots"')
    path = lines(tmp_path / "t.jsonl", trade("T1"), f"{trade('T2')} {trade('T3')}", start + ",", '"lots"' + end)
    result = load_file(db, path)
    assert (result.rows_inserted, [line for line, _ in result.rejects]) == (1, [2, 3, 4])


def test_a_key_that_first_appears_late_in_the_file_is_not_lost(db: Database, tmp_path: Path) -> None:
    plain = [trade(f"T{n}") for n in range(1_000)]
    late = trade("LATE", swap="-0.25", volumeUSD="12", comment='"x"')
    assert len("\n".join(plain)) > 64 * 1024
    result = load_file(db, lines(tmp_path / "t.jsonl", *plain, late))
    assert result.rows_inserted == 1_001
    assert rows(db, "select swap::text, volume_usd::text from raw_trades_closed where trade_id = 'LATE'") == [
        ("-0.25", "12.00")
    ]


def test_a_key_may_be_written_in_several_ways_in_one_file(db: Database, tmp_path: Path) -> None:
    other = trade("T2", swap="2").replace('"profit"', '"Profit"').replace('"swap"', '"SWAP"')
    result = load_file(db, lines(tmp_path / "t.jsonl", trade("T1", swap="1"), other, trade("T3", swap="3")))
    assert (result.rows_inserted, result.message) == (3, "")
    assert rows(db, "select profit::text, swap::text from raw_trades_closed order by trade_id") == [
        ("1.00", "1.00"), ("1.00", "2.00"), ("1.00", "3.00"),
    ]  # fmt: skip


def test_text_in_json_lines_may_hold_escapes_and_say_nothing(db: Database, tmp_path: Path) -> None:
    odd = trade('T\\u0031 \\"x\\" \\\\ ,é\\ud83d\\ude00', lots='"1"', profit='"NULL"', swap='""')
    path = lines(tmp_path / "t.jsonl", odd, trade("T2", sourceApiEndpoint='"\\u0000"'))
    result = load_file(db, path)
    assert rows(db, "select trade_id, profit, swap from raw_trades_closed") == [('T1 "x" \\ ,é😀', None, None)]
    assert result.rejects == [
        (2, 'source_api_endpoint "\\u0000": expected text without \\u0000 and halves of surrogate pairs')
    ]


@pytest.mark.parametrize("beside", ['"EURUSD"', '"with \\"quotes\\""'])
def test_a_nested_value_where_a_plain_one_belongs_is_a_reject(db: Database, tmp_path: Path, beside: str) -> None:
    result = load_file(db, lines(tmp_path / "t.jsonl", trade("T1", symbol=beside, login="[1]"), trade("T2", side="{}")))
    assert result.rows_inserted == 0
    assert result.rejects == [
        (1, "login is a nested value: expected a plain one"), (2, "side is a nested value: expected a plain one")
    ]  # fmt: skip


def test_parquet_of_other_types_is_read_as_its_values_say(db: Database, tmp_path: Path) -> None:
    zoned = pa.array([1741003200123456789, 1741003200000000000], pa.timestamp("ns", "Europe/Athens"))
    table = pa.table({
        "Trade ID": pa.array([1, 2], pa.int64()),
        "accountId": pa.array([b"A1", b"A1"], pa.binary()),
        "login": pa.array(["1001", "1001"], pa.large_string()),
        "symbol": pa.array(["EURUSD", "NULL"]).dictionary_encode(),
        "std_symbol": pa.array([None, "EURUSD"], pa.string()),
        "side": ["buy", "SELL"],
        "closeTime": zoned,
        "tradeDate": pa.array([1740960000, 1740960000], pa.timestamp("s")),
        "lots": pa.array([0.1, 10.3], pa.float32()),
        "profit": pa.array([0.1 + 0.2, float("nan")], pa.float64()),
        "volumeUSD": pa.array([2**40, 1], pa.uint64()),
        "take_profit": pa.array([None, None], pa.null()),
        "unknown": [{"a": 1}, None],
    })  # fmt: skip
    pa.parquet.write_table(table, tmp_path / "t.parquet")
    result = load_file(db, tmp_path / "t.parquet")
    assert rows(db, "select trade_id, symbol, std_symbol, close_time::text, trade_date::text, lots::text, profit::text,"
                " volume_usd::text from raw_trades_closed") == [
        ("1", "EURUSD", "EURUSD", "2025-03-03 12:00:00.123457", "2025-03-03", "0.1000", "0.30", "1099511627776.00")
    ]  # fmt: skip
    assert result.message == "unknown column ignored: 'unknown'"
    [(line, reason, raw)] = rows(db, "select line, reason, raw_text from load_rejects")
    assert (line, reason) == (2, "profit 'nan': expected a finite number")
    assert json.loads(raw) == {
        "Trade ID": 2, "accountId": "A1", "login": "1001", "symbol": None, "std_symbol": "EURUSD", "side": "SELL",
        "closeTime": "2025-03-03 12:00:00.000000Z", "tradeDate": "2025-03-03 00:00:00.000", "lots": 10.3, "profit": "nan",
        "volumeUSD": 1, "take_profit": None,
    }  # fmt: skip


def test_nested_columns_of_parquet_become_documents(db: Database, tmp_path: Path) -> None:
    table = pa.table({
        "date": ["2025-03-03"],
        "summary": [{"market_sentiment": "bullish", "scores": [1, None], "at": None}],
        "instruments": pa.array([[("EURUSD", 1.5)]], pa.map_(pa.string(), pa.float64())),
        "vectorDailyRegime": pa.array([[0.5, 2]], pa.list_(pa.float32())),
    })  # fmt: skip
    pa.parquet.write_table(table, tmp_path / "r.parquet")
    load_file(db, tmp_path / "r.parquet")
    assert value(
        db, "select summary::text || instruments::text || vector_daily_regime::text from raw_regimes_daily"
    ) == ('{"at": null, "scores": [1, null], "market_sentiment": "bullish"}{"EURUSD": 1.5}{0.5,2}')


def test_a_nested_value_that_json_cannot_say_costs_its_row_alone(db: Database, tmp_path: Path) -> None:
    """Bytes that are not UTF-8, and a date of the year 15659; nanoseconds end with microseconds."""
    news = pa.StructArray.from_arrays(
        [
            pa.array([b"calm", b"Z\xf6lle", b"far", b"calm"], pa.binary()).cast(pa.string(), safe=False),
            pa.array([20_150, 20_150, 5_000_000, None], pa.int32()).cast(pa.date32()),
            pa.array([1741003200123456789, 1, 2, None], pa.timestamp("ns")),
        ],
        ["headline", "day", "at"],
    )
    table = pa.table({
        "date": ["2025-03-03", "2025-03-04", "2025-03-05", "2025-03-06"],
        "market_news": pa.ListArray.from_arrays(pa.array([0, 1, 2, 3, 4], pa.int32()), news),
    })  # fmt: skip
    pa.parquet.write_table(table, tmp_path / "r.parquet")
    load_file(db, tmp_path / "r.parquet")
    assert rows(db, "select date::text, market_news::text from raw_regimes_daily order by date") == [
        ("2025-03-03", '[{"at": "2025-03-03T12:00:00.123456", "day": "2025-03-03", "headline": "calm"}]'),
        ("2025-03-06", '[{"at": null, "day": null, "headline": "calm"}]'),
    ]
    found = rows(db, "select line, damaged, reason from load_rejects order by line")
    assert [(line, damaged) for line, damaged, _ in found] == [(2, True), (3, True)]
    assert all(reason.startswith("market_news cannot be said in JSON (") for *_, reason in found)
    assert (
        "utf-8" in found[0][2] and "expected text in UTF-8, and dates and times of the years 1 to 9999" in found[1][2]
    )


def test_rows_of_parquet_are_numbered_across_batches_and_row_groups(db: Database, tmp_path: Path) -> None:
    count = 40_000
    table = pa.table({
        "trade_id": [f"T{n}" for n in range(count)], "account_id": ["A1"] * count, "login": ["1"] * count,
        "symbol": ["EURUSD"] * count, "side": ["buy"] * count, "trade_date": ["2025-03-03"] * count,
        "lots": [0 if n in (0, 17_000, 39_999) else 1 for n in range(count)], "profit": [1] * count,
    })  # fmt: skip
    pa.parquet.write_table(table, tmp_path / "t.parquet", row_group_size=9_000)
    result = load_file(db, tmp_path / "t.parquet")
    assert [line for line, _ in result.rejects] == [1, 17_001, 40_000]
    assert result.rows_inserted == count - 3


def test_ids_that_parquet_holds_as_floating_point_numbers_keep_their_digits(db: Database, tmp_path: Path) -> None:
    table = pa.table(
        {
            "trade_id": pa.array([12345678901.0, 7.0, float("nan"), 2.0**53], pa.float64()),
            "account_id": ["A1"] * 4, "login": pa.array([1001.0] * 4), "symbol": ["EURUSD"] * 4, "side": ["buy"] * 4,
            "trade_date": ["2025-03-03"] * 4, "lots": [1] * 4, "profit": [1] * 4,
        }
    )  # fmt: skip
    pa.parquet.write_table(table, tmp_path / "t.parquet")
    result = load_file(db, tmp_path / "t.parquet", max_rejects=2)
    assert rows(db, "select trade_id, login from raw_trades_closed order by 1") == [
        ("12345678901", "1001"),
        ("7", "1001"),
    ]
    assert [(line, reason.partition(":")[0]) for line, reason in result.rejects] == [
        (3, "trade_id is missing"),
        (4, "trade_id is a floating-point number too large to be exact"),
    ]


def test_parquet_tells_apart_the_two_hours_that_clocks_show_alike(db: Database, tmp_path: Path) -> None:
    first = 1761438600_000_000_000  # 2025-10-26 00:30 UTC, 03:30 in Athens; an hour later it is 03:30 there once more
    table = pa.table(
        {
            "trade_id": ["T1", "T2"], "account_id": ["A1"] * 2, "login": ["1"] * 2, "symbol": ["EURUSD"] * 2,
            "side": ["buy"] * 2, "lots": [1] * 2, "profit": [1] * 2,
            "close_time": pa.array([first, first + 3_600_000_000_000], pa.timestamp("ns", "Europe/Athens")),
        }
    )  # fmt: skip
    pa.parquet.write_table(table, tmp_path / "t.parquet")
    load_file(db, tmp_path / "t.parquet")
    assert rows(db, "select close_time::text from raw_trades_closed order by trade_id") == [
        ("2025-10-26 00:30:00",),
        ("2025-10-26 01:30:00",),
    ]
