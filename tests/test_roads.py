"""The same schema by every road, and every row at its end: what pg_dump says of each is compared."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from alembic.command import downgrade, upgrade
from alembic.config import Config
from sqlalchemy import create_engine, pool

from dpm_assets.database import Database, run_file
from dpm_assets.errors import DpmError
from dpm_assets.migration import clean, start, swap
from dpm_assets.schema.apply import alembic_config, sqlalchemy_url
from dpm_assets.schema.frozen import MATERIALIZED_VIEWS, PARTITIONING, materialized_views, partitioning
from dpm_assets.schema.offline import BASELINE_TABLES, migration_text
from dpm_assets.server import EmbeddedServer
from dpm_assets.settings import sql_dir
from tests.baselines import DIRTY_METRICS, DIRTY_TRADES, application_url, baseline
from tests.conftest import fresh_database
from tests.interleaving import Connection, session
from tests.schema_dump import apply, dumped, normalised

pytestmark = pytest.mark.sql

MIGRATIONS = sql_dir() / "migrations"
FILES = [PARTITIONING, MATERIALIZED_VIEWS]


def alembic(url: str, go: Callable[[Config, str], object], revision: str) -> None:
    """`alembic upgrade` or `alembic downgrade` to a revision."""
    config = alembic_config()
    with create_engine(sqlalchemy_url(url), poolclass=pool.NullPool).connect() as connection:
        config.attributes["connection"] = connection
        go(config, revision)


def stands_at(url: str) -> str:
    with session(url) as conn:
        row = conn.execute("select version_num from prop_trading_model.alembic_version").fetchone()
    assert row is not None
    return str(row[0])


def schema(server: EmbeddedServer, url: str, *options: str) -> list[str]:
    """The schema, without what the firm's own application was granted and without the place of rows that were set aside."""
    objects = [
        re.sub(r"^GRANT .* TO trading_app;\n?", "", text, flags=re.M).strip() for text in dumped(server, url, *options)
    ]
    return normalised([text for text in objects if text and "prop_trading_model_migration" not in text])


@pytest.fixture(scope="module")
def wanted(server: EmbeddedServer, template: str) -> list[str]:
    """An empty database and schema.sql."""
    with fresh_database(server, template) as url:
        return schema(server, url)


@pytest.fixture
def empty_url(server: EmbeddedServer) -> Iterator[str]:
    with baseline(server, rows=100) as url, session(url, autocommit=True) as conn:
        conn.execute("drop schema prop_trading_model cascade")
        yield url


@pytest.fixture
def original_url(server: EmbeddedServer) -> Iterator[str]:
    with baseline(server, rows=2_000) as url:
        yield url


@pytest.fixture
def dirty_url(server: EmbeddedServer) -> Iterator[str]:
    with baseline(server, rows=500, dirty=True) as url:
        yield url


def rows(url: str, table: str) -> list[Any]:
    """The rows as the original has them."""
    with session(url) as conn:
        return conn.execute(
            f"select to_jsonb(t) - 'load_batch_id' from prop_trading_model.{table} as t order by id".encode()
        ).fetchall()


def all_rows(url: str) -> dict[str, list[Any]]:
    return {table: rows(url, table) for table in BASELINE_TABLES}


def unmoved(conn: Connection) -> dict[str, list[Any]]:
    kept: dict[str, list[Any]] = {}
    for table, row in conn.execute("select table_name, row from prop_trading_model_migration.unmoved_rows").fetchall():
        kept.setdefault(table, []).append(row)
    return kept


def test_the_offline_files_are_those_that_the_schema_makes() -> None:
    """Otherwise: python -m dpm_assets.schema.frozen"""
    assert (migration_text(PARTITIONING), migration_text(MATERIALIZED_VIEWS)) == (partitioning(), materialized_views())


def test_each_file_runs_without_the_others() -> None:
    assert [file for file in FILES if "\n\\" in migration_text(file)] == []


def test_the_original_and_every_file_in_order_give_the_schema_and_again_change_nothing(
    server: EmbeddedServer, original_url: str, wanted: list[str]
) -> None:
    before = all_rows(original_url)
    for _ in range(2):
        for file in FILES:
            apply(server, original_url, MIGRATIONS / file)
        assert schema(server, original_url) == wanted
        assert all_rows(original_url) == before


def test_alembic_on_an_empty_database_gives_the_schema(
    server: EmbeddedServer, empty_url: str, wanted: list[str]
) -> None:
    alembic(empty_url, upgrade, "head")
    assert schema(server, empty_url) == wanted


def test_alembic_recognises_the_original_and_gives_the_schema(
    server: EmbeddedServer, original_url: str, wanted: list[str]
) -> None:
    before = all_rows(original_url)
    alembic(original_url, upgrade, "000")
    assert stands_at(original_url) == "000"
    assert all_rows(original_url) == before
    alembic(original_url, upgrade, "head")
    assert schema(server, original_url) == wanted
    assert all_rows(original_url) == before


def test_alembic_recognises_a_schema_that_psql_applied(server: EmbeddedServer, database_url: str) -> None:
    before = dumped(server, database_url)
    alembic(database_url, upgrade, "head")
    assert stands_at(database_url) == "002"
    assert [text for text in dumped(server, database_url) if "alembic_version" not in text] == before


def test_every_downgrade_is_what_an_upgrade_made_and_upgrades_to_the_schema_again(
    server: EmbeddedServer, original_url: str, empty_url: str, wanted: list[str]
) -> None:
    with session(original_url, autocommit=True) as conn:
        conn.execute("insert into prop_trading_model.raw_plans_data (plan_id) values ('p')")
    before = all_rows(original_url)
    stages = {}
    for revision in ("000", "001", "002"):
        alembic(empty_url, upgrade, revision)
        stages[revision] = schema(server, empty_url)
    assert stages["002"] == wanted
    alembic(original_url, upgrade, "head")
    journey = [
        (downgrade, "001"),
        (upgrade, "002"),
        (downgrade, "000"),
        (upgrade, "001"),
        (downgrade, "000"),
        (upgrade, "002"),
    ]
    for go, revision in journey:
        alembic(original_url, go, revision)
        assert schema(server, original_url) == stages[revision], revision
        assert all_rows(original_url) == before, revision


def test_the_way_back_gives_the_tables_of_the_original(server: EmbeddedServer, original_url: str) -> None:
    with baseline(server, rows=100) as untouched:
        expected = schema(server, untouched, "--no-owner", "--schema=prop_trading_model")
    alembic(original_url, upgrade, "head")
    alembic(original_url, downgrade, "000")
    assert schema(server, original_url, "--no-owner", "--schema=prop_trading_model") == expected


def test_what_was_moved_offline_is_refreshed_to_what_a_recomputation_gives(
    server: EmbeddedServer, original_url: str
) -> None:
    for file in FILES:
        apply(server, original_url, MIGRATIONS / file)
    with session(original_url, autocommit=True) as conn:
        conn.execute("call prop_trading_model.refresh_warehouse()")
        stats = conn.execute(
            "select sum(total_trades), sum(total_profit) from prop_trading_model.mv_daily_trading_stats"
        ).fetchone()
        raw = conn.execute(
            "select count(*), sum(profit + commission + swap) from prop_trading_model.raw_trades_closed"
        ).fetchone()
    assert stats == raw and stats is not None and stats[0] == 2_000


def test_rows_that_cannot_move_offline_are_kept_and_the_others_move_by_the_rules(
    server: EmbeddedServer, dirty_url: str, wanted: list[str]
) -> None:
    before = all_rows(dirty_url)
    for file in FILES:
        apply(server, dirty_url, MIGRATIONS / file)
    assert schema(server, dirty_url) == wanted
    after = all_rows(dirty_url)
    with session(dirty_url) as conn:
        kept = unmoved(conn)
    for table, dirt in (("raw_trades_closed", DIRTY_TRADES), ("raw_metrics_daily", DIRTY_METRICS)):
        names = {kind.name for kind in dirt}
        moved = {row["source_api_endpoint"]: row for (row,) in after[table] if row["source_api_endpoint"] in names}
        assert set(moved) == {kind.name for kind in dirt if kind.moves}
        for kind in dirt:
            for column, value in kind.reads.items():
                assert str(moved[kind.name][column] or "") == value, kind.name
        assert {row["source_api_endpoint"] for row in kept[table]} == {kind.name for kind in dirt if not kind.moves}
        left = [row for row in kept[table] if row in [old for (old,) in before[table]]]
        assert len(left) == len(kept[table]) and len(after[table]) + len(left) == len(before[table])


def test_ids_go_on_where_they_were_in_both_directions(original_url: str) -> None:
    insert = (
        "insert into prop_trading_model.raw_trades_closed (trade_id, account_id, login, trade_date)"
        " values (%s, 'a', 'l', '2024-01-05') returning id"
    )
    for step, arguments in enumerate(((upgrade, "head"), (downgrade, "000"), (upgrade, "head")), 1):
        alembic(original_url, *arguments)
        with session(original_url, autocommit=True) as conn:
            assert conn.execute(insert, [f"new{step}"]).fetchone() == (2_000 + step,)


def test_the_firms_application_may_do_afterwards_what_it_might_before(
    server: EmbeddedServer, original_url: str
) -> None:
    write = (
        "insert into prop_trading_model.raw_trades_closed (trade_id, account_id, login, trade_date)"
        " values (%s, 'a', 'l', '2024-01-05')"
    )
    for step, road in enumerate(((upgrade, "head"), (downgrade, "000"))):
        alembic(original_url, *road)
        with session(application_url(original_url)) as program:
            program.execute(write, [f"by the program {step}"])
            assert program.execute("update prop_trading_model.raw_metrics_daily set swap = 1").rowcount > 0
            program.execute("insert into prop_trading_model.raw_plans_data (plan_id) values ('p')")


@pytest.mark.parametrize(
    ("made", "named"),
    [
        (
            "create view public.net as select profit from prop_trading_model.raw_trades_closed",
            "view (public.)?net that reads",
        ),
        ("alter table prop_trading_model.raw_trades_closed add column desk text", "the column desk"),
        (
            "create table public.notes (trade int references prop_trading_model.raw_trades_closed)",
            "notes_trade_fkey on table",
        ),
        ("create publication firm for table prop_trading_model.raw_metrics_daily", "the publication of"),
        (
            "create index by_desk on prop_trading_model.raw_trades_closed (login)",
            "the index prop_trading_model.by_desk",
        ),
        ("create policy own on prop_trading_model.raw_trades_closed using (true)", "policy own"),
    ],
)
def test_what_hangs_on_the_tables_is_named_before_anything_is_changed(
    server: EmbeddedServer, empty_url: str, made: str, named: str
) -> None:
    with session(empty_url, autocommit=True) as conn:
        run_file(conn, sql_dir() / "schema_baseline.sql")
        conn.execute(made.encode())
        before = dumped(server, empty_url)
        with pytest.raises(psycopg.errors.RaiseException, match=named):
            conn.execute(migration_text(PARTITIONING).encode())
        conn.execute("rollback")
        assert dumped(server, empty_url) == before


def test_the_files_name_what_they_need(empty_url: str, original_url: str) -> None:
    refusals = [
        (
            empty_url,
            PARTITIONING,
            r"needs the original tables.*raw_plans_data.* For an empty database, run schema\.sql instead",
        ),
        (empty_url, MATERIALIZED_VIEWS, r"apply 001_add_partitioning\.sql first"),
        (original_url, MATERIALIZED_VIEWS, r"apply 001_add_partitioning\.sql first"),
    ]
    for url, file, named in refusals:
        with session(url, autocommit=True) as conn, pytest.raises(psycopg.errors.RaiseException, match=named):
            conn.execute(migration_text(file).encode())


def test_a_downgrade_that_would_lose_an_archived_month_is_refused(database_url: str) -> None:
    alembic(database_url, upgrade, "head")
    with session(database_url, autocommit=True) as conn:
        conn.execute(
            "insert into cold_files (parent_table, lower, location, rows, bytes, partition_bytes, columns, sums, content_sha256,"
            " file_sha256) values ('raw_trades_closed', '2024-01-01', 'x', 1, 1, 1, '{}', '{}', repeat('0', 64), repeat('0', 64))"
        )
    with pytest.raises(DpmError, match="restore them first"):
        alembic(database_url, downgrade, "000")
    assert stands_at(database_url) == "002"


def test_the_grants_name_functions_that_are_there(database_url: str) -> None:
    """grants.sql passes over those that are made later."""
    granted = re.findall(r"^        '(\w+\(.*)", (sql_dir() / "grants.sql").read_text(encoding="utf-8"), re.MULTILINE)
    names = [name for line in granted for name in re.findall(r"'?(\w+\([^']*\))'", line)]
    with session(database_url) as conn:
        missing = [
            name
            for name in names
            if conn.execute("select to_regprocedure(%s) is null", [f"prop_trading_model.{name}"]).fetchone() == (True,)
        ]
    assert len(names) > 40 and missing == []


def test_a_migration_online_gives_the_schema_and_goes_on_from_there(
    server: EmbeddedServer, original_url: str, wanted: list[str]
) -> None:
    before = all_rows(original_url)
    with Database(original_url, application_name="road") as db:
        start.start(db, lambda _: None)
        swap.cutover(db, lambda _: None)
        clean.clean(db, lambda _: None)
    assert schema(server, original_url) == wanted
    assert all_rows(original_url) == before
    for go, revision in ((upgrade, "head"), (downgrade, "000"), (upgrade, "head")):
        alembic(original_url, go, revision)
    assert schema(server, original_url) == wanted
    assert all_rows(original_url) == before
