"""`dpm status`: an empty, a healthy and a broken warehouse, each problem with the next command; terminals of any width."""

import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from rich.console import Console

from dpm_assets.database import Database, run_file
from dpm_assets.monitor.page import print_page
from dpm_assets.monitor.problems import duration, exit_code, problems
from dpm_assets.monitor.snapshot import Snapshot, take
from dpm_assets.partitions.create import roll_over
from dpm_assets.refresh.engine import VIEWS, refresh
from dpm_assets.server import EmbeddedServer
from dpm_assets.server.disk import Disk
from dpm_assets.settings import sql_dir
from tests.command_line import dpm
from tests.interleaving import Connection, sent_off, session, wait_until_blocked
from tests.switching_off import edit

pytestmark = pytest.mark.sql


@pytest.fixture
def url(monitored: str) -> str:
    return monitored


@pytest.fixture
def conn(url: str) -> Iterator[Connection]:
    with session(url, autocommit=True) as opened:
        yield opened


def change(conn: Connection, trade: str = "t") -> None:
    conn.execute(
        "insert into raw_trades_closed (trade_id, account_id, login, trade_date) values (%s, 'a', 'l', current_date)",
        [trade],
    )


def age(conn: Connection, by: str) -> None:
    conn.execute("update changed_account_days set changed_at = changed_at - %s::interval", [by])


def told() -> tuple[int, list[tuple[str, str, str]]]:
    """The exit code and the problems: kind, text, command."""
    looked = take()
    found = problems(looked)
    return exit_code(looked, found), [(p.kind, p.text, p.command) for p in found]


def wrong() -> list[tuple[str, str]]:
    """What is wrong, which has to be something, each with the next command."""
    code, found = told()
    assert code == 1
    return [(text, command) for kind, text, command in found if kind == "wrong"]


def without_notes(found: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    return [problem for problem in found if problem[0] != "note"]


def test_a_healthy_warehouse_is_told_so_with_what_it_did(url: str, conn: Connection, tmp_path: Any) -> None:
    (tmp_path / "trades.csv").write_text(
        "trade_id,account_id,login,symbol,side,lots,profit,trade_date\n"
        f"t1,a,l,EURUSD,buy,1,5,{datetime.now(timezone.utc):%Y-%m-%d}\n"
        f"t2,a,l,EURUSD,hold,1,5,{datetime.now(timezone.utc):%Y-%m-%d}\n"
    )
    assert dpm(url, "load", tmp_path / "trades.csv").returncode == 0
    assert dpm(url, "refresh").returncode == 0
    conn.execute("select log_query_performance()")
    shown = dpm(url, "status")
    assert shown.returncode == 0, shown.stdout
    assert "healthy" in shown.stdout
    for part in (
        r"pending +nothing",
        r"batch 1 trades loaded: 2 rows, 1 rejected, .* trades\.csv",
        r"rejects +1 of trades",
        r"months ahead +3 ready, 3 wanted",
        r"mv_daily_trading_stats",
        r"slowest a day +[\d,.]+ ms",
        r"disk +[\d.,]+ [GM]B of",
        r"next: dpm rejects list",
    ):
        assert re.search(part, shown.stdout), part
    answer = json.loads(dpm(url, "status", "--json").stdout)
    assert (answer["healthy"], answer["exit_code"], answer["months_ahead"]) == (True, 0, 3)
    assert answer["load_sums"][0]["open_rejects"] == 1
    assert [problem["kind"] for problem in answer["problems"]] == ["note"]


@pytest.fixture
def empty_url(server: EmbeddedServer) -> Iterator[str]:
    name = f"dpm_{uuid4().hex[:12]}"
    server.create_database(name)
    yield server.url(name)
    with session(server.url("postgres"), autocommit=True) as admin:
        admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


@pytest.mark.parametrize(
    ("file", "code", "says", "command"),
    [
        (None, 1, "no schema yet", "dpm schema apply"),
        ("schema_baseline.sql", 1, "unpartitioned original", "dpm migrate plan"),
        ("schema.sql", 2, "applied by psql", "dpm schema apply"),
    ],
)
def test_a_database_without_this_schema_is_told_what_comes_next(
    empty_url: str, file: str | None, code: int, says: str, command: str
) -> None:
    if file:
        with session(empty_url, autocommit=True) as conn:
            run_file(conn, sql_dir() / file)
    shown = dpm(empty_url, "status")
    assert shown.returncode == code, shown.stdout
    assert says in shown.stdout and f"next: {command}" in shown.stdout
    assert "Traceback" not in shown.stderr


def test_a_server_that_is_down_cannot_be_told_anything_of(monkeypatch: pytest.MonkeyPatch, home: Any) -> None:
    shown = dpm("postgresql://nobody:s3cr3t@127.0.0.1:1/none", "status")
    assert shown.returncode == 2
    assert "127.0.0.1:1/none" in shown.stdout and "next: psql" in shown.stdout
    assert "s3cr3t" not in shown.stdout + shown.stderr
    answer = json.loads(dpm("postgresql://nobody:s3cr3t@127.0.0.1:1/none", "status", "--json").stdout)
    assert answer["healthy"] is False and "Connection refused" in answer["down"]
    monkeypatch.setenv("DPM_HOME", str(home))
    shown = dpm("", "status")
    assert shown.returncode == 2 and "next: dpm server start" in shown.stdout


def test_a_schema_of_other_files_is_told_and_what_it_lacks_keeps_nothing_else_back(url: str, conn: Connection) -> None:
    conn.execute("comment on schema prop_trading_model is 'DPM trades warehouse, files 0123456789abcdef'")
    conn.execute("drop view newly_slow_queries")
    code, found = told()
    assert code == 1
    assert found[0][0] == "wrong" and "0123456789abcdef" in found[0][1] and found[0][2] == "dpm schema apply"
    assert found[1][0] == "unknown" and "newly slow statements cannot be read" in found[1][1]
    assert found[1][2] == "dpm schema apply"
    assert take().pending is not None and take().queries is not None


def test_what_cannot_be_read_under_the_right_schema_is_unknown_and_not_healthy(url: str, conn: Connection) -> None:
    conn.execute("revoke select on load_rejects from dpm_reader, dpm_loader, dpm_refresher")
    code, found = told()
    assert (code, found[0][0]) == (2, "unknown")
    assert "permission denied" in found[0][1]


def test_a_missing_month_is_told_with_the_command_that_makes_it(url: str, conn: Connection) -> None:
    newest = conn.execute(
        "select max(leaf_name) from partition_leaves() where parent_table = 'raw_trades_closed'"
    ).fetchone()
    assert newest
    conn.execute(sql.SQL("drop table {}").format(sql.Identifier(newest[0])))
    [(text, command)] = [problem for problem in wrong() if newest[0] in problem[0]]
    assert "Partition missing" in text and command == "dpm partitions create"
    assert take().months_ahead == 2
    with Database(url) as db:
        roll_over(db, 3)
    assert take().months_ahead == 3


def test_the_running_month_missing_is_less_than_none_ahead(url: str, conn: Connection) -> None:
    conn.execute(f"drop table raw_trades_closed_{datetime.now(timezone.utc):%Y_%m}".encode())
    assert take().months_ahead == -1


def test_a_missing_trigger_is_told_and_the_command_mends_it(url: str, conn: Connection) -> None:
    conn.execute("drop trigger log_update on raw_trades_closed")
    [(text, command)] = wrong()
    assert "Trigger missing" in text and "log_update" in text and command == "dpm doctor --repair"
    assert dpm(url, "doctor", "--repair").returncode == 0
    with Database(url) as db:
        list(refresh(db))
    assert without_notes(told()[1]) == []


def test_a_change_that_waits_for_long_is_told_and_the_command_mends_it(url: str, conn: Connection) -> None:
    change(conn)
    assert without_notes(told()[1]) == [], "a change of a moment ago is nothing wrong"
    age(conn, "3 hours")
    [(text, command)] = wrong()
    assert "waiting for its refresh for 3.0 h" in text and command == "dpm refresh"
    assert dpm(url, "refresh").returncode == 0
    assert without_notes(told()[1]) == []


def test_a_refresh_that_fails_is_told_at_once_with_its_reason(url: str, conn: Connection) -> None:
    broken = "refresh_account_month()"
    edit(conn, broken, "begin", "begin raise exception 'the disk of the rollups is full';")
    change(conn)
    assert dpm(url, "refresh").returncode == 2
    [(text, command)] = wrong()
    assert text == "The last refresh failed: the disk of the rollups is full." and command == "dpm refresh"
    edit(conn, broken, "begin raise exception 'the disk of the rollups is full';", "begin")
    assert dpm(url, "refresh").returncode == 0
    assert without_notes(told()[1]) == []
    change(conn, "later")
    assert without_notes(told()[1]) == [], "a failure before a refresh that went well is no longer told"


def test_a_refresh_that_waits_for_a_lock_is_told_with_who_holds_it(url: str, conn: Connection) -> None:
    change(conn)
    age(conn, "1 hour")
    month = f"raw_trades_closed_{datetime.now(timezone.utc):%Y_%m}"
    with session(url) as holder, session(url) as refresher:
        holds, waits = holder.info.backend_pid, refresher.info.backend_pid
        holder.execute(f"lock table {month} in access exclusive mode".encode())
        with sent_off(refresher, "select refresh_materialized_views()") as answer:
            wait_until_blocked(conn, refresher)
            looked = take()
            holder.rollback()
            answer.result(20)
    assert looked.refresh_running is not None and looked.refresh_running.pid == waits
    # What sizes lie under that lock could not be read, and the look has not waited for it.
    assert "partitions" in looked.unread
    texts = [problem.text for problem in problems(looked) if problem.kind == "wrong"]
    assert any(f"process {holds} holds" in text for text in texts)


def test_an_archive_that_was_left_half_way_is_told(url: str, conn: Connection) -> None:
    conn.execute(
        "insert into partition_state (lower, state, changed_at) values ('2024-01-01', 'archiving', now() - interval '2 h')"
    )
    assert any(command == "dpm partitions archive 2024-01" for _, command in wrong())


def test_a_full_disk_is_told(url: str) -> None:
    looked = take()
    assert looked.disk is not None, "server and tests share a machine"
    full = replace(looked, disk=Disk(10**11, 2 * 10**9))
    [text] = [p.text for p in problems(full) if "nearly full" in p.text]
    assert "2.0 GB of 100.0 GB" in text
    assert exit_code(full, problems(full)) == 1
    for enough in (Disk(10**11, 6 * 10**9), Disk(10**13, 60 * 10**9), None):
        assert not [p for p in problems(replace(looked, disk=enough)) if "disk" in p.text]


def test_what_is_known_of_statements_is_a_note(url: str, conn: Connection) -> None:
    code, found = told()
    assert code == 0 and any("No snapshot of what statements cost was taken yet" in text for _, text, _ in found)
    conn.execute("select log_query_performance()")
    assert told() == (0, [])
    conn.execute("update query_snapshots set captured_at = captured_at - interval '2 hours'")
    assert "No snapshot of what statements cost was taken since" in told()[1][0][1]
    conn.execute("drop extension pg_stat_statements")
    assert "create extension pg_stat_statements" in told()[1][0][1]


def test_a_look_writes_nothing(url: str, conn: Connection) -> None:
    before = conn.execute("select pg_current_xact_id()::text::bigint").fetchone()
    assert take().unread == {}
    after = conn.execute("select pg_current_xact_id()::text::bigint").fetchone()
    assert before and after and after[0] == before[0] + 1


def printed(looked: Snapshot, width: int, terminal: bool) -> str:
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=terminal, highlight=False, color_system=None)
    print_page(console, looked, problems(looked))
    return out.getvalue()


@pytest.mark.parametrize("width", [32, 60, 80, 200])
def test_a_page_fits_its_terminal_and_loses_nothing(url: str, conn: Connection, width: int) -> None:
    conn.execute("drop trigger log_update on raw_trades_closed")
    change(conn)
    list(refresh_here(url))
    lines = printed(take(), width, terminal=True).splitlines()
    assert max(len(line.rstrip()) for line in lines) <= width
    together = "".join("".join(lines).split())
    for whole in ("log_updatemissingordisabled", "next:dpmdoctor--repair", "mv_account_performance_summary"):
        assert whole in together, whole


def refresh_here(url: str) -> Iterator[Any]:
    with Database(url) as db:
        yield from refresh(db)


def test_without_a_terminal_no_line_is_folded(url: str, conn: Connection) -> None:
    change(conn)
    list(refresh_here(url))
    lines = printed(take(), 20, terminal=False).splitlines()
    refreshes = [line for line in lines if re.search(r"\d s: mv_", line)]
    assert refreshes and all(view in line for line in refreshes for view in VIEWS)


def test_watching_looks_again_until_it_is_interrupted(url: str) -> None:
    # Whoever started the tests in the background of a script has them ignore interrupts, and so what they start.
    as_in_a_terminal = ["env", "--default-signal=INT"]
    watching = subprocess.Popen(
        [*as_in_a_terminal, sys.executable, "-m", "dpm_assets", "status", "--json", "--watch", "0.1"],
        env={**os.environ, "DPM_DATABASE_URL": url, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    try:
        assert watching.stdout is not None
        looks = [json.loads(watching.stdout.readline()) for _ in range(2)]
        watching.send_signal(signal.SIGINT)
        _, errors = watching.communicate(timeout=20)
    finally:
        watching.kill()
    assert looks[0]["taken_at"] < looks[1]["taken_at"]
    assert watching.returncode == 0 and errors == ""


def test_durations_are_said_in_a_unit_that_fits() -> None:
    spans = (timedelta(seconds=3), timedelta(minutes=12), timedelta(hours=5), timedelta(days=4, hours=5))
    assert [duration(span.total_seconds()) for span in spans] == ["3 s", "12 min", "5.0 h", "4.2 days"]


def test_the_look_of_a_login_that_may_nothing_is_unknown(url: str, server: EmbeddedServer) -> None:
    with session(server.url("postgres"), autocommit=True) as admin:
        admin.execute("create role stranger login password 'stranger'")
    try:
        shown = dpm(re.sub("//.*@", "//stranger:stranger@", url), "status")
        assert shown.returncode == 2 and "permission denied" in shown.stdout
    finally:
        with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
            admin.execute("drop role stranger")


def test_a_login_that_may_only_read_is_told_the_same(url: str, conn: Connection) -> None:
    conn.execute("drop role if exists only_reads")
    conn.execute("create role only_reads login in role dpm_reader password 'only-reads'")
    try:
        shown = dpm(re.sub("//.*@", "//only_reads:only-reads@", url), "status", "--json")
    finally:
        conn.execute("drop role only_reads")
    answer = json.loads(shown.stdout)
    assert answer["unread"] == {} and answer["schema_state"] == "current"
    assert shown.returncode == 0
