"""Every way to write leaves its account-days in the log, with the change; what fires no trigger is noticed."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from psycopg import sql

from dpm_assets.database import Database
from tests.history import differences
from tests.interleaving import Connection, sent_off, session, wait_until_blocked

pytestmark = pytest.mark.sql

JANUARY, MARCH = date(2024, 1, 1), date(2024, 3, 1)
LEAF = "raw_trades_closed_2024_01"
COLUMNS = "(trade_id, account_id, login, trade_date, profit)"
TWO_TRADES = "('t1', 'a1', 'l', '2024-01-10', 5), ('t2', 'a2', 'l', '2024-01-11', 6)"
A1, A2 = ("a1", date(2024, 1, 10)), ("a2", date(2024, 1, 11))


@pytest.fixture
def conn(database_url: str, db: Database) -> Iterator[Connection]:
    """A warehouse of January to March 2024 with two trades, refreshed."""
    with session(database_url, autocommit=True) as opened:
        opened.execute("select ensure_trade_months(%s)", [[JANUARY, date(2024, 2, 1), MARCH]])
        opened.execute(f"insert into raw_trades_closed {COLUMNS} values {TWO_TRADES}")
        opened.execute("call refresh_warehouse()")
        assert keys(opened) == set()
        yield opened


def keys(conn: Connection) -> set[tuple[str, date]]:
    return set(conn.execute("select account_id, trade_date from changed_account_days").fetchall())


def marked(conn: Connection) -> set[date]:
    return {row[0] for row in conn.execute("select month from changed_months").fetchall()}


def pending(conn: Connection) -> list[date]:
    row = conn.execute("select months from pending_changes()").fetchone()
    assert row
    return list(row[0])


A3 = ("a3", date(2024, 1, 12))
STATEMENTS: dict[str, tuple[str, set[Any]]] = {
    "insert": (f"insert into {{}} {COLUMNS} values ('t3', 'a3', 'l', '2024-01-12', 1)", {A3}),
    "update of a measure": ("update {} set profit = profit + 1 where account_id = 'a1'", {A1}),
    "update of the account": ("update {} set account_id = 'a3' where account_id = 'a1'", {A1, ("a3", A1[1])}),
    "update of the day": ("update {} set trade_date = '2024-01-12' where account_id = 'a1'", {A1, ("a1", A3[1])}),
    "delete": ("delete from {} where account_id = 'a2'", {A2}),
    "on conflict do update": (
        f"insert into {{}} {COLUMNS} values ('t1', 'a1', 'l', '2024-01-10', 9), ('t3', 'a3', 'l', '2024-01-12', 1)"
        " on conflict (account_id, trade_date, trade_id) do update set profit = excluded.profit",
        {A1, A3},
    ),
    "merge": (
        "merge into {} as t using (values ('a1', date '2024-01-10', 't1'), ('a2', '2024-01-11', 't2'),"
        " ('a3', '2024-01-12', 't3')) as i (account_id, trade_date, trade_id)"
        " on t.account_id = i.account_id and t.trade_date = i.trade_date and t.trade_id = i.trade_id"
        " when matched and i.account_id = 'a1' then delete when matched then update set profit = 0"
        f" when not matched then insert {COLUMNS} values (i.trade_id, i.account_id, 'l', i.trade_date, 1)",
        {A1, A2, A3},
    ),
}


@pytest.mark.parametrize("table", ["raw_trades_closed", LEAF])
@pytest.mark.parametrize("statement", STATEMENTS)
def test_every_statement_on_parent_and_leaf_leaves_its_account_days(
    conn: Connection, db: Database, table: str, statement: str
) -> None:
    text, expected = STATEMENTS[statement]
    conn.execute(sql.SQL(text).format(sql.Identifier(table)))
    assert keys(conn) == expected
    conn.execute("call refresh_warehouse()")
    assert differences(db) == []


@pytest.mark.parametrize("table", ["raw_trades_closed", LEAF])
def test_copy_leaves_its_account_days(conn: Connection, db: Database, table: str) -> None:
    with conn.cursor().copy(sql.SQL("copy {} {} from stdin").format(sql.Identifier(table), sql.SQL(COLUMNS))) as copy:
        copy.write_row(["t3", "a3", "l", "2024-01-12", "1"])
        copy.write_row(["t4", "a3", "l", "2024-01-12", "1"])
    assert keys(conn) == {A3}
    conn.execute("call refresh_warehouse()")
    assert differences(db) == []


@pytest.mark.parametrize("table", ["raw_trades_closed", LEAF])
@pytest.mark.parametrize("rows", [1, 100, 101, 500])
def test_a_statement_of_any_size_leaves_each_account_day_once(conn: Connection, table: str, rows: int) -> None:
    def logged() -> list[tuple[str, date]]:
        taken = conn.execute("delete from changed_account_days returning account_id, trade_date").fetchall()
        return sorted(taken)

    conn.execute(
        sql.SQL("insert into {} (trade_id, account_id, login, trade_date)"
                " select 'many' || n, 'many' || mod(n, 3), 'l', '2024-01-10' from generate_series(1, %s) as n")
        .format(sql.Identifier(table)), [rows],
    )  # fmt: skip
    days = sorted({(f"many{n % 3}", A1[1]) for n in range(1, rows + 1)})
    assert logged() == days
    conn.execute(sql.SQL("update {} set trade_date = '2024-01-11' where login = 'l' and trade_id like 'many%'")
                 .format(sql.Identifier(table)))  # fmt: skip
    assert logged() == sorted(days + [(account, A2[1]) for account, _ in days])
    conn.execute(sql.SQL("delete from {} where trade_id like 'many%'").format(sql.Identifier(table)))
    assert logged() == [(account, A2[1]) for account, _ in days]


def test_an_update_to_another_month_leaves_the_day_it_left_and_the_day_it_came_to(
    conn: Connection, db: Database
) -> None:
    conn.execute("update raw_trades_closed set trade_date = '2024-03-05' where account_id = 'a1'")
    assert keys(conn) == {A1, ("a1", date(2024, 3, 5))}
    conn.execute("call refresh_warehouse()")
    assert differences(db) == []


@pytest.mark.parametrize("table", ["raw_trades_closed", LEAF])
def test_truncate_marks_the_month(conn: Connection, db: Database, table: str) -> None:
    conn.execute(sql.SQL("truncate {}").format(sql.Identifier(table)))
    assert JANUARY in marked(conn)
    conn.execute("call refresh_warehouse()")
    assert differences(db) == []
    assert conn.execute("select count(*) from rollup_account_symbol_day").fetchone() == (0,)


def test_a_savepoint_that_is_rolled_back_takes_its_keys_along(conn: Connection) -> None:
    with conn.transaction():
        conn.execute("delete from raw_trades_closed where account_id = 'a1'")
        with conn.transaction(force_rollback=True):
            conn.execute("delete from raw_trades_closed where account_id = 'a2'")
    assert keys(conn) == {A1}


def test_keys_come_with_the_commit_of_a_prepared_transaction(conn: Connection, database_url: str, db: Database) -> None:
    with session(database_url) as writer:
        writer.tpc_begin(writer.xid(1, "load", "warehouse"))
        writer.execute("delete from raw_trades_closed where account_id = 'a1'")
        writer.tpc_prepare()
        conn.execute("call refresh_warehouse()")
        assert keys(conn) == set()
        writer.tpc_commit()
    assert keys(conn) == {A1}
    conn.execute("call refresh_warehouse()")
    assert differences(db) == []


def test_a_writer_that_plays_replica_is_logged_too(conn: Connection) -> None:
    conn.execute("set session_replication_role = replica")
    conn.execute("delete from raw_trades_closed where account_id = 'a1'")
    conn.execute("delete from raw_trades_closed_2024_01 where account_id = 'a2'")
    assert keys(conn) == {A1, A2}


@pytest.mark.parametrize(
    ("table", "written", "made_of_it"),
    [
        (
            "raw_accounts_data",
            "insert into {} (account_id, login) values ('a9', 'l')",
            "mv_account_performance_summary",
        ),
        ("raw_plans_data", "insert into {} (plan_id) values ('p')", "mv_account_performance_summary"),
        ("raw_regimes_daily", "insert into {} (date) values ('2024-01-10')", "mv_market_regime_performance"),
    ],
)
def test_accounts_plans_and_regimes_make_their_views_due(
    conn: Connection, db: Database, table: str, written: str, made_of_it: str
) -> None:
    for statement in (written, "update {} set ingestion_timestamp = '2024-01-01'", "delete from {}", "truncate {}"):
        conn.execute(sql.SQL(statement).format(sql.Identifier(table)))
        row = conn.execute("select views from pending_changes()").fetchone()
        assert row and made_of_it in row[0] and "mv_daily_trading_stats" not in row[0]
        conn.execute("call refresh_warehouse()")
        assert differences(db) == []


def test_a_detached_month_leaves_the_rollups_and_an_attached_one_comes_back(conn: Connection, db: Database) -> None:
    for statement in (
        f"alter table raw_trades_closed detach partition {LEAF}",
        f"alter table raw_trades_closed attach partition {LEAF} for values from ('2024-01-01') to ('2024-02-01')",
        f"vacuum full {LEAF}",
        f"drop table {LEAF}",
    ):
        conn.execute(statement)
        assert pending(conn) == [JANUARY], statement
        conn.execute("call refresh_warehouse()")
        assert pending(conn) == []
        assert differences(db) == []


def test_a_month_that_goes_is_noticed_whatever_date_style_a_refresh_had(conn: Connection, db: Database) -> None:
    """Bounds are remembered as text, which PostgreSQL prints as the session wants it."""
    conn.execute("set datestyle = 'SQL, DMY'")
    conn.execute("call refresh_warehouse()")
    assert pending(conn) == []
    conn.execute("set datestyle = 'ISO, MDY'")
    assert pending(conn) == []
    conn.execute(f"drop table {LEAF}")
    assert pending(conn) == [JANUARY]
    conn.execute("call refresh_warehouse()")
    assert differences(db) == []


def test_a_detached_month_that_is_emptied_marks_no_other(conn: Connection, db: Database) -> None:
    conn.execute(f"insert into raw_trades_closed {COLUMNS} values ('t3', 'a3', 'l', '2024-03-12', 1)")
    conn.execute(f"alter table raw_trades_closed detach partition {LEAF}")
    conn.execute("call refresh_warehouse()")
    conn.execute(f"truncate {LEAF}")
    assert marked(conn) == set() and pending(conn) == []
    conn.execute(
        f"alter table raw_trades_closed attach partition {LEAF} for values from ('2024-01-01') to ('2024-02-01')"
    )
    conn.execute("call refresh_warehouse()")
    assert differences(db) == []


INPUTS = {"raw_plans_data": "plans", "raw_regimes_daily": "regimes", "raw_accounts_data": "accounts"}


@pytest.mark.parametrize("table", INPUTS)
def test_an_input_whose_trigger_comes_back_is_read_anew(conn: Connection, table: str) -> None:
    """As a repair brings it back: nobody knows what was written meanwhile."""
    waiting = "select array_agg(distinct input) from changed_inputs"
    conn.execute(f"alter table {table} disable trigger log_input")
    conn.execute("select create_input_trigger(%s::regclass, %s)", [table, INPUTS[table]])
    assert conn.execute(waiting).fetchone() == (None,), "an empty table has nothing that was missed"
    conn.execute(f"alter table {table} disable trigger log_input")
    conn.execute(INPUT_ROWS[table])
    conn.execute("select create_input_trigger(%s::regclass, %s)", [table, INPUTS[table]])
    assert conn.execute(waiting).fetchone() == ([INPUTS[table]],)


INPUT_ROWS = {
    "raw_plans_data": "insert into raw_plans_data (plan_id, plan_name) values ('p', 'P')",
    "raw_regimes_daily": "insert into raw_regimes_daily (date, summary) values ('2024-01-10', '{}')",
    "raw_accounts_data": "insert into raw_accounts_data (account_id, login) values ('a1', 'l')",
}


def test_a_rebuild_reads_the_other_inputs_anew(conn: Connection) -> None:
    """Rows that came by logical replication fire no trigger."""
    conn.execute("select rebuild_totals()")
    assert conn.execute("select array_agg(input order by input) from changed_inputs").fetchone() == (
        ["accounts", "plans", "regimes"],
    )


def test_a_concurrent_detach_that_is_left_pending_is_noticed(conn: Connection, database_url: str, db: Database) -> None:
    with session(database_url) as reader, session(database_url, autocommit=True) as detacher:
        reader.execute("select count(*) from raw_trades_closed")
        with sent_off(detacher, f"alter table raw_trades_closed detach partition {LEAF} concurrently") as detached:
            wait_until_blocked(conn, detacher)
            conn.execute("select pg_cancel_backend(%s)", [detacher.info.backend_pid])
            assert detached.exception(20)
        reader.rollback()
    assert pending(conn) == [JANUARY]
    conn.execute("call refresh_warehouse()")
    assert differences(db) == []
    assert conn.execute("select count(*) from rollup_account").fetchone() == (0,)
    conn.execute(f"alter table raw_trades_closed detach partition {LEAF} finalize")
    conn.execute("call refresh_warehouse()")
    assert differences(db) == []


def test_a_leaf_that_somebody_else_made_gets_its_triggers_at_the_next_refresh(conn: Connection, db: Database) -> None:
    conn.execute("set role dpm_owner")
    conn.execute("create table theirs partition of raw_trades_closed for values from ('2023-05-01') to ('2023-06-01')")
    conn.execute("reset role")
    conn.execute(f"insert into theirs {COLUMNS} values ('t5', 'a5', 'l', '2023-05-09', 7)")
    assert pending(conn) == [date(2023, 5, 1)]
    conn.execute("call refresh_warehouse()")
    assert differences(db) == []
    conn.execute("update theirs set profit = 8")
    assert keys(conn) == {("a5", date(2023, 5, 9))}


@pytest.mark.parametrize("what", ["all tables", "tables in schema prop_trading_model"])
def test_a_database_that_publishes_its_tables_is_refreshed(conn: Connection, db: Database, what: str) -> None:
    """From what has no key may be deleted only if whole rows stand for it."""
    conn.execute(f"create publication firm for {what}".encode())
    conn.execute(f"insert into raw_trades_closed {COLUMNS} values ('p1', 'a1', 'l', '2024-01-12', 1)".encode())
    conn.execute("insert into raw_accounts_data (account_id, login) values ('a1', 'l')")
    conn.execute(f"truncate {LEAF}".encode())
    conn.execute("call refresh_warehouse()")
    conn.execute("select rebuild_month('2024-01-01')")
    assert pending(conn) == [] and differences(db) == []
