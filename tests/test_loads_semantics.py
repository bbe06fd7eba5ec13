"""New, duplicate, corrected, moved: what a load does to rows that are there already."""

from datetime import date, datetime
from pathlib import Path

import pytest

from dpm_assets.database import Database
from dpm_assets.loads import chunks, writing
from dpm_assets.loads.load import LoadResult, load_file
from tests.trade_rows import HEADER, many, rows, trade, value, write

pytestmark = pytest.mark.sql


@pytest.fixture(params=["staged", "direct", "direct at first"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How rows go in: staged and merged, as those of small files; straight into the table where they seem to be new; and
    that until one turns out to be known. What comes of it is the same."""
    if request.param != "staged":
        monkeypatch.setattr(chunks, "FIRST_ROWS", 1)
    if request.param == "direct at first":
        monkeypatch.setattr(writing, "knows", lambda *_: False)
    return str(request.param)


def counts(result: LoadResult) -> tuple[int, int, int, int]:
    return result.rows_inserted, result.rows_updated, result.rows_duplicate, result.rows_rejected


def stored(db: Database) -> list[tuple[str, date, float]]:
    return [
        (trade_id, day, float(profit))
        for trade_id, day, profit in rows(
            db, "select trade_id, trade_date, profit from raw_trades_closed order by 1, 2"
        )
    ]


def pending_keys(db: Database) -> set[tuple[str, date]]:
    """Account-days in the log, and those of months that are marked whole, as one that was loaded bare is."""
    return set(
        rows(
            db,
            "select account_id, trade_date from changed_account_days union"
            " select account_id, trade_date from raw_trades_closed"
            " where date_trunc('month', trade_date)::date in (select month from changed_months)",
        )
    )


def forget_pending_keys(db: Database) -> None:
    rows(db, "with months as (delete from changed_months) delete from changed_account_days returning 1")


def test_new_trades_are_inserted_with_their_batch_and_make_their_month(db: Database, tmp_path: Path) -> None:
    result = load_file(db, write(tmp_path / "new.csv", trade("T1", "2021-07-30"), trade("T2", "2021-08-02")))
    assert counts(result) == (2, 0, 0, 0)
    assert result.months == [date(2021, 7, 1), date(2021, 8, 1)]
    assert rows(db, "select distinct load_batch_id from raw_trades_closed") == [(result.batch_id,)]
    assert pending_keys(db) == {("A1", date(2021, 7, 30)), ("A1", date(2021, 8, 2))}


def test_values_are_normalised(db: Database, tmp_path: Path) -> None:
    row = trade(
        "  T1 ",
        side="SELL",
        stop_loss="0.000",
        take_profit="1.2",
        profit="+10.005",
        open_time="2025-03-03T11:00:00+02:00",
    )
    load_file(db, write(tmp_path / "new.csv", row))
    [(trade_id, symbol, side, opened, day, stop, take, profit)] = rows(
        db,
        "select trade_id, std_symbol, side, open_time, trade_date, stop_loss, take_profit, profit"
        " from raw_trades_closed",
    )
    assert (trade_id, symbol, side, day) == ("T1", "EURUSD", "sell", date(2025, 3, 3))
    assert opened == datetime(2025, 3, 3, 9, 0)
    assert (stop, float(take), float(profit)) == (None, 1.2, 10.01)


def test_the_ledger_says_what_became_of_every_row(db: Database, tmp_path: Path) -> None:
    path = write(tmp_path / "new.csv", trade("T1"), trade("T2", side="HOLD"), trade("T1"))
    result = load_file(db, path)
    [entry] = rows(
        db,
        "select batch_id, file, feed, bytes, rows_read, rows_inserted, rows_updated, rows_duplicate, rows_rejected,"
        " months, status, seconds > 0, finished_at >= started_at, loaded_by from load_batches",
    )
    assert entry[:11] == (
        result.batch_id, str(path), "trades", path.stat().st_size, 3, 1, 0, 1, 1, [date(2025, 3, 1)], "loaded",
    )  # fmt: skip
    assert entry[11:13] == (True, True) and entry[13]


def test_a_row_that_is_there_already_is_a_duplicate_and_changes_nothing(db: Database, tmp_path: Path) -> None:
    load_file(db, write(tmp_path / "one.csv", trade("T1"), trade("T2")))
    before = rows(db, "select ctid, r.* from raw_trades_closed as r order by id")
    forget_pending_keys(db)
    result = load_file(db, write(tmp_path / "two.csv", trade("T2", side="BUY", profit="10.0"), trade("T1")))
    assert counts(result) == (0, 0, 2, 0) and result.months == []
    assert rows(db, "select ctid, r.* from raw_trades_closed as r order by id") == before
    assert pending_keys(db) == set()


def test_a_newer_version_wins_and_the_old_one_is_kept(db: Database, tmp_path: Path) -> None:
    first = load_file(db, write(tmp_path / "one.csv", trade("T1"), trade("T2")))
    result = load_file(db, write(tmp_path / "two.csv", trade("T1", profit="-99.00"), trade("T3")))
    assert counts(result) == (1, 1, 0, 0)
    assert [(trade_id, profit) for trade_id, _, profit in stored(db)] == [("T1", -99.0), ("T2", 10.0), ("T3", 10.0)]
    [(batch, key, kind, before)] = rows(db, "select batch_id, key, kind, before from load_corrections")
    assert (batch, key, kind) == (result.batch_id, {"account_id": "A1", "trade_id": "T1"}, "corrected")
    assert before["profit"] == 10.00 and before["load_batch_id"] == first.batch_id
    assert value(db, "select load_batch_id from raw_trades_closed where trade_id = 'T1'") == result.batch_id


def test_a_later_row_of_the_same_file_wins_too(db: Database, tmp_path: Path) -> None:
    path = write(tmp_path / "one.csv", trade("T1", profit="1.00"), trade("T1", profit="2.00"), trade("T1", profit="2"))
    result = load_file(db, path)
    assert counts(result) == (1, 1, 1, 0)
    assert stored(db) == [("T1", date(2025, 3, 3), 2.0)]
    [(kind, profit)] = rows(db, "select kind, (before->>'profit')::numeric from load_corrections")
    assert kind == "superseded" and profit == 1


def test_a_column_that_the_file_lacks_keeps_what_is_stored(db: Database, tmp_path: Path) -> None:
    load_file(db, write(tmp_path / "one.csv", trade("T1", take_profit="1.2")))
    header = "trade_id,account_id,login,symbol,side,close_time,lots,profit"
    row = "T1,A1,1001,EURUSD,buy,2025-03-03T11:00:00,0.10,-5"
    result = load_file(db, write(tmp_path / "two.csv", row, header=header))
    assert counts(result) == (0, 1, 0, 0)
    [(profit, take_profit)] = rows(db, "select profit, take_profit from raw_trades_closed")
    assert (float(profit), float(take_profit)) == (-5.0, 1.2)


def test_a_trade_that_moves_keeps_the_columns_that_the_file_lacks(db: Database, tmp_path: Path) -> None:
    load_file(db, write(tmp_path / "one.csv", trade("T1", swap="-0.30"), trade("T2")))
    header = "trade_id,account_id,login,symbol,side,close_time,lots,profit"
    row = "T1,A1,1001,EURUSD,buy,2025-03-17T11:00:00,0.10,-5"
    result = load_file(db, write(tmp_path / "two.csv", row, header=header))
    assert counts(result) == (0, 1, 0, 0)
    assert stored(db) == [("T1", date(2025, 3, 17), -5.0), ("T2", date(2025, 3, 3), 10.0)]
    costs = "select commission::float, swap::float from raw_trades_closed where trade_id = 'T1'"
    assert rows(db, costs) == [(-0.7, -0.3)]


def test_a_symbol_that_stands_in_replaces_the_standard_symbol_only_when_it_has_changed(
    db: Database, tmp_path: Path
) -> None:
    load_file(db, write(tmp_path / "1.csv", trade("T1", symbol="EURUSD.m") + ",EURUSD", header=HEADER + ",std_symbol"))
    again = load_file(db, write(tmp_path / "2.csv", trade("T1", symbol="EURUSD.m")))
    corrected = load_file(db, write(tmp_path / "3.csv", trade("T1", symbol="EURUSD.m", profit="7")))
    moved = load_file(db, write(tmp_path / "4.csv", trade("T1", "2025-03-17", symbol="EURUSD.m", profit="7")))
    assert [counts(result) for result in (again, corrected, moved)] == [(0, 0, 1, 0), (0, 1, 0, 0), (0, 1, 0, 0)]
    symbols = "select trade_date, symbol, std_symbol from raw_trades_closed"
    assert rows(db, symbols) == [(date(2025, 3, 17), "EURUSD.m", "EURUSD")]
    load_file(db, write(tmp_path / "5.csv", trade("T1", "2025-03-17", symbol="GBPUSD.m", profit="7")))
    assert rows(db, symbols) == [(date(2025, 3, 17), "GBPUSD.m", "GBPUSD.m")]


@pytest.mark.parametrize("to", ["2025-03-17", "2025-04-16", "2025-01-18"])
def test_a_correction_of_the_date_leaves_no_copy_at_the_old_one(db: Database, tmp_path: Path, to: str) -> None:
    load_file(db, write(tmp_path / "one.csv", trade("T1"), trade("T2")))
    forget_pending_keys(db)
    result = load_file(db, write(tmp_path / "two.csv", trade("T1", to)))
    assert counts(result) == (0, 1, 0, 0)
    assert stored(db) == [("T1", date.fromisoformat(to), 10.0), ("T2", date(2025, 3, 3), 10.0)]
    [(kind, before)] = rows(db, "select kind, before->>'trade_date' from load_corrections")
    assert (kind, before) == ("moved", "2025-03-03")
    assert pending_keys(db) == {("A1", date(2025, 3, 3)), ("A1", date.fromisoformat(to))}
    assert result.months == sorted({date(2025, 3, 1), date.fromisoformat(to).replace(day=1)})


def test_a_copy_further_away_is_found_with_full_history_only(db: Database, tmp_path: Path) -> None:
    load_file(db, write(tmp_path / "one.csv", trade("T1", "2025-01-10")))
    load_file(db, write(tmp_path / "two.csv", trade("T1", "2025-03-03")))
    assert [day for _, day, _ in stored(db)] == [date(2025, 1, 10), date(2025, 3, 3)]
    result = load_file(db, write(tmp_path / "three.csv", trade("T1", "2025-03-03", profit="7")), full_history=True)
    assert counts(result) == (0, 1, 0, 0)
    assert stored(db) == [("T1", date(2025, 3, 3), 7.0)]
    assert rows(db, "select kind from load_corrections order by kind") == [("corrected",), ("moved",)]


def test_an_identical_row_still_removes_its_copy_at_another_date(db: Database, tmp_path: Path) -> None:
    load_file(db, write(tmp_path / "one.csv", trade("T1", "2025-01-10")))
    load_file(db, write(tmp_path / "two.csv", trade("T1", "2025-03-03")))
    result = load_file(db, write(tmp_path / "three.csv", trade("T1"), trade("T1", profit="10.0")), full_history=True)
    assert counts(result) == (0, 1, 1, 0)
    assert stored(db) == [("T1", date(2025, 3, 3), 10.0)]


def test_the_same_trade_id_of_another_account_is_another_trade(db: Database, tmp_path: Path) -> None:
    load_file(db, write(tmp_path / "one.csv", trade("T1"), trade("T1", account_id="A2")))
    result = load_file(db, write(tmp_path / "two.csv", trade("T1", "2025-03-04", account_id="A2")))
    assert counts(result) == (0, 1, 0, 0)
    assert value(db, "select count(*) from raw_trades_closed where trade_date = '2025-03-03'") == 1


def test_a_file_without_rows_is_loaded_as_such(db: Database, tmp_path: Path) -> None:
    result = load_file(db, write(tmp_path / "none.csv"))
    assert (result.status, result.rows_read, result.months) == ("loaded", 0, [])


def test_unknown_columns_are_named_and_ignored(db: Database, tmp_path: Path) -> None:
    path = write(tmp_path / "more.csv", trade("T1") + ",9,x", header=HEADER + ",Magic Number,comment")
    result = load_file(db, path)
    assert counts(result) == (1, 0, 0, 0)
    assert result.message == "unknown columns ignored: 'Magic Number', 'comment'"


def test_too_many_rejects_refuse_the_file_wholly(db: Database, tmp_path: Path) -> None:
    path = many(tmp_path / "wrong.csv", 1_500)
    path.write_text(path.read_text().replace(",buy,", ",HOLD,"))
    result = load_file(db, path)
    assert (result.status, result.rows_rejected, result.rows_inserted) == ("refused", 1_500, 0)
    assert "1,500 of 1,500 rows are at fault, more than the limit of 10%" in result.message
    assert "the first 1,000 are listed" in result.message
    assert value(db, "select count(*) from raw_trades_closed") == 0
    assert rows(db, "select count(*), min(line), max(line) from load_rejects") == [(1_000, 2, 1_001)]
    assert rows(db, "select status, rows_rejected from load_batches") == [("refused", 1_500)]


@pytest.mark.parametrize(
    ("limit", "status"), [("10%", "loaded"), ("9.9%", "refused"), ("150", "loaded"), (149, "refused")]
)
def test_the_limit_of_rejects_is_a_share_or_a_count(
    db: Database, tmp_path: Path, limit: str | int, status: str
) -> None:
    path = many(tmp_path / "some.csv", 1_500)
    lines = path.read_text().splitlines()
    lines[10:160] = [line.replace(",buy,", ",HOLD,") for line in lines[10:160]]
    path.write_text("\n".join(lines))
    assert load_file(db, path, max_rejects=limit).status == status


def test_below_1000_rows_no_limit_applies(db: Database, tmp_path: Path) -> None:
    path = write(tmp_path / "few.csv", *(trade(f"T{n}", lots="0") for n in range(900)), trade("good"))
    result = load_file(db, path)
    assert (result.status, result.rows_rejected, result.rows_inserted) == ("loaded", 900, 1)


ACCOUNT = "account_id,login,plan_id,current_balance,status"


def test_account_snapshots_keep_history_and_repeat_nothing(db: Database, tmp_path: Path) -> None:
    first = load_file(db, write(tmp_path / "1.csv", "A1,1,P1,100,Active", "A2,2,P1,200,Active", header=ACCOUNT))
    second = load_file(db, write(tmp_path / "2.csv", "A1,1,P1,100.00,active", "A2,2,P1,150,Active", header=ACCOUNT))
    third = load_file(db, write(tmp_path / "3.csv", "A2,2,P1,200,Active", header=ACCOUNT))
    assert [counts(result) for result in (first, second, third)] == [(2, 0, 0, 0), (1, 0, 1, 0), (1, 0, 0, 0)]
    history = rows(
        db,
        "select account_id, current_balance::integer from raw_accounts_data order by account_id, ingestion_timestamp",
    )
    assert history == [("A1", 100), ("A2", 200), ("A2", 150), ("A2", 200)]
    assert rows(db, "select distinct breached, is_upgraded from raw_accounts_data") == [(0, 0)]
    assert (first.feed, first.months) == ("accounts", [])


def test_of_several_snapshots_in_a_file_the_last_is_held_against_the_newest(db: Database, tmp_path: Path) -> None:
    active, breached = "A1,1,P1,100,Active", "A1,1,P1,100,Breached"
    newest = "select status from latest_accounts"
    load_file(db, write(tmp_path / "1.csv", active, header=ACCOUNT))
    back = load_file(db, write(tmp_path / "2.csv", breached, active, header=ACCOUNT))
    assert (counts(back), value(db, newest)) == ((0, 1, 1, 0), "Active")
    changed = load_file(db, write(tmp_path / "3.csv", active, breached, header=ACCOUNT))
    assert (counts(changed), value(db, newest)) == ((1, 1, 0, 0), "Breached")
    assert value(db, "select count(*) from raw_accounts_data") == 2
    assert rows(db, "select kind, before->>'status' from load_corrections order by batch_id") == [
        ("superseded", "Breached"),
        ("superseded", "Active"),
    ]


def test_a_snapshot_with_its_own_time_is_corrected_at_that_time(db: Database, tmp_path: Path) -> None:
    header = "accountId,login,currentBalance,ingestionTimestamp"
    load_file(
        db, write(tmp_path / "1.csv", "A1,1,100,2025-01-01T00:00:00Z", "A1,1,100,2025-01-02T00:00:00Z", header=header)
    )
    again = load_file(db, write(tmp_path / "2.csv", "A1,1,100,2025-01-01 00:00:00", "A1,1,90,20250102", header=header))
    assert (again.rows_duplicate, again.rows_rejected) == (1, 1)
    corrected = load_file(db, write(tmp_path / "3.csv", "A1,1,90,2025-01-02", header=header))
    assert counts(corrected) == (0, 1, 0, 0)
    assert rows(db, "select current_balance::integer from raw_accounts_data order by ingestion_timestamp") == [
        (100,),
        (90,),
    ]


def test_plans_come_with_the_names_of_the_spreadsheet(db: Database, tmp_path: Path) -> None:
    header = (
        "Plan ID,Plan Name,Type,Starting Balance,Profit Target %,Max Daily Drawdown %,Profit Split %,"
        "Is Drawdown Relative"
    )
    result = load_file(db, write(tmp_path / "plans.csv", 'P1,"Two\nSteps",Standard,100000,8,5,80,Yes', header=header))
    assert result.feed == "plans" and counts(result) == (1, 0, 0, 0)
    [plan] = rows(
        db,
        "select plan_id, plan_name, plan_type, starting_balance::integer, profit_target_pct::integer,"
        " max_daily_drawdown_pct::integer, profit_split_pct::integer, is_drawdown_relative from raw_plans_data",
    )
    assert plan == ("P1", "Two\nSteps", "Standard", 100000, 8, 5, 80, True)
