"""The tables that stay unpartitioned, brought to production's form in place: with dirty rows, owners, writers and kills."""

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from dpm_assets.database import Database, run_file
from dpm_assets.errors import DpmError
from dpm_assets.migration.in_place import apply_in_place, find_in_place_faults, plan_in_place
from dpm_assets.migration.in_place_rules import IN_PLACE_TABLES
from dpm_assets.server import EmbeddedServer
from dpm_assets.settings import sql_dir
from tests.conftest import fresh_database
from tests.interleaving import SECONDS, Connection, session
from tests.schema_dump import dumped, normalised
from tests.servers import own_server

pytestmark = pytest.mark.sql

TABLES = list(IN_PLACE_TABLES)

# One row that each kind of check refuses, some refused by two; positions that differ in their age.
DIRTY = """
insert into raw_metrics_hourly (account_id, login, date, hour, total_trades, winning_trades, losing_trades, win_rate)
values ('a', 'l', '2024-01-01', 1, 3, 2, 2, 50), ('a', 'l', '2024-01-01', 2, -1, null, null, 101),
    ('a', 'l', '2024-01-01', 3, 3, 2, 1, 'NaN');
insert into raw_accounts_data (account_id, login, phase, status) values ('a', 'l', 'Phase 9', 'Asleep'), ('b', 'l', null, null);
insert into raw_plans_data (plan_id, profit_split_pct) values ('p', 180);
insert into raw_regimes_daily (date) values ('infinity');
insert into raw_trades_open (trade_id, account_id, login, side, stop_loss, take_profit, lots, ingestion_timestamp)
values ('t', 'a', 'l', 'buy', 0, 1.5, 1, '2024-01-01'), ('t', 'a', 'l', 'buy', 0, 0, 2, '2024-01-02'),
    ('t', 'a', 'l', 'buy', null, null, 3, '2024-01-02'), ('t', 'a', 'l', 'buy', null, null, 4, null),
    ('u', 'a', 'l', 'hold', 0, null, 1, null);
"""


@pytest.fixture(scope="module")
def baseline(server: EmbeddedServer) -> str:
    server.create_database("dpm_in_place_baseline")
    with session(server.url("dpm_in_place_baseline"), autocommit=True) as admin:
        run_file(admin, sql_dir() / "roles.sql")
        admin.execute("drop schema prop_trading_model; reset role")
        run_file(admin, sql_dir() / "schema_baseline.sql")
    return "dpm_in_place_baseline"


@pytest.fixture
def baseline_url(server: EmbeddedServer, baseline: str) -> Iterator[str]:
    with fresh_database(server, baseline) as url:
        yield url


@pytest.fixture
def original(baseline_url: str) -> Iterator[Database]:
    with Database(baseline_url, application_name="in place") as database:
        yield database


def silent(_: str) -> None:
    pass


def form(server: EmbeddedServer, url: str) -> list[str]:
    """The tables as pg_dump has them, without what schema.sql makes beside them."""
    arguments = [argument for table in TABLES for argument in ("-t", f"prop_trading_model.{table}")]
    beside = re.compile(r"GRANT|REVOKE|COMMENT ON|CREATE TRIGGER|ALTER TABLE \S+ ENABLE ALWAYS")
    return [text for text in normalised(dumped(server, url, *arguments)) if not beside.match(text)]


def rows(conn: Connection, table: str) -> list[Any]:
    return conn.execute(f"select to_jsonb(t) - 'load_batch_id' from {table} as t order by id".encode()).fetchall()


def all_rows(conn: Connection) -> dict[str, list[Any]]:
    return {table: rows(conn, table) for table in TABLES}


def unmoved(conn: Connection) -> list[Any]:
    return conn.execute(
        "select table_name, id, reason from prop_trading_model_migration.unmoved_rows order by 1, 2"
    ).fetchall()


def test_the_tables_get_the_form_that_the_schema_gives_them(
    server: EmbeddedServer, baseline_url: str, original: Database, database_url: str
) -> None:
    apply_in_place(original, silent)
    assert form(server, baseline_url) == form(server, database_url)


def test_applied_again_it_has_nothing_to_do(server: EmbeddedServer, baseline_url: str, original: Database) -> None:
    apply_in_place(original, silent)
    said: list[str] = []
    apply_in_place(original, said.append)
    with session(baseline_url) as conn:
        assert (said, plan_in_place(conn)) == ([], [])


def test_what_would_be_refused_is_found_by_rule_with_counts_and_rows(baseline_url: str) -> None:
    with session(baseline_url) as conn:
        conn.execute(DIRTY.encode())
        faults = find_in_place_faults(conn)
    assert {(fault.table, fault.rule, fault.rows) for fault in faults if not fault.mended} == {
        ("raw_metrics_hourly", "trades_add_up", 1),
        ("raw_metrics_hourly", "total_trades_not_negative", 1),
        ("raw_metrics_hourly", "win_rate_range", 2),
        ("raw_metrics_hourly", "numbers_finite", 1),
        ("raw_accounts_data", "phase_known", 1),
        ("raw_accounts_data", "status_known", 1),
        ("raw_plans_data", "profit_split_pct_range", 1),
        ("raw_regimes_daily", "times_finite", 1),
        ("raw_trades_open", "side_known", 1),
        ("raw_trades_open", "raw_trades_open_account_id_trade_id_key", 3),
    }
    assert [(fault.rule, fault.rows) for fault in faults if fault.mended] == [("0 for no stop_loss or take_profit", 3)]
    assert all(len(fault.samples) == min(fault.rows, 3) for fault in faults)
    assert [fault.samples[0]["plan_id"] for fault in faults if fault.table == "raw_plans_data"] == ["p"]


def test_rows_that_are_refused_stop_it_before_anything_is_changed(
    server: EmbeddedServer, baseline_url: str, original: Database
) -> None:
    with session(baseline_url, autocommit=True) as conn:
        conn.execute(DIRTY.encode())
        before = form(server, baseline_url), all_rows(conn)
        with pytest.raises(DpmError, match=r"1 of raw_accounts_data by phase_known.*--set-aside"):
            apply_in_place(original, silent)
        assert (form(server, baseline_url), all_rows(conn)) == before


def test_tables_that_are_missing_are_named(baseline_url: str, original: Database) -> None:
    with session(baseline_url, autocommit=True) as conn:
        conn.execute("drop table model_registry, raw_plans_data")
    with pytest.raises(DpmError, match=r"not there: raw_plans_data, model_registry\. psql -f sql/schema_baseline\.sql"):
        apply_in_place(original, silent)


def test_rows_set_aside_are_kept_whole_with_their_reasons_and_the_newest_position_stays(
    server: EmbeddedServer, baseline_url: str, original: Database, database_url: str
) -> None:
    with session(baseline_url, autocommit=True) as conn:
        conn.execute(DIRTY.encode())
        before = all_rows(conn)
        apply_in_place(original, silent, set_aside=True)
        assert form(server, baseline_url) == form(server, database_url)
        duplicate = "raw_trades_open_account_id_trade_id_key"
        assert unmoved(conn) == [
            ("raw_accounts_data", 1, "phase_known, status_known"),
            ("raw_metrics_hourly", 1, "trades_add_up"),
            ("raw_metrics_hourly", 2, "total_trades_not_negative, win_rate_range"),
            ("raw_metrics_hourly", 3, "win_rate_range, numbers_finite"),
            ("raw_plans_data", 1, "profit_split_pct_range"),
            ("raw_regimes_daily", 1, "times_finite"),
            ("raw_trades_open", 1, duplicate),
            ("raw_trades_open", 2, duplicate),
            ("raw_trades_open", 4, duplicate),
            ("raw_trades_open", 5, "side_known"),
        ]
        kept = {
            table: conn.execute(
                "select row from prop_trading_model_migration.unmoved_rows where table_name = %s", [table]
            ).fetchall()
            for table in TABLES
        }
        assert {
            table: sorted(left + kept[table], key=lambda row: row[0]["id"]) for table, left in all_rows(conn).items()
        } == before


def test_a_stop_loss_of_zero_becomes_null_and_its_row_stays(baseline_url: str, original: Database) -> None:
    with session(baseline_url, autocommit=True) as conn:
        conn.execute(
            "insert into raw_trades_open (trade_id, account_id, login, stop_loss, take_profit)"
            " select n::text, 'a', 'l', 0, n from generate_series(0, 4999) as n"
        )
        apply_in_place(original, silent)
        assert conn.execute(
            "select count(*), count(stop_loss), count(take_profit), sum(take_profit)::int from raw_trades_open"
        ).fetchone() == (5000, 0, 4999, 4999 * 2500)


def test_what_programs_write_between_two_steps_stops_nothing_and_is_kept(
    server: EmbeddedServer, baseline_url: str, original: Database, database_url: str
) -> None:
    """Before each statement a writer brings in, as far as it may, a position twice, one without a stop loss, one of no side."""
    with session(baseline_url, autocommit=True) as writer:

        def write(step: str) -> None:
            if not step.startswith(("alter", "create", "drop")):
                return
            for stop_loss, side in ((0, "buy"), (None, "buy"), (None, "hold")):
                try:
                    writer.execute(
                        "insert into raw_trades_open (trade_id, account_id, login, stop_loss, side)"
                        " values ('t', 'a', 'l', %s, %s)",
                        [stop_loss, side],
                    )
                except psycopg.errors.IntegrityError:
                    continue
                written.append(step)

        written: list[str] = []
        apply_in_place(original, write, set_aside=True)
        counted = writer.execute(
            "select (select count(*) from raw_trades_open),"
            " (select count(*) from prop_trading_model_migration.unmoved_rows)"
        ).fetchone()
    assert len(written) > 10
    assert counted == (1, len(written) - 1)
    assert form(server, baseline_url) == form(server, database_url)


def steps_of(server: EmbeddedServer, baseline: str) -> list[str]:
    said: list[str] = []
    with fresh_database(server, baseline) as url, Database(url) as db:
        apply_in_place(db, said.append)
    return said


def test_killed_at_any_step_it_goes_on_from_there(server: EmbeddedServer, baseline: str, database_url: str) -> None:
    steps = steps_of(server, baseline)
    with fresh_database(server, baseline) as url:
        for step in steps:
            with Database(url, application_name="victim") as db, session(url, autocommit=True) as killer:

                def kill(said: str, killer: Connection = killer, step: str = step) -> None:
                    if said == step:
                        killer.execute(
                            "select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = 'victim'"
                        )

                with pytest.raises(psycopg.OperationalError):
                    apply_in_place(db, kill)
        with Database(url) as db:
            apply_in_place(db, silent)
        assert form(server, url) == form(server, database_url)


def test_a_build_of_the_key_that_failed_is_begun_again(
    server: EmbeddedServer, baseline_url: str, original: Database, database_url: str
) -> None:
    with session(baseline_url, autocommit=True) as conn:
        conn.execute(
            "insert into raw_trades_open (trade_id, account_id, login) values ('t', 'a', 'l'), ('t', 'a', 'l')"
        )
        with pytest.raises(psycopg.errors.UniqueViolation):
            conn.execute(
                "create unique index concurrently raw_trades_open_account_id_trade_id_key"
                " on raw_trades_open (account_id, trade_id)"
            )
    apply_in_place(original, silent, set_aside=True)
    assert form(server, baseline_url) == form(server, database_url)


def test_a_former_owner_goes_on_working_and_everything_is_owned_by_the_warehouse(
    server: EmbeddedServer, baseline_url: str, original: Database
) -> None:
    with session(baseline_url, autocommit=True) as admin:
        admin.execute("create role firm_app login password 'firm'")
        try:
            admin.execute("alter schema prop_trading_model owner to firm_app")
            for table in TABLES:
                admin.execute(f"alter table {table} owner to firm_app".encode())
            with session(re.sub("//.*@", "//firm_app:firm@", baseline_url), autocommit=True) as program:
                program.execute("insert into raw_plans_data (plan_id) values ('before')")
                apply_in_place(original, silent)
                program.execute("insert into raw_plans_data (plan_id) values ('after')")
                assert program.execute("select plan_id from raw_plans_data order by id").fetchall() == [
                    ("before",),
                    ("after",),
                ]
            owners = admin.execute(
                "select distinct pg_get_userbyid(relowner)::text from pg_class"
                " where relnamespace = 'prop_trading_model'::regnamespace and relname = any (%s)",
                [TABLES],
            ).fetchall()
            assert owners == [("dpm_owner",)]
        finally:
            admin.execute("drop owned by firm_app cascade")
            admin.execute("reassign owned by firm_app to current_user")
            admin.execute("drop role firm_app")


def test_an_autovacuum_that_holds_a_table_gives_up() -> None:
    """One that would take minutes, on a server with autovacuum on."""
    vacuuming = "select relid::regclass::text from pg_stat_progress_vacuum"
    with own_server("vacuumed") as server:
        url = server.url("postgres")
        with session(url, autocommit=True) as conn:
            conn.execute("alter system set autovacuum_naptime = '1s'")
            conn.execute("select pg_reload_conf()")
            run_file(conn, sql_dir() / "schema_baseline.sql")
            conn.execute("set search_path = prop_trading_model")
            conn.execute(
                "alter table raw_plans_data set (autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1,"
                " autovacuum_vacuum_threshold = 1, autovacuum_vacuum_scale_factor = 0)"
            )
            conn.execute(
                "insert into raw_plans_data (plan_id, plan_name) select n, repeat('x', 200) from generate_series(1, 8000) as n"
            )
            conn.execute("delete from raw_plans_data where id % 2 = 0")
            wait_until(lambda: conn.execute(vacuuming).fetchall() == [("raw_plans_data",)])
            with Database(url) as db:
                apply_in_place(db, silent)
            assert plan_in_place(conn) == []


def wait_until(holds: Callable[[], bool]) -> None:
    give_up = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.05)
