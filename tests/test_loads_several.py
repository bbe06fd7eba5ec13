"""Several files at the same time: the outcome is that of one after the other, whichever of them is ahead."""

import json
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.loads import chunks, load, turns
from dpm_assets.loads.leaves import MonthTargets
from dpm_assets.loads.result import LoadResult
from dpm_assets.loads.several import Outcome, load_files
from dpm_assets.loads.turns import TurnInLine
from dpm_assets.server import EmbeddedServer
from tests.command_line import dpm
from tests.conftest import fresh_database
from tests.interleaving import session
from tests.trade_rows import many, rows, trade, value, wait_for, write

pytestmark = pytest.mark.sql

SECONDS = 60
DAYS = ("2025-03-03", "2025-03-28", "2025-04-02")


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each block of a file is a chunk, and no file is too small to be copied straight into the table."""
    monkeypatch.setattr(chunks, "FIRST_ROWS", 1)
    monkeypatch.setattr(chunks, "ROWS", 1)


@pytest.fixture
def first_comes_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of three files begins with its rows when the others have come as far as they can ahead of their turn."""
    arrived = {2: threading.Event(), 3: threading.Event()}
    promised = load._load_as_promised

    def arriving(act: Callable[..., None]) -> Callable[..., None]:
        def acted(turn: TurnInLine, *given: Any) -> None:
            if turn._place in arrived:
                arrived[turn._place].set()
            act(turn, *given)

        return acted

    def held_back(conn: Any, entry: Any, options: Any) -> LoadResult:
        if getattr(options.turn, "_place", None) == 1:
            for place, event in arrived.items():
                assert event.wait(SECONDS), f"file {place} never came as far as its turn"
        return promised(conn, entry, options)

    for act in ("wait", "wait_idle", "end"):
        monkeypatch.setattr(TurnInLine, act, arriving(getattr(TurnInLine, act)))
    monkeypatch.setattr(load, "_load_as_promised", held_back)


def loaded(db: Database, files: list[Path], jobs: int, **asked: Any) -> list[Outcome]:
    """The outcomes; fails when the loads do not come to an end."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.extend(outcome for _, outcome in load_files(db, files, jobs=jobs, **asked))
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(SECONDS)
    assert not thread.is_alive(), "the loads wait for each other"
    if found and isinstance(found[-1], BaseException) and not isinstance(found[-1], DpmError):
        raise found[-1]
    return found


_TRADES = (
    "select account_id, trade_id, trade_date::text, profit::text, b.file from raw_trades_closed as r"
    " join load_batches as b on b.batch_id = r.load_batch_id order by 1, 2, 3"
)
_LEDGER = (
    "select file, status, rows_read, rows_inserted, rows_updated, rows_duplicate, rows_rejected, months::text,"
    " rank() over (order by batch_id), rank() over (order by finished_at) from load_batches order by file"
)
_CORRECTIONS = (
    "select b.file, c.kind, c.key::text, c.before ->> 'profit', c.before ->> 'trade_date' from load_corrections as c"
    " join load_batches as b using (batch_id) order by 1, 2, 3, 4, 5"
)
_CHANGES = "select distinct account_id, trade_date::text from changed_account_days order by 1, 2"
_MONTHS = "select month::text, reason from changed_months order by 1, 2"


def all_of_it(db: Database) -> list[list[tuple[Any, ...]]]:
    return [rows(db, query) for query in (_TRADES, _LEDGER, _CORRECTIONS, _CHANGES, _MONTHS)]


def three_files(folder: Path, seed: int) -> list[Path]:
    """Files that correct, move and repeat each other's trades at random."""
    chance = random.Random(seed)
    files = []
    for number in (1, 2, 3):
        picked = chance.sample(range(40), chance.choice((5, 20, 35)))
        lines = [
            trade(f"T{n}", chance.choice(DAYS), account_id=f"A{n % 5}", profit=str(chance.choice((1, 2, number))))
            for n in picked
        ]
        files.append(write(folder / f"{number}.csv", *lines))
    return files


@pytest.fixture
def another(server: EmbeddedServer, template: str) -> Iterator[Database]:
    with fresh_database(server, template) as url, Database(url) as opened:
        yield opened


@pytest.mark.usefixtures("first_comes_last")
@pytest.mark.parametrize("there", [(), ("2025-03-01",), ("2025-03-01", "2025-04-01")], ids=["none", "one", "both"])
@pytest.mark.parametrize("seed", range(4))
def test_what_later_files_correct_is_as_if_they_came_one_after_the_other(
    db: Database, another: Database, tmp_path: Path, seed: int, there: tuple[str, ...]
) -> None:
    files = three_files(tmp_path, seed)
    for warehouse in (db, another):
        value(warehouse, "select count(*) from ensure_trade_months(%s::date[])", list(there))
    one_by_one, at_once = loaded(another, files, jobs=1), loaded(db, files, jobs=3)
    assert [(o.file, o.status) for o in at_once] == [(o.file, o.status) for o in one_by_one]  # type: ignore[union-attr]
    assert all_of_it(db) == all_of_it(another)
    assert value(db, "select count(*) > 5 from raw_trades_closed")


def test_a_file_that_waits_for_its_turn_gives_way_to_one_before_it(
    db: Database, tmp_path: Path, first_comes_last: None
) -> None:
    """The third holds a key of the second, and both one of the first: none of it is a deadlock that PostgreSQL sees."""
    value(db, "select count(*) from ensure_trade_months('{2025-03-01}')")
    files = [many(tmp_path / f"{n}.csv", 3_000, profit=f"{n}.00") for n in (1, 2, 3)]
    results = loaded(db, files, jobs=3)
    assert [(r.rows_inserted, r.rows_updated) for r in results] == [(3_000, 0), (0, 3_000), (0, 3_000)]  # type: ignore[union-attr]
    assert rows(db, "select profit::integer, count(*) from raw_trades_closed group by 1") == [(3, 3_000)]


def test_the_files_of_one_new_month_all_go_straight_into_it(
    db: Database, tmp_path: Path, first_comes_last: None
) -> None:
    files = [many(tmp_path / f"{n}.csv", 3_000, first=n * 3_000) for n in (1, 2, 3)]
    results = loaded(db, files, jobs=3)
    assert [(r.rows_inserted, r.path_taken) for r in results] == [(3_000, "direct")] * 3  # type: ignore[union-attr]


@pytest.mark.parametrize(("jobs", "cores", "by_one"), [(2, 2, True), (2, 3, False), (1, 1, False)])
def test_an_index_is_built_by_one_core_where_the_files_loaded_together_take_all(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, jobs: int, cores: int, by_one: bool
) -> None:
    monkeypatch.setattr(turns, "machine_cores", lambda: cores)
    monkeypatch.setattr(chunks, "FIRST_ROWS", 1)
    attach, seen = MonthTargets.attach, []

    def noting(targets: MonthTargets) -> None:
        seen.extend(targets._conn.execute("show max_parallel_maintenance_workers").fetchall())
        attach(targets)

    monkeypatch.setattr(MonthTargets, "attach", noting)
    loaded(db, [many(tmp_path / "3.csv", 300), many(tmp_path / "4.csv", 300, "2025-04-01")], jobs=jobs)
    assert len(seen) == 2
    assert [workers == ("0",) for workers in seen] == [by_one, by_one]


def test_trades_that_move_at_the_same_time_keep_the_columns_that_their_files_lack(
    db: Database, tmp_path: Path, first_comes_last: None
) -> None:
    loaded(db, [many(tmp_path / "0.csv", 300)], jobs=1)
    files = []
    for n, day in enumerate(("2025-03-10", "2025-04-02", "2025-04-03")):
        whole = many(tmp_path / "whole.csv", 100, day, first=n * 100).read_text().splitlines()
        header, *lines = (line.rsplit(",", 2)[0] for line in whole)  # without commission and swap
        files.append(write(tmp_path / f"{n + 1}.csv", *lines, header=header))
    results = loaded(db, files, jobs=3)
    assert [(r.rows_inserted, r.rows_updated) for r in results] == [(0, 100)] * 3  # type: ignore[union-attr]
    days = "select trade_date::text, count(*), sum(commission)::float from raw_trades_closed group by 1 order by 1"
    assert rows(db, days) == [("2025-03-10", 100, -70.0), ("2025-04-02", 100, -70.0), ("2025-04-03", 100, -70.0)]


def test_a_file_that_is_named_twice_is_loaded_once(db: Database, tmp_path: Path, first_comes_last: None) -> None:
    one, two = many(tmp_path / "1.csv", 100), many(tmp_path / "2.csv", 100, "2025-04-02", first=100)
    results = loaded(db, [one, two, one], jobs=3)
    assert [r.status for r in results] == ["loaded", "loaded", "already loaded"]  # type: ignore[union-attr]
    assert value(db, "select count(*) from raw_trades_closed") == 200


def test_a_file_at_fault_stops_no_other_and_answers_come_in_order(
    db: Database, database_url: str, tmp_path: Path
) -> None:
    for n, lots in ((1, "0.1"), (3, "none"), (4, "0.1")):
        many(tmp_path / f"{n}.csv", 1_500, first=n * 1_500, lots=lots)
    (tmp_path / "2.csv").write_text("")
    run = dpm(database_url, "load", tmp_path, "--jobs", "3", "--json")
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    assert run.returncode == 1
    assert [(Path(a["file"]).name, a["status"]) for a in answers] == [
        ("1.csv", "loaded"), ("2.csv", "refused"), ("3.csv", "refused"), ("4.csv", "loaded"),
    ]  # fmt: skip
    assert value(db, "select count(*) from raw_trades_closed") == 3_000
    assert rows(db, "select status from load_batches order by batch_id") == [("loaded",), ("refused",), ("loaded",)]


def test_what_is_not_the_fault_of_a_file_ends_the_loads_at_its_place(
    db: Database, database_url: str, tmp_path: Path
) -> None:
    files = [many(tmp_path / f"{n}.csv", 100, f"2025-0{n}-03", first=n * 100) for n in (1, 2, 3)]
    with session(database_url) as conn:
        conn.execute(
            "create function disk_full() returns trigger language plpgsql as"
            " $$ begin raise exception 'no space' using errcode = 'disk_full'; end $$;"
            " create trigger disk_full before insert on load_batches for each row"
            " when (new.file like '%/2.csv') execute function disk_full()"
        )
        conn.commit()
    first, error = loaded(db, files, jobs=3)
    assert isinstance(first, LoadResult) and first.rows_inserted == 100
    assert isinstance(error, DpmError) and "2.csv: the server's disk is full" in str(error)
    assert value(db, "select count(*) from raw_trades_closed") == 100
    assert value(db, "select count(*) from pg_class where relname like 'raw%%batch%%'") == 0


@pytest.fixture
def held(db: Database, database_url: str) -> Iterator[None]:
    """Somebody holds a key of the trades T100 to T199, and does not commit."""
    value(db, "select count(*) from ensure_trade_months('{2025-03-01}')")
    with session(database_url) as holder:
        holder.execute(
            "insert into raw_trades_closed (trade_id, account_id, login, trade_date)"
            " values ('T150', 'A50', 'l', '2025-03-03')"
        )
        yield


def test_whoever_stops_asking_stops_what_is_under_way(db: Database, tmp_path: Path, held: None) -> None:
    """As Ctrl-C does: a file that waits for a lock ends too, and nothing of it is left."""
    files = [many(tmp_path / f"{n}.csv", 100, first=n * 100) for n in (0, 1, 2)]
    loads = load_files(db, files, jobs=2)
    _, first = next(loads)
    wait_for(db, "select count(*) = 1 from pg_locks where not granted")
    closing = threading.Thread(target=loads.close, daemon=True)  # type: ignore[attr-defined]
    closing.start()
    closing.join(SECONDS)
    assert not closing.is_alive()
    assert isinstance(first, LoadResult)
    assert rows(db, "select load_batch_id, count(*) from raw_trades_closed group by 1") == [(first.batch_id, 100)]


def test_more_jobs_than_connections_are_refused_before_anything_is_loaded(database_url: str, tmp_path: Path) -> None:
    path = many(tmp_path / "1.csv", 10)
    with (
        Database(database_url, max_connections=4) as db,
        pytest.raises(DpmError, match=r"jobs is 3, .* for 1 to 2\. Ask for so many"),
    ):
        load_files(db, [path], jobs=3)
    with psycopg.connect(database_url) as conn:
        assert conn.execute("select count(*) from prop_trading_model.load_batches").fetchone() == (0,)
