"""`dpm migrate cutover`, `rollback` and `clean`: names change hands, no write is lost, nothing is left behind."""

from collections.abc import Iterator
from typing import Any

import pytest

from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.migration import swap
from dpm_assets.migration.clean import clean
from dpm_assets.migration.start import start
from dpm_assets.migration.swap import cutover, rollback
from dpm_assets.server import EmbeddedServer
from tests.interleaving import Connection, session
from tests.migrating import migrating
from tests.test_roads import schema

pytestmark = pytest.mark.sql

_TRADE = (
    "insert into prop_trading_model.raw_trades_closed (trade_id, account_id, login, trade_date, close_time, lots, profit)"
    " values (%s, %s, 'l', %s, %s::date + interval '1 h', 1, %s) returning id"
)


@pytest.fixture
def copied(server: EmbeddedServer) -> Iterator[str]:
    with migrating(server, "start", rows=2_000) as url:
        yield url


@pytest.fixture
def db(copied: str) -> Iterator[Database]:
    with Database(copied, application_name="tests") as database:
        yield database


def said(step: object, db: Database, **options: object) -> list[str]:
    lines: list[str] = []
    step(db, lines.append, **options)  # type: ignore[operator]
    return lines


def trades(conn: Connection, schema: str = "prop_trading_model") -> list[tuple[object, ...]]:
    columns = "trade_id, account_id, trade_date, profit, lots"
    return conn.execute(f"select {columns} from {schema}.raw_trades_closed order by 1, 2, 3".encode()).fetchall()


def insert(conn: Connection, trade: str, account: str, day: str, profit: int = 1) -> int:
    row = conn.execute(_TRADE, [trade, account, day, day, profit]).fetchone()
    assert row is not None
    return int(row[0])


def kind(conn: Connection) -> str:
    row = conn.execute(
        "select relkind from pg_class where oid = 'prop_trading_model.raw_trades_closed'::regclass"
    ).fetchone()
    assert row is not None
    return str(row[0])


def test_after_the_cutover_the_names_mean_partitioned_tables_with_the_last_writes(db: Database) -> None:
    with session(db.url, autocommit=True) as conn:
        first = insert(conn, "last", "a1", "2024-02-02")
        conn.execute("delete from prop_trading_model.raw_trades_closed where account_id = 'a2'")
        before = trades(conn)
        said(cutover, db)
        assert kind(conn) == "p"
        assert trades(conn) == before
        assert insert(conn, "after", "a1", "2024-02-02") > first


def test_every_write_since_the_cutover_is_in_the_originals_after_a_rollback(db: Database) -> None:
    with session(db.url, autocommit=True) as conn:
        said(cutover, db)
        insert(conn, "new", "a1", "2024-02-02", 7)
        conn.execute("update prop_trading_model.raw_trades_closed set profit = 99 where account_id = 'a3'")
        conn.execute(
            "update prop_trading_model.raw_trades_closed set trade_date = '2024-03-03' where account_id = 'a4'"
        )
        conn.execute("update prop_trading_model.raw_trades_closed set account_id = 'b5' where account_id = 'a5'")
        conn.execute("delete from prop_trading_model.raw_trades_closed_2024_01 where account_id = 'a6'")
        conn.execute(
            "insert into prop_trading_model.raw_metrics_daily (account_id, login, date) values ('a1', 'l', '2024-02-02')"
        )
        conn.execute("truncate prop_trading_model.raw_trades_closed_2024_03")
        last = insert(conn, "march", "a9", "2024-03-09")
        before = trades(conn)
        said(rollback, db)
        assert kind(conn) == "r"
        assert trades(conn) == before
        assert insert(conn, "again", "a1", "2024-02-02") > last
        after = trades(conn)
        said(cutover, db)
        assert kind(conn) == "p" and trades(conn) == after


def test_no_rollback_leaves_months_and_years_behind_in_the_archive(db: Database) -> None:
    with session(db.url, autocommit=True) as conn:
        said(cutover, db)
        conn.execute(
            "insert into prop_trading_model.partition_state (parent_table, lower, state) values"
            " ('raw_trades_closed', '2024-01-01', 'cold'), ('raw_metrics_daily', '2023-01-01', 'cold')"
        )
        with pytest.raises(
            DpmError, match=r"in the archive: 2024-01, 2023\. Restore them .* restore 2024-01 2023, then"
        ):
            said(rollback, db)
        assert kind(conn) == "p"


def test_the_originals_follow_at_once_or_their_account_days_stand_in_the_log(db: Database) -> None:
    def same(conn: Connection) -> bool:
        return trades(conn) == trades(conn, "prop_trading_model_old")

    def logged(conn: Connection) -> object:
        row = conn.execute("select count(*) from prop_trading_model_migration.changed_successors").fetchone()
        assert row is not None
        return row[0]

    said(cutover, db)
    table = "prop_trading_model.raw_trades_closed"
    with session(db.url, autocommit=True) as conn:
        for statement in (
            f"update {table} set profit = 5 where account_id = 'a1'",
            f"update {table} set trade_date = '2024-03-03', account_id = 'b4' where account_id = 'a4'",
            f"delete from {table}_2024_01 where account_id = 'a2'",
            f"insert into {table} (trade_id, account_id, login, trade_date) values ('new', 'a3', 'l', '2024-02-02')",
            f"insert into {table} select * from {table} where trade_id = 'new'"
            " on conflict (account_id, trade_date, trade_id) do update set profit = 3",
        ):
            conn.execute(statement.encode())
            assert same(conn) and logged(conn) == 0, statement
        # What does not follow at once: an id that the original has, or cannot hold, a large statement, another isolation.
        conn.execute(f"update {table} set id = 1 where trade_id = 'new'".encode())
        conn.execute(f"update {table} set id = 5000000000 where trade_id = 't9'".encode())
        conn.execute(f"update {table} set lots = lots + 1".encode())
        conn.execute("begin isolation level repeatable read")
        conn.execute(f"delete from {table} where account_id = 'a7'".encode())
        conn.execute("commit")
        assert logged(conn) != 0 and not same(conn)
        conn.execute(f"update {table} set id = 800000 where trade_id in ('new')".encode())
        conn.execute(f"update {table} set id = 800001 where trade_id in ('t9')".encode())
        before = trades(conn)
        said(rollback, db)
        assert trades(conn) == before


def test_a_change_does_not_wait_for_what_is_brought_over_and_is_not_lost(db: Database) -> None:
    said(cutover, db)
    with session(db.url) as follower, session(db.url, autocommit=True) as writer:
        writer.execute(
            "update prop_trading_model.raw_trades_closed set lots = lots + 1"
        )  # too much for its own transaction
        follower.execute("select prop_trading_model_migration.follow_successors(100000)")
        writer.execute("delete from prop_trading_model.raw_trades_closed where account_id = 'a1'")
        writer.execute("update prop_trading_model.raw_trades_closed set profit = 8 where account_id = 'a2'")
        follower.commit()
        before = trades(writer)
        said(rollback, db)
        assert trades(writer) == before


def test_an_id_that_stands_at_two_trades_is_named_and_neither_is_lost(db: Database) -> None:
    said(cutover, db)
    with session(db.url, autocommit=True) as conn:
        conn.execute("update prop_trading_model.raw_trades_closed set id = 1 where trade_id = 't9'")
        before = trades(conn)
        with pytest.raises(DpmError, match="the id 1 stands at two rows"):
            said(rollback, db)
        assert kind(conn) == "p"
        conn.execute("update prop_trading_model.raw_trades_closed set id = default where trade_id = 't9'")
        said(rollback, db)
        assert trades(conn) == before


def test_a_cutover_is_refused_by_the_name_of_what_would_not_come_along(db: Database) -> None:
    with session(db.url, autocommit=True) as conn:
        conn.execute("create table notes (trade integer references prop_trading_model.raw_trades_closed (id))")
        conn.execute("create materialized view by_day as select trade_date from prop_trading_model.raw_trades_closed")
        conn.execute("create publication changes for table prop_trading_model.raw_metrics_daily")
        conn.execute("create policy own on prop_trading_model.raw_trades_closed using (true)")
        with pytest.raises(DpmError) as refused:
            said(cutover, db)
        for name in ("by_day", "notes_trade_fkey on public.notes", "own on", "changes of"):
            assert name in str(refused.value)
        assert kind(conn) == "r"


def test_views_functions_and_grants_come_along_and_go_back(db: Database) -> None:
    with session(db.url, autocommit=True) as conn:
        conn.execute(
            "create view public.profits as select id, profit from prop_trading_model.raw_trades_closed where account_id = 'a1'"
        )
        conn.execute("create view public.best as select max(profit) as profit from public.profits")
        conn.execute("grant select on public.best to trading_app with grant option")
        conn.execute("comment on view public.best is 'the best of a1'")
        conn.execute(
            "create function public.counted() returns bigint language sql"
            " begin atomic select count(*) from prop_trading_model.raw_trades_closed; end"
        )
        conn.execute("grant truncate on prop_trading_model.raw_trades_closed to trading_app")
        for step, counted in ((cutover, 2001), (rollback, 2002), (cutover, 2003)):
            said(step, db)
            insert(conn, step.__name__ + str(counted), "a1", "2024-02-02", counted)
            assert conn.execute("select profit from public.best").fetchone() == (counted,)
            assert conn.execute("select public.counted()").fetchone() == (counted,)
            assert conn.execute(
                "select has_table_privilege('trading_app', 'public.best', 'select with grant option'),"
                " has_table_privilege('trading_app', 'prop_trading_model.raw_trades_closed', 'truncate'),"
                " has_sequence_privilege('trading_app', 'prop_trading_model.raw_trades_closed_id_seq', 'usage'),"
                " obj_description('public.best'::regclass)"
            ).fetchone() == (True, True, True, "the best of a1")


def test_a_month_that_begins_and_a_table_that_is_emptied_during_the_cutover_come_along(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = swap._lock
    statements = [
        "insert into prop_trading_model.raw_trades_closed (trade_id, account_id, login, trade_date)"
        " values ('late', 'a1', 'l', '2021-05-05')",
        "truncate prop_trading_model.raw_metrics_daily",
        "insert into prop_trading_model.raw_metrics_daily (account_id, login, date) values ('a1', 'l', '2021-05-05')",
    ]
    with session(db.url, autocommit=True) as conn:

        def write_then_lock(*arguments: Any) -> float:
            if statements:
                conn.execute(statements.pop(0).encode())
            return lock(*arguments)

        monkeypatch.setattr(swap, "_lock", write_then_lock)
        said(cutover, db)
        assert not statements
        assert conn.execute("select count(*) from prop_trading_model.raw_trades_closed_2021_05").fetchone() == (1,)
        assert conn.execute("select date::text from prop_trading_model.raw_metrics_daily").fetchall() == [
            ("2021-05-05",)
        ]


def test_a_cutover_gives_up_while_somebody_holds_the_table_and_changes_nothing(db: Database) -> None:
    with session(db.url) as holder, session(db.url, autocommit=True) as conn:
        holder.execute("select count(*) from prop_trading_model.raw_trades_closed")
        with pytest.raises(DpmError, match="could not be swapped"):
            said(cutover, db, patience=0.5)
        assert kind(conn) == "r"
        holder.rollback()
        said(cutover, db)
        assert kind(conn) == "p"


def test_the_refresh_makes_the_rollups_after_the_cutover(db: Database) -> None:
    said(cutover, db)
    with session(db.url, autocommit=True) as conn:
        conn.execute("call prop_trading_model.refresh_warehouse()")
        assert conn.execute("select sum(total_trades) from prop_trading_model.mv_daily_trading_stats").fetchone() == (
            2000,
        )
        conn.execute("delete from prop_trading_model.raw_trades_closed where account_id = 'a2'")
        assert conn.execute(
            "select (select sum(total_trades) from prop_trading_model.live_daily_trading_stats)"
            " = (select count(*) from prop_trading_model.raw_trades_closed)"
        ).fetchone() == (True,)


def test_the_refresh_makes_the_rollups_of_a_month_that_was_empty_when_it_was_copied(db: Database) -> None:
    """A refresh before the cutover takes its account-days, and reads the original, where this trade has no date."""
    with session(db.url, autocommit=True) as conn:
        conn.execute(
            "insert into prop_trading_model.raw_trades_closed (trade_id, account_id, login, close_time, profit)"
            " values ('first of the month', 'a1', 'l', now() at time zone 'utc', 1)"
        )
        said(start, db)
        conn.execute("call prop_trading_model.refresh_warehouse()")
    said(cutover, db)
    with session(db.url, autocommit=True) as conn:
        conn.execute("call prop_trading_model.refresh_warehouse()")
        assert conn.execute("select sum(total_trades) from prop_trading_model.mv_daily_trading_stats").fetchone() == (
            2001,
        )


def test_clean_leaves_nothing_but_the_new_tables(db: Database) -> None:
    said(cutover, db)
    said(clean, db)
    with session(db.url, autocommit=True) as conn:
        assert conn.execute("select nspname from pg_namespace where nspname like 'prop%'").fetchall() == [
            ("prop_trading_model",)
        ]
        assert conn.execute("select count(*) from pg_trigger where tgname like 'migration%'").fetchone() == (0,)
        insert(conn, "new", "a1", "2024-02-02")


def test_a_migration_that_is_abandoned_leaves_the_originals_alone(db: Database) -> None:
    with session(db.url, autocommit=True) as conn:
        said(cutover, db)
        insert(conn, "new", "a1", "2024-02-02")
        before = trades(conn)
        with pytest.raises(DpmError, match="rollback before"):
            said(clean, db, abandon=True)
        said(rollback, db)
        said(clean, db, abandon=True)
        assert trades(conn) == before and kind(conn) == "r"
        insert(conn, "later", "a1", "2024-02-02")
        assert conn.execute("select to_regclass('prop_trading_model.rollup_market_day')").fetchone() == (None,)


def test_a_migration_gives_the_schema_of_an_empty_database(
    server: EmbeddedServer, database_url: str, db: Database
) -> None:
    said(cutover, db)
    said(clean, db, forget_unmoved=True)
    migrated_schema, wanted = schema(server, db.url), schema(server, database_url)
    comment = [text for text in migrated_schema if text.startswith("COMMENT ON SCHEMA")]  # which files it was made of
    assert sorted(set(migrated_schema) ^ set(wanted)) == comment
