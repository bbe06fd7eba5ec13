"""What a rollback brings back: the tables as programs left them, also where rows had not moved."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dpm_assets.database import Database
from dpm_assets.loads import chunks
from dpm_assets.loads.load import load_file
from dpm_assets.server import EmbeddedServer
from tests.cold import archived, restored
from tests.command_line import dpm
from tests.interleaving import Connection, session
from tests.migrating import migrating
from tests.standing_copies import Command, wait_for_one_that_waits
from tests.trade_rows import many

pytestmark = pytest.mark.sql

T = "prop_trading_model.raw_trades_closed"
M = "prop_trading_model.raw_metrics_daily"


@pytest.fixture
def url(server: EmbeddedServer) -> Iterator[str]:
    with migrating(server, "start", "cutover", dirty=True) as url:
        yield url


@pytest.fixture
def conn(url: str) -> Iterator[Connection]:
    with session(url, autocommit=True) as conn:
        yield conn


def ends(url: str, *arguments: str) -> None:
    done = dpm(url, "migrate", *arguments)
    assert done.returncode == 0, done.stderr


def write_to_the_log(url: str, statement: str) -> None:
    """What is written at REPEATABLE READ is not brought over at once."""
    with session(url) as conn:
        conn.execute("set transaction isolation level repeatable read")
        conn.execute(statement.encode())
        conn.commit()


def trades(conn: Connection) -> list[tuple[object, ...]]:
    """Those that stand in both tables or ought to."""
    return conn.execute(
        f"select id, account_id, trade_date, profit from {T} where account_id <> 'd1' order by id".encode()
    ).fetchall()


def assert_a_rollback_changes_nothing(url: str, conn: Connection) -> None:
    before = trades(conn)
    ends(url, "rollback")
    assert trades(conn) == before


def test_a_trade_that_was_deleted_does_not_come_back_as_an_older_copy(url: str, conn: Connection) -> None:
    conn.execute(f"delete from {T} where trade_id = 'twice'".encode())
    ends(url, "rollback")
    assert not conn.execute(f"select id from {T} where trade_id = 'twice'".encode()).fetchall()


def test_a_trade_that_was_changed_keeps_its_older_copies(url: str, conn: Connection) -> None:
    conn.execute(f"update {T} set profit = 77 where trade_id = 'twice'".encode())
    ends(url, "rollback")
    found = conn.execute(f"select profit::text from {T} where trade_id = 'twice' order by profit".encode()).fetchall()
    assert [profit for (profit,) in found] == ["1.00", "2.00", "4.00", "77.00"]


def test_a_row_that_did_not_move_and_was_corrected_by_hand_is_there_once(url: str, conn: Connection) -> None:
    """As its finding says to do: by its id, and without it under the key that the original too has only once."""
    corrected = "account_id, login, date, net_profit, win_rate, ingestion_timestamp, source_api_endpoint"
    kept = f"prop_trading_model_migration.unmoved_rows as u, jsonb_populate_record(null::{M}, u.row) as r"
    values = "r.account_id, r.login, r.date, 5, 12, r.ingestion_timestamp"
    for given, taken, kind in (
        (f"id, {corrected}", f"r.id, {values}, 'by id'", "a win rate above 100"),
        (corrected, f"{values}, 'by key'", "a gross loss above zero"),
    ):
        statement = f"insert into {M} ({given}) select {taken} from {kept} where r.source_api_endpoint = %s"
        assert conn.execute(statement.encode(), [kind]).rowcount == 1
    ends(url, "rollback")
    names = {name for (name,) in conn.execute(f"select source_api_endpoint from {M} where account_id = 'd1'".encode())}
    assert {"by id", "by key"} <= names
    assert not {"a win rate above 100", "a gross loss above zero"} & names


def test_a_trade_that_moves_while_the_originals_are_brought_up_to_date_is_there_once(
    url: str, conn: Connection
) -> None:
    """It moves into an account-day that is being brought over, out of one that is not, between the delete and the insert."""
    write_to_the_log(url, f"update {T} set profit = 1 where account_id = 'a1' and trade_date < '2024-02-01'")
    conn.execute(
        "create function public.wait_here() returns trigger language plpgsql as"
        " $$ begin perform pg_advisory_xact_lock_shared(20261); return null; end $$;"
        " create trigger wait_here after delete on prop_trading_model_old.raw_trades_closed"
        " for each statement execute function public.wait_here()"
    )
    with session(url, autocommit=True) as holder:
        holder.execute("select pg_advisory_lock(20261)")
        follow = Command(url, "start")
        wait_for_one_that_waits(url, holder, follow)
        conn.execute(
            f"update {T} set trade_date = (select min(trade_date) from {T} where account_id = 'a1')"
            " where account_id = 'a1' and trade_date > '2024-03-01'".encode()
        )
        holder.execute("select pg_advisory_unlock(20261)")
        follow.ends()
    conn.execute("drop trigger wait_here on prop_trading_model_old.raw_trades_closed")
    assert_a_rollback_changes_nothing(url, conn)


def test_a_program_that_brings_over_its_own_change_meanwhile_is_waited_for(url: str, conn: Connection) -> None:
    write_to_the_log(url, f"update {T} set profit = 1 where account_id = 'a1'")
    with session(url) as program:
        program.execute(f"update {T} set profit = 2 where account_id = 'a1'".encode())
        follow = Command(url, "start")
        wait_for_one_that_waits(url, program, follow)
        program.commit()
        follow.ends()
    assert_a_rollback_changes_nothing(url, conn)


def test_a_program_whose_snapshot_is_older_than_what_was_brought_over_goes_on(url: str, conn: Connection) -> None:
    write_to_the_log(url, f"update {T} set profit = 1 where account_id = 'a1'")
    with session(url) as program:
        program.execute("set transaction isolation level repeatable read")
        program.execute("select 1")
        ends(url, "start")
        program.execute(f"update {T} set profit = 2 where account_id = 'a1'".encode())
        program.commit()
    assert_a_rollback_changes_nothing(url, conn)


def test_a_program_does_not_wait_for_who_holds_a_row_of_the_original(url: str, conn: Connection) -> None:
    """The row is brought over later, with the others of the statement or without them."""
    with session(url) as holder:
        holder.execute(
            "select from prop_trading_model_old.raw_trades_closed where id ="
            " (select min(id) from prop_trading_model_old.raw_trades_closed where account_id = 'a1') for update"
        )
        conn.execute("set statement_timeout = '10s'")
        conn.execute(f"update {T} set profit = 2 where account_id = 'a1'".encode())
    assert_a_rollback_changes_nothing(url, conn)


def test_a_rule_of_the_original_alone_refuses_no_row_of_a_program_but_the_rollback(server: EmbeddedServer) -> None:
    with migrating(server, "start") as url, session(url, autocommit=True) as conn:
        conn.execute(f"alter table {T} add constraint firm_limit check (profit < 1000)".encode())
        ends(url, "cutover")
        conn.execute(f"update {T} set profit = 1000 where account_id = 'a1'".encode())
        refused = dpm(url, "migrate", "rollback")
        assert refused.returncode == 2 and "firm_limit" in refused.stderr
        conn.execute(f"update {T} set profit = 999 where account_id = 'a1'".encode())
        assert_a_rollback_changes_nothing(url, conn)


def test_an_id_that_the_original_cannot_hold_refuses_the_rollback(url: str, conn: Connection) -> None:
    conn.execute(f"update {T} set id = 5000000000 where trade_id = 't9'".encode())
    refused = dpm(url, "migrate", "rollback")
    assert refused.returncode == 2 and "update ... set id = default" in refused.stderr
    conn.execute(f"update {T} set id = default where trade_id = 't9'".encode())
    assert_a_rollback_changes_nothing(url, conn)


@pytest.mark.parametrize("brought_up_to_date_before", [True, False])
def test_trades_that_were_loaded_into_a_month_made_since_come_along(
    url: str, conn: Connection, tmp_path: Path, brought_up_to_date_before: bool
) -> None:
    """The load of a small file makes the month first; others write straight to a partition."""
    with Database(url) as db:
        load_file(db, many(tmp_path / "trades.csv", 50, "2025-05-05"))
    if brought_up_to_date_before:
        ends(url, "start")
    conn.execute("select prop_trading_model.ensure_trade_months('{2025-07-01}')")
    for leaf in ("raw_trades_closed_2025_05", "raw_trades_closed_2025_07"):
        conn.execute(
            f"insert into prop_trading_model.{leaf} (trade_id, account_id, login, trade_date)"
            f" values ('straight', 'a1', 'l', '{leaf[-7:].replace('_', '-')}-09')".encode()
        )
    ends(url, "rollback")
    count = conn.execute(
        f"select count(*) from {T} where trade_date between '2025-05-01' and '2025-07-31'".encode()
    ).fetchone()
    assert count == (52,)


def test_a_month_that_was_filled_bare_by_the_load_of_a_large_file_comes_along(
    url: str, conn: Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is attached when it is full, which no trigger sees."""
    monkeypatch.setattr(chunks, "FIRST_ROWS", 1)
    with Database(url) as db:
        assert load_file(db, many(tmp_path / "trades.csv", 50, "2025-05-05")).path_taken == "direct"
    assert_a_rollback_changes_nothing(url, conn)
    assert conn.execute(f"select count(*) from {T} where trade_date = '2025-05-05'".encode()).fetchone() == (50,)


def test_a_partition_that_was_filled_and_attached_by_hand_comes_along_after_a_refresh(
    url: str, conn: Connection
) -> None:
    """Which gives it the triggers of the refresh's own log."""
    conn.execute(
        f"set role dpm_owner; create table prop_trading_model.by_hand (like {T} including all);"
        " insert into prop_trading_model.by_hand (trade_id, account_id, login, trade_date)"
        " values ('by hand', 'a1', 'l', '2025-05-09');"
        f" alter table {T} attach partition prop_trading_model.by_hand for values from ('2025-05-01') to ('2025-06-01');"
        " reset role".encode()
    )
    conn.execute("call prop_trading_model.refresh_warehouse()")
    assert_a_rollback_changes_nothing(url, conn)
    assert conn.execute(f"select count(*) from {T} where trade_date = '2025-05-09'".encode()).fetchone() == (1,)


def test_a_write_that_a_log_without_one_of_its_triggers_missed_comes_along(url: str, conn: Connection) -> None:
    leaf = conn.execute(f"select min(tableoid::regclass::text) from {T} where profit is not null".encode()).fetchone()
    assert leaf
    conn.execute(f"alter table {leaf[0]} disable trigger migration_update".encode())
    conn.execute(f"update {leaf[0]} set profit = profit + 1000".encode())
    assert_a_rollback_changes_nothing(url, conn)


def test_a_month_that_was_in_the_archive_while_its_changes_were_brought_over_comes_along(
    url: str, conn: Connection, tmp_path: Path
) -> None:
    """Its account-days were brought over when the table held nothing of them."""
    write_to_the_log(url, f"update {T} set profit = 1 where account_id = 'a1' and trade_date < '2024-02-01'")
    conn.execute("call prop_trading_model.refresh_warehouse()")
    with Database(url) as db:
        archived(db, tmp_path)
        ends(url, "start")
        restored(db)
    assert conn.execute(f"select from {T} where account_id = 'a1' and trade_date < '2024-02-01'".encode()).fetchall()
    assert_a_rollback_changes_nothing(url, conn)


def test_a_partition_that_was_emptied_is_empty_in_the_original(url: str, conn: Connection) -> None:
    conn.execute("truncate prop_trading_model.raw_trades_closed_2024_02")
    conn.execute(
        f"insert into {T} (trade_id, account_id, login, trade_date) values ('after', 'a1', 'l', '2024-02-09')".encode()
    )
    ends(url, "rollback")
    found = conn.execute(
        f"select trade_id from {T} where coalesce(trade_date, close_time::date) between '2024-02-01' and '2024-02-29'"
        " and source_api_endpoint is distinct from '/v1/trades/closed' and id not in"
        " (select id from prop_trading_model_migration.unmoved_rows where table_name = 'raw_trades_closed')".encode()
    ).fetchall()
    assert found == [("after",)]


def test_a_few_account_days_are_brought_back_without_reading_the_tables(server: EmbeddedServer) -> None:
    """Or programs write more while a rollback reads than it brings over, and it never ends."""
    with migrating(server, "start", "cutover", rows=20_000) as url:
        with session(url) as conn:
            conn.execute(f"analyze {T}, {M}, prop_trading_model_old.raw_trades_closed".encode())
            conn.commit()
            conn.execute("set transaction isolation level repeatable read")  # its changes are not brought over at once
            conn.execute(f"update {T} set profit = 1 where account_id = 'a1' and trade_date = '2024-02-05'".encode())
            conn.execute(f"update {M} set net_profit = 1 where account_id = 'a1' and date = '2024-02-05'".encode())
            conn.commit()
            conn.execute("set transaction isolation level read committed")
            taken = conn.execute("select prop_trading_model_migration.follow_successors(100)").fetchone()
            read = conn.execute(
                "select sum(seq_tup_read + idx_tup_fetch) from pg_stat_xact_user_tables where relname like 'raw_%'"
            ).fetchone()
        assert taken and taken[0] >= 1
        assert read and read[0] < 2_000


def test_a_table_that_was_emptied_is_empty_in_the_original(url: str, conn: Connection) -> None:
    conn.execute(f"truncate {T}".encode())
    conn.execute(
        f"insert into {T} (trade_id, account_id, login, trade_date) values ('after', 'a1', 'l', '2024-02-09')".encode()
    )
    assert_a_rollback_changes_nothing(url, conn)


@pytest.mark.parametrize(
    "remedy", ["update {} set id = default where trade_id = 'same id'", "delete from {} where trade_id = 'same id'"]
)
def test_an_id_that_stood_at_two_trades_of_one_account_takes_neither_away(
    url: str, conn: Connection, remedy: str
) -> None:
    conn.execute(
        f"insert into {T} (id, trade_id, account_id, login, trade_date) select id, 'same id', account_id, 'l', '2024-03-20'"
        f" from {T} where account_id = 'a1' and trade_date < '2024-02-01' order by id limit 1".encode()
    )
    refused = dpm(url, "migrate", "rollback")
    assert refused.returncode == 2 and "stands at two rows" in refused.stderr
    conn.execute(remedy.format(T).encode())
    assert_a_rollback_changes_nothing(url, conn)
