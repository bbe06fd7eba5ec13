"""Readers of old months and loads that make new ones: neither waits for the other."""

import threading
from pathlib import Path

import pytest

from dpm_assets.database import Database
from dpm_assets.loads.load import LoadResult, load_file
from tests.interleaving import session
from tests.trade_rows import trade, value, wait_for, write

OLD = "select count(*) from raw_trades_closed where trade_date < '2025-04-01'"


def test_a_load_that_makes_a_month_does_not_wait_for_a_long_reader_of_old_ones(
    db: Database, database_url: str, tmp_path: Path
) -> None:
    load_file(db, write(tmp_path / "old.csv", trade("T1")))
    path = write(tmp_path / "new.csv", trade("T2", "2021-07-05"))
    with session(database_url) as reader:
        reader.execute("set transaction isolation level repeatable read")
        assert reader.execute(OLD).fetchone() == (1,)
        held = reader.execute("select count(*) from pg_locks where pid = pg_backend_pid() and mode = 'AccessShareLock'")
        assert (held.fetchone() or (0,))[0] > 1, "the reader holds the parent and its month"
        assert load_file(db, path).rows_inserted == 1
        assert value(db, "select to_regclass('raw_trades_closed_2021_07') is not null") is True
        assert reader.execute(OLD).fetchone() == (1,), "and goes on with its own snapshot"


@pytest.mark.parametrize("step", ["before its commit", "while the month is being attached"])
def test_a_reader_of_old_months_does_not_wait_for_a_load_that_makes_one(
    db: Database, database_url: str, tmp_path: Path, step: str
) -> None:
    """The load is held where it holds most; the reader gives up at once if it has to wait for any lock."""
    load_file(db, write(tmp_path / "old.csv", trade("T1")))
    path = write(tmp_path / "new.csv", trade("T2", "2021-07-05"))
    results: list[LoadResult] = []
    with session(database_url) as holder, session(database_url, autocommit=True) as reader:
        if step == "before its commit":
            holder.execute("lock table load_rejects in access exclusive mode; lock table changed_account_days")
        else:
            # SHARE UPDATE EXCLUSIVE is what ATTACH takes: it waits here, with its own request in the queue.
            holder.execute("lock table only raw_trades_closed in share update exclusive mode")
        loading = threading.Thread(target=lambda: results.append(load_file(db, path)))
        loading.start()
        wait_for(db, "select count(*) from pg_locks where not granted and database is not null")
        reader.execute("set lock_timeout = '1ms'")
        assert reader.execute(OLD).fetchone() == (1,)
        assert results == []
        holder.rollback()
        loading.join(timeout=60)
    assert [result.rows_inserted for result in results] == [1]
