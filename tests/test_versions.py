"""The version of the schema: `dpm schema`, and Alembic on its own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from dpm_assets.database import Database, run_file
from dpm_assets.errors import DpmError
from dpm_assets.schema.apply import apply_schema, status
from dpm_assets.server import EmbeddedServer
from dpm_assets.settings import sql_dir

pytestmark = pytest.mark.sql


@pytest.fixture
def empty_url(server: EmbeddedServer, request: pytest.FixtureRequest) -> str:
    """A database with nothing in it."""
    name = f"empty_{abs(hash(request.node.name)) % 10**9}"
    server.create_database(name)
    return server.url(name)


def run(url: str, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command],
        env={**os.environ, "DPM_DATABASE_URL": url, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent.parent,
    )


def test_apply_makes_the_schema_once_and_status_says_so(empty_url: str) -> None:
    before = run(empty_url, "dpm_assets", "schema", "status")
    assert before.returncode == 1 and "dpm schema apply" in before.stdout
    assert run(empty_url, "dpm_assets", "schema", "apply").stdout.strip() == "The schema is applied."
    assert "nothing to do" in run(empty_url, "dpm_assets", "schema", "apply").stdout
    after = run(empty_url, "dpm_assets", "schema", "status")
    assert after.returncode == 0 and "current" in after.stdout


def test_a_database_of_the_original_is_refused_with_the_remedy(empty_url: str) -> None:
    with psycopg.connect(empty_url, autocommit=True) as conn:
        run_file(conn, sql_dir() / "schema_baseline.sql")
    with pytest.raises(DpmError, match=r"unpartitioned original.*dpm migrate plan"):
        apply_schema(empty_url)


def test_alembic_goes_up_and_down_and_up(empty_url: str) -> None:
    alembic = ("alembic", "-c", "sql/migrations/alembic.ini")
    for step, shown in (("upgrade", "head"), ("downgrade", "base"), ("upgrade", "head")):
        went = run(empty_url, *alembic, step, shown)
        assert went.returncode == 0, went.stderr
    assert "002 (head)" in run(empty_url, *alembic, "current").stdout
    assert "000 -> 001, Partitioned trades" in run(empty_url, *alembic, "history").stdout
    with Database(empty_url) as db, db.connection("dpm_refresher") as conn:
        assert conn.execute("select keys_remaining from refresh_materialized_views()").fetchone() == (0,)


def test_an_upgrade_and_an_apply_give_the_same_revision(empty_url: str) -> None:
    assert apply_schema(empty_url)
    with Database(empty_url) as db:
        found = status(db)
    assert found.current and found.revision == "002"


def test_a_downgrade_that_would_lose_trades_is_refused(db: Database, database_url: str) -> None:
    apply_schema(database_url)
    with db.connection(None) as conn:
        conn.execute(
            "insert into raw_trades_closed (trade_id, account_id, login, trade_date)"
            " values ('t', 'a', '1', prop_trading_model.utc_today())"
        )
    refused = run(database_url, "alembic", "-c", "sql/migrations/alembic.ini", "downgrade", "base")
    assert refused.returncode != 0 and "would lose them" in refused.stderr


def test_a_comparison_with_the_files_passes_over_leaves_and_views_and_names_what_differs(database_url: str) -> None:
    check = ("alembic", "-c", "sql/migrations/alembic.ini", "check")
    apply_schema(database_url)
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("select ensure_trade_months(array[date '2019-05-01'])")
        conn.execute("create index leaf_only on raw_trades_closed_2019_05 (login)")
        conn.execute("create materialized view of_the_firm as select 1 as n")
        same = run(database_url, *check)
        assert (same.returncode, same.stdout.strip(), same.stderr) == (0, "No new upgrade operations detected.", "")
        conn.execute("alter table raw_plans_data add column tier text")
        conn.execute("drop index raw_trades_closed_brin")
        differs = run(database_url, *check)
        assert differs.returncode != 0
        assert re.search(r"'add_index', Index\('raw_trades_closed_brin'", differs.stdout)
        assert re.search(r"'remove_column', 'prop_trading_model', 'raw_plans_data', Column\('tier'", differs.stdout)
        left = conn.execute("select count(*) from pg_database where datname like 'dpm_declared%'").fetchone()
    assert left == (0,)
