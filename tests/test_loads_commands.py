"""`dpm load`, `dpm loads` and `dpm rejects` as a user sees them: sentences, exit codes, JSON, and never a traceback."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dpm_assets.database import Database
from tests.trade_rows import trade, value, write

pytestmark = pytest.mark.sql


def dpm(url: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    run = subprocess.run(
        [sys.executable, "-c", "from dpm_assets.cli import main; main()", *map(str, arguments)],
        env={**os.environ, "DPM_DATABASE_URL": url, "COLUMNS": "200"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "Traceback" not in run.stdout + run.stderr
    return run


def test_load_says_what_became_of_each_file(db: Database, database_url: str, tmp_path: Path) -> None:
    write(tmp_path / "a.csv", trade("T1"), trade("T2", lots="0"))
    write(tmp_path / "b.csv", "A1,1,P1,100", header="accountId,login,planId,currentBalance")
    (tmp_path / "notes.md").write_text("not a load")
    run = dpm(database_url, "load", tmp_path)
    assert run.returncode == 0
    first, reject, last = run.stdout.splitlines()[0], run.stdout.splitlines()[1], run.stdout.splitlines()[-1]
    assert "a.csv: batch 1, trades: 2 rows read, 1 inserted, 0 updated, 0 duplicate, 1 rejected" in first
    assert reject.endswith("a.csv, line 3: lots '0': expected a number above 0")
    assert "b.csv: batch 2, accounts: 1 rows read, 1 inserted" in last
    again = dpm(database_url, "load", tmp_path)
    assert again.returncode == 0 and again.stdout.count("already loaded") == 2
    assert value(db, "select count(*) from raw_trades_closed") == 1


def test_load_goes_on_after_a_bad_file_and_exits_with_1(db: Database, database_url: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("")
    write(tmp_path / "b.csv", trade("T1"))
    run = dpm(database_url, "load", tmp_path / "a.csv", tmp_path / "b.csv", tmp_path / "none.csv", "--json")
    assert run.returncode == 1
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    assert [answer["status"] for answer in answers] == ["refused", "loaded", "refused"]
    assert "a.csv is empty (0 bytes)" in answers[0]["message"]
    assert answers[1]["rows_inserted"] == 1 and answers[1]["months"] == ["2025-03-01"]


def test_loads_and_rejects_can_be_read(db: Database, database_url: str, tmp_path: Path) -> None:
    dpm(database_url, "load", write(tmp_path / "a.csv", trade("T1"), trade("T2", lots="0")))
    assert "a.csv" in dpm(database_url, "loads", "list").stdout
    assert json.loads(dpm(database_url, "loads", "show", "1", "--json").stdout)["rows_rejected"] == 1
    assert "expected a number above 0" in dpm(database_url, "rejects", "list", "1").stdout
    assert json.loads(dpm(database_url, "rejects", "list", "--json").stdout)["batch_id"] == 1
    shown = dpm(database_url, "rejects", "show", "1", "3")
    assert trade("T2", lots="0") in shown.stdout
    missing = dpm(database_url, "loads", "show", "99")
    assert missing.returncode == 2 and "There is no batch 99. See `dpm loads list`." in missing.stderr


def test_an_undo_says_what_it_did_or_would_do(db: Database, database_url: str, tmp_path: Path) -> None:
    dpm(database_url, "load", write(tmp_path / "a.csv", trade("T1"), trade("T2")))
    planned = dpm(database_url, "loads", "undo", "1", "--dry-run")
    assert "a.csv) would be undone: 2 rows of trades would be deleted, 0 would be returned" in planned.stdout
    assert value(db, "select count(*) from raw_trades_closed") == 2
    answer = json.loads(dpm(database_url, "loads", "undo", "1", "--json").stdout)
    assert (answer["rows_gone"], answer["rows_returned"], answer["dry_run"]) == (2, 0, False)
    again = dpm(database_url, "loads", "undo", "1")
    assert again.returncode == 2 and "Batch 1 was undone already" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--feed", "deals"), "There is no feed 'deals'. The feeds are trades, open_trades, "),
        (("--max-rejects", "some"), "'some' is no limit of rejects. Write a share such as 10%"),
    ],
)
def test_a_wrong_option_is_said_in_a_sentence(
    database_url: str, db: Database, tmp_path: Path, arguments: tuple[str, str], said: str
) -> None:
    run = dpm(database_url, "load", write(tmp_path / "a.csv", trade("T1")), *arguments)
    assert run.returncode == 2 and said in run.stderr


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://nobody:wrong@127.0.0.1:1/none", "Cannot connect to 127.0.0.1:1/none"),
        ("http://example.org", "DPM_DATABASE_URL is not a postgresql:// URL"),
    ],
)
def test_a_wrong_database_url_is_said_in_a_sentence(tmp_path: Path, url: str, said: str) -> None:
    run = dpm(url, "load", write(tmp_path / "a.csv", trade("T1")))
    assert run.returncode == 2 and said in run.stderr and "wrong" not in run.stderr
