"""What writers do while a bite is being copied, each in its own way: the copy has it all when it is over."""

from collections.abc import Iterator

import pytest

from dpm_assets.database import Database
from dpm_assets.migration.prepare import prepare
from dpm_assets.server import EmbeddedServer
from tests.baselines import application_url, baseline
from tests.command_line import dpm
from tests.interleaving import Connection, session
from tests.migrated import misplaced
from tests.migrating import migrating
from tests.standing_copies import Command, make_ledger, standing_copy, wait_for_one_that_waits

pytestmark = pytest.mark.sql

T = "prop_trading_model.raw_trades_closed"
COLUMNS = "(trade_id, account_id, login, close_time, trade_date, profit)"
# Each works on an account of its own.
STATEMENTS = (
    f"insert into {T} {COLUMNS} values ('w1', 'a1', 'l', '2024-01-05 11:00', '2024-01-05', 1)",
    f"update {T} set profit = profit + 1 where account_id = 'a2'",
    f"delete from {T} where account_id = 'a3'",
    f"update {T} set trade_date = '2024-03-30' where account_id = 'a4'",
    f"update {T} set account_id = 'b5' where account_id = 'a5'",
    f"update {T} set trade_date = null where account_id = 'a6'",
    f"update {T} set trade_date = null, close_time = null where account_id = 'a7'",
    f"update {T} set trade_date = null, close_time = '2024-02-29 23:59:59.9' where account_id = 'a8'",
    f"update {T} set lots = -1 where account_id = 'a9'",
    f"update {T} set stop_loss = 0 where account_id = 'a10'",
    f"insert into {T} {COLUMNS} select trade_id, account_id, login, close_time, trade_date, 7 from {T}"
    " where account_id = 'a11'",
    f"update {T} set trade_date = close_time::date + 365 where account_id = 'a12'",
    f"insert into {T} {COLUMNS} values ('w13', 'a13', 'l', '2022-05-05 11:00', '2022-05-05', 1)",
    f"insert into {T} {COLUMNS} values ('w14', 'a14', 'l', '2922-05-05 11:00', '2922-05-05', 1)",
    f"insert into {T} {COLUMNS} values ('w15', 'a15', 'l', null, null, 1)",
    f"merge into {T} as t using (values ('a16')) as i (account_id) on t.account_id = i.account_id"
    " when matched and t.profit > 0 then delete when matched then update set profit = -1",
    f"with gone as (delete from {T} where account_id = 'a17' returning *) insert into {T} {COLUMNS}"
    " select trade_id || 'x', account_id, login, close_time, trade_date, 1 from gone",
    f"set session_replication_role = replica; update {T} set profit = 3 where account_id = 'a18'",
    "update prop_trading_model.raw_metrics_daily set net_profit = 1 where account_id = 'a19'",
    "delete from prop_trading_model.raw_metrics_daily where account_id = 'a20'",
    "update prop_trading_model.raw_metrics_daily set date = '2025-06-01' where account_id = 'a21'",
    "update prop_trading_model.raw_metrics_daily set win_rate = 101 where account_id = 'a22'",
    f"set prop_trading_model_migration.following = 'on'; update {T} set profit = 3 where account_id = 'a23'",
)


@pytest.fixture
def url(server: EmbeddedServer) -> Iterator[str]:
    with baseline(server, rows=3_000, dirty=True) as url:
        yield url


@pytest.fixture
def copied(server: EmbeddedServer) -> Iterator[str]:
    with migrating(server, "start", rows=3_000, dirty=True) as url:
        yield url


def cut_over(url: str) -> None:
    done = dpm(url, "migrate", "cutover")
    assert done.returncode == 0, done.stderr


def test_whatever_is_written_while_a_bite_is_copied_is_in_the_new_tables(url: str) -> None:
    with standing_copy(url, "--set-aside"):
        for statement in STATEMENTS:
            with session(url, autocommit=True) as writer:
                writer.execute(statement.encode())
    with session(url) as conn:
        cut_over(url)
        assert not misplaced(conn)


def test_what_is_written_between_the_copy_and_the_cutover_is_in_the_new_tables(copied: str) -> None:
    for statement in STATEMENTS:
        with session(copied, autocommit=True) as writer:
            writer.execute(statement.encode())
    cut_over(copied)
    with session(copied) as conn:
        assert not misplaced(conn)


@pytest.mark.parametrize("when", ["while a bite is copied", "after the copy"])
def test_a_truncate_empties_the_new_table_too(url: str, when: str) -> None:
    with session(url, autocommit=True) as writer:

        def truncate_and_write() -> None:
            writer.execute(f"truncate {T}".encode())
            writer.execute(STATEMENTS[0].encode())

        if when == "after the copy":
            assert dpm(url, "migrate", "start", "--set-aside").returncode == 0
            truncate_and_write()
        else:
            with standing_copy(url, "--set-aside"), session(url) as waiting:
                # The copy reads the table, so TRUNCATE waits for its bite: it is sent off and comes after it.
                waiting.execute("set lock_timeout = '50ms'")
                with pytest.raises(Exception, match="lock timeout"):
                    waiting.execute(f"truncate {T}".encode())
            truncate_and_write()
        cut_over(url)
        assert writer.execute(f"select trade_id from {T}".encode()).fetchall() == [("w1",)]
        assert not misplaced(writer)


def test_a_transaction_that_is_prepared_during_the_copy_and_committed_after_it_is_not_lost(url: str) -> None:
    with session(url, autocommit=True) as writer:
        with standing_copy(url, "--set-aside"):
            writer.execute("begin")
            writer.execute(STATEMENTS[1].encode())
            writer.execute("prepare transaction 'w'")
        refused = dpm(url, "migrate", "cutover", "--patience", "2")
        writer.execute("commit prepared 'w'")
        assert refused.returncode == 2 and "prepared transaction w (see pg_prepared_xacts)" in refused.stderr
        cut_over(url)
        assert not misplaced(writer)


def test_a_writer_whose_snapshot_is_older_than_the_copy_is_not_lost(url: str) -> None:
    with Database(url) as db:
        prepare(db, lambda _: None, set_aside=True)
    with session(url) as early:
        early.execute("set transaction isolation level repeatable read")
        early.execute("select 1")
        assert dpm(url, "migrate", "start", "--set-aside").returncode == 0
        early.execute(STATEMENTS[0].encode())
        early.execute(STATEMENTS[2].encode())
        early.commit()
    cut_over(url)
    with session(url) as conn:
        assert not misplaced(conn)


@pytest.mark.parametrize("owned_already", [False, True])
def test_the_start_waits_for_a_writer_who_has_written_without_a_log(url: str, owned_already: bool) -> None:
    """At the change of the owner, and where nothing of that is left to do, at the trigger."""
    if owned_already:
        with session(url, autocommit=True) as conn:
            make_ledger(conn)
            conn.execute(f"reset role; alter table {T} owner to dpm_owner".encode())
    with session(url) as early:
        early.execute(STATEMENTS[0].encode())
        early.execute(STATEMENTS[2].encode())
        start = Command(url, "start", "--set-aside")
        wait_for_one_that_waits(url, early, start)
        early.commit()
        start.ends()
    cut_over(url)
    with session(url) as conn:
        assert not misplaced(conn)


def test_the_application_itself_writes_what_is_logged_though_it_may_not_read_the_log(url: str) -> None:
    with standing_copy(url, "--set-aside"), session(application_url(url), autocommit=True) as writer:
        writer.execute("set search_path = pg_temp")
        writer.execute(STATEMENTS[0].encode())
        with pytest.raises(Exception, match="permission denied"):
            writer.execute("select from prop_trading_model_migration.changed_originals")
    cut_over(url)
    with session(url) as conn:
        assert not misplaced(conn)
        _assert_there(conn, "w1")


def _assert_there(conn: Connection, trade: str) -> None:
    assert conn.execute(f"select account_id from {T} where trade_id = %s".encode(), [trade]).fetchall()
