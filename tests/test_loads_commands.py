"""`dpm load`, `dpm loads` and `dpm rejects` as a user sees them: sentences, exit codes, JSON, and never a traceback."""

import json
from pathlib import Path

import pytest

from dpm_assets.database import Database
from tests.command_line import dpm, dpm_process
from tests.trade_rows import HEADER, rows, trade, value, write


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
    again = dpm_process(database_url, "load", tmp_path)
    assert again.returncode == 0 and again.stdout.count("already loaded") == 2 and again.stderr == ""
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
    names, line = dpm(database_url, "loads", "list").stdout.splitlines()
    assert "rows_rejected" in names.split() and "a.csv" in line.split()
    assert json.loads(dpm(database_url, "loads", "show", "1", "--json").stdout)["rows_rejected"] == 1
    assert "expected a number above 0" in dpm(database_url, "rejects", "list", "1").stdout
    assert json.loads(dpm(database_url, "rejects", "list", "--json").stdout)["batch_id"] == 1
    shown = dpm(database_url, "rejects", "show", "1", "3")
    assert trade("T2", lots="0") in shown.stdout
    missing = dpm(database_url, "loads", "show", "99")
    assert missing.returncode == 2 and "There is no batch 99. See `dpm loads list`." in missing.stderr


POSITION = "trade_id,account_id,login,symbol,side,lots,unrealized_pnl"


def position(trade_id: str, account: str = "A1", lots: str = "0.10") -> str:
    return f"{trade_id},{account},1001,EURUSD,buy,{lots},1.00"


@pytest.fixture
def opened(db: Database, database_url: str, tmp_path: Path) -> Database:
    """Positions T1 and T2 of account A1 and T3 of A2."""
    path = write(tmp_path / "open.csv", position("T1"), position("T2"), position("T3", "A2"), header=POSITION)
    assert dpm(database_url, "load", path).returncode == 0
    return db


def positions(db: Database) -> list[str]:
    return [trade_id for (trade_id,) in rows(db, "select trade_id from raw_trades_open order by 1")]


def test_a_complete_snapshot_closes_the_positions_of_every_account_and_says_how_many(
    opened: Database, database_url: str, tmp_path: Path
) -> None:
    of_one_account = dpm(database_url, "load", write(tmp_path / "one.csv", position("T1"), header=POSITION))
    assert "0 rejected, 1 removed;" in of_one_account.stdout
    assert positions(opened) == ["T1", "T3"], "without --complete the file speaks of its own accounts"
    path = write(tmp_path / "all.csv", position("T4"), header=POSITION)
    complete = dpm(database_url, "load", path, "--complete")
    assert complete.returncode == 0
    assert "open_trades: 1 rows read, 1 inserted, 0 updated, 0 duplicate, 0 rejected, 2 removed;" in complete.stdout
    assert positions(opened) == ["T4"]
    shown = json.loads(dpm(database_url, "loads", "show", "3", "--json").stdout)
    assert (shown["rows_removed"], shown["options"]) == (2, ["complete"])


def test_two_complete_snapshots_at_once_are_refused_as_each_would_close_what_the_other_holds(
    opened: Database, database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    files = [write(tmp_path / "in" / f"{n}.csv", position(f"T{n}"), header=POSITION) for n in (4, 5)]
    for named in (files, [tmp_path / "in"]):
        run = dpm(database_url, "load", *named, "--complete")
        assert (run.returncode, run.stdout) == (2, "")
        assert run.stderr == (
            "dpm: --complete was given with 2 files, and each would close the open trades that only the others hold. "
            "Nothing was loaded. Give one file that holds all open trades, or leave --complete out.\n"
        )
    assert positions(opened) == ["T1", "T2", "T3"]


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ((position("T1"), position("T4", lots="none")), "what seems to be missing may be among the rejected rows"),
        ((), "a file without rows is taken for an export that failed"),
    ],
    ids=["rejects", "no rows"],
)
def test_a_complete_snapshot_that_cannot_be_trusted_closes_nothing_and_says_why(
    opened: Database, database_url: str, tmp_path: Path, lines: tuple[str, ...], reason: str
) -> None:
    run = dpm(database_url, "load", write(tmp_path / "next.csv", *lines, header=POSITION), "--complete")
    assert run.returncode == 0 and f"nothing was removed: {reason}" in run.stdout
    assert " removed;" not in run.stdout
    assert positions(opened) == ["T1", "T2", "T3"]


def test_a_full_export_of_its_days_removes_the_busted_trades_and_says_how_many(
    db: Database, database_url: str, tmp_path: Path
) -> None:
    dpm(database_url, "load", write(tmp_path / "one.csv", trade("T1"), trade("T2"), trade("T3", "2025-03-04")))
    path = write(tmp_path / "two.csv", trade("T1"))
    kept = dpm(database_url, "load", write(tmp_path / "kept.csv", trade("T1", profit="7")), "--json")
    assert json.loads(kept.stdout)["rows_removed"] == 0
    answer = json.loads(dpm(database_url, "load", path, "--replace-days", "--json").stdout)
    assert (answer["rows_removed"], answer["options"], answer["months"]) == (1, ["replace days"], ["2025-03-01"])
    assert rows(db, "select trade_id, profit::float from raw_trades_closed order by 1") == [("T1", 10.0), ("T3", 10.0)]


@pytest.mark.parametrize(
    ("option", "file", "said"),
    [
        (
            "--complete", (HEADER, trade("T1")),
            "--complete is for open trades; the feed trades keeps what a file does not hold. Leave it out.",
        ),
        (
            "--complete", ("account_id,login,plan_id,current_balance", "A1,1,P1,100"),
            "--complete is for open trades; the feed accounts keeps what a file does not hold. Leave it out.",
        ),
        (
            "--replace-days", (POSITION, position("T1")),
            "--replace-days is for closed trades; rows of the feed open_trades have no account-day. Leave it out.",
        ),
    ],
    ids=["complete trades", "complete accounts", "replace-days open_trades"],
)  # fmt: skip
def test_an_option_that_the_feed_has_no_meaning_for_is_refused_and_nothing_is_loaded(
    db: Database, tmp_path: Path, option: str, file: tuple[str, str], said: str
) -> None:
    header, line = file
    run = dpm(db.url, "load", write(tmp_path / "one.csv", line, header=header), option)
    assert (run.returncode, run.stdout, run.stderr) == (2, "", f"dpm: {said}\n")
    assert value(db, "select count(*) from load_batches") == 0


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
        ("http://example.org", "it is not a postgresql:// URL: write postgresql://user:password@host:5432/database"),
    ],
)
def test_a_wrong_database_url_is_said_in_a_sentence(tmp_path: Path, url: str, said: str) -> None:
    run = dpm(url, "load", write(tmp_path / "a.csv", trade("T1")))
    assert run.returncode == 2 and said in run.stderr and "wrong" not in run.stderr
