"""An index is declared once and is then on every partition, whoever reads, writes, makes partitions or is killed meanwhile."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from dpm_assets.calendar import month_of, today
from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.partitions import indexes
from dpm_assets.partitions.findings import findings
from dpm_assets.server import EmbeddedServer
from tests.interleaving import SECONDS, Connection, sent_off, session, wait_until_blocked

pytestmark = pytest.mark.sql

NOW = month_of(today())
DECLARE = "select declare_partition_index('on_login', 'raw_trades_closed', '(login) where profit < 0')"


def said(_: str) -> None:
    pass


@pytest.fixture
def conn(database_url: str, db: Database) -> Iterator[Connection]:
    with session(database_url, autocommit=True) as opened:
        insert(opened, "t")
        yield opened


def insert(conn: Connection, trade_id: str) -> None:
    conn.execute(
        "insert into raw_trades_closed (trade_id, account_id, login, trade_date, profit) values (%s, 'a', 'l', %s, -1)",
        [trade_id, NOW],
    )


def state(conn: Connection, name: str = "on_login") -> tuple[bool, int, int]:
    """Whether the index of the table is valid, its parts that are valid, and the partitions."""
    row = conn.execute(
        "select x.indisvalid, count(*) filter (where u.valid), count(*) from partition_index_usage as u"
        " join pg_index as x on x.indexrelid = to_regclass(u.index_name) where u.index_name = %s group by 1",
        [name],
    ).fetchone()
    assert row
    valid, built, partitions = row
    return bool(valid), int(built), int(partitions)


def test_an_index_is_declared_then_built_everywhere_and_dropped(db: Database, conn: Connection) -> None:
    indexes.declare(db, "on_login", "raw_trades_closed", "(login) where profit < 0", unique=False)
    assert state(conn) == (False, 0, 4)
    indexes.build(db, "on_login", said)
    held = conn.execute("select count(*) from pg_locks where locktype = 'advisory'").fetchone()
    assert held == (0,), "whoever comes next, in whichever session, would be refused"
    assert state(conn) == (True, 4, 4)
    assert indexes.plan_build(db, "on_login") == []
    assert findings(db, 3) == []
    conn.execute("set enable_seqscan = off")
    plan = conn.execute("explain select * from raw_trades_closed where login = 'l' and profit < 0").fetchall()
    assert any("on_login" in line for (line,) in plan)
    indexes.drop(db, "on_login", said)
    assert conn.execute("select count(*) from pg_class where relname like '%%on_login%%'").fetchone() == (0,)


def test_the_steps_are_a_dry_run_that_psql_can_execute(
    server: EmbeddedServer, conn: Connection, database_url: str
) -> None:
    """From psql alone: declare, then `\\gexec` of the steps, which CONCURRENTLY needs no driver for."""
    script = f"""
        set role dpm_owner;
        {DECLARE};
        select statement from partition_index_steps('on_login') \\gexec
        select statement from partition_index_rebuild_steps('on_login') \\gexec
    """
    done = subprocess.run(
        [str(Path(server.state().binaries) / "psql"), "-X", "-v", "ON_ERROR_STOP=1", "-d", database_url],
        input=script, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("REINDEX") == 4
    assert state(conn) == (True, 4, 4)


def test_a_partition_made_while_an_index_is_being_built_has_its_part(db: Database, conn: Connection) -> None:
    conn.execute("set role dpm_owner")
    conn.execute(DECLARE)
    conn.execute("reset role")
    conn.execute("select ensure_trade_months('{2021-05-01}')")
    first = indexes.plan_build(db, "on_login")
    assert {step.partition for step in first} == {f"raw_trades_closed_{month:%Y_%m}" for month in months_made(conn)}
    indexes.build(db, "on_login", said)
    assert state(conn) == (True, 5, 5)
    conn.execute("select ensure_trade_months('{2021-06-01}')")
    assert state(conn) == (True, 6, 6)


def months_made(conn: Connection) -> list[object]:
    return [row[0] for row in conn.execute("select lower from partition_leaves() where parent_table = 'raw_trades_closed'"
            " and lower > '2022-01-01'").fetchall()]  # fmt: skip


def test_a_writer_and_a_reader_go_on_while_an_index_is_built(db: Database, conn: Connection, database_url: str) -> None:
    """The build waits for the open transactions; they, and new ones, never wait for it."""
    indexes.declare(db, "on_login", "raw_trades_closed", "(login)", unique=False)
    with session(database_url) as writer, session(database_url) as reader, session(database_url, True) as builder:
        insert(writer, "w")
        reader.execute("select count(*) from raw_trades_closed")
        builder.execute("set role dpm_owner")
        step = indexes.plan_build(db, "on_login")[0]
        with sent_off(builder, step.statement.encode()) as built:
            wait_until_blocked(conn, builder)
            for open_transaction in (writer, reader):
                open_transaction.execute("set local lock_timeout = '1ms'")
            insert(writer, "w2")
            conn.execute("set lock_timeout = '1ms'")
            insert(conn, "w3")
            reader.execute("select count(*) from raw_trades_closed")
            writer.commit()
            reader.rollback()
            built.result(SECONDS)
    indexes.build(db, "on_login", said)
    assert state(conn) == (True, 4, 4)


@pytest.mark.kill
def test_a_build_that_was_killed_is_cleaned_up_and_goes_on(db: Database, conn: Connection, database_url: str) -> None:
    indexes.declare(db, "on_login", "raw_trades_closed", "(login)", unique=False)
    with session(database_url) as writer, session(database_url, autocommit=True) as builder:
        insert(writer, "w")
        builder.execute("set role dpm_owner")
        with sent_off(builder, indexes.plan_build(db, "on_login")[0].statement.encode()) as built:
            wait_until_blocked(conn, builder)
            conn.execute("select pg_terminate_backend(%s)", [builder.info.backend_pid])
            with pytest.raises(psycopg.OperationalError):
                built.result(SECONDS)
        writer.commit()
    wrong = {(finding.finding, finding.object) for finding in findings(db, 3)}
    leaf = f"raw_trades_closed_{NOW:%Y_%m}"
    assert ("index invalid", f"{leaf}_on_login") in wrong and ("index missing", leaf) in wrong
    assert indexes.plan_build(db, "on_login")[0].statement.startswith("drop index concurrently")
    indexes.build(db, "on_login", said)
    assert state(conn) == (True, 4, 4)
    assert findings(db, 3) == []


@pytest.mark.kill
def test_a_rebuild_that_was_killed_leaves_nothing_after_the_next(
    db: Database, conn: Connection, database_url: str
) -> None:
    indexes.declare(db, "on_login", "raw_trades_closed", "(login)", unique=False)
    indexes.build(db, "on_login", said)
    with session(database_url) as writer, session(database_url, autocommit=True) as builder:
        insert(writer, "w")
        builder.execute("set role dpm_owner")
        with sent_off(builder, indexes.plan_rebuild(db, "on_login")[0].statement.encode()) as built:
            wait_until_blocked(conn, builder)
            conn.execute("select pg_terminate_backend(%s)", [builder.info.backend_pid])
            with pytest.raises(psycopg.OperationalError):
                built.result(SECONDS)
        writer.commit()
    left = "select count(*) from pg_class where relname ~ '_cc(new|old)'"
    assert conn.execute(left).fetchone() == (1,)
    indexes.rebuild(db, "on_login", said)
    assert conn.execute(left).fetchone() == (0,)
    assert state(conn) == (True, 4, 4)


def test_a_writer_holds_a_declaration_up_only_as_long_as_it_lasts(
    db: Database, conn: Connection, database_url: str
) -> None:
    with session(database_url) as writer, session(database_url, autocommit=True) as owner:
        insert(writer, "w")
        owner.execute("set role dpm_owner")
        with sent_off(owner, DECLARE) as declared:
            wait_until_blocked(conn, owner)
            insert(conn, "w2")  # queued behind the declaration for 40 ms at most, not until `writer` ends
            assert not declared.done()
            writer.commit()
            assert declared.result(SECONDS)
    assert state(conn)[2] == 4


def test_two_sessions_do_not_build_the_same_index(db: Database, conn: Connection) -> None:
    indexes.declare(db, "on_login", "raw_trades_closed", "(login)", unique=False)
    conn.execute("select pg_advisory_lock(hashtextextended('prop_trading_model.indexes.on_login', 0))")
    with pytest.raises(DpmError, match="Another session"):
        indexes.build(db, "on_login", said)


def test_indexes_that_do_no_good_are_named(db: Database, conn: Connection) -> None:
    assert [f for f in indexes.index_findings(db) if f.finding != "unused"] == []
    for name, definition in (("by_account", "(account_id)"), ("again", "(account_id)"), ("half", "(login)")):
        indexes.declare(db, name, "raw_trades_closed", definition, unique=False)
        if name != "half":
            indexes.build(db, name, said)
    found = {(f.finding, f.index) for f in indexes.index_findings(db)}
    assert {("duplicate", "by_account"), ("duplicate", "again"), ("unused", "again"), ("missing", "half")} <= found
    assert ("unused", "raw_trades_closed_pkey") not in found and ("duplicate", "half") not in found


def test_long_names_are_cut_without_being_confused(conn: Connection) -> None:
    names = conn.execute(
        "select partition_index_name('raw_trades_closed_2021_05', repeat('x', 50) || n) from generate_series(1, 2) as n"
    ).fetchall()
    assert len(set(names)) == 2 and all(len(name) == 63 for (name,) in names)


def test_what_holds_a_constraint_is_not_dropped_and_an_unknown_name_is_told(db: Database, conn: Connection) -> None:
    with pytest.raises(psycopg.errors.DependentObjectsStillExist):
        indexes.drop(db, "raw_trades_closed_pkey", said)
    with pytest.raises(psycopg.errors.UndefinedObject, match="no index nobody"):
        indexes.plan_build(db, "nobody")
    with pytest.raises(psycopg.errors.WrongObjectType):
        indexes.declare(db, "mine", "raw_trades_open", "(login)", unique=False)


def test_yearly_partitions_are_indexed_in_the_same_way(db: Database, conn: Connection) -> None:
    indexes.declare(db, "metrics_login", "raw_metrics_daily", "using brin (net_profit)", unique=False)
    indexes.build(db, "metrics_login", said)
    valid, built, partitions = state(conn, "metrics_login")
    assert valid and built == partitions >= 1
