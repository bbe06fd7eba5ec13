"""The copy of a month and its proof: a bite is copied once, a month is not read again, no difference is passed over."""

from collections.abc import Iterator

import psycopg
import pytest

from dpm_assets.database import Database
from dpm_assets.migration.checking import check_parts
from dpm_assets.migration.prepare import prepare
from dpm_assets.server import EmbeddedServer
from tests.baselines import baseline
from tests.command_line import dpm
from tests.interleaving import Connection, session
from tests.migrating import migrating
from tests.standing_copies import Command, copy_may_not_end_a_bite, let_it_go_on, wait_for_one_that_waits

pytestmark = pytest.mark.sql

T = "prop_trading_model.raw_trades_closed"
_JANUARY = "'raw_trades_closed', '2024-01-01'"


@pytest.fixture
def conn(server: EmbeddedServer) -> Iterator[Connection]:
    """A baseline whose every month is copied."""
    with migrating(server, "start", rows=1_000) as url, session(url, autocommit=True) as conn:
        yield conn


@pytest.fixture
def begun(server: EmbeddedServer) -> Iterator[Connection]:
    """A baseline that is prepared; January is listed in bites of about 20 rows."""
    with baseline(server, rows=300) as url:
        with Database(url) as db:
            prepare(db, lambda _: None)
        with session(url, autocommit=True) as conn:
            conn.execute(f"select prop_trading_model_migration.begin_part({_JANUARY}, 20)".encode())
            yield conn


def copy_bites(conn: Connection, at_most: int | None = None) -> None:
    conn.execute(
        "select prop_trading_model_migration.copy_bite(bite_id) from"
        " (select bite_id from prop_trading_model_migration.bites order by 1 limit %s) as b",
        [at_most],
    )


def attach(conn: Connection) -> None:
    conn.execute(f"select prop_trading_model_migration.attach_part({_JANUARY})".encode())


def differing(conn: Connection) -> list[str]:
    """The months and years that `dpm migrate verify` finds to differ."""
    with Database(_url(conn)) as db:
        return [part.name for part in check_parts(db, [], lambda _: None)]


def _url(conn: Connection) -> str:
    info = conn.info
    return f"postgresql://{info.user}:{info.password}@{info.host}:{info.port}/{info.dbname}"


def test_a_copy_that_is_killed_at_the_end_of_a_bite_copies_it_once(server: EmbeddedServer) -> None:
    with baseline(server, rows=300) as url, session(url, autocommit=True) as observer:
        with copy_may_not_end_a_bite(url) as holder:
            command = Command(url, "start")
            backend = wait_for_one_that_waits(url, holder, command)
            command.kill()
            observer.execute("select pg_terminate_backend(%s, 20000)", [backend])
            let_it_go_on(holder)
        again = dpm(url, "migrate", "start")
        assert again.returncode == 0, again.stderr
        assert not observer.execute("select from prop_trading_model_migration.unmoved_rows").fetchall()
        assert not differing(observer)


def test_a_bite_that_another_has_copied_is_refused(begun: Connection) -> None:
    copy_bites(begun, at_most=1)
    with pytest.raises(psycopg.errors.ObjectInUse, match="copied already"):
        copy_bites(begun, at_most=1)


def test_a_month_that_is_not_copied_whole_does_not_become_a_partition(begun: Connection) -> None:
    copy_bites(begun, at_most=1)
    with pytest.raises(psycopg.errors.ObjectInUse, match="not copied whole"):
        attach(begun)


def test_a_month_becomes_a_partition_without_being_read_again(begun: Connection) -> None:
    copy_bites(begun)
    said: list[str] = []
    begun.add_notice_handler(lambda notice: said.append(notice.message_primary or ""))
    begun.execute("set client_min_messages = debug1")
    attach(begun)
    assert [text for text in said if "is implied by existing constraints" in text]


_CHANGED = {
    "character varying": "coalesce({0}, '') || 'x'",
    "integer": "coalesce({0}, 0) + 1000000",
    "bigint": "coalesce({0}, 0) + 1000000",
    "numeric": "coalesce({0}, 0) + 1",
    "date": "{0} + 1",
    "timestamp without time zone": "coalesce({0}, '2024-01-03') + interval '1 us'",
}


@pytest.mark.parametrize(("table", "day"), [("raw_trades_closed", "trade_date"), ("raw_metrics_daily", "date")])
def test_the_proof_notices_a_change_of_any_column(conn: Connection, table: str, day: str) -> None:
    copy = f"prop_trading_model_next.{table}"
    for (check,) in conn.execute(
        "select conname from pg_constraint where conrelid = %s::regclass and contype = 'c'", [copy]
    ).fetchall():
        conn.execute(f"alter table {copy} drop constraint {check}".encode())
    columns = conn.execute(
        "select name, split_part(type, '(', 1) from prop_trading_model_migration.shared_columns(%s)", [table]
    ).fetchall()
    passed_over = []
    for column, kind in columns:
        with conn.transaction(force_rollback=True):
            changed = conn.execute(
                f"update {copy} set {column} = {_CHANGED[kind].format(column)}"
                f" where id = (select min(id) from {copy} where {day} between '2024-01-02' and '2024-01-20')".encode()
            )
            found = conn.execute(
                "select equal from prop_trading_model_migration.compare_part(%s, '2024-01-01')", [table]
            ).fetchone()
        assert changed.rowcount == 1
        if found != (False,):
            passed_over.append(column)
    assert len(columns) > 20 and not passed_over


def test_what_waits_to_be_brought_over_is_no_difference_and_hides_none(conn: Connection) -> None:
    conn.execute(f"update {T} set profit = 1234 where account_id = 'a1'".encode())
    conn.execute(f"delete from {T} where account_id = 'a2'".encode())
    assert differing(conn) == []
    conn.execute("alter table prop_trading_model_next.raw_trades_closed disable trigger all")
    conn.execute("update prop_trading_model_next.raw_trades_closed set profit = 5 where account_id = 'a3'")
    assert "2024-01 of raw_trades_closed" in differing(conn)


def test_after_the_cutover_too(server: EmbeddedServer) -> None:
    with migrating(server, "start", "cutover") as url, session(url, autocommit=True) as conn:
        conn.execute(f"truncate {T}_2024_02".encode())
        conn.execute("begin isolation level repeatable read")  # which is not brought over at once
        conn.execute(f"update {T} set profit = 1234 where account_id = 'a1'".encode())
        conn.execute("commit")
        assert differing(conn) == []
        conn.execute("alter table prop_trading_model_old.raw_trades_closed disable trigger all")
        conn.execute("update prop_trading_model_old.raw_trades_closed set profit = 5 where account_id = 'a3'")
        assert differing(conn) == ["2024-03 of raw_trades_closed", "2024-01 of raw_trades_closed"]
