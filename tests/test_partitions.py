"""Leaves come complete, in time, and without anybody waiting; a row outside of them is refused and nothing is lost."""

import time
from collections.abc import Iterator
from datetime import date

import psycopg
import pytest
from psycopg import sql

from dpm_assets.calendar import add_months, month_of, today
from dpm_assets.database import Database
from tests.interleaving import SECONDS, Connection, sent_off, session, wait_until_blocked

pytestmark = pytest.mark.sql

OLD = date(2021, 5, 1)
CREATE_OLD = "select array(select ensure_trade_months(array[date '2021-05-01']))"


@pytest.fixture
def conn(database_url: str, db: Database) -> Iterator[Connection]:
    with session(database_url, autocommit=True) as opened:
        yield opened


def leaves(conn: Connection, parent: str = "raw_trades_closed") -> list[str]:
    rows = conn.execute(
        "select inhrelid::regclass::text from pg_inherits where inhparent = %s::regclass order by 1", [parent]
    ).fetchall()
    return [row[0] for row in rows]


def insert(conn: Connection, day: date, table: str = "raw_trades_closed") -> None:
    conn.execute(
        sql.SQL("insert into {} (trade_id, account_id, login, trade_date) values ('t', 'a', 'l', %s)").format(
            sql.Identifier(table)
        ),
        [day],
    )


def test_the_running_month_and_three_more_are_ready_and_made_once(conn: Connection) -> None:
    wanted = [f"raw_trades_closed_{add_months(month_of(today()), ahead):%Y_%m}" for ahead in range(4)]
    assert leaves(conn) == wanted
    assert conn.execute("select * from create_monthly_partitions()").fetchall() == []
    assert leaves(conn) == wanted


def test_more_months_ahead_can_be_asked_for(conn: Connection) -> None:
    made = conn.execute("select month from create_monthly_partitions(6)").fetchall()
    assert [row[0] for row in made] == [add_months(month_of(today()), ahead) for ahead in (4, 5, 6)]
    assert len(leaves(conn, "rollup_account_symbol_day")) == 7


@pytest.mark.parametrize("months_ahead", ["-1", "121", "null"])
def test_a_number_of_months_that_makes_no_sense_is_refused(conn: Connection, months_ahead: str) -> None:
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="must be from 0 to 120"):
        conn.execute(f"select create_monthly_partitions({months_ahead})")


def test_a_new_leaf_is_complete(conn: Connection) -> None:
    conn.execute(CREATE_OLD)
    triggers = "select tgname, tgenabled from pg_trigger where tgrelid = %s::regclass and not tgisinternal order by 1"
    made = conn.execute(triggers, ["raw_trades_closed_2021_05"]).fetchall()
    assert made == [(f"log_{name}", "A") for name in ("delete", "insert", "truncate", "update")]
    assert made == conn.execute(triggers, ["raw_trades_closed"]).fetchall()

    rights = (
        "select grantee::regrole::text, privilege_type from pg_class, aclexplode(relacl) where oid = %s::regclass"
        " order by 1, 2"
    )
    assert (
        conn.execute(rights, ["raw_trades_closed_2021_05"]).fetchall()
        == conn.execute(rights, ["raw_trades_closed"]).fetchall()
        != []
    )

    attached = conn.execute(
        "select count(*) from pg_inherits as i join pg_index as x on x.indexrelid = i.inhrelid"
        " where x.indrelid = 'raw_trades_closed_2021_05'::regclass"
    ).fetchone()
    assert attached == (2,), "the key and the BRIN belong to the parent's"
    owner = "select relowner::regrole::text from pg_class where oid = %s::regclass"
    assert conn.execute(owner, ["raw_trades_closed_2021_05"]).fetchone() == ("dpm_owner",)


def test_a_row_outside_of_the_months_is_refused_and_nothing_is_lost(conn: Connection) -> None:
    insert(conn, today())
    with pytest.raises(psycopg.errors.CheckViolation, match="no partition of relation"):
        conn.execute(
            "insert into raw_trades_closed (trade_id, account_id, login, trade_date)"
            " values ('t2', 'a', 'l', current_date), ('t3', 'a', 'l', '1999-01-01')"
        )
    assert conn.execute("select count(*) from raw_trades_closed").fetchone() == (1,)


def test_a_leaf_is_made_while_readers_and_writers_of_the_parent_are_at_work(
    conn: Connection, database_url: str
) -> None:
    """SHARE UPDATE EXCLUSIVE on the parent goes with both; an ACCESS EXCLUSIVE lock would wait for them."""
    with session(database_url) as reader, session(database_url) as writer:
        reader.execute("select count(*) from raw_trades_closed")
        insert(writer, today())
        assert conn.execute(CREATE_OLD).fetchone() == ([OLD],)
        with conn.transaction():
            conn.execute("select ensure_trade_months(array[date '2021-06-01'])")
            held = conn.execute(
                "select mode from pg_locks where relation = 'raw_trades_closed'::regclass and pid = pg_backend_pid()"
            ).fetchall()
            assert ("AccessExclusiveLock",) not in held
            reader.execute("select count(*) from raw_trades_closed")
            insert(writer, add_months(today().replace(day=1), 1))
        writer.commit()
        reader.rollback()
        insert(reader, OLD)


def test_two_sessions_that_make_the_same_month_make_it_once(conn: Connection, database_url: str) -> None:
    with session(database_url) as first, session(database_url, autocommit=True) as second:
        first.execute(CREATE_OLD)
        with sent_off(second, CREATE_OLD) as made:
            wait_until_blocked(conn, second)
            first.commit()
            assert made.result(SECONDS) == ([],)
    assert leaves(conn).count("raw_trades_closed_2021_05") == 1


def test_a_session_waits_for_another_that_makes_many_months(conn: Connection, database_url: str) -> None:
    with session(database_url) as first, session(database_url, autocommit=True) as second:
        first.execute(CREATE_OLD)
        with sent_off(second, CREATE_OLD) as made:
            wait_until_blocked(conn, second)
            time.sleep(1)
            first.commit()
            assert made.result(SECONDS) == ([],)


def wait_until_it_pauses(observer: Connection, maker: Connection) -> None:
    """Returns once a session has given up an attempt and sleeps before the next."""
    give_up = time.monotonic() + SECONDS
    query = "select from pg_stat_activity where pid = %s and wait_event = 'PgSleep'"
    while observer.execute(query, [maker.info.backend_pid]).fetchone() is None:
        assert time.monotonic() < give_up, "it never gave up an attempt"
        time.sleep(0.002)


def shorten_attempts(conn: Connection) -> None:
    """As many attempts as ever to get a lock, with a fiftieth of the patience."""
    [(function,)] = conn.execute("select pg_get_functiondef('build_leaf'::regproc)")
    assert "'500ms'" in function and "pg_sleep(0.05 * attempt" in function
    conn.execute(function.replace("'500ms'", "'10ms'").replace("pg_sleep(0.05 *", "pg_sleep(0.001 *").encode())


def test_a_lock_that_is_given_up_in_time_is_waited_for(conn: Connection, database_url: str) -> None:
    with session(database_url) as owner, session(database_url, autocommit=True) as maker:
        owner.execute("lock table raw_trades_closed in share update exclusive mode")
        with sent_off(maker, CREATE_OLD) as made:
            wait_until_it_pauses(conn, maker)
            owner.rollback()
            assert made.result(SECONDS) == ([OLD],)


def test_a_parent_that_stays_locked_gives_a_clear_error(conn: Connection, database_url: str) -> None:
    with session(database_url) as owner:
        shorten_attempts(conn)
        owner.execute("lock table raw_trades_closed in share update exclusive mode")
        with pytest.raises(psycopg.errors.LockNotAvailable, match="stayed locked") as refused:
            conn.execute(CREATE_OLD)
        assert "pg_locks" in (refused.value.diag.message_hint or "")
    assert conn.execute(CREATE_OLD).fetchone() == ([OLD],)


def test_years_of_metrics_are_made_as_months_of_trades_are(conn: Connection) -> None:
    assert f"raw_metrics_daily_{today().year}" in leaves(conn, "raw_metrics_daily")
    made = conn.execute("select array(select ensure_metrics_years(array[2021, 2022, 2021]))").fetchone()
    assert made == ([2021, 2022],)
    assert conn.execute("select array(select ensure_metrics_years(array[2021]))").fetchone() == ([],)
    conn.execute("insert into raw_metrics_daily (account_id, login, date) values ('a', 'l', '2021-12-31')")
    assert conn.execute("select count(*) from raw_metrics_daily_2021").fetchone() == (1,)
