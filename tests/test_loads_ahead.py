"""What goes wrong with a file only because it is ahead of its turn is done again in it, and spoils nothing."""

import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.loads import chunks, late, load, several
from dpm_assets.loads.faults import FileRefused
from dpm_assets.loads.load import load_file
from dpm_assets.loads.result import LoadResult
from dpm_assets.loads.several import load_files
from dpm_assets.loads.turns import Cancelled, TurnInLine, Turns
from dpm_assets.loads.writing import Writing
from tests.cold import JANUARY, archived, part_of, restored, state
from tests.interleaving import session
from tests.trade_rows import many, rows, trade, value, write

pytestmark = pytest.mark.sql

SECONDS = 60


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """No file is too small to be copied straight into the table."""
    monkeypatch.setattr(chunks, "FIRST_ROWS", 1)


def place(options: Any) -> int | None:
    found: int | None = getattr(options.turn, "_place", None)
    return found


def outcomes(db: Database, files: list[Path], jobs: int) -> list[Any]:
    return [outcome for _, outcome in load_files(db, files, jobs=jobs)]


def test_a_file_whose_wait_for_one_before_it_is_cut_short_is_loaded_in_its_turn(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first holds a key of the second, which waits for it longer than lock_timeout."""
    value(db, "select count(*) from ensure_trade_months('{2025-03-01}')")
    name = value(db, "select current_database()")
    with session(db.url, autocommit=True) as conn:
        conn.execute(f'alter database "{name}" set lock_timeout = 300')
    first_has_rows, second_gave_up = threading.Event(), threading.Event()
    promised, earlier = load._load_as_promised, Writing._earlier

    def second_later(conn: Any, entry: Any, options: Any) -> LoadResult:
        if place(options) != 2 or second_gave_up.is_set():
            return promised(conn, entry, options)
        assert first_has_rows.wait(SECONDS)
        try:
            return promised(conn, entry, options)
        finally:
            second_gave_up.set()

    def first_waits(writing: Writing) -> LoadResult | None:
        if place(writing.options) == 1:
            first_has_rows.set()
            assert second_gave_up.wait(SECONDS)
        return earlier(writing)

    monkeypatch.setattr(load, "_load_as_promised", second_later)
    monkeypatch.setattr(Writing, "_earlier", first_waits)
    files = [many(tmp_path / f"{n}.csv", 500, profit=f"{n}.00") for n in (1, 2)]
    with Database(db.url) as limited:
        found = outcomes(limited, files, 2)
    assert [(o.rows_inserted, o.rows_updated) for o in found] == [(500, 0), (0, 500)]


def test_what_the_files_before_it_had_taken_is_asked_for_again(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as room for the copy of a URL: with nobody ahead there would have been enough."""
    files = [many(tmp_path / f"{n}.csv", 100, first=n * 100) for n in (1, 2, 3)]
    had_no_room = threading.Event()

    def without_room(db: Database, file: Path, *given: Any, turn: Any, **asked: Any) -> LoadResult:
        if file == files[0]:
            assert had_no_room.wait(SECONDS)
        elif file == files[1] and not turn.has_come():
            had_no_room.set()
            raise DpmError("no space")
        return load_file(db, file, *given, turn=turn, **asked)

    monkeypatch.setattr(several, "load_file", without_room)
    assert [o.rows_inserted for o in outcomes(db, files, 3)] == [100, 100, 100]
    assert rows(db, "select right(file, 5) from load_batches order by batch_id") == [(f"{n}.csv",) for n in (1, 2, 3)]


def test_a_file_takes_no_connection_that_one_before_it_may_need(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [many(tmp_path / f"{n}.csv", 100, first=n * 100) for n in (1, 2, 3)]
    waiting = {place: threading.Event() for place in (2, 3)}
    taken: list[str] = []
    numbers, connection = TurnInLine.wait_for_numbers, Database.connection

    def wait_for_numbers(turn: TurnInLine) -> None:
        if turn._place in waiting:
            waiting[turn._place].set()
        else:
            assert all(event.wait(SECONDS) for event in waiting.values())
            assert not taken
        numbers(turn)

    def counted(db: Database, *given: Any) -> Any:
        taken.append(threading.current_thread().name)
        return connection(db, *given)

    monkeypatch.setattr(TurnInLine, "wait_for_numbers", wait_for_numbers)
    monkeypatch.setattr(Database, "connection", counted)
    assert [o.rows_inserted for o in outcomes(db, files, 3)] == [100, 100, 100]
    assert taken


@pytest.mark.parametrize("jobs", [1, 3])
def test_files_before_an_error_of_their_source_are_loaded(db: Database, tmp_path: Path, jobs: int) -> None:
    files = [many(tmp_path / f"{n}.csv", 100, first=n * 100) for n in (1, 2)]

    def places() -> Iterator[Path]:
        yield from files
        raise DpmError("nothing is there")

    loads = load_files(db, places(), jobs=jobs)
    assert [next(loads)[0], next(loads)[0]] == files
    with pytest.raises(DpmError, match="nothing is there"):
        next(loads)
    assert value(db, "select count(*) from raw_trades_closed") == 200


def test_a_month_that_came_back_while_a_file_waited_is_no_reason_to_refuse_it(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_file(db, write(tmp_path / "old.csv", trade("old", "2024-01-30"), trade("new", "2024-02-05")))
    with session(db.url, autocommit=True) as conn:
        conn.execute("call refresh_warehouse()")
    archived(db, tmp_path / "cold")
    second_waits = threading.Event()
    promised, wait = load._load_as_promised, TurnInLine.wait

    def waits(turn: TurnInLine, *given: Any) -> None:
        if turn._place == 2:
            second_waits.set()
        wait(turn, *given)

    def first_when_it_is_back(conn: Any, entry: Any, options: Any) -> LoadResult:
        if place(options) == 1:
            assert second_waits.wait(SECONDS)
            assert restored(db)[-1] == "hot"
        return promised(conn, entry, options)

    monkeypatch.setattr(TurnInLine, "wait", waits)
    monkeypatch.setattr(load, "_load_as_promised", first_when_it_is_back)
    files = [many(tmp_path / "1.csv", 500, "2024-05-05"), many(tmp_path / "2.csv", 500, "2024-02-06", first=500)]
    assert [o.rows_inserted for o in outcomes(db, files, 2)] == [500, 500]
    assert state(db) == "hot"


def test_a_load_that_waits_for_an_archive_ends_with_the_loads(db: Database, tmp_path: Path) -> None:
    load_file(db, write(tmp_path / "old.csv", trade("old", "2024-01-30")))
    with session(db.url, autocommit=True) as conn:
        conn.execute(
            "insert into partition_state (parent_table, lower, state) values ('raw_trades_closed', '2024-01-01', 'archiving')"
            " on conflict (parent_table, lower) do update set state = excluded.state"
        )
    asked: list[int] = []

    def go_on() -> None:
        asked.append(1)
        if len(asked) == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        late._wait_until_settled(db, "late.csv", part_of(JANUARY), go_on)
    assert len(asked) == 2


def test_a_connection_that_is_given_back_is_not_cancelled_with_the_loads(db: Database, tmp_path: Path) -> None:
    """Whoever gets it from the pool next has nothing to do with them."""
    turns = Turns(jobs=2)
    (tmp_path / "none.csv").write_text("")
    for path in (write(tmp_path / "one.csv", trade("T1")), tmp_path / "none.csv"):
        with suppress(FileRefused):
            load_file(db, path, turn=turns.next())
        assert turns._conns == {}
        turns.end(turns.places)
    assert value(db, "select count(*) from raw_trades_closed") == 1
