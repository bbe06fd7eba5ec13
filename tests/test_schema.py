"""The schema in one go, twice without a change, compatible with the baseline, and each role with its rights only."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from dpm_assets.database import Database, Role
from dpm_assets.server import EmbeddedServer
from dpm_assets.settings import sql_dir
from tests.interleaving import Connection, session
from tests.schema_dump import apply, dumped
from tests.servers import own_server

pytestmark = pytest.mark.sql

BASELINE = Path(__file__).parent / "baseline"
SCHEMA_FILES = ["schema.sql", "schema_baseline.sql"]


@pytest.fixture
def empty_url(server: EmbeddedServer) -> Iterator[str]:
    """A database with nothing in it."""
    name = f"dpm_{uuid4().hex[:12]}"
    server.create_database(name)
    yield server.url(name)
    with session(server.url("postgres"), autocommit=True) as admin:
        admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def files_and_rows(url: str) -> dict[str, Any]:
    """Each relation's file on disk, and rows: what an ALTER that rewrites, or an INSERT that repeats, would change."""
    with session(url) as conn:
        relations = conn.execute(
            "select relname, relkind::text, relfilenode from pg_class"
            " where relnamespace = 'prop_trading_model'::regnamespace"
        ).fetchall()
        count = sql.SQL("select count(*) from {}")
        return {
            name: (
                node,
                kind in "rpm" and conn.execute(count.format(sql.Identifier("prop_trading_model", name))).fetchone(),
            )
            for name, kind, node in relations
        }


@pytest.mark.parametrize("file", SCHEMA_FILES)
def test_psql_alone_applies_the_schema_and_applying_it_again_changes_nothing(
    server: EmbeddedServer, empty_url: str, file: str
) -> None:
    apply(server, empty_url, sql_dir() / file)
    before = dumped(server, empty_url), files_and_rows(empty_url)
    apply(server, empty_url, sql_dir() / file)
    assert (dumped(server, empty_url), files_and_rows(empty_url)) == before


def test_the_schema_has_partitions_and_empty_populated_views(conn: Connection) -> None:
    assert conn.execute("select count(*) from raw_trades_closed").fetchone() == (0,)
    views = conn.execute("select matviewname, ispopulated, hasindexes from pg_matviews order by 1").fetchall()
    assert len(views) == 5 and all(populated and indexed for _, populated, indexed in views)


def test_a_new_session_finds_the_tables_and_lives_in_utc(server: EmbeddedServer, empty_url: str) -> None:
    apply(server, empty_url, sql_dir() / "schema.sql")
    with session(empty_url) as conn:
        assert conn.execute("show search_path").fetchone() == ("prop_trading_model, public",)
        assert conn.execute("show timezone").fetchone() == ("UTC",)


def baseline_columns() -> dict[str, list[tuple[str, str]]]:
    tables: dict[str, list[tuple[str, str]]] = {}
    with (BASELINE / "baseline_columns.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            tables.setdefault(row["table_name"], []).append((row["column_name"], row["type"]))
    return tables


def columns(conn: Connection, table: str) -> list[tuple[str, str]]:
    return conn.execute(
        "select attname::text, format_type(atttypid, atttypmod) from pg_attribute"
        " where attrelid = %s::regclass and attnum > 0 and not attisdropped order by attnum",
        [f"prop_trading_model.{table}"],
    ).fetchall()


def is_as_wide(baseline: str, production: str) -> bool:
    """Whether every value of the baseline's type is one of production's."""
    if baseline == production or (baseline, production) == ("integer", "bigint"):
        return True
    sizes = [re.fullmatch(r"(character varying|numeric)\(([\d,]+)\)", name) for name in (baseline, production)]
    if not (sizes[0] and sizes[1] and sizes[0][1] == sizes[1][1]):
        return bool(sizes[0]) and production in ("text", "numeric")
    pairs = zip(sizes[0][2].split(","), sizes[1][2].split(","), strict=True)
    return all(int(old) <= int(new) for old, new in pairs)


@pytest.mark.parametrize("table", baseline_columns())
def test_every_column_of_the_baseline_is_there_in_its_place_and_as_wide(conn: Connection, table: str) -> None:
    expected = baseline_columns()[table]
    found = columns(conn, table)
    assert [name for name, _ in found][: len(expected)] == [name for name, _ in expected]
    narrower = [(old, new) for old, new in zip(expected, found, strict=False) if not is_as_wide(old[1], new[1])]
    assert narrower == []


def test_the_baseline_has_the_columns_of_the_original(server: EmbeddedServer, empty_url: str) -> None:
    apply(server, empty_url, sql_dir() / "schema_baseline.sql")
    with session(empty_url) as conn:
        assert {table: columns(conn, table) for table in baseline_columns()} == baseline_columns()


@pytest.fixture
def conn(database_url: str) -> Iterator[Connection]:
    with session(database_url, autocommit=True) as opened:
        yield opened


INSERT = "insert into raw_trades_closed (trade_id, account_id, login, trade_date) values ('t', 'a', 'l', current_date)"
REFUSED: list[tuple[Role, str]] = [
    ("dpm_reader", INSERT),
    ("dpm_reader", "update rollup_account set trades = 0"),
    ("dpm_reader", "delete from changed_account_days"),
    ("dpm_reader", "select refresh_materialized_views()"),
    ("dpm_reader", "select create_monthly_partitions()"),
    ("dpm_reader", "create table prop_trading_model.mine (n int)"),
    ("dpm_loader", "drop table raw_trades_closed"),
    ("dpm_loader", "alter table raw_trades_closed add column n int"),
    ("dpm_loader", "truncate raw_trades_closed"),
    ("dpm_loader", "alter table raw_trades_closed disable trigger all"),
    ("dpm_loader", "delete from changed_account_days"),
    ("dpm_loader", "insert into rollup_account_symbol select 'a', 's', current_date"),
    ("dpm_loader", "select refresh_materialized_views()"),
    ("dpm_refresher", INSERT),
    ("dpm_refresher", "delete from raw_trades_closed"),
    ("dpm_refresher", "update rollup_account set trades = 0"),
    ("dpm_refresher", "truncate refresh_keys"),
    ("dpm_reader", "select log_query_performance()"),
    ("dpm_loader", "select log_query_performance()"),
]


@pytest.mark.parametrize(("role", "statement"), REFUSED, ids=[f"{role}: {text}" for role, text in REFUSED])
def test_a_role_may_not_do_what_is_not_its_work(db: Database, role: Role, statement: str) -> None:
    with db.connection(role) as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute(statement)


def test_each_role_may_do_its_work(db: Database) -> None:
    with db.connection("dpm_loader") as loader:
        loader.execute("select create_monthly_partitions()")
        loader.execute(INSERT)
    with db.connection("dpm_refresher") as refresher:
        refresher.execute("call refresh_warehouse()")
    with db.connection("dpm_reader") as reader:
        assert reader.execute("select total_trades from mv_daily_trading_stats").fetchall() == [(1,)]
        reader.execute("select * from pending_changes(), analyze_partitions(false)")
        reader.execute("select * from partition_findings, partition_index_usage, check_partition_indexes()")


INNER = [
    "take_keys",
    "advance_input",
    "lock_refresh",
    "compare_leaves",
    "try_dress_leaf",
    "create_leaf",
    "build_leaf",
    "plan_leaf",
    "plan_leaves",
    "dress_leaf",
    "repair_triggers",
    "check_months",
    "check_bounds",
    "check_triggers",
    "check_indexes",
    "check_ownership",
    "declare_partition_index",
    "drop_partition_index",
    "execute_patiently",
    "partition_index_steps",
    "partition_index_rebuild_steps",
    "create_month",
    "mark_months",
    "create_change_triggers",
    "create_input_trigger",
    "refresh_rollups_of_keys",
    "rebuild_rollups_of_month",
    "create_rollup_month",
    "fill_rollup_month",
    "refresh_account_symbol_day",
    "rebuild_account_symbol_day",
    "note_accounts",
    "note_differences",
    "note_sums",
    "exchange_values",
    "move_market_day",
    "move_symbol_day",
    "move_account_symbol",
    "refresh_account_recent",
    "move_account_recent",
    "recompute_recent",
    "settle_recent",
    "move_recent_window",
    "shift_recent_window",
    "remake_recent_window",
    "clear_work_table",
    "find_differences",
    "make_in_pieces",
    "make_by_hashing",
    "recompute_keys",
    "refresh_latest_account",
    "apply_differences",
    "pieces_by_day",
    "pieces_by_account",
    "rebuild_account_month",
    "write_account_symbol_day",
    "refresh_account_month",
    "append_account_month",
    "refresh_account",
    "append_account",
    "log_changed_account_days",
    "log_truncated_months",
    "log_changed_input",
    "statement_statistics",
    "statement_statistics_place",
    "statement_statistics_reset",
    "masked_statement",
]


@pytest.mark.parametrize("role", ["dpm_reader", "dpm_loader", "dpm_refresher", "public"])
def test_nobody_may_call_the_inner_functions(conn: Connection, role: str) -> None:
    may = conn.execute(
        "select proname::text, has_function_privilege(%s, oid, 'execute') from pg_proc"
        " where pronamespace = 'prop_trading_model'::regnamespace and proname = any (%s)",
        [role, INNER],
    ).fetchall()
    assert {name for name, _ in may} == set(INNER)
    assert [name for name, allowed in may if allowed] == []


def test_public_may_call_nothing(conn: Connection) -> None:
    may = conn.execute(
        "select proname from pg_proc where pronamespace = 'prop_trading_model'::regnamespace"
        " and has_function_privilege('public', oid, 'execute')"
    ).fetchall()
    assert may == []


def test_every_definer_function_pins_its_search_path(conn: Connection) -> None:
    unpinned = conn.execute(
        "select proname from pg_proc where pronamespace = 'prop_trading_model'::regnamespace and prosecdef"
        " and not coalesce(proconfig::text like '%%search_path=pg_catalog, pg_temp%%', false)"
    ).fetchall()
    assert unpinned == []


def test_a_login_that_may_create_no_roles_owns_a_working_warehouse() -> None:
    """A managed service: a server without the roles, and a login that cannot make them."""
    with own_server("managed") as managed:
        with session(managed.url("postgres"), autocommit=True) as admin:
            admin.execute("create role plain login password 'plain'")
            admin.execute("create database warehouse owner plain")
        url = re.sub("//.*@", "//plain:plain@", managed.url("warehouse"))
        for _ in range(2):
            apply(managed, url, sql_dir() / "schema.sql")
        with Database(url) as db, db.connection("dpm_loader") as conn:
            conn.execute(INSERT)
            conn.execute("call refresh_warehouse()")
            assert conn.execute("select total_trades from mv_daily_trading_stats").fetchall() == [(1,)]
            assert conn.execute("select count(*) from pg_roles where rolname = 'dpm_owner'").fetchone() == (0,)


def test_a_login_that_may_create_roles_makes_them_and_works_as_them() -> None:
    """A managed service: the login is no superuser, and since PostgreSQL 16 only administers the roles that it creates."""
    with own_server("managed") as managed:
        with session(managed.url("postgres"), autocommit=True) as admin:
            admin.execute("create role maker login createrole password 'maker'")
            admin.execute("create database warehouse owner maker")
        url = re.sub("//.*@", "//maker:maker@", managed.url("warehouse"))
        for _ in range(2):
            apply(managed, url, sql_dir() / "schema.sql")
        with Database(url) as db:
            with db.connection("dpm_loader") as conn:
                conn.execute(INSERT)
                assert conn.execute("select current_user::text").fetchone() == ("dpm_loader",)
            with db.connection("dpm_refresher") as conn:
                conn.execute("call refresh_warehouse()")
            with db.connection("dpm_reader") as conn:
                assert conn.execute("select total_trades from mv_daily_trading_stats").fetchall() == [(1,)]
                owner = "select nspowner::regrole::text from pg_namespace where nspname = 'prop_trading_model'"
                assert conn.execute(owner).fetchone() == ("dpm_owner",)
