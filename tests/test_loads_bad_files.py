"""Every broken file gets its answer: what is at fault, on which line, and the good rows beside it are loaded."""

import contextlib
import json
from pathlib import Path

import pyarrow as pa
import pytest

from dpm_assets.database import Database
from dpm_assets.loads.faults import FileRefused
from dpm_assets.loads.load import load_file
from tests.trade_rows import rows, value

FILES = Path(__file__).parent / "bad_files"
UNPACKED = {".gz": "gzip", ".zst": "zstd"}
NUMBER = "expected a plain number such as 1234.5, without thousands separators"
FINITE = "expected a finite number"
TIME = "expected a time such as 2025-01-31T10:15:00Z"
DAY = "expected a date such as 2025-01-31 or 20250131"
OUTSIDE = "expected a date from 2020-01-01 (the first month, DPM_FIRST_MONTH) to"

# File, rows loaded, line of the one row at fault, what is said of it.
ROWS_AT_FAULT = [
    ("account_breached_half.csv", 2, 3, "breached '0.5': expected a whole number"),
    ("account_flag_maybe.csv", 2, 3, "is_drawdown_relative 'maybe': expected true or false"),
    ("account_id_missing.csv", 2, 3, "account_id is missing"),
    ("account_login_missing.csv", 2, 3, "login is missing"),
    ("account_percent_101.csv", 2, 3, "profit_target_pct '101': expected a number from 0 to 100"),
    ("account_phase_unknown.csv", 2, 3, "phase 'Phase 9': expected Phase 1 or Phase 2 or Funded or Demo"),
    ("account_status_unknown.csv", 2, 3, "status 'Closed': expected Active or Inactive or Breached or Passed"),
    ("blank_lines.csv", 2, 8, "side 'HOLD': expected buy or sell"),
    ("bom.csv", 2, 3, "side 'HOLD': expected buy or sell"),
    ("close_before_open.csv", 2, 3, "close_time 2025-03-03 09:59:59 is before open_time 2025-03-03 10:00:00"),
    ("close_before_open_by_zone.csv", 2, 3, "close_time 2025-03-03 09:00:00 is before open_time 2025-03-03 10:00:00"),
    ("cr_only.csv", 2, 3, "side 'HOLD': expected buy or sell"),
    ("crlf.csv", 2, 3, "side 'HOLD': expected buy or sell"),
    ("date_30_february.csv", 2, 3, f"trade_date '2025-02-30': {DAY}"),
    ("date_american.csv", 2, 3, f"trade_date '03/31/2025': {DAY}"),
    ("date_and_close_time_missing.csv", 2, 3, "trade_date is missing, and so is close_time"),
    ("date_before_first_month.csv", 2, 3, f"trade_date '2019-12-31': {OUTSIDE}"),
    ("date_compact_no_such_day.csv", 2, 3, f"trade_date '20250231': {DAY}"),
    ("date_far_future.csv", 2, 3, f"trade_date '2199-01-01': {OUTSIDE}"),
    ("date_in_words.csv", 2, 3, f"trade_date '3 March 2025': {DAY}"),
    ("date_infinity.csv", 2, 3, f"trade_date 'infinity': {DAY}"),
    ("date_two_digit_year.csv", 2, 3, f"trade_date '25-03-03': {DAY}"),
    ("decimal_comma.csv", 2, 3, f"profit '10,50': {NUMBER}"),
    ("latin1_line.csv", 2, 3, "the row is not UTF-8"),
    ("login_missing.csv", 2, 3, "login is missing"),
    ("lots_negative.csv", 2, 3, "lots '-0.10': expected a number above 0"),
    ("lots_rounds_to_zero.csv", 2, 3, "lots '0.00004': expected a number above 0"),
    ("lots_zero.csv", 2, 3, "lots '0': expected a number above 0"),
    ("no_final_newline.csv", 2, 4, f"lots 'none': {NUMBER}"),
    ("nul_character.csv", 2, 3, "the row holds a NUL character"),
    ("number_arabic_digits.csv", 2, 3, f"profit '١٠': {NUMBER}"),  # noqa: RUF001  these digits are the point
    ("number_endless_exponent.csv", 2, 3, f"profit '1e400': {FINITE}"),
    ("number_hex.csv", 2, 3, f"profit '0x10': {NUMBER}"),
    ("number_in_words.csv", 2, 3, f"profit 'ten': {NUMBER}"),
    ("number_infinity.csv", 2, 3, f"profit 'Infinity': {FINITE}"),
    ("number_minus_inf.csv", 2, 3, f"swap '-inf': {FINITE}"),
    ("number_nan.csv", 2, 3, f"profit 'NaN': {FINITE}"),
    ("number_too_large.csv", 2, 3, "profit '1e17': expected at most 16 digits before the decimal point"),
    ("number_too_large_when_rounded.csv", 2, 3, "expected at most 16 digits before the decimal point"),
    ("number_underscore.csv", 2, 3, f"profit '1_000': {NUMBER}"),
    ("number_with_currency.csv", 2, 3, f"profit '$10': {NUMBER}"),
    ("plan_days_negative.csv", 2, 3, "min_trading_days '-1': expected a whole number of at least 0"),
    ("plan_percent_negative.csv", 2, 3, "profit_split_pct '-1': expected a number from 0 to 100"),
    ("price_rounds_to_zero.csv", 2, 3, "close_price '0.0000004': expected a number above 0"),
    ("price_zero.csv", 2, 3, "open_price '0': expected a number above 0"),
    ("quote_closed_lines_later.csv", 4, 3, 'a quote (") is opened on this line and closed on a later one'),
    ("quote_never_closed.csv", 3, 3, 'a quote (") is opened and never closed'),
    ("quote_never_closed_last.csv", 2, 4, 'a quote (") is opened and never closed'),
    ("quoted_crlf.csv", 2, 4, "side 'HOLD': expected buy or sell"),
    ("quoted_newlines.csv", 2, 5, "side 'HOLD': expected buy or sell"),
    ("quotes_inside.csv", 2, 3, "side 'HO\"LD': expected buy or sell"),
    ("row_of_commas.csv", 2, 3, "trade_id is missing"),
    ("row_too_long.csv", 2, 3, "the row has 18 fields, the header has 16"),
    ("row_too_short.csv", 2, 3, "the row has 4 fields, the header has 16"),
    (
        "several_faults.csv",
        2,
        3,
        f"side 'HOLD': expected buy or sell; lots '0': expected a number above 0; profit 'NaN': {FINITE}",
    ),
    ("side_hold.csv", 2, 3, "side 'HOLD': expected buy or sell"),
    ("stop_loss_negative.csv", 2, 3, "stop_loss '-1.0': expected a number above 0 (or 0 or nothing for none)"),
    ("symbol_too_long.csv", 2, 3, "expected at most 50 characters"),
    ("thousands_separator.csv", 2, 3, f"profit '1,234.50': {NUMBER}"),
    ("time_epoch_seconds.csv", 2, 3, f"open_time '1741000000': {TIME}"),
    ("time_hour_25.csv", 2, 3, f"close_time '2025-03-03T25:00:00': {TIME}"),
    ("time_infinity.csv", 2, 3, f"close_time 'infinity': {TIME}"),
    ("time_year_zero.csv", 2, 3, f"open_time '0000-01-01T00:00:00': {TIME}"),
    ("time_zone_absurd.csv", 2, 3, f"close_time '2025-03-03T11:00:00+99:00': {TIME}"),
    ("trade_id_blank.csv", 2, 3, "trade_id is missing"),
    ("trade_id_too_long.csv", 2, 3, "expected at most 255 characters"),
    ("volume_negative.csv", 2, 3, "volume_usd '-1': expected a number of at least 0"),
    ("alltime_drawdown_101.csv", 2, 3, "max_drawdown_pct '100.01': expected a number from 0 to 100"),
    ("alltime_trades_negative.csv", 2, 3, "total_trades '-1': expected a whole number of at least 0"),
    ("daily_date_before_first_month.csv", 2, 3, f"date '2019-12-31': {OUTSIDE}"),
    ("daily_date_missing.csv", 2, 3, "date is missing: expected a value in every row"),
    ("daily_gross_loss_positive.csv", 2, 3, "gross_loss '5': expected a number of at most 0"),
    ("daily_gross_profit_negative.csv", 2, 3, "gross_profit '-0.01': expected a number of at least 0"),
    (
        "daily_sum_too_large.csv",
        2,
        3,
        "winning_trades 2147483647 + losing_trades 1 is more than total_trades 2147483647",
    ),
    ("daily_trades_do_not_add_up.csv", 2, 3, "winning_trades 5 + losing_trades 4 is more than total_trades 7"),
    ("daily_win_rate_101.csv", 2, 3, "win_rate '101': expected a number from 0 to 100"),
    ("hourly_hour_24.csv", 2, 3, "hour '24': expected a whole number from 0 to 23"),
    ("hourly_hour_missing.csv", 2, 3, "hour is missing: expected a value in every row"),
    ("json_bare_nan.jsonl", 2, 2, "the line is no JSON object (JSON is malformed: invalid character (byte 132))"),
    ("json_close_time_missing.jsonl", 2, 2, "trade_date is missing, and so is close_time"),
    ("json_escaped_nul.jsonl", 2, 2, 'symbol "E\\u0000": expected text without \\u0000'),
    ("json_infinity_as_text.jsonl", 2, 2, f"profit 'Infinity': {FINITE}"),
    ("json_key_twice.jsonl", 2, 2, "two keys of the object mean close_time: expected one"),
    ("json_line_broken.jsonl", 2, 2, "the line is no JSON object (JSON is malformed: invalid character (byte 119))"),
    ("json_line_cut_off.jsonl", 2, 3, "the line is no JSON object (Input data was truncated)"),
    ("json_line_latin1.jsonl", 2, 2, "the line is not UTF-8 (shown as \\x..): save the file in UTF-8"),
    ("json_line_nul.jsonl", 2, 2, "the line holds a NUL character (shown as \\x00): expected text"),
    ("json_line_of_array.jsonl", 2, 2, "the line is no JSON object: expected one such as"),
    ("json_line_of_number.jsonl", 2, 2, "the line is no JSON object: expected one such as"),
    ("json_lots_zero.jsonl", 2, 2, "lots '0.00': expected a number above 0"),
    ("json_nested_value.jsonl", 2, 2, "profit is a nested value: expected a plain one"),
    ("json_number_in_words.jsonl", 2, 2, f"profit 'ten': {NUMBER}"),
    ("json_side_hold.jsonl.zst", 2, 2, "side 'HOLD': expected buy or sell"),
    (
        "json_single_quotes.jsonl",
        2,
        2,
        "the line is no JSON object (JSON is malformed: object keys must be strings (byte 1))",
    ),
    ("json_two_objects.jsonl", 2, 2, "the line is no JSON object (JSON is malformed: trailing characters (byte 136))"),
    ("open_current_price_negative.csv", 2, 3, "current_price '-1': expected a number above 0"),
    ("open_side_hold.csv", 2, 3, "side 'HOLD': expected buy or sell"),
    ("packed_side_hold.csv.gz", 2, 3, "side 'HOLD': expected buy or sell"),
    ("parquet_account_id_missing.parquet", 2, 2, "account_id is missing: expected a value in every row"),
    ("parquet_lots_zero.parquet", 2, 2, "lots '0': expected a number above 0"),
    ("parquet_not_utf8.parquet", 2, 2, "symbol holds a NUL character or bytes that are not UTF-8: expected text"),
    ("parquet_number_in_words.parquet", 2, 2, f"profit 'ten': {NUMBER}"),
    ("parquet_profit_nan.parquet", 2, 2, f"profit 'nan': {FINITE}"),
    ("regime_json_broken.csv", 2, 3, "expected JSON (Expecting value at character 22)"),
    ("regime_json_half_pair.csv", 2, 3, "expected JSON without \\u0000 and without halves of surrogate pairs"),
    ("regime_json_nan.csv", 2, 3, "expected JSON, which has no NaN and no Infinity"),
    ("regime_json_nul.csv", 2, 3, "expected JSON without \\u0000 and without halves of surrogate pairs"),
    ("regime_json_number_endless.csv", 2, 3, "expected JSON with numbers of at most 131,072 digits"),
    ("regime_json_too_deep.csv", 2, 3, "expected JSON nested at most 500 deep"),
    ("regime_vector_a_number.csv", 2, 3, "vector_daily_regime '0.5': expected a list of finite numbers"),
    ("regime_vector_endless.csv", 2, 3, "vector_daily_regime '[1e400]': expected a list of finite numbers"),
    ("regime_vector_in_words.csv", 2, 3, "expected a list of finite numbers such as [0.5,-1.25]"),
    ("tabs_row_too_short.tsv", 2, 3, "the row has 4 fields, the header has 16"),
    ("tabs_side_hold.tsv", 2, 3, "side 'HOLD': expected buy or sell"),
]

# File, what is said of it.
FILES_AT_FAULT = [
    ("column_missing.csv", "line 1: the header lacks lots, which the feed trades needs"),
    ("column_twice.csv", "line 1: the columns 'open_time' and 'openTime' both mean open_time. Keep one"),
    ("columns_missing.csv", "line 1: the header lacks trade_id, account_id, close_time or trade_date, lots"),
    ("document.csv", "is a PDF document, not text. Export the table as CSV in UTF-8"),
    ("empty.csv", "is empty (0 bytes). Export it again"),
    ("feed_ambiguous.csv", "line 1: the header fits the feeds open_trades and trades. Say which with --feed"),
    ("first_line_too_long.csv", "line 1: no header within 64 KB. Write one line of column names"),
    ("header_quote_open.csv", "line 1: the header is not that of any feed"),
    (
        "header_unknown.csv",
        "line 1: the header is not that of any feed (trades, open_trades, daily_metrics, hourly_metrics,"
        " alltime_metrics, accounts, plans, regimes): alpha, beta, gamma. Name",
    ),
    ("no_header.csv", "line 1: the header is not that of any feed"),
    ("noise.csv", "is binary, not text. Export it as CSV in UTF-8"),
    ("old_workbook.csv", "is an old Excel workbook, not text. Save the sheet as CSV in UTF-8"),
    ("only_blanks.csv", "holds no text, only blanks. Export it again"),
    ("parquet.csv", "is a Parquet file that cannot be read: Parquet magic bytes not found in footer"),
    ("truncated.csv.gz", "cannot be read: Truncated compressed stream. Copy it again"),
    ("utf16.csv", "is UTF-16 text. Save it as CSV in UTF-8"),
    ("workbook.xlsx", "is a ZIP archive or an Excel workbook, not text. Unpack it"),
    ("damaged.csv.gz", "cannot be read: zlib inflate failed: incorrect data check. Copy it again"),
    ("damaged_footer.parquet", "cannot be read: Couldn't deserialize thrift"),
    ("damaged_pages.parquet", "cannot be read: Couldn't deserialize thrift"),
    ("feather.parquet", "is an Arrow (Feather) file. Export it as Parquet, CSV or JSON lines"),
    ("json_array.json", "is one JSON array, not JSON lines. Write one object a line (jq -c"),
    ("json_envelope.json", "the header is not that of any feed"),
    ("json_pretty.json", "begins like JSON lines, but not one object can be read at its beginning"),
    ("json_unknown_keys.jsonl", "the header is not that of any feed"),
    ("packed.csv.lz4", "is compressed with lz4. Unpack it, or compress it with gzip or zstd"),
    ("packed.csv.xz", "is compressed with xz. Unpack it, or compress it with gzip or zstd"),
    ("parquet_column_missing.parquet", "the header lacks lots, which the feed trades needs"),
    ("parquet_encrypted.parquet", "is an encrypted Parquet file. Export it without encryption"),
    ("parquet_only_magic.parquet", "is a Parquet file that cannot be read: Parquet file size is 4 bytes"),
    ("parquet_profit_duration.parquet", "the column 'profit' is of the type duration[s], which cannot be read"),
    ("parquet_within_gzip.parquet.gz", "is a Parquet file within another compression. Unpack it"),
    ("truncated.csv.zst", "cannot be read: Truncated compressed stream. Copy it again"),
    ("truncated.jsonl.gz", "cannot be read: Truncated compressed stream. Copy it again"),
    ("truncated.parquet", "is a Parquet file that cannot be read: Parquet magic bytes not found in footer"),
]


def test_every_broken_file_has_its_answer_here() -> None:
    named = [case[0] for case in ROWS_AT_FAULT] + [case[0] for case in FILES_AT_FAULT]
    assert sorted(named) == sorted(path.name for path in FILES.iterdir() if not path.name.startswith("."))


@pytest.fixture(scope="module")
def raw_lines() -> dict[str, list[bytes]]:
    """The lines of each file, unpacked."""
    lines = {}
    for path in FILES.iterdir():
        if path.suffix in UNPACKED:
            with contextlib.suppress(OSError), pa.input_stream(str(path), compression=UNPACKED[path.suffix]) as stream:
                lines[path.name] = stream.read().splitlines()
        else:
            lines[path.name] = path.read_bytes().splitlines()
    return lines


@pytest.mark.parametrize("case", ROWS_AT_FAULT, ids=[case[0] for case in ROWS_AT_FAULT])
def test_a_bad_row_is_rejected_and_the_good_ones_are_loaded(
    db: Database, raw_lines: dict[str, list[bytes]], case: tuple[str, int, int, str]
) -> None:
    file, loaded, line, said = case
    result = load_file(db, FILES / file)
    assert (result.status, result.rows_inserted, result.rows_rejected) == ("loaded", loaded, 1)
    [(stored_line, reason, raw_text)] = rows(db, "select line, reason, raw_text from load_rejects")
    assert (stored_line, reason) == result.rejects[0] and stored_line == line
    assert said in reason
    assert value(db, "select rows_read = rows_inserted + rows_rejected from load_batches")
    if file.endswith(".parquet"):
        assert json.loads(raw_text)["trade_id"] == "T9"
        return
    as_it_stands = raw_lines[file][line - 1]
    assert raw_text == as_it_stands.decode("utf-8", "backslashreplace").replace("\0", "\\x00")


@pytest.mark.parametrize(("file", "said"), FILES_AT_FAULT, ids=[case[0] for case in FILES_AT_FAULT])
def test_a_bad_file_is_refused_with_one_sentence_and_loads_nothing(db: Database, file: str, said: str) -> None:
    with pytest.raises(FileRefused) as refused:
        load_file(db, FILES / file)
    message = str(refused.value)
    assert str(FILES / file) in message and said in message and "\n" not in message
    assert value(db, "select count(*) from load_batches") == 0
    assert value(db, "select count(*) from raw_trades_closed") == 0


def test_the_raw_text_of_a_rejected_row_keeps_its_quoted_newlines(db: Database, tmp_path: Path) -> None:
    text = (FILES / "side_hold.csv").read_text().replace("EURUSD,HOLD", '"EUR\r\nUSD",HOLD')
    (tmp_path / "rows.csv").write_text(text, newline="")
    load_file(db, tmp_path / "rows.csv")
    [(line, raw_text)] = rows(db, "select line, raw_text from load_rejects")
    assert line == 3 and '"EUR\r\nUSD",HOLD' in raw_text and not raw_text.endswith("\n")
