"""A reject is as old as its file: a retry does not make the newest of what later files have said otherwise."""

from pathlib import Path

import pytest

from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.loads.exporting import export_rejects
from dpm_assets.loads.load import load_file
from dpm_assets.loads.result import LoadResult
from dpm_assets.loads.retrying import retry_rejects
from dpm_assets.loads.undo import undo_load
from tests.trade_rows import rows, trade, value, write

pytestmark = pytest.mark.sql

ACCOUNT = "account_id,login,current_balance,status"
POSITION = "trade_id,account_id,login,symbol,side,lots,unrealized_pnl"


def accounts(db: Database, path: Path, *given: str) -> LoadResult:
    """Snapshots of accounts without a time, loaded; a balance of `none` is at fault."""
    return load_file(db, write(path, *given, header=ACCOUNT), "accounts")


def position(trade_id: str, account: str = "A1", lots: str = "0.10", pnl: str = "1.00") -> str:
    return f"{trade_id},{account},1001,EURUSD,buy,{lots},{pnl}"


def positions(db: Database, path: Path, *given: str, complete: bool = False) -> LoadResult:
    """Open positions, loaded; lots of `none` are at fault."""
    return load_file(db, write(path, *given, header=POSITION), "open_trades", complete=complete)


def mended(db: Database, batch: int, path: Path, right: str) -> Path:
    """The exported rejects of a batch with a value in place of `none`."""
    header, *lines = export_rejects(db, batch)
    return write(path, *(line.replace(",none,", f",{right},") for line in lines), header=header)


def history(db: Database) -> list[int]:
    """The balances of A1, the oldest snapshot first."""
    found = rows(
        db,
        "select current_balance::integer from raw_accounts_data where account_id = 'A1' order by ingestion_timestamp",
    )
    return [balance for (balance,) in found]


def held(db: Database) -> list[str]:
    return [trade_id for (trade_id,) in rows(db, "select trade_id from raw_trades_open order by 1")]


def test_a_rejected_snapshot_becomes_history_where_a_newer_one_is_there(db: Database, tmp_path: Path) -> None:
    accounts(db, tmp_path / "sunday.csv", "A1,1,100,Active")
    monday = accounts(db, tmp_path / "monday.csv", "A1,1,none,Breached")
    accounts(db, tmp_path / "tuesday.csv", "A1,1,300,Active")
    path = mended(db, monday.batch_id, tmp_path / "mended.csv", "200")
    retried = retry_rejects(db, monday.batch_id, path)
    assert retried.result and (retried.result.rows_inserted, retried.still_open) == (1, 0)
    assert history(db) == [100, 200, 300]
    assert value(db, "select status from latest_accounts") == "Active"
    undo_load(db, retried.result.batch_id)
    retry_rejects(db, monday.batch_id, path, replace=True)
    assert history(db) == [100, 300, 200]
    assert value(db, "select status from latest_accounts") == "Breached"


def test_a_rejected_snapshot_is_held_against_the_newest_of_its_time(db: Database, tmp_path: Path) -> None:
    accounts(db, tmp_path / "sunday.csv", "A1,1,100,Active")
    monday = accounts(db, tmp_path / "monday.csv", "A1,1,none,Active", "A2,2,200,Active")
    accounts(db, tmp_path / "tuesday.csv", "A1,1,300,Active")
    path = mended(db, monday.batch_id, tmp_path / "mended.csv", "100")
    retried = retry_rejects(db, monday.batch_id, path)
    assert retried.result and (retried.result.rows_duplicate, retried.still_open) == (1, 0)
    assert history(db) == [100, 300]


def test_a_rejected_snapshot_is_the_newest_when_nothing_came_after_it(db: Database, tmp_path: Path) -> None:
    accounts(db, tmp_path / "sunday.csv", "A1,1,100,Active")
    monday = accounts(db, tmp_path / "monday.csv", "A1,1,none,Active", "A2,2,200,Active")
    accounts(db, tmp_path / "tuesday.csv", "A2,2,250,Active")
    assert retry_rejects(db, monday.batch_id, mended(db, monday.batch_id, tmp_path / "mended.csv", "200")).result
    assert history(db) == [100, 200]


def test_a_snapshot_that_a_later_file_may_have_repeated_is_not_replaced(db: Database, tmp_path: Path) -> None:
    """Tuesday's row of A1 is a duplicate of Sunday's: nothing in the table tells that it came after Monday's."""
    accounts(db, tmp_path / "sunday.csv", "A1,1,100,Active")
    monday = accounts(db, tmp_path / "monday.csv", "A1,1,none,Breached", "A2,2,200,Active")
    tuesday = accounts(db, tmp_path / "tuesday.csv", "A1,1,100,Active", "A2,2,250,Active")
    path = mended(db, monday.batch_id, tmp_path / "mended.csv", "90")
    reason = (
        rf"1 rejects of batch {monday.batch_id} would become the newest snapshots, .*A1.* batch {tuesday.batch_id}"
        r" \(.*tuesday\.csv, .* UTC\), loaded since, may have repeated .* --replace"
    )
    with pytest.raises(DpmError, match=reason):
        retry_rejects(db, monday.batch_id, path)
    assert history(db) == [100]
    assert value(db, "select count(*) from load_rejects where resolved_by is null") == 1
    assert retry_rejects(db, monday.batch_id, path, replace=True).still_open == 0
    assert history(db) == [100, 90]


def test_a_rejected_position_that_a_later_file_lacks_is_not_opened(db: Database, tmp_path: Path) -> None:
    monday = positions(db, tmp_path / "monday.csv", position("T1"), position("T2", lots="none"))
    tuesday = positions(db, tmp_path / "tuesday.csv", position("T1", pnl="2.00"))
    path = mended(db, monday.batch_id, tmp_path / "mended.csv", "0.10")
    reason = (
        rf"What the rejects of batch {monday.batch_id} hold may be closed since: batch {tuesday.batch_id}"
        r" \(.*tuesday\.csv, .* UTC\), .* --replace"
    )
    with pytest.raises(DpmError, match=reason):
        retry_rejects(db, monday.batch_id, path)
    assert held(db) == ["T1"]
    assert value(db, "select count(*) from load_rejects where resolved_by is null") == 1
    assert retry_rejects(db, monday.batch_id, path, replace=True).still_open == 0
    assert held(db) == ["T1", "T2"]


@pytest.mark.parametrize(
    ("later", "complete"),
    [(position("T9", "A9"), True), (position("T3", "A2"), False)],
    ids=["a complete one", "one that repeats rows"],
)
def test_what_a_later_file_of_positions_may_have_closed_is_not_opened(
    db: Database, tmp_path: Path, later: str, complete: bool
) -> None:
    monday = positions(db, tmp_path / "monday.csv", position("T1", lots="none"), position("T3", "A2"))
    positions(db, tmp_path / "tuesday.csv", later, complete=complete)
    before = held(db)
    path = mended(db, monday.batch_id, tmp_path / "mended.csv", "0.10")
    with pytest.raises(DpmError, match=rf"batch {monday.batch_id} hold may be closed since: batch"):
        retry_rejects(db, monday.batch_id, path)
    assert held(db) == before


def test_a_rejected_position_is_opened_when_only_other_accounts_came_after_it(db: Database, tmp_path: Path) -> None:
    monday = positions(db, tmp_path / "monday.csv", position("T1", lots="none"), position("T3", "A2"))
    positions(db, tmp_path / "tuesday.csv", position("T3", "A2", pnl="5.00"), position("T4", "A2"))
    assert retry_rejects(db, monday.batch_id, mended(db, monday.batch_id, tmp_path / "mended.csv", "0.10")).result
    assert held(db) == ["T1", "T3", "T4"]


def test_a_rejected_snapshot_is_held_against_the_newest_when_a_later_reject_was_retried_before_it(
    db: Database, tmp_path: Path
) -> None:
    """Tuesday's rejected row said what Sunday's says: its retry stores nothing, and came after Monday's all the same."""
    accounts(db, tmp_path / "sunday.csv", "A1,1,100,Active")
    monday = accounts(db, tmp_path / "monday.csv", "A1,1,none,Breached", "A2,2,200,Active")
    tuesday = accounts(db, tmp_path / "tuesday.csv", "A1,1,none,Active", "A3,3,300,Active")
    repeated = retry_rejects(db, tuesday.batch_id, mended(db, tuesday.batch_id, tmp_path / "t.csv", "100"))
    assert repeated.result and repeated.result.rows_duplicate == 1
    path = mended(db, monday.batch_id, tmp_path / "m.csv", "90")
    with pytest.raises(DpmError, match=rf"batch {repeated.result.batch_id} \(.*\), loaded since, may have repeated"):
        retry_rejects(db, monday.batch_id, path)
    assert history(db) == [100]


def test_a_rejected_snapshot_is_newer_than_what_was_loaded_while_its_file_was_read(
    db: Database, tmp_path: Path
) -> None:
    """As with `--jobs 2`: Tuesday's file was begun before the rows of Monday's were written."""
    accounts(db, tmp_path / "monday.csv", "A1,1,100,Active")
    tuesday = accounts(db, tmp_path / "tuesday.csv", "A1,1,none,Active", "A2,2,200,Active")
    with db.connection(None) as conn:
        conn.execute(
            "update load_batches set started_at = started_at - interval '1 hour' where batch_id = %s",
            [tuesday.batch_id],
        )
    assert retry_rejects(db, tuesday.batch_id, mended(db, tuesday.batch_id, tmp_path / "mended.csv", "200")).result
    assert history(db) == [100, 200]


def test_a_rejected_snapshot_does_not_replace_one_of_its_own_file(db: Database, tmp_path: Path) -> None:
    """Which of them stood after the other is not known any more."""
    monday = accounts(db, tmp_path / "monday.csv", "A1,1,100,Active", "A1,1,none,Active")
    path = mended(db, monday.batch_id, tmp_path / "mended.csv", "200")
    reason = rf"1 rejects of batch {monday.batch_id} would become the newest .*A1.* the same file or a later one .* --replace"
    with pytest.raises(DpmError, match=reason):
        retry_rejects(db, monday.batch_id, path)
    assert history(db) == [100]
    assert retry_rejects(db, monday.batch_id, path, replace=True).still_open == 0
    assert history(db) == [100, 200]


def test_a_rejected_snapshot_does_not_replace_one_that_a_later_file_has_dated_too_early(
    db: Database, tmp_path: Path
) -> None:
    """Tuesday's transaction had begun, and waited for the end of Monday's."""
    monday = accounts(db, tmp_path / "monday.csv", "A1,1,none,Active", "A2,2,200,Active")
    accounts(db, tmp_path / "tuesday.csv", "A1,1,300,Active")
    with db.connection(None) as conn:
        conn.execute("update load_batches set finished_at = clock_timestamp() where batch_id = %s", [monday.batch_id])
    with pytest.raises(DpmError, match=r"the same file or a later one"):
        retry_rejects(db, monday.batch_id, mended(db, monday.batch_id, tmp_path / "mended.csv", "200"))
    assert history(db) == [300]


def test_a_rejected_snapshot_replaces_one_that_was_rejected_of_an_earlier_file(db: Database, tmp_path: Path) -> None:
    """The earlier file's has the higher batch, since it was retried, and is the older one all the same."""
    sunday = accounts(db, tmp_path / "sunday.csv", "A1,1,none,Active", "A2,2,200,Active")
    monday = accounts(db, tmp_path / "monday.csv", "A1,1,none,Active", "A3,3,300,Active")
    for batch, balance in ((sunday.batch_id, "100"), (monday.batch_id, "150")):
        assert retry_rejects(db, batch, mended(db, batch, tmp_path / f"{balance}.csv", balance)).result
    assert history(db) == [100, 150]


def test_a_rejected_trade_that_a_later_full_export_of_its_day_lacks_is_not_loaded(db: Database, tmp_path: Path) -> None:
    """All that the export holds of the day is there already: nothing bears its batch."""
    monday = load_file(db, write(tmp_path / "monday.csv", trade("T1"), trade("T5", lots="none")))
    tuesday = load_file(db, write(tmp_path / "tuesday.csv", trade("T1")), replace_days=True)
    assert tuesday.rows_duplicate == 1
    path = mended(db, monday.batch_id, tmp_path / "mended.csv", "0.10")
    reason = (
        rf"What the rejects of batch {monday.batch_id} hold may be busted since: batch {tuesday.batch_id}"
        r" \(.*tuesday\.csv, .* UTC\), .* --replace"
    )
    with pytest.raises(DpmError, match=reason):
        retry_rejects(db, monday.batch_id, path)
    assert value(db, "select string_agg(trade_id, ',') from raw_trades_closed") == "T1"
    assert retry_rejects(db, monday.batch_id, path, replace=True).still_open == 0
    assert value(db, "select string_agg(trade_id, ',' order by trade_id) from raw_trades_closed") == "T1,T5"


@pytest.mark.parametrize(
    ("later", "busted"),
    [(trade("T1", profit="11.00"), True), (trade("T1", "2025-03-04"), False), (trade("T1", account_id="A2"), False)],
    ids=["of its day", "of another day", "of another account"],
)
def test_a_rejected_trade_is_held_against_later_full_exports_of_its_account_day(
    db: Database, tmp_path: Path, later: str, busted: bool
) -> None:
    monday = load_file(db, write(tmp_path / "monday.csv", trade("T9", account_id="A9"), trade("T5", lots="none")))
    load_file(db, write(tmp_path / "tuesday.csv", later), replace_days=True)
    path = mended(db, monday.batch_id, tmp_path / "mended.csv", "0.10")
    if busted:
        with pytest.raises(DpmError, match=r"may be busted since"):
            retry_rejects(db, monday.batch_id, path)
    else:
        assert retry_rejects(db, monday.batch_id, path).still_open == 0


def test_a_rejected_trade_does_not_correct_one_that_a_later_file_may_have_repeated(
    db: Database, tmp_path: Path
) -> None:
    """Tuesday's row is a duplicate of Sunday's: nothing in the table tells that it came after Monday's."""
    load_file(db, write(tmp_path / "sunday.csv", trade("T5")))
    monday = load_file(db, write(tmp_path / "monday.csv", trade("T1"), trade("T5", lots="none", profit="99.00")))
    tuesday = load_file(db, write(tmp_path / "tuesday.csv", trade("T5"), trade("T6")))
    path = mended(db, monday.batch_id, tmp_path / "mended.csv", "0.10")
    reason = (
        rf"1 rejects of batch {monday.batch_id} would correct older rows, .*T5.* batch {tuesday.batch_id}"
        r" \(.*tuesday\.csv, .* UTC\), loaded since, may have repeated .* --replace"
    )
    with pytest.raises(DpmError, match=reason):
        retry_rejects(db, monday.batch_id, path)
    assert float(value(db, "select profit from raw_trades_closed where trade_id = 'T5'")) == 10
    assert retry_rejects(db, monday.batch_id, path, replace=True).still_open == 0
    assert float(value(db, "select profit from raw_trades_closed where trade_id = 'T5'")) == 99
