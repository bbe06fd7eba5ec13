"""Rows that go straight into their months, chunk by chunk, and what makes a load take the careful way after all."""

import threading
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dpm_assets.database import Database
from dpm_assets.loads import chunks, direct, writing
from dpm_assets.loads.leaves import MonthTargets
from dpm_assets.loads.load import LoadResult, load_file
from dpm_assets.loads.undo import undo_load
from dpm_assets.refresh.verify import verify
from tests.trade_rows import HEADER, many, rows, trade, value, wait_for, write

pytestmark = pytest.mark.sql


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of the blocks of a file, which are 2 MB, is a chunk, and no file is too small."""
    monkeypatch.setattr(chunks, "FIRST_ROWS", 1)
    monkeypatch.setattr(chunks, "ROWS", 1)


def joined(path: Path, *files: Path) -> Path:
    """One file of the rows of several."""
    path.write_text(HEADER + "\n" + "".join(file.read_text().partition("\n")[2] for file in files))
    return path


def test_new_trades_go_straight_into_their_months(db: Database, tmp_path: Path) -> None:
    value(db, "select count(*) from ensure_trade_months(array['2025-03-01', '2025-04-01']::date[])")
    march, april = many(tmp_path / "3.csv", 15_000), many(tmp_path / "4.csv", 15_000, "2025-04-02", first=15_000)
    result = load_file(db, joined(tmp_path / "both.csv", march, april))
    assert (result.path_taken, result.rows_inserted, result.rows_written) == ("direct", 30_000, 30_000)
    assert result.months == [date(2025, 3, 1), date(2025, 4, 1)]
    assert value(db, "select count(*) from raw_trades_closed where load_batch_id = %s", result.batch_id) == 30_000
    assert value(db, "select count(distinct (account_id, trade_date)) from changed_account_days") == 200
    assert value(db, "select count(*) from raw_trades_closed where ingestion_timestamp is null") == 0


_LEAF = """
select
    (select array_agg(tgname::text order by tgname) from pg_trigger
        where tgrelid = c.oid and not tgisinternal and tgenabled = 'A'),
    (select array_agg(conname::text order by conname) from pg_constraint where conrelid = c.oid and contype in ('p', 'c')),
    (select array_agg(pg_get_indexdef(indexrelid) ~ 'USING brin' order by 1) from pg_index where indrelid = c.oid),
    pg_get_userbyid(c.relowner), c.relacl::text
from pg_class as c where c.oid = %s::regclass
"""


def test_a_month_that_is_not_there_is_loaded_bare_and_attached_like_every_other(db: Database, tmp_path: Path) -> None:
    value(db, "select count(*) from ensure_trade_months(array['2025-04-01']::date[])")
    result = load_file(db, many(tmp_path / "3.csv", 15_000))
    assert (result.path_taken, result.rows_inserted, result.months) == ("direct", 15_000, [date(2025, 3, 1)])
    loaded, made = (rows(db, _LEAF, f"raw_trades_closed_2025_{month}") for month in ("03", "04"))
    assert [str(loaded).replace("2025_03", "")] == [str(made).replace("2025_04", "")]
    assert value(db, "select count(*) from changed_account_days") == 0
    assert rows(db, "select month, reason from changed_months") == [(date(2025, 3, 1), "loaded whole")]
    with db.connection("dpm_refresher") as conn:
        conn.execute("call prop_trading_model.refresh_warehouse()")
    assert verify(db).differences == []
    assert value(db, "select sum(trades) from rollup_market_day") == 15_000
    assert load_file(db, many(tmp_path / "more.csv", 15_000, first=15_000)).rows_inserted == 15_000
    assert value(db, "select count(*) from changed_account_days") > 0


def test_a_key_that_is_twice_in_a_file_for_a_bare_month_is_merged(db: Database, tmp_path: Path) -> None:
    march, again = many(tmp_path / "3.csv", 15_000), many(tmp_path / "again.csv", 10, profit="9.00")
    result = load_file(db, joined(tmp_path / "both.csv", march, again))
    assert (result.path_taken, result.rows_inserted, result.rows_updated) == ("merged", 15_000, 10)
    assert value(db, "select count(*) from raw_trades_closed where profit = 9") == 10
    assert value(db, "select count(*) from pg_class where relname like '%%batch%%' and relname like 'raw%%'") == 0


def test_a_month_that_somebody_makes_during_a_bare_load_is_merged_into(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attach = MonthTargets.attach

    def made_in_between(targets: MonthTargets) -> None:
        value(db, "select count(*) from ensure_trade_months(array['2025-03-01']::date[])")
        attach(targets)

    monkeypatch.setattr(MonthTargets, "attach", made_in_between)
    result = load_file(db, many(tmp_path / "3.csv", 15_000))
    assert (result.path_taken, result.rows_inserted) == ("merged", 15_000)
    assert value(db, "select count(*) from raw_trades_closed_2025_03") == 15_000


def test_two_loads_of_the_same_new_month_at_once_both_end(db: Database, tmp_path: Path) -> None:
    files = [many(tmp_path / f"{n}.csv", 15_000, first=n * 15_000) for n in range(2)]
    done: list[LoadResult] = []
    threads = [threading.Thread(target=lambda path=path: done.append(load_file(db, path))) for path in files]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert [result.rows_inserted for result in done] == [15_000, 15_000]
    assert value(db, "select count(*) from raw_trades_closed") == 30_000


def test_an_export_taken_anew_is_staged_at_once(db: Database, tmp_path: Path) -> None:
    load_file(db, many(tmp_path / "one.csv", 2_000))
    result = load_file(db, many(tmp_path / "two.csv", 3_000))
    assert (result.path_taken, result.rows_duplicate, result.rows_inserted) == ("merged", 2_000, 1_000)


def test_a_row_that_turns_out_to_be_known_makes_the_load_start_anew(db: Database, tmp_path: Path) -> None:
    load_file(db, many(tmp_path / "old.csv", 1_000, first=60_000, profit="1.00"))
    result = load_file(db, many(tmp_path / "new.csv", 61_000, profit="2.00"))
    assert result.path_taken == "merged"
    assert (result.rows_inserted, result.rows_updated, result.rows_written) == (60_000, 1_000, 61_000)
    assert rows(db, "select profit::integer, count(*) from raw_trades_closed group by 1") == [(2, 61_000)]


def test_an_undo_takes_back_what_was_copied_directly(db: Database, tmp_path: Path) -> None:
    load_file(db, write(tmp_path / "old.csv", trade("T9", "2025-02-20", account_id="A9")))
    before = rows(db, "select r::text from raw_trades_closed as r order by 1")
    result = load_file(db, many(tmp_path / "new.csv", 20_000))
    assert (result.path_taken, undo_load(db, result.batch_id).rows_gone) == ("direct", 20_000)
    assert rows(db, "select r::text from raw_trades_closed as r order by 1") == before


@pytest.mark.parametrize("again", ["2025-03-03", "2025-03-20", "2025-04-10", "2025-06-10"])
def test_a_file_that_contradicts_itself_far_apart_is_merged_whole(db: Database, tmp_path: Path, again: str) -> None:
    """The later row wins, whether it has the date of the first or another; alone the chunks could not tell."""
    path = many(tmp_path / "one.csv", 30_000)
    with path.open("a") as file:
        file.write(trade("T7", again, account_id="A7", profit="-5") + "\n")
    result = load_file(db, path)
    assert (result.path_taken, result.rows_inserted, result.rows_updated) == ("merged", 30_000, 1)
    assert rows(db, "select trade_date::text, profit::integer from raw_trades_closed where trade_id = 'T7'") == [
        (again, -5)
    ]


@pytest.mark.parametrize(("days", "found"), [(45, True), (46, False)])
def test_old_copies_are_found_as_far_as_the_correction_days(
    db: Database, tmp_path: Path, days: int, found: bool
) -> None:
    old = date.fromordinal(date(2025, 3, 3).toordinal() - days).isoformat()
    value(db, "select count(*) from ensure_trade_months(array[%s::date])", old)
    load_file(db, write(tmp_path / "old.csv", trade("T9", old, account_id="A9")))
    path = many(tmp_path / "new.csv", 20_000)
    result = load_file(db, path, full_history=False)
    assert result.path_taken == "direct"
    assert (result.rows_inserted, result.rows_updated) == ((19_999, 1) if found else (20_000, 0))
    kept = rows(db, "select kind, before->>'trade_date' from load_corrections")
    assert kept == ([("moved", old)] if found else [])
    assert value(db, "select count(*) from raw_trades_closed where trade_id = 'T9'") == (1 if found else 2)
    assert (date.fromisoformat(old).replace(day=1) in result.months) == found
    if found:
        assert value(db, "select count(*) from changed_account_days where trade_date = %s", old) == 2


def without_costs(path: Path) -> Path:
    """The file without its last columns, commission and swap."""
    lines = [line.rsplit(",", 2)[0] for line in path.read_text().splitlines()]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_trade_that_moves_into_a_bare_month_keeps_the_columns_that_the_file_lacks(
    db: Database, tmp_path: Path
) -> None:
    load_file(db, write(tmp_path / "old.csv", trade("T9", "2025-02-20", account_id="A9", swap="-0.30")))
    result = load_file(db, without_costs(many(tmp_path / "new.csv", 15_000)))
    assert (result.path_taken, result.rows_inserted, result.rows_updated) == ("merged", 14_999, 1)
    moved = "select trade_date::text, commission::float, swap::float from raw_trades_closed where trade_id = 'T9'"
    assert rows(db, moved) == [("2025-03-03", -0.7, -0.3)]
    assert value(db, "select count(*) from raw_trades_closed") == 15_000
    assert value(db, "select count(*) from pg_class where relname like '%%batch%%' and relname like 'raw%%'") == 0


def test_a_file_that_lacks_columns_goes_straight_in_when_no_old_copy_has_them(db: Database, tmp_path: Path) -> None:
    load_file(db, write(tmp_path / "old.csv", trade("T9", "2025-02-20", account_id="A9", commission="", swap="")))
    result = load_file(db, without_costs(many(tmp_path / "new.csv", 15_000)))
    assert (result.path_taken, result.rows_inserted, result.rows_updated) == ("direct", 14_999, 1)


def test_too_many_rejects_leave_nothing_of_what_was_copied(db: Database, tmp_path: Path) -> None:
    good = many(tmp_path / "good.csv", 30_000)
    bad = many(tmp_path / "bad.csv", 10_000, first=30_000, side="HOLD")
    result = load_file(db, joined(tmp_path / "both.csv", good, bad))
    assert (result.status, result.rows_read, result.rows_rejected) == ("refused", 40_000, 10_000)
    assert value(db, "select count(*) from raw_trades_closed") == 0
    assert value(db, "select count(*) from changed_account_days") == 0


def test_a_leaf_without_triggers_gets_its_rows_through_the_parent(
    db: Database, database_url: str, tmp_path: Path
) -> None:
    """Copied into a leaf that somebody else attached, rows would leave no key."""
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("set role dpm_owner")
        conn.execute(
            "create table theirs partition of raw_trades_closed for values from ('2025-03-01') to ('2025-04-01')"
        )
        conn.execute("grant insert on theirs to dpm_loader")
    result = load_file(db, many(tmp_path / "one.csv", 15_000))
    assert (result.path_taken, value(db, "select count(*) from theirs")) == ("direct", 15_000)
    assert value(db, "select count(distinct account_id) from changed_account_days") == 100


def in_threads(*works: Callable[[], Any]) -> list[threading.Thread]:
    threads = [threading.Thread(target=work) for work in works]
    for thread in threads:
        thread.start()
    return threads


def test_two_direct_loads_that_cross_each_other_both_end(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each holds keys that the other comes to: PostgreSQL ends the deadlock by failing one, which starts anew."""
    monkeypatch.setattr(writing, "knows", lambda *_: False)
    first, second = many(tmp_path / "1.csv", 20_000), many(tmp_path / "2.csv", 20_000, first=20_000)
    up = joined(tmp_path / "up.csv", first, second)
    down = joined(tmp_path / "down.csv", many(tmp_path / "3.csv", 20_000, first=20_000, swap="1"), first)
    met = threading.Barrier(2)
    taken = direct.DirectCopy.take
    waited: set[int] = set()

    def take(self: direct.DirectCopy, chunk: chunks.Chunk) -> None:
        taken(self, chunk)
        if self.batch_id not in waited:
            waited.add(self.batch_id)
            met.wait(60)

    monkeypatch.setattr(direct.DirectCopy, "take", take)
    results: list[LoadResult] = []
    for thread in in_threads(*(lambda path=path: results.append(load_file(db, path)) for path in (up, down))):
        thread.join(120)
    assert sorted(result.rows_inserted for result in results) == [0, 40_000]
    assert value(db, "select count(*) from raw_trades_closed") == 40_000


def test_the_copy_that_a_load_at_the_same_time_moved_is_seen(db: Database, database_url: str, tmp_path: Path) -> None:
    """Two loads hold the same trade at different dates: the later one to commit finds the copy of the other."""
    value(db, "select count(*) from ensure_trade_months(array['2025-03-01']::date[])")
    one, two = many(tmp_path / "1.csv", 15_000), many(tmp_path / "2.csv", 15_000, "2025-03-10")
    results: list[LoadResult] = []
    with psycopg.connect(database_url) as other:
        other.execute("select pg_advisory_xact_lock(hashtextextended('prop_trading_model.loads.trades', 0))")
        threads = in_threads(*(lambda path=path: results.append(load_file(db, path)) for path in (one, two)))
        wait_for(db, "select count(*) = 2 from pg_locks where locktype = 'advisory' and not granted")
        other.commit()
    for thread in threads:
        thread.join(120)
    assert sorted((r.rows_inserted, r.rows_updated, r.path_taken) for r in results) == [
        (0, 15_000, "direct"), (15_000, 0, "direct"),
    ]  # fmt: skip
    assert value(db, "select count(*), count(distinct trade_date) from raw_trades_closed group by () ") == 15_000
