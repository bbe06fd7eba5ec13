"""Backups: taken while everything goes on, the server destroyed, restored into a fresh one, and nothing is missing."""

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from dpm_assets.database import Database
from dpm_assets.server import EmbeddedServer
from tests.backup_victims import backing_up, restoring
from tests.cold import trades_read
from tests.command_line import dpm
from tests.places import open_folder
from tests.servers import SMALL
from tests.service import wait_for
from tests.survival import CHANGED_LEAVES, as_analyst, differences, fill, picture

pytestmark = [pytest.mark.sql, pytest.mark.xdist_group("backup")]

_BINARIES = Path(os.environ["DPM_TEST_PG_BIN"]) if "DPM_TEST_PG_BIN" in os.environ else None


@dataclass(frozen=True)
class Lost:
    """What is left of a warehouse that was destroyed: its backup, and what was seen in it before."""

    backup: Path
    seen: dict[str, Any]
    trades: list[tuple[str, str]]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with open_folder("backup") as made:
        yield made


@pytest.fixture(scope="module")
def original(folder: Path) -> Iterator[EmbeddedServer]:
    server = EmbeddedServer(folder / "original", _BINARIES, SMALL)
    server.start()
    fill(server, server.home / "cold")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def lost(original: EmbeddedServer, folder: Path) -> Lost:
    """A backup with copies of the archive, whose original and archive are gone."""
    ended = dpm(None, "backup", folder / "backup", "--copy-cold", "--jobs", "2", home=original.home)
    assert ended.returncode == 0, ended.stderr
    with Database(original.url()) as db:
        trades = trades_read(db)
    seen = picture(original)
    original.stop()
    shutil.rmtree(original.home)
    return Lost(folder / "backup", seen, trades)


@pytest.fixture
def fresh(folder: Path, tmp_path: Path) -> Iterator[EmbeddedServer]:
    """A server as it is after its first start."""
    server = EmbeddedServer(folder / tmp_path.name, _BINARIES, SMALL)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(server.home)


def test_a_backup_that_is_killed_at_any_step_never_looks_like_one(original: EmbeddedServer, folder: Path) -> None:
    target = folder / "killed"
    for step in ("warehouse: dumping", "dagster: dumping", "archive:", "reading them back", "whole:"):
        victim = backing_up(original.home, target, step)
        victim.join()
        assert victim.exitcode == -9, step
        assert not target.exists()
        refused = dpm(None, "restore", target.with_name("killed.partial"), home=original.home)
        assert refused.returncode == 2 and (step == "whole:" or "no backup" in refused.stderr)
    again = backing_up(original.home, target)
    again.join()
    assert again.exitcode == 0
    assert dpm(None, "restore", target, "--check", home=original.home).returncode == 0
    assert not target.with_name("killed.partial").exists()


def test_a_backup_killed_while_it_dumps_leaves_no_session_and_no_backup(original: EmbeddedServer, folder: Path) -> None:
    target = folder / "killed-dumping"
    with psycopg.connect(original.url()) as conn, psycopg.connect(original.url(), autocommit=True) as watcher:

        def dumping() -> list[Any]:
            query = "select from pg_stat_activity where application_name = 'pg_dump' and wait_event_type = 'Lock'"
            return watcher.execute(query).fetchall()

        conn.execute("lock table prop_trading_model.raw_plans_data in access exclusive mode")
        victim = backing_up(original.home, target)
        wait_for(lambda: bool(dumping()), 30, "pg_dump waiting for the table")
        victim.kill()
        victim.join()
        conn.rollback()
        wait_for(
            lambda: not watcher.execute("select from pg_stat_activity where application_name ~ 'pg_dump'").fetchall(),
            30,
            "the end of pg_dump",
        )
    assert not target.exists()


def test_two_backups_into_one_folder_do_not_mix(original: EmbeddedServer, folder: Path) -> None:
    target = folder / "twice"
    with psycopg.connect(original.url()) as conn, psycopg.connect(original.url(), autocommit=True) as watcher:
        conn.execute("lock table prop_trading_model.raw_plans_data in access exclusive mode")
        first = backing_up(original.home, target)
        wait_for(
            lambda: bool(watcher.execute("select from pg_stat_activity where application_name = 'pg_dump'").fetchall()),
            30,
            "the first at work",
        )
        second = dpm(None, "backup", target, home=original.home)
        assert second.returncode == 2 and "under way" in second.stderr
        conn.rollback()
    first.join()
    assert first.exitcode == 0
    third = dpm(None, "backup", target, home=original.home)
    assert third.returncode == 2 and "there already" in third.stderr


def test_refreshes_and_loads_go_on_while_a_backup_is_taken(original: EmbeddedServer) -> None:
    """What a dump holds until its end is a lock on every table that only a change of a table waits for."""
    with psycopg.connect(original.url()) as dump, psycopg.connect(original.url(), autocommit=True) as conn:
        for (statement,) in dump.execute(
            "select format('lock table %s in access share mode', c.oid::regclass) from pg_class as c"
            " where relnamespace = 'prop_trading_model'::regnamespace and relkind in ('r', 'p', 'v')"
        ).fetchall():
            dump.execute(statement.encode())
        conn.execute("set lock_timeout = '5s'; set search_path = prop_trading_model")
        with conn.transaction():
            conn.execute("update raw_trades_closed set profit = profit + 1 where trade_date = '2024-02-06'")
            conn.execute("select * from refresh_materialized_views()")
            raise psycopg.Rollback


def test_a_restore_into_a_fresh_server_brings_back_everything(lost: Lost, fresh: EmbeddedServer) -> None:
    ended = dpm(None, "restore", lost.backup, "--jobs", "2", home=fresh.home)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert not differences(lost.seen, picture(fresh))
    assert as_analyst(fresh, "select count(*) from mv_daily_trading_stats") > 0
    with Database(fresh.url()) as db:
        assert trades_read(db) == lost.trades, "cold and hot"
    verified = dpm(None, "verify", "--cold", home=fresh.home)
    assert verified.returncode == 0, verified.stdout


def test_a_restored_warehouse_goes_on_where_the_original_was(lost: Lost, fresh: EmbeddedServer) -> None:
    assert dpm(None, "restore", lost.backup, home=fresh.home).returncode == 0
    with psycopg.connect(fresh.url(), autocommit=True) as conn:
        conn.execute("set search_path = prop_trading_model")
        assert conn.execute(CHANGED_LEAVES).fetchall() == [
            ("raw_trades_closed_2023_12",),
            ("raw_trades_closed_2024_03",),
        ]
        before = conn.execute("select keys from pending_changes()").fetchone()
        assert before is not None and before[0] > 0
        conn.execute("set role dpm_loader")
        conn.execute(
            "insert into raw_trades_closed (trade_id, account_id, login, trade_date) values ('n', 'a', 'l', '2024-03-01')"
        )
        assert conn.execute("select keys from pending_changes()").fetchone() == (before[0] + 1,)
        conn.execute("reset role")
        conn.execute("call refresh_warehouse()")
        assert conn.execute("select keys, months, views from pending_changes()").fetchone() == (0, [], [])
    assert dpm(None, "verify", home=fresh.home).returncode == 0
    assert dpm(None, "schema", "status", home=fresh.home).returncode == 0


def test_a_restore_that_is_killed_at_any_step_is_ended_by_the_next(lost: Lost, fresh: EmbeddedServer) -> None:
    for step in ("warehouse: restoring", "warehouse: counting", "dagster: counting", "archive:", "warehouse: taking"):
        victim = restoring(fresh.home, lost.backup, step)
        victim.join()
        assert victim.exitcode == -9, step
        with psycopg.connect(fresh.url()) as conn:
            assert conn.execute("select to_regnamespace('prop_trading_model')").fetchone() == (None,), step
    with psycopg.connect(fresh.url("postgres"), autocommit=True) as conn:
        conn.execute("drop database dpm")  # killed right in the middle of the switch
    victim = restoring(fresh.home, lost.backup, "dagster: taking")
    victim.join()
    assert victim.exitcode == -9
    last = restoring(fresh.home, lost.backup)
    last.join()
    assert last.exitcode == 0
    assert not differences(lost.seen, picture(fresh))


@pytest.fixture
def firm_url(fresh: EmbeddedServer) -> str:
    """A database of one's own, of a login that is no superuser."""
    with psycopg.connect(fresh.url("postgres"), autocommit=True) as conn:
        conn.execute("create role firm login createdb createrole password 'firm'")
        conn.execute("create database firm owner firm")
    return f"postgresql://firm:firm@127.0.0.1:{fresh.state().port}/firm"


def test_a_login_without_roles_restores_everything_as_its_own(
    lost: Lost, fresh: EmbeddedServer, firm_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DPM_COLD_LOCATION", str(folder / "firms_cold"))
    ended = dpm(firm_url, "restore", lost.backup, "--own")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    with psycopg.connect(firm_url) as conn:
        owners = conn.execute(
            "select distinct relowner::regrole::text from pg_class where relnamespace = 'prop_trading_model'::regnamespace"
        ).fetchall()
        assert owners == [("firm",)]
        found = conn.execute("select count(*) from prop_trading_model.raw_trades_closed").fetchone()
        assert found == (len(lost.seen["prop_trading_model.raw_trades_closed_2024_02"])
                         + len(lost.seen["prop_trading_model.raw_trades_closed_2024_03"]),)  # fmt: skip
    with psycopg.connect(firm_url + "_dagster") as conn:
        assert conn.execute("select count(*) from runs").fetchone() == (50,)
    assert dpm(firm_url, "verify", "--cold").returncode == 0
    assert dpm(firm_url, "refresh").returncode == 0


def test_a_login_that_may_make_roles_restores_them_too(
    lost: Lost, fresh: EmbeddedServer, firm_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DPM_COLD_LOCATION", str(folder / "firms_cold"))
    ended = dpm(firm_url, "restore", lost.backup)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    with psycopg.connect(firm_url, autocommit=True) as conn:
        conn.execute("set role dpm_loader")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            conn.execute("drop table prop_trading_model.raw_trades_closed")
    assert dpm(firm_url, "verify", "--cold").returncode == 0


@pytest.fixture
def elsewhere(server: EmbeddedServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of an empty database of another server, which is Dagster's."""
    server.create_database("dagster_elsewhere")
    url = server.url("dagster_elsewhere")
    monkeypatch.setenv("DPM_DAGSTER_URL", url)
    yield url
    with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
        for left in ("dagster_elsewhere", "dagster_elsewhere_restoring"):
            admin.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(left)))


def test_dagsters_database_may_be_on_another_server(lost: Lost, fresh: EmbeddedServer, elsewhere: str) -> None:
    with psycopg.connect(elsewhere, autocommit=True) as conn:
        conn.execute("create table somebodys as select 1 as x")
    refused = dpm(None, "restore", lost.backup, home=fresh.home)
    assert refused.returncode == 2 and "public.somebodys, and a restore replaces nothing" in refused.stderr
    with psycopg.connect(elsewhere, autocommit=True) as conn:
        conn.execute("drop table somebodys")
        conn.execute(
            "create extension pg_stat_statements"
        )  # as every database of that server may have it: nobody's data
    for _ in range(2):
        ended = dpm(None, "restore", lost.backup, home=fresh.home)
        assert ended.returncode == 0, ended.stdout + ended.stderr
    with psycopg.connect(elsewhere) as conn:
        assert conn.execute("select count(*) from runs").fetchone() == (50,)
    again = fresh.home / "again"
    ended = dpm(None, "backup", again, home=fresh.home)
    assert ended.returncode == 0 and json.loads((again / "manifest.json").read_text())["databases"][1]["rows"]


def test_a_restore_replaces_nothing(lost: Lost, fresh: EmbeddedServer) -> None:
    with psycopg.connect(fresh.url(), autocommit=True) as conn:
        conn.execute("create table somebodys as select 1 as x")
    refused = dpm(None, "restore", lost.backup, home=fresh.home)
    assert refused.returncode == 2 and "public.somebodys, and a restore replaces nothing" in refused.stderr
    with psycopg.connect(fresh.url()) as conn:
        assert conn.execute("select x from somebodys").fetchone() == (1,)


def test_a_backup_with_one_byte_changed_is_refused(lost: Lost, fresh: EmbeddedServer, folder: Path) -> None:
    damaged = folder / "damaged"
    shutil.copytree(lost.backup, damaged)
    largest = max((damaged / "warehouse").iterdir(), key=lambda file: file.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 1
    largest.write_bytes(content)
    for arguments in (["--check"], []):
        refused = dpm(None, "restore", damaged, *arguments, home=fresh.home)
        assert refused.returncode == 2 and largest.name in refused.stderr
    largest.unlink()
    assert "missing" in dpm(None, "restore", damaged, home=fresh.home).stderr
    shutil.rmtree(damaged)


def test_a_backup_that_says_more_rows_than_it_holds_takes_no_place(
    lost: Lost, fresh: EmbeddedServer, folder: Path
) -> None:
    false = folder / "false"
    shutil.copytree(lost.backup, false)
    manifest = json.loads((false / "manifest.json").read_text())
    manifest["databases"][0]["rows"]["prop_trading_model.raw_trades_closed_2024_02"] += 1
    (false / "manifest.json").write_text(json.dumps(manifest))
    refused = dpm(None, "restore", false, home=fresh.home)
    assert refused.returncode == 2 and "raw_trades_closed_2024_02" in refused.stderr
    with psycopg.connect(fresh.url()) as conn:
        assert conn.execute("select to_regnamespace('prop_trading_model')").fetchone() == (None,)
    shutil.rmtree(false)


def test_a_backup_of_the_first_format_is_still_read(lost: Lost, fresh: EmbeddedServer, folder: Path) -> None:
    """It named the version of pg_dump once, not for each database."""
    first = folder / "first"
    shutil.copytree(lost.backup, first)
    manifest = json.loads((first / "manifest.json").read_text())
    majors = {database.pop("dumped_by") for database in manifest["databases"]}
    manifest |= {"format": 1, "dumped_by": max(majors)}
    (first / "manifest.json").write_text(json.dumps(manifest))
    ended = dpm(None, "restore", first, home=fresh.home)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert not differences(lost.seen, picture(fresh))
    shutil.rmtree(first)


def test_a_file_of_the_archive_that_is_nowhere_is_named(lost: Lost, fresh: EmbeddedServer, folder: Path) -> None:
    without = folder / "without"
    shutil.copytree(lost.backup, without)
    manifest = json.loads((without / "manifest.json").read_text())
    manifest["cold_files"][0]["copy"] = None
    (without / "manifest.json").write_text(json.dumps(manifest))
    ended = dpm(None, "restore", without, home=fresh.home)
    assert ended.returncode == 1 and "trades.parquet of the archive is missing" in ended.stdout
    shutil.rmtree(without)
