"""The quarantine: rejects are judged again, exported as they stand, mended and loaded; none is lost on the way."""

import csv
import json
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.loads.exporting import export_rejects
from dpm_assets.loads.load import load_file
from dpm_assets.loads.retrying import retry_rejects
from dpm_assets.loads.undo import undo_load
from dpm_assets.settings import settings
from tests.command_line import dpm, dpm_process
from tests.trade_rows import HEADER, rows, trade, value, write

pytestmark = pytest.mark.sql


@pytest.fixture
def first_month(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A warehouse that begins in 2024; the test may move its beginning."""
    set_first_month(monkeypatch, "2024-01")
    return monkeypatch


def set_first_month(monkeypatch: pytest.MonkeyPatch, month: str) -> None:
    monkeypatch.setenv("DPM_FIRST_MONTH", month)
    monkeypatch.setattr("dpm_assets.loads.judging.settings", settings.__wrapped__)


def rejects(db: Database, batch: int) -> list[tuple[int, int | None, str]]:
    return rows(db, "select line, resolved_by, reason from load_rejects where batch_id = %s order by line", batch)


def stored(db: Database) -> list[tuple[str, int]]:
    return rows(db, "select trade_id, load_batch_id from raw_trades_closed order by 1")


def test_rejects_that_a_setting_kept_out_are_loaded_by_a_retry(
    db: Database, tmp_path: Path, first_month: pytest.MonkeyPatch
) -> None:
    path = write(
        tmp_path / "one.csv", trade("T1", "2021-05-03"), trade("T2"), trade("T3", "2021-06-01", symbol='"EUR\nUSD"'),
        trade("T4", "2021-06-01", lots="0"),
    )  # fmt: skip
    first = load_file(db, path)
    assert (first.rows_inserted, first.rows_rejected) == (1, 3)
    set_first_month(first_month, "2021-01")
    retried = retry_rejects(db, first.batch_id)
    assert (retried.judged, retried.resolved, retried.still_open) == (3, 2, 1)
    assert retried.result
    new = retried.result.batch_id
    assert stored(db) == [("T1", new), ("T2", first.batch_id), ("T3", new)]
    assert value(db, "select symbol from raw_trades_closed where trade_id = 'T3'") == "EUR\nUSD"
    [(_, by, _), (_, also_by, _), (line, open_, reason)] = rejects(db, first.batch_id)
    assert (by, also_by, line, open_) == (new, new, 6, None)
    assert reason == "lots '0': expected a number above 0"
    [(file, retry_of, read, rejected)] = rows(
        db, "select file, retry_of, rows_read, rows_rejected from load_batches where batch_id = %s", new
    )
    assert (file, retry_of, read, rejected) == (f"rejects of batch 1 ({path})", first.batch_id, 3, 1)
    assert value(db, "select count(*) from load_rejects") == 3


def test_a_retry_of_what_is_still_at_fault_makes_no_batch_and_loses_nothing(db: Database, tmp_path: Path) -> None:
    first = load_file(db, write(tmp_path / "one.csv", trade("T1", lots="0"), trade("T2")))
    before = rows(db, "select r::text from load_rejects as r")
    for _ in range(2):
        retried = retry_rejects(db, first.batch_id)
        assert (retried.judged, retried.resolved, retried.still_open, retried.result) == (1, 0, 1, None)
    assert rows(db, "select r::text from load_rejects as r") == before
    assert value(db, "select count(*) from load_batches") == 1


def test_an_undone_retry_opens_its_rejects_again(db: Database, tmp_path: Path, first_month: pytest.MonkeyPatch) -> None:
    first = load_file(db, write(tmp_path / "one.csv", trade("T1", "2021-05-03"), trade("T2")))
    set_first_month(first_month, "2021-01")
    for _ in range(2):
        retried = retry_rejects(db, first.batch_id)
        assert retried.result and retried.still_open == 0
        assert undo_load(db, retried.result.batch_id).rejects_reopened == 1
        assert stored(db) == [("T2", first.batch_id)]


def test_a_retry_does_not_pass_for_newer_than_what_came_after_its_file(
    db: Database, tmp_path: Path, first_month: pytest.MonkeyPatch
) -> None:
    first = load_file(db, write(tmp_path / "one.csv", trade("T1", "2021-05-03", profit="1"), trade("T2")))
    set_first_month(first_month, "2021-01")
    second = load_file(db, write(tmp_path / "two.csv", trade("T1", "2021-05-03", profit="2")))
    with pytest.raises(
        DpmError, match=rf"1 rejects of batch 1 would replace .* by batch {second.batch_id} .* --replace"
    ):
        retry_rejects(db, first.batch_id)
    assert float(value(db, "select profit from raw_trades_closed where trade_id = 'T1'")) == 2
    assert value(db, "select count(*) from load_rejects where resolved_by is null") == 1
    assert retry_rejects(db, first.batch_id, replace=True).still_open == 0
    assert float(value(db, "select profit from raw_trades_closed where trade_id = 'T1'")) == 1


def test_the_same_rows_that_two_batches_have_rejected_are_retried_for_each(
    db: Database, tmp_path: Path, first_month: pytest.MonkeyPatch
) -> None:
    row = trade("T1", "2021-05-03")
    first, second = (load_file(db, write(tmp_path / "any.csv", row, trade(name))) for name in ("T2", "T3"))
    set_first_month(first_month, "2021-01")
    retried = [retry_rejects(db, batch.batch_id) for batch in (first, second)]
    assert [(each.resolved, each.still_open) for each in retried] == [(1, 0), (1, 0)]
    assert [each.result and (each.result.rows_inserted, each.result.rows_duplicate) for each in retried] == [
        (1, 0),
        (0, 1),
    ]
    assert stored(db) == [("T1", 3), ("T2", 1), ("T3", 2)]


def test_an_open_quote_does_not_make_one_row_of_two_rejects(db: Database, tmp_path: Path) -> None:
    """Each half was rejected where it stood in its file; one after the other they would make a good row."""
    first = load_file(db, write(tmp_path / "one.csv", trade("T1", lots="0"), trade("T2")))
    halves = trade("T3", symbol='"A\nB"').split("\n")
    for line, half in enumerate(halves, 10):
        rows(
            db,
            "insert into load_rejects (batch_id, line, reason, raw_text) values (%s, %s, 'torn', %s) returning 1",
            first.batch_id, line, half,
        )  # fmt: skip
    retried = retry_rejects(db, first.batch_id)
    assert (retried.still_open, retried.result) == (3, None)
    assert stored(db) == [("T2", first.batch_id)]


def test_bytes_that_are_no_text_are_neither_retried_nor_exported(db: Database, tmp_path: Path) -> None:
    path = tmp_path / "one.csv"
    path.write_bytes(f"{HEADER}\n{trade('T1')}\n".encode() + trade("T2").replace("EURUSD", "EUR\xe9").encode("latin-1"))
    first = load_file(db, path)
    assert value(db, "select damaged from load_rejects") is True
    with pytest.raises(
        DpmError, match=r"Batch 1 has no open reject .*; 1 hold bytes that are no text \(dpm rejects list 1\)"
    ):
        retry_rejects(db, first.batch_id)
    with pytest.raises(DpmError, match=r"Batch 1 has no open reject"):
        list(export_rejects(db, first.batch_id))


RAW = [
    trade("T1", lots="0"),
    trade(' "T2""x"  ', lots="0").replace("EURUSD", '"a, ""b""\nc"'),
    trade("=1+1", lots="-2", symbol="@SUM(A1)"),
    "T3,too,short",
    trade("T4") + ",one,too,many",
    trade("Ω'\\t\\\\", lots="x"),
    trade("T5", lots='+7"'),
]


def test_an_export_holds_every_row_exactly_with_its_line_and_reason(db: Database, tmp_path: Path) -> None:
    path = write(tmp_path / "one.csv", trade("T0"), *RAW)
    first = load_file(db, path)
    assert first.rows_rejected == len(RAW)
    header, *lines = export_rejects(db, first.batch_id)
    assert header == f"reject_line,reject_reason,{HEADER}"
    for line, raw, (number, _, reason) in zip(lines, RAW, rejects(db, first.batch_id), strict=True):
        assert line.endswith(f",{raw}")
        assert next(csv.reader([line]))[:2] == [str(number), reason]
        assert path.read_text().split("\n")[number - 1].startswith(raw.split("\n")[0])


@pytest.mark.parametrize("beginning", ["=", "+", "-", "@", "\t", "\r"])
def test_a_reason_is_never_a_formula(db: Database, database_url: str, tmp_path: Path, beginning: str) -> None:
    first = load_file(db, write(tmp_path / "one.csv", trade("T1", lots="0"), trade("T2")))
    rows(db, "update load_rejects set reason = %s returning 1", f"{beginning}cmd|' /C calc'!A0")
    [_, line] = export_rejects(db, first.batch_id)
    assert next(csv.reader([line]))[1].startswith("'" if beginning in "=+-@" else "cmd")


def test_rejects_are_exported_mended_and_loaded(db: Database, database_url: str, tmp_path: Path) -> None:
    out = tmp_path / "rejects.csv"
    path = write(
        tmp_path / "one.csv", trade("T1", lots="0"), trade("T2"), trade("T3", lots="0"), trade("T4", side="up")
    )
    dpm(database_url, "load", path)
    exported = dpm(database_url, "rejects", "export", "1", "--out", out)
    assert exported.returncode == 0 and "dpm rejects retry 1 --mended" in exported.stdout
    assert "is there already" in dpm(database_url, "rejects", "export", "1", "--out", out).stderr
    header, *lines = out.read_text().splitlines()
    mended = [line.replace(",0,11000.00", ",0.5,11000.00") for line in reversed(lines)]
    out.write_text("\n".join([header, *mended]) + "\n")
    run = dpm(database_url, "rejects", "retry", "1", "--mended", out, "--json")
    answer = json.loads(run.stdout)
    assert run.returncode == 1 and (answer["judged"], answer["resolved"], answer["still_open"]) == (3, 2, 1)
    assert stored(db) == [("T1", 2), ("T2", 1), ("T3", 2)]
    assert [(line, by) for line, by, _ in rejects(db, 1)] == [(2, 2), (4, 2), (5, None)]
    listed = json.loads(dpm(database_url, "rejects", "list", "--json").stdout)
    assert (listed["batch_id"], listed["rows_rejected"], listed["open"]) == (1, 3, 1)


def test_an_exported_file_loads_like_any_other(db: Database, tmp_path: Path) -> None:
    path = write(tmp_path / "one.tsv", trade("T1", lots="0").replace(",", "\t"), header=HEADER.replace(",", "\t"))
    load_file(db, path)
    header, line = export_rejects(db, 1)
    assert header.startswith("reject_line\treject_reason\ttrade_id\t")
    mended = load_file(db, write(tmp_path / "mended.tsv", line.replace("\t0\t11000", "\t1\t11000"), header=header))
    assert (mended.rows_inserted, mended.rows_rejected) == (1, 0)


def test_what_cannot_be_retried_is_said_in_a_sentence(db: Database, tmp_path: Path) -> None:
    with pytest.raises(DpmError, match=r"There is no batch 9\. See `dpm rejects list`\."):
        retry_rejects(db, 9)
    refused = load_file(db, write(tmp_path / "bad.csv", *[trade(f"T{n}", lots="0") for n in range(1_000)]))
    with pytest.raises(
        DpmError, match=r"Batch 1 was refused, so nothing of its file is loaded\. Load .*bad\.csv itself"
    ):
        retry_rejects(db, refused.batch_id)
    first = load_file(db, write(tmp_path / "one.csv", trade("T1"), trade("T2", lots="0")))
    with pytest.raises(DpmError, match=r"one\.csv has no column reject_line .*dpm rejects export 2"):
        retry_rejects(db, first.batch_id, tmp_path / "one.csv")
    rows(db, "update load_batches set header = null returning 1")
    with pytest.raises(DpmError, match=r"was loaded before the ledger kept the header"):
        retry_rejects(db, first.batch_id)
    undo_load(db, first.batch_id)


def test_an_export_to_a_pipe_is_the_same(db: Database, database_url: str, tmp_path: Path) -> None:
    dpm(database_url, "load", write(tmp_path / "one.csv", *RAW))
    run = dpm_process(database_url, "rejects", "export", "1")
    assert run.stdout == "".join(f"{line}\n" for line in export_rejects(db, 1))


@pytest.mark.parametrize("raw", ['{"trade_id": "T9", "lots" : 0.10 ,"note":"Ω \\u00e9"}', "{}", "{broken", "[1, 2]"])
def test_rejects_of_json_lines_are_exported_and_stay_json(db: Database, tmp_path: Path, raw: str) -> None:
    good = dict(zip(HEADER.split(","), trade("T1").split(","), strict=True))
    path = tmp_path / "one.jsonl"
    path.write_text(f"{json.dumps(good)}\n{raw}\n")
    first = load_file(db, path)
    assert (first.rows_inserted, first.rows_rejected) == (1, 1)
    [line] = export_rejects(db, first.batch_id)
    assert line.endswith(raw.removeprefix("{"))
    if raw.endswith("}"):
        shown = json.loads(line)
        assert shown.pop("reject_line") == 2 and "expected" in shown.pop("reject_reason")
        assert shown == json.loads(raw)


def test_rejects_of_json_lines_are_mended_and_loaded(db: Database, tmp_path: Path) -> None:
    given = [dict(zip(HEADER.split(","), trade(f"T{n}", lots="0").split(","), strict=True)) for n in range(3)]
    path = tmp_path / "one.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in [*given, {**given[0], "trade_id": "T9", "lots": 1}]))
    first = load_file(db, path)
    assert (first.rows_inserted, first.rows_rejected) == (1, 3)
    mended = tmp_path / "mended.jsonl"
    lines = [json.loads(line) | {"lots": 0.5} for line in list(export_rejects(db, first.batch_id))[1:]]
    mended.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert retry_rejects(db, first.batch_id).resolved == 0
    retried = retry_rejects(db, first.batch_id, mended)
    assert (retried.judged, retried.resolved, retried.still_open) == (2, 2, 1)
    assert retried.result
    new = retried.result.batch_id
    assert stored(db) == [("T1", new), ("T2", new), ("T9", first.batch_id)]


def test_rejects_of_parquet_are_retried_as_json(db: Database, tmp_path: Path, first_month: pytest.MonkeyPatch) -> None:
    given = [dict(zip(HEADER.split(","), trade(f"T{n}", f"{year}-05-03").split(","), strict=True))
             for n, year in enumerate((2021, 2024))]  # fmt: skip
    parquet.write_table(pa.Table.from_pylist(given), tmp_path / "one.parquet")
    first = load_file(db, tmp_path / "one.parquet")
    assert (first.rows_inserted, first.rows_rejected) == (1, 1)
    set_first_month(first_month, "2021-01")
    retried = retry_rejects(db, first.batch_id)
    assert (retried.resolved, retried.still_open) == (1, 0)
    columns = "login, symbol, side, lots, profit, commission, swap, stop_loss, open_price"
    assert value(db, f"select count(distinct ({columns})) from raw_trades_closed") == 1


@pytest.mark.parametrize("bad", ["[1, 2]", "ERROR: connection lost", "{broken"])
def test_a_line_that_is_no_object_keeps_no_other_reject_of_json_from_a_retry(
    db: Database, tmp_path: Path, first_month: pytest.MonkeyPatch, bad: str
) -> None:
    lines = trade("T1"), trade("T2", "2021-05-03")
    good, early = (json.dumps(dict(zip(HEADER.split(","), line.split(","), strict=True))) for line in lines)
    (tmp_path / "one.jsonl").write_text(f"{good}\n{bad}\n{early}\n")
    first = load_file(db, tmp_path / "one.jsonl", max_rejects=2)
    assert first.rows_rejected == 2
    set_first_month(first_month, "2021-01")
    retried = retry_rejects(db, first.batch_id)
    assert (retried.resolved, retried.still_open) == (1, 1)
    assert [trade_id for trade_id, _ in stored(db)] == ["T1", "T2"]
