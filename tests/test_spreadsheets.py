"""Rejects in a spreadsheet: no cell of them is run there, and each is loaded as it was written."""

import csv
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.loads.exporting import export_rejects
from dpm_assets.loads.faults import FileRefused
from dpm_assets.loads.load import load_file
from dpm_assets.loads.retrying import retry_rejects
from dpm_assets.loads.spreadsheets import marked, unmarked
from tests.command_line import dpm
from tests.trade_rows import rows, trade, value, write

FORMULA = "=cmd|' /C calc'!A0"
RUN = ("=", "+", "-", "@", "\t", "\r", "\n")


@given(st.text(alphabet="'=+-@\t\r\n1.e5aé", max_size=8))
@example("'=1")
@example("''-5")
@example("-5")
@example("+1e5")
def test_every_cell_comes_back_as_it_was_and_only_numbers_begin_like_formulas(cell: str) -> None:
    shown = marked(cell)
    assert unmarked(shown) == cell
    assert not shown.startswith(RUN) or float(shown) == float(cell)


@pytest.mark.parametrize("cell", ["-0.70", "+12", "-1e5", "1.5", "EURUSD", "'tis", ""])
def test_what_is_no_formula_is_left_as_it_is(cell: str) -> None:
    assert marked(cell) == cell


@pytest.mark.sql
def test_rejects_are_mended_in_a_spreadsheet_and_loaded_as_they_were_written(
    db: Database, database_url: str, tmp_path: Path
) -> None:
    symbols = [FORMULA, "@SUM(A1)", "'=1", "+1+1", "EURUSD", '"=1\r\n+2"']
    first = load_file(
        db, write(tmp_path / "rows.csv", *(trade(f"T{n}", lots="0", symbol=symbol) for n, symbol in enumerate(symbols)))
    )
    out = tmp_path / "rejects.csv"
    exported = dpm(database_url, "rejects", "export", "1", "--spreadsheet", "--out", out)
    assert exported.returncode == 0, exported.stderr
    with out.open(encoding="utf-8", newline="") as file:
        shown = list(csv.DictReader(file))
    plain = [symbol.strip('"') for symbol in symbols]
    assert [row["symbol"] for row in shown] == [symbol if symbol == "EURUSD" else f"'{symbol}" for symbol in plain]
    assert all(row["commission"] == "-0.70" for row in shown)
    with pytest.raises(FileRefused, match=r"--spreadsheet .*dpm rejects retry BATCH --mended FILE"):
        load_file(db, out)
    saved = tmp_path / "saved.csv"  # as a spreadsheet saves it elsewhere: a byte-order mark, semicolons, CRLF
    with saved.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, shown[0], delimiter=";")
        writer.writeheader()
        writer.writerows(row | {"lots": "0.5"} for row in shown)
    retried = retry_rejects(db, first.batch_id, saved)
    assert (retried.resolved, retried.still_open) == (6, 0)
    assert [symbol for (symbol,) in rows(db, "select symbol from raw_trades_closed order by trade_id")] == plain


@pytest.mark.sql
def test_a_row_that_is_none_by_its_quotes_is_one_cell_and_harms_no_other(db: Database, tmp_path: Path) -> None:
    long = "=" + "x" * 200_000
    first = load_file(db, write(tmp_path / "rows.csv", trade("T1"), "=1,2", trade("T2", lots="0", symbol=long)))
    header, short, other = csv.reader(export_rejects(db, first.batch_id, for_spreadsheet=True))
    assert header[:2] == ["reject_line_marked", "reject_reason"]
    assert short[0] == "3" and short[2:] == ["'=1", "2"] and other[0] == "4" and f"'{long}" in other


@pytest.mark.sql
def test_rejects_of_json_have_no_cells(db: Database, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(
        '{"tradeId": "T1", "accountId": "A", "login": "1", "symbol": "=1", "side": "x"}\n{\n'
    )
    with pytest.raises(FileRefused):
        load_file(db, tmp_path / "rows.jsonl")
    good = '{"tradeId":"T1","accountId":"A1","login":1,"symbol":"E","side":"buy","tradeDate":"2025-03-03","lots":1,"profit":1}'
    (tmp_path / "rows.jsonl").write_text(f"{good}\n{good.replace('buy', 'x')}\n")
    batch = load_file(db, tmp_path / "rows.jsonl").batch_id
    with pytest.raises(DpmError, match="JSON, which has no cells"):
        list(export_rejects(db, batch, for_spreadsheet=True))
    assert value(db, "select count(*) from load_rejects") == 1
