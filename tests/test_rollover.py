"""Rollover survives what happens to it: dead for months, a clock that jumps, kills; and a dry run says what it would do."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import psycopg
import pytest

from dpm_assets.calendar import add_months, month_of, months_between, today
from dpm_assets.database import Database
from dpm_assets.partitions import create
from tests.clock import set_today
from tests.interleaving import SECONDS, Connection, sent_off, session, wait_until_blocked

pytestmark = pytest.mark.sql

NOW = month_of(today())
OLD = date(2021, 5, 1)
CREATE_OLD = "select array(select ensure_trade_months(array[date '2021-05-01']))"


@pytest.fixture
def conn(database_url: str, db: Database) -> Iterator[Connection]:
    with session(database_url, autocommit=True) as opened:
        yield opened


def starts(conn: Connection, parent: str = "raw_trades_closed") -> list[date]:
    rows = conn.execute(
        "select b.lower from pg_inherits, leaf_bounds(inhrelid) as b where inhparent = %s::regclass order by 1",
        [parent],
    ).fetchall()
    return [row[0] for row in rows]


def test_months_that_a_dead_daemon_missed_are_made_with_those_ahead(conn: Connection) -> None:
    back = add_months(NOW, 9)
    set_today(conn, back)
    made = conn.execute("select month from create_monthly_partitions(2) order by 1").fetchall()
    assert [row[0] for row in made] == list(months_between(add_months(NOW, 4), add_months(NOW, 11)))
    for parent in ("raw_trades_closed", "rollup_account_symbol_day"):
        assert starts(conn, parent) == list(months_between(NOW, add_months(NOW, 11)))


def test_older_gaps_are_months_without_trades_and_stay(conn: Connection) -> None:
    conn.execute(CREATE_OLD)
    assert conn.execute("select * from create_monthly_partitions()").fetchall() == []


def test_a_clock_that_jumps_far_ahead_and_back_leaves_no_decade_of_partitions(conn: Connection) -> None:
    far = add_months(NOW, 120)
    set_today(conn, far)
    conn.execute("select create_monthly_partitions(1), create_yearly_partitions(1)")
    assert starts(conn) == [*months_between(NOW, add_months(NOW, 3)), far, add_months(far, 1)]
    set_today(conn, today())
    assert conn.execute("select * from create_monthly_partitions()").fetchall() == []
    set_today(conn, add_months(NOW, 1))
    assert conn.execute("select month from create_monthly_partitions()").fetchall() == [(add_months(NOW, 4),)]


def test_years_that_were_missed_are_made_too(conn: Connection) -> None:
    set_today(conn, date(NOW.year + 2, 11, 20))
    conn.execute("select create_yearly_partitions(3)")
    assert starts(conn, "raw_metrics_daily")[-4:] == [date(NOW.year + n, 1, 1) for n in range(4)]


def test_a_month_in_the_archive_is_not_made_again(conn: Connection) -> None:
    conn.execute("insert into month_state (month, state) values (%s, 'cold')", [add_months(NOW, 5)])
    set_today(conn, add_months(NOW, 6))
    conn.execute("select create_monthly_partitions(0)")
    assert add_months(NOW, 5) not in starts(conn)
    assert add_months(NOW, 6) in starts(conn)


def described(conn: Connection, leaf: str) -> list[Any]:
    """Columns with settings, checks, indexes, triggers, privileges, options and owner of a leaf, without its name."""
    queries = (
        "select attname, atttypid, attnotnull, attstattarget, attoptions, attacl::text, attstorage from pg_attribute"
        " where attrelid = %s::regclass and attnum > 0 order by attnum",
        "select conname, pg_get_constraintdef(oid) from pg_constraint where conrelid = %s::regclass and contype = 'c' order by 1",
        "select pg_get_indexdef(i.inhparent) from pg_index as x join pg_inherits as i on i.inhrelid = x.indexrelid"
        " where x.indrelid = %s::regclass order by 1",
        "select tgname, tgenabled, tgtype, tgfoid from pg_trigger where tgrelid = %s::regclass and not tgisinternal order by 1",
        "select a.grantee, a.privilege_type, a.is_grantable from pg_class, aclexplode(relacl) as a where oid = %s::regclass"
        " order by 1, 2",
        "select reloptions, relowner, relpersistence from pg_class where oid = %s::regclass",
    )
    return [conn.execute(query, [leaf]).fetchall() for query in queries]


def dress_up_the_parent(conn: Connection) -> None:
    """Everything that somebody may have given the table of trades beside what the schema does."""
    conn.execute("create function count_it() returns trigger language plpgsql as $$ begin return null; end $$")
    conn.execute(
        "create trigger theirs after insert on raw_trades_closed for each statement execute function count_it()"
    )
    conn.execute("create trigger each_row after insert on raw_trades_closed for each row execute function count_it()")
    conn.execute(
        "create trigger asleep after delete on raw_trades_closed for each statement execute function count_it()"
    )
    conn.execute("alter table raw_trades_closed disable trigger asleep")
    conn.execute("grant update (profit, swap) on raw_trades_closed to dpm_reader")
    conn.execute(
        "alter table raw_trades_closed alter column symbol set statistics 500, alter lots set (n_distinct = 50)"
    )
    conn.execute(
        "insert into leaf_settings values ('raw_trades_closed', '{fillfactor=95,toast.autovacuum_enabled=false}')"
    )


def test_a_leaf_has_everything_that_its_parent_was_given(conn: Connection) -> None:
    dress_up_the_parent(conn)
    conn.execute(CREATE_OLD)
    leaf, parent = described(conn, "raw_trades_closed_2021_05"), described(conn, "raw_trades_closed")
    assert sorted(leaf[0], key=str) == sorted(parent[0], key=str)
    assert leaf[1] == parent[1], "the check of the bounds has gone"
    assert leaf[3] == parent[3] and len(leaf[3]) == 7
    assert leaf[4] == parent[4]
    assert leaf[5][0][0] == ["fillfactor=95"]
    assert conn.execute(CREATE_OLD).fetchone() == ([],)


def test_settings_that_are_no_settings_are_refused(conn: Connection) -> None:
    for bad in ("{fillfactor=90) as select 1; --}", "{fillfactor}", "{}", "{NULL}"):
        with pytest.raises(psycopg.errors.CheckViolation):
            conn.execute("insert into leaf_settings values ('raw_trades_closed', %s)", [bad])


def test_a_dry_run_makes_nothing_and_its_statements_run_by_hand_make_the_same_leaf(conn: Connection) -> None:
    dress_up_the_parent(conn)
    plan = conn.execute("select * from plan_trade_months('{2021-05-17,2021-05-01}')").fetchall()
    assert OLD not in starts(conn)
    conn.execute("set role dpm_owner")
    for name, month, statement, locks in plan:
        assert name.endswith("_2021_05") and month == OLD and locks
        conn.execute(statement)
    conn.execute("reset role")
    assert conn.execute("select * from plan_trade_months('{2021-05-01}')").fetchall() == []
    conn.execute("select ensure_trade_months('{2021-06-01}')")
    for parent in ("raw_trades_closed", "rollup_account_symbol_day"):
        assert described(conn, f"{parent}_2021_05") == described(conn, f"{parent}_2021_06")


def test_no_statement_takes_a_lock_on_the_parent_that_the_dry_run_does_not_name(conn: Connection) -> None:
    held = (
        "select mode from pg_locks where pid = pg_backend_pid()"
        " and relation in ('raw_trades_closed'::regclass, 'rollup_account_symbol_day'::regclass)"
    )
    plan = conn.execute("select statement, locks from plan_trade_months('{2021-05-01}')").fetchall()
    seen = set()
    conn.execute("set role dpm_owner")
    with conn.transaction():
        for statement, locks in plan:
            before = {row[0] for row in conn.execute(held).fetchall()}
            conn.execute(statement)
            for mode in {row[0] for row in conn.execute(held).fetchall()} - before:
                words = {"AccessShareLock": "ACCESS SHARE", "ShareUpdateExclusiveLock": "SHARE UPDATE EXCLUSIVE"}[mode]
                assert words in locks
                seen.add(mode)
    assert "ShareUpdateExclusiveLock" in seen


def test_attaching_reads_no_row_because_the_check_proves_the_bounds(conn: Connection) -> None:
    notices: list[str] = []
    conn.add_notice_handler(lambda diagnostic: notices.append(diagnostic.message_primary or ""))
    conn.execute("set client_min_messages = debug1")
    conn.execute("set role dpm_owner")
    for (statement,) in conn.execute("select statement from plan_trade_months('{2021-05-01}')").fetchall():
        conn.execute(statement)
    assert sum("is implied by existing constraints" in text for text in notices) == 2


def test_every_call_has_a_dry_run(conn: Connection) -> None:
    set_today(conn, add_months(NOW, 13))
    months = conn.execute(
        "select distinct month from create_monthly_partitions(0, dry_run => true) order by 1"
    ).fetchall()
    assert [row[0] for row in months] == list(months_between(add_months(NOW, 4), add_months(NOW, 13)))
    attached = "select count(*) from create_yearly_partitions(24, true) where statement ~ 'attach partition'"
    assert conn.execute(attached).fetchone() != (0,)
    assert conn.execute("select count(*) from plan_metrics_years('{2019}')").fetchone() != (0,)
    assert len(starts(conn)) == 4


def test_a_table_that_has_taken_the_name_is_named_with_the_remedy(conn: Connection) -> None:
    conn.execute("create table prop_trading_model.raw_trades_closed_2021_05 (n integer)")
    for call in (CREATE_OLD, "select plan_trade_months('{2021-05-01}')"):
        with pytest.raises(psycopg.errors.DuplicateTable, match="is there already") as refused:
            conn.execute(call)
        assert "rename or drop" in (refused.value.diag.message_hint or "")


@pytest.mark.kill
def test_a_session_killed_while_it_makes_a_month_leaves_nothing_and_the_next_makes_it(
    conn: Connection, database_url: str
) -> None:
    with session(database_url) as owner, session(database_url, autocommit=True) as maker:
        owner.execute("lock table raw_trades_closed in share update exclusive mode")
        with sent_off(maker, CREATE_OLD) as made:
            wait_until_blocked(conn, maker)
            conn.execute("select pg_terminate_backend(%s)", [maker.info.backend_pid])
            with pytest.raises(psycopg.OperationalError):
                made.result(SECONDS)
    assert conn.execute("select to_regclass('raw_trades_closed_2021_05')").fetchone() == (None,)
    assert conn.execute(CREATE_OLD).fetchone() == ([OLD],)


def test_a_reader_and_a_writer_with_long_transactions_neither_wait_nor_hold_up_a_month(
    conn: Connection, database_url: str
) -> None:
    with session(database_url) as reader, session(database_url) as writer:
        reader.execute("set transaction isolation level repeatable read")
        before = reader.execute("select count(*) from raw_trades_closed").fetchone()
        writer.execute(
            "insert into raw_trades_closed (trade_id, account_id, login, trade_date) values ('t', 'a', 'l', %s)", [NOW]
        )
        assert conn.execute(CREATE_OLD).fetchone() == ([OLD],)
        conn.execute(
            "insert into raw_trades_closed (trade_id, account_id, login, trade_date) values ('t', 'a', 'l', %s)", [OLD]
        )
        for waits in (reader, writer):
            waits.execute("set local lock_timeout = '1ms'")
            waits.execute("select count(*) from raw_trades_closed")
        assert reader.execute("select count(*) from raw_trades_closed").fetchone() == before
        writer.commit()
    assert conn.execute("select count(*) from raw_trades_closed").fetchone() == (2,)


def test_the_command_rolls_over_both_tables_and_plans_first(db: Database, conn: Connection) -> None:
    set_today(conn, date(NOW.year + 1, 12, 20))
    planned = [step.partition for step in create.plan_rollover(db, 3) if "attach partition" in step.statement]
    made = create.roll_over(db, 3)
    assert [name for name in planned if not name.startswith("rollup")] == made
    assert f"raw_metrics_daily_{NOW.year + 2}" in made
    assert create.roll_over(db, 3) == []
    assert create.plan_rollover(db, 3) == []
