"""Whatever goes wrong during a load: its file is loaded once, wholly or not at all, and the user reads a sentence."""

import gzip
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.loads.faults import FileChanged, FileMissing, FileRefused
from dpm_assets.loads.load import LoadResult, load_file
from tests.trade_rows import many, rows, trade, value, wait_for, write

pytestmark = pytest.mark.sql


def at_once(*works: Callable[[], LoadResult]) -> list[LoadResult]:
    """The results of works that run in threads at the same time; what one raises is raised here."""
    results: list[Any] = [None] * len(works)

    def run(place: int) -> None:
        try:
            results[place] = works[place]()
        except Exception as error:  # handed to the test
            results[place] = error

    threads = [threading.Thread(target=run, args=[place]) for place in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    for result in results:
        if isinstance(result, Exception):
            raise result
    return results


def test_the_same_content_loads_once_whatever_the_name(db: Database, tmp_path: Path) -> None:
    first = load_file(db, write(tmp_path / "one.csv", trade("T1")))
    again = load_file(db, write(tmp_path / "two.csv", trade("T1")))
    assert (again.status, again.batch_id, again.rows_read) == ("already loaded", first.batch_id, 0)
    assert f"loaded before as batch {first.batch_id}" in again.message
    assert value(db, "select count(*) from load_batches") == 1


def test_two_loaders_of_the_same_file_load_it_once(db: Database, tmp_path: Path) -> None:
    path = many(tmp_path / "one.csv", 20_000)
    results = at_once(*[lambda: load_file(db, path)] * 4)
    assert sorted(result.status for result in results) == ["already loaded"] * 3 + ["loaded"]
    assert value(db, "select count(*) from raw_trades_closed") == 20_000


def test_two_loaders_with_overlapping_trades_both_end(db: Database, tmp_path: Path) -> None:
    up = many(tmp_path / "up.csv", 10_000, profit="1.00")
    lines = many(tmp_path / "down.csv", 10_000, first=5_000, profit="2.00").read_text().splitlines()
    down = write(tmp_path / "down.csv", *reversed(lines[1:]))
    results = at_once(lambda: load_file(db, up), lambda: load_file(db, down))
    assert sorted((r.rows_inserted, r.rows_updated) for r in results) == [(5_000, 5_000), (10_000, 0)]
    assert value(db, "select count(*) from raw_trades_closed") == 15_000
    assert value(db, "select count(*) from load_corrections") == 5_000


def test_a_writer_that_takes_no_lock_of_ours_is_waited_for(db: Database, database_url: str, tmp_path: Path) -> None:
    """He has inserted one of the file's trades and commits while the load waits for his key."""
    load_file(db, write(tmp_path / "month.csv", trade("T0")))
    path = write(tmp_path / "one.csv", trade("T1", profit="5"), trade("T2"))
    with psycopg.connect(database_url) as other:
        other.execute(
            "insert into raw_trades_closed (trade_id, account_id, login, trade_date, side, lots, profit)"
            " values ('T1', 'A1', '1001', '2025-03-03', 'buy', 1, 4)"
        )
        done: list[LoadResult] = []
        thread = threading.Thread(target=lambda: done.append(load_file(db, path)))
        thread.start()
        wait_for(db, "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query ~ 'insert into'")
        other.commit()
        thread.join(timeout=60)
    assert [(r.rows_inserted, r.rows_updated) for r in done] == [(1, 1)]
    assert float(value(db, "select profit from raw_trades_closed where trade_id = 'T1'")) == 5.0


_LOADER = """
import sys
from pathlib import Path
from dpm_assets.database import Database
from dpm_assets.loads.load import load_file
with Database(sys.argv[1]) as db:
    load_file(db, Path(sys.argv[2]))
"""

_STEPS = {
    "in the middle of the copy": "select count(*) from pg_stat_progress_copy where tuples_processed > 0",
    "while it waits for its turn to merge": "select count(*) from pg_locks where locktype = 'advisory' and not granted",
}


@pytest.mark.parametrize("step", _STEPS)
def test_a_killed_loader_leaves_nothing_and_the_next_loads_once(
    db: Database, database_url: str, tmp_path: Path, step: str
) -> None:
    path = many(tmp_path / "one.csv", 200_000)
    with psycopg.connect(database_url) as other:
        other.execute("select pg_advisory_xact_lock(hashtextextended('prop_trading_model.loads.trades', 0))")
        loader = subprocess.Popen([sys.executable, "-c", _LOADER, database_url, str(path)])
        wait_for(db, _STEPS[step])
        os.kill(loader.pid, signal.SIGKILL)
        loader.wait()
    assert value(db, "select count(*) from raw_trades_closed") == 0
    assert load_file(db, path).rows_inserted == 200_000
    assert load_file(db, path).status == "already loaded"
    assert value(db, "select count(*) from raw_trades_closed") == 200_000


def test_a_cut_connection_is_said_in_a_sentence_and_leaves_nothing(
    db: Database, database_url: str, tmp_path: Path
) -> None:
    path = many(tmp_path / "one.csv", 100_000)

    def cut(done: int, total: int) -> None:
        with psycopg.connect(database_url, autocommit=True) as other:
            other.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and xact_start is not null and pid <> pg_backend_pid()"
            )

    with pytest.raises(
        DpmError, match=r"the server stopped the load .* Nothing is half-loaded\. Check the server"
    ) as cut_off:
        load_file(db, path, progress=cut)
    assert not isinstance(cut_off.value, FileRefused)
    assert value(db, "select count(*) from raw_trades_closed") == 0
    assert load_file(db, path).status == "loaded"


def test_a_file_that_grows_while_it_is_loaded_is_refused(db: Database, tmp_path: Path) -> None:
    path = many(tmp_path / "one.csv", 1_000)

    def write_more(done: int, total: int) -> None:
        with path.open("a") as file:
            file.write(trade("later") + "\n")

    with pytest.raises(
        FileRefused, match=r"one\.csv changed while it was being loaded, so nothing of it was\. Write it"
    ):
        load_file(db, path, progress=write_more)
    assert value(db, "select count(*) from raw_trades_closed") == 0


def test_what_is_no_file_is_said_in_a_sentence(db: Database, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(FileRefused, match=r"pipe\.csv is not a regular file"):
        load_file(db, tmp_path / "pipe.csv")
    with pytest.raises(FileRefused, match=r"is a folder, not a file"):
        load_file(db, tmp_path)
    with pytest.raises(FileMissing, match=r"gone\.csv does not exist\. Check the path"):
        load_file(db, tmp_path / "gone.csv")


def test_a_file_that_may_not_be_read_is_said_in_a_sentence(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "secret.csv", trade("T1"))
    path.chmod(0)
    if os.access(path, os.R_OK):  # root may read everything

        def denied(*_: object) -> int:
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(os, "open", denied)
    with pytest.raises(FileRefused, match=r"secret\.csv cannot be read: permission denied\. Let this user read it"):
        load_file(db, path)


def test_a_database_without_the_schema_is_said_in_a_sentence(database_url: str, db: Database, tmp_path: Path) -> None:
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("alter schema prop_trading_model rename to elsewhere")
    with pytest.raises(DpmError, match=r"not set up for loads .* Run `dpm schema apply`"):
        load_file(db, write(tmp_path / "one.csv", trade("T1")))


def test_a_check_that_only_the_database_knows_refuses_the_load(database_url: str, db: Database, tmp_path: Path) -> None:
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("alter table raw_trades_closed add constraint no_losses check (profit >= 0)")
    with pytest.raises(DpmError, match=r"PostgreSQL refused the rows \(.*no_losses.*\)\. Nothing was loaded"):
        load_file(db, write(tmp_path / "one.csv", trade("T1", profit="-1"), trade("T2")))
    assert value(db, "select count(*) from load_batches") == 0


def test_loads_summarize_the_brin_indexes_that_they_touched(db: Database, tmp_path: Path) -> None:
    load_file(db, many(tmp_path / "one.csv", 30_000))
    assert value(db, "select prop_trading_model.summarize_trade_months(array['2025-03-01'::date])") == 0
    assert value(db, "select count(*) from pg_index join pg_class on oid = indexrelid join pg_am a on a.oid = relam"
                 " where amname = 'brin' and indrelid = 'raw_trades_closed_2025_03'::regclass") > 0  # fmt: skip


def test_a_load_works_as_dpm_loader_whoever_logs_in(db: Database, database_url: str, tmp_path: Path) -> None:
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute(
            "create function public.note_role() returns trigger language plpgsql as"
            " $$ begin new.message := current_user; return new; end $$"
        )
        conn.execute(
            "create trigger note_role before insert on load_batches for each row execute function public.note_role()"
        )
    load_file(db, write(tmp_path / "one.csv", trade("T1")))
    assert rows(db, "select message, loaded_by = session_user from load_batches") == [("dpm_loader", True)]


def test_a_packed_file_that_is_written_to_while_it_is_read_is_not_called_damaged(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dpm_assets.loads.blocks.BLOCK", 10_000)
    monkeypatch.setattr("dpm_assets.loads.chunks.FIRST_ROWS", 1)
    whole = gzip.compress(many(tmp_path / "one.csv", 5_000).read_bytes())
    cut = len(whole) * 4 // 5
    path = tmp_path / "one.csv.gz"
    path.write_bytes(whole[:cut])

    def write_on(_: int, __: int) -> None:
        with path.open("ab") as file:
            file.write(whole[cut : cut + 10])

    with pytest.raises(FileChanged, match="changed while it was being loaded"):
        load_file(db, path, progress=write_on)
    path.write_bytes(whole)
    assert load_file(db, path).rows_inserted == 5_000
