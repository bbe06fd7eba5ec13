"""A backlog is taken in bites: each a transaction of its own, of bounded memory, seen by others as it is done, and logged."""

import time
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

import psycopg
import pytest

from dpm_assets.database import Database
from dpm_assets.refresh.engine import drain
from tests.history import differences
from tests.interleaving import Connection, sent_off, session
from tests.stage import Stage
from tests.steps import BETWEEN_BITES, BITE_WRITTEN, install, standing

pytestmark = pytest.mark.sql

BITE = 200
BITES = "call refresh_warehouse(200)"


@pytest.fixture
def conn(database_url: str, db: Database) -> Iterator[Connection]:
    with session(database_url, autocommit=True) as opened:
        opened.execute("select ensure_trade_months(array['2024-01-01', '2024-02-01', '2024-03-01']::date[])")
        opened.execute("call refresh_warehouse()")
        opened.execute("delete from refresh_log")
        opened.execute("delete from pipeline_execution_log")
        yield opened


def insert_account_days(conn: Connection, count: int) -> None:
    """One trade for each of `count` account-days: 50 days of as many accounts as that needs."""
    conn.execute(
        "insert into raw_trades_closed (trade_id, account_id, login, symbol, trade_date, lots, profit, close_time)"
        " select n, 'a' || n / 50, 'l', 'EURUSD', date '2024-01-05' + n %% 50, 1.5, n %% 7 - 3, '2024-01-05'"
        " from generate_series(0, %s - 1) as n",
        [count],
    )


def test_a_backlog_is_drained_in_bites_of_at_most_the_bound_each_in_its_own_transaction(
    conn: Connection, db: Database
) -> None:
    insert_account_days(conn, 1_050)
    conn.execute(BITES)
    bites = conn.execute(
        "select keys_taken, xmin::text, rows_written > 0 from refresh_log where kind = 'keys' order by refresh_id"
    ).fetchall()
    assert [bite[0] for bite in bites] == [BITE] * 5 + [50]
    assert len({bite[1] for bite in bites}) == 6
    assert all(bite[2] for bite in bites)
    assert differences(db) == []


def seen(conn: Connection) -> tuple[int, int, int]:
    """Trades in the rollup, account-days that wait in the log, account-days that refreshes say they took."""
    row = conn.execute(
        "select (select coalesce(sum(trades), 0)::integer from rollup_market_day),"
        " (select count(*) from changed_account_days),"
        " (select coalesce(sum(keys_taken), 0)::integer from refresh_log)"
    ).fetchone()
    assert row
    return row[0], row[1], row[2]


def test_another_session_sees_a_bite_as_soon_as_it_is_done(conn: Connection, database_url: str) -> None:
    insert_account_days(conn, 3 * BITE)
    install(conn)
    with closing(Stage(database_url)) as stage:
        with standing(stage, BITES, BITE_WRITTEN):
            assert seen(conn) == (0, 3 * BITE, 0)
        conn.execute("truncate raw_trades_closed")
        conn.execute("call refresh_warehouse()")
        conn.execute("delete from refresh_log")
        insert_account_days(conn, 3 * BITE)
        with standing(stage, BITES, BETWEEN_BITES) as refresh:
            assert seen(conn) == (BITE, 2 * BITE, BITE)
            refresh.go_on()
    assert seen(conn) == (3 * BITE, 0, 3 * BITE)


def test_what_the_bites_before_have_done_stays_when_one_fails(
    conn: Connection, database_url: str, db: Database
) -> None:
    insert_account_days(conn, 3 * BITE)
    conn.execute(
        "create function fail_at_last() returns trigger language plpgsql as $$ begin"
        " if (select count(*) from prop_trading_model.refresh_log where kind = 'keys') = 3 then"
        " raise 'no more'; end if; return null; end $$;"
        " create trigger fail_at_last after insert on refresh_log for each statement execute function fail_at_last()"
    )
    with pytest.raises(psycopg.errors.RaiseException, match="no more"):
        conn.execute(BITES)
    assert seen(conn) == (2 * BITE, BITE, 2 * BITE)
    conn.execute("drop trigger fail_at_last on refresh_log")
    conn.execute(BITES)
    assert seen(conn) == (3 * BITE, 0, 3 * BITE)
    assert differences(db) == []


def peak_of_a_drain(conn: Connection, database_url: str, account_days: int) -> int:
    """The most memory of its own, in kilobytes, that a backend has while it drains a backlog in bites."""
    insert_account_days(conn, account_days)
    with session(database_url, autocommit=True) as refresher:
        status = Path(f"/proc/{refresher.info.backend_pid}/status")
        peak = 0
        with sent_off(refresher, BITES) as drained:
            over = False
            while not over:
                over = drained.done()  # and once more after its end
                own = next(line for line in status.read_text().splitlines() if line.startswith("RssAnon"))
                peak = max(peak, int(own.split()[1]))
                time.sleep(0.005)
            drained.result()
    conn.execute("truncate raw_trades_closed")
    conn.execute("call refresh_warehouse()")
    return peak


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the memory of a process in /proc")
def test_the_memory_of_a_drain_does_not_grow_with_the_backlog(conn: Connection, database_url: str) -> None:
    small = peak_of_a_drain(conn, database_url, 3 * BITE)
    large = peak_of_a_drain(conn, database_url, 30 * BITE)
    assert large < small + 4_096, f"{small} kB for 3 bites, {large} kB for 30"


@pytest.mark.parametrize("call", [BITES, "select refresh_materialized_views()"])
def test_a_refresh_says_in_the_logs_who_did_what_when_and_how_much(conn: Connection, call: str) -> None:
    insert_account_days(conn, 100)
    conn.execute(call.encode())
    rows = conn.execute("select count(*) from rollup_account_symbol_day").fetchone()
    assert rows == (100,)
    keys, views = conn.execute(
        "select kind, keys_taken, months, rows_written, views, refreshed_by = session_user,"
        " started_at <= finished_at, seconds >= 0, finished_at > now() - interval '1 min' from refresh_log order by 1"
    ).fetchall()
    assert keys[:3] == ("keys", 100, [date(2024, 1, 1), date(2024, 2, 1)]) and keys[3] > 100
    assert views[0] == "views" and set(views[4]) >= {"mv_daily_trading_stats", "mv_account_performance_summary"}
    assert keys[5:] == views[5:] == (True, True, True, True)
    logged = conn.execute(
        "select pipeline_stage, status, records_processed, (execution_details ->> 'keys_taken')::integer,"
        " start_time <= end_time, jsonb_array_length(execution_details -> 'views') from pipeline_execution_log"
    ).fetchall()
    assert logged == [("refresh_materialized_views", "success", keys[3], 100, True, len(views[4]))]
    conn.execute(call.encode())
    assert conn.execute("select count(*) from pipeline_execution_log").fetchone() == (1,)


@pytest.mark.parametrize("call", [BITES, "select refresh_materialized_views()", None])
def test_a_refresh_ends_beside_somebody_who_writes_all_the_time(
    conn: Connection, db: Database, call: str | None
) -> None:
    """One more trade is committed for each bite that is taken: the views are made of what was pending when it began."""
    conn.execute(
        "create function write_one_more() returns trigger language plpgsql as $$ begin"
        " if new.kind = 'keys' then"
        "  insert into prop_trading_model.raw_trades_closed (trade_id, account_id, login, trade_date, profit)"
        "  values ('more-' || new.refresh_id, 'a1', 'l', '2024-01-10', 1);"
        "  if (select count(*) from prop_trading_model.refresh_log where kind = 'keys') > 20 then"
        "   raise 'it does not end';"
        "  end if;"
        " end if; return null; end $$;"
        " create trigger write_one_more after insert on refresh_log for each row execute function write_one_more()"
    )
    insert_account_days(conn, 3 * BITE + 10)
    if call:
        conn.execute(call.encode())
    else:
        drain(conn)
        conn.execute("select refresh_views()")
    assert conn.execute("select keys from pending_changes()").fetchone() == (1,)
    bites = conn.execute("select count(*) from refresh_log where kind = 'keys'").fetchone()
    shown = conn.execute("select sum(total_trades) from mv_daily_trading_stats").fetchone()
    assert bites and shown == (3 * BITE + 10 + bites[0] - 1,)
    conn.execute("drop trigger write_one_more on refresh_log")
    conn.execute("call refresh_warehouse()")
    assert differences(db) == []
