"""The service as a user has it: `dpm up`, files in the landing folder, the UI's own calls, kill -9, Ctrl-C."""

import os
import signal
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest

from dpm_assets.calendar import add_months, month_of, months_between, today
from tests.leaks import KNOWN, CommandLines, give_passwords, leaks
from tests.places import open_folder
from tests.service import Service, wait_for

pytestmark = [pytest.mark.service, pytest.mark.xdist_group("service")]

FIRST = add_months(month_of(today()), -12)
MONTHS = list(months_between(FIRST, add_months(FIRST, 11)))
VIEWS = ["mv_daily_trading_stats", "mv_symbol_performance", "mv_account_performance_summary"]

LAUNCH_BACKFILL = """
mutation Launch($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""

REEXECUTE = """
mutation Again($params: ReexecutionParams!) {
  launchRunReexecution(reexecutionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}
"""


@pytest.fixture(scope="module")
def processes() -> Iterator[CommandLines]:
    """The processes that are seen while the service runs."""
    with CommandLines() as watched:
        yield watched


@pytest.fixture(scope="module")
def service(processes: CommandLines) -> Iterator[Service]:
    """The service with 12 months of trades loaded through the landing folder, and refreshed; its passwords are awkward."""
    with open_folder("service") as folder:
        running = Service(folder)
        give_passwords(running.home)
        running.start()
        try:
            running.load_sample(20_000, 12, FIRST)
            yield running
        finally:
            if running.process:
                running.stop()


def test_files_in_the_landing_folder_end_in_views_and_in_done(service: Service) -> None:
    assert not list((service.landing / "trades").glob("*.csv"))
    assert len(list((service.landing / "trades" / "done").glob("*.csv"))) == 12
    for asset in ("raw_trades_closed", *VIEWS):
        months = service.materialized_months(asset)
        assert {month.isoformat() for month in MONTHS} <= months, asset


def test_a_copy_by_psql_is_refreshed_and_appears_in_the_lineage(service: Service) -> None:
    day = MONTHS[4].replace(day=9)
    before = service.shown()
    with (
        service.connect() as conn,
        conn.cursor() as cursor,
        cursor.copy(
            "copy raw_trades_closed (trade_id, account_id, login, std_symbol, trade_date, profit) from stdin"
        ) as copy,
    ):
        copy.write_row(("psql-1", "by-psql", "1", "EURUSD", day, "12.50"))
    wait_for(lambda: service.shown() == before + 1, 60, "the trade in the view")
    with service.connect("dagster") as conn:
        row = conn.execute(
            "select count(*) from event_logs where asset_key = '[\"raw_trades_closed\"]' and partition = %s"
            " and event like '%%something other than the loader%%'",
            [MONTHS[4].isoformat()],
        ).fetchone()
    assert row is not None and row[0] >= 1


def test_a_bad_file_goes_to_failed_with_its_reason_and_the_next_file_is_loaded(service: Service) -> None:
    before = service.shown()
    folder = service.landing / "trades"
    (folder / "bad.csv").write_text("tradeId,symbol\n1,EURUSD\n")
    (folder / "good.csv").write_text(
        "trade_id,account_id,login,symbol,side,lots,trade_date,profit\n"
        f"good-1,landed,7,EURUSD,buy,0.10,{MONTHS[2].isoformat()},5.00\n"
    )
    reason = folder / "failed" / "bad.csv.reason.txt"
    wait_for(lambda: reason.exists() and "account_id" in reason.read_text(), 60, "the refusal, naming the column")
    wait_for(lambda: service.shown() == before + 1, 60, "the good file in the view")


@pytest.mark.parametrize("retry", ["automatic", "re-execute"])
def test_a_backfill_of_12_months_killed_after_the_fifth_goes_on_with_the_seven_that_are_left(
    service: Service, retry: str
) -> None:
    wait_for(service.idle, 60, "the end of other runs")
    with service.connect() as blocker, service.connect() as watcher:
        _stop_at(watcher, MONTHS[5])
        blocker.execute("select pg_advisory_lock(6)")
        backfill = _launch_backfill(service, retries=retry == "automatic")
        wait_for(lambda: len(_done(watcher, backfill)) == 5, 90, "five finished months")
        wait_for(lambda: _blocked(watcher) is not None, 30, "the sixth month waiting")
        [(killed, *_)] = service.runs("run_body like %s", f"%{backfill}%")  # a backfill of a range is one run
        os.kill(_pid_of(service, killed), signal.SIGKILL)
        # The server would notice the dead client by itself after some seconds; the test does not wait for that.
        watcher.execute("select pg_terminate_backend(%s)", [_blocked(watcher)])
        watcher.execute("drop trigger stop_here on refresh_log")
        if retry == "re-execute":
            wait_for(lambda: service.runs("run_id = %s", killed)[0][1] == "FAILURE", 60, "the killed run's failure")
            answer = service.graphql(REEXECUTE, params={"parentRunId": killed, "strategy": "ALL_STEPS"})
            assert answer["launchRunReexecution"]["__typename"] == "LaunchRunSuccess", answer
        wait_for(lambda: _retries(service, killed) == ["SUCCESS"], 120, "a retry that succeeds")
        done = _done(watcher, backfill)
    assert sorted(done) == MONTHS, "each month was rebuilt once: five before the kill and seven by the retry"
    [(succeeded, *_)] = service.runs("run_body::json->>'root_run_id' = %s", killed)
    for view in VIEWS:
        assert _marked_by(service, succeeded, view) == {month.isoformat() for month in MONTHS}


def _retries(service: Service, run_id: str) -> list[str]:
    """How the runs ended that have this one as their root."""
    return [status for _, status, _ in service.runs("run_body::json->>'root_run_id' = %s", run_id)]


def _stop_at(conn: "psycopg.Connection[Any]", month: date) -> None:
    """Make the refresh of this month wait, before it is noted as done, for whoever holds advisory lock 6."""
    conn.execute(
        """
        create or replace function stop_here() returns trigger language plpgsql as $$
        begin
            perform pg_advisory_xact_lock(6);
            return new;
        end
        $$
        """
    )
    conn.execute(
        psycopg.sql.SQL(
            "create trigger stop_here before insert on refresh_log for each row when (new.month = {})"
            " execute function stop_here()"
        ).format(month)
    )


def _launch_backfill(service: Service, retries: bool) -> str:
    answer = service.graphql(
        LAUNCH_BACKFILL,
        params={
            "assetSelection": [{"path": [view]} for view in VIEWS],
            "partitionNames": [month.isoformat() for month in MONTHS],
            "title": "twelve months",
            "tags": [] if retries else [{"key": "dagster/max_retries", "value": "0"}],
        },
    )["launchPartitionBackfill"]
    assert answer["__typename"] == "LaunchBackfillSuccess", answer
    return str(answer["backfillId"])


def _done(conn: "psycopg.Connection[Any]", backfill: str) -> list[Any]:
    rows = conn.execute("select month from refresh_log where run_key = %s and kind = 'month'", [backfill]).fetchall()
    return [row[0] for row in rows]


def _blocked(conn: "psycopg.Connection[Any]") -> int | None:
    row = conn.execute(
        "select pid from pg_stat_activity where wait_event_type = 'Lock' and query like '%rebuild_month%'"
    ).fetchone()
    return row[0] if row else None


def _pid_of(service: Service, run_id: str) -> int:
    with service.connect("dagster") as conn:
        row = conn.execute(
            "select substring(event from 'Executing steps in process \\(pid: (\\d+)\\)') from event_logs"
            " where run_id = %s and event like '%%Executing steps in process%%'",
            [run_id],
        ).fetchone()
    assert row is not None
    return int(row[0])


def _marked_by(service: Service, run_id: str, asset: str) -> set[str]:
    with service.connect("dagster") as conn:
        rows = conn.execute(
            "select partition from event_logs where run_id = %s and dagster_event_type = 'ASSET_MATERIALIZATION'"
            " and asset_key = %s",
            [run_id, f'["{asset}"]'],
        ).fetchall()
    return {row[0] for row in rows}


def test_dpm_verify_finds_no_difference(service: Service) -> None:
    verified = service.dpm("verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_its_passwords_are_in_their_file_and_nowhere_else(service: Service, processes: CommandLines) -> None:
    """After loads, a refusal, refreshes, a backfill and two runs that were killed."""
    for started in (b"dagster_webserver", b"spawn_main"):
        assert any(started in line for line in processes.seen)
    assert leaks(service, processes) == []


def test_its_sessions_are_no_superuser_and_its_folders_are_its_own(service: Service) -> None:
    with service.connect() as conn:
        logins = conn.execute(
            "select distinct r.rolname, r.rolsuper from pg_stat_activity as a join pg_roles as r on r.oid = a.usesysid"
            " where a.application_name like 'dpm%%'"
        ).fetchall()
    assert logins == [("dpm_service", False)]
    for folder in ("logs", "dagster"):
        assert (service.home / folder).stat().st_mode & 0o777 == 0o700
    assert service.home.stat().st_mode & 0o066 == 0


@contextmanager
def _in_a_log(service: Service) -> Iterator[str]:
    file = service.home / "logs" / "planted.log"
    file.write_bytes(b"\xff" * 5000 + f"postgresql://dpm:{KNOWN}@h".encode())
    yield str(file)
    file.unlink()


@contextmanager
def _in_an_event(service: Service) -> Iterator[str]:
    with service.connect("dagster") as conn:
        conn.execute("create table planted (event text)")
        conn.execute("insert into planted values (%s)", [f'{{"url": "postgresql://dpm:{KNOWN}@h"}}'])
        yield "dagster.planted"
        conn.execute("drop table planted")


@contextmanager
def _compressed(service: Service) -> Iterator[str]:
    with service.connect("dagster") as conn:
        conn.execute("create table planted (body bytea)")
        conn.execute("insert into planted values (%s)", [zlib.compress(KNOWN.encode() * 3)])
        yield "dagster.planted"
        conn.execute("drop table planted")


@contextmanager
def _in_the_arguments_of_a_process(_: Service) -> Iterator[str]:
    command = [sys.executable, "-c", "input()", KNOWN]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        yield "arguments: "
        process.communicate(b"\n")


@pytest.mark.parametrize("plant", [_in_a_log, _in_an_event, _compressed, _in_the_arguments_of_a_process])
def test_a_password_that_was_left_anywhere_would_be_found(
    service: Service, plant: Callable[[Service], AbstractContextManager[str]]
) -> None:
    with plant(service) as place, CommandLines() as now:
        if place == "arguments: ":
            wait_for(lambda: bool(now.holding()), 20, "a look at the process")
        found = leaks(service, now)
    [leak] = [each for each in found if "/base/" not in each and "/pg_wal/" not in each]
    assert leak == place or (leak.startswith(place) and KNOWN in leak)


def test_a_second_service_on_the_same_home_is_refused_in_one_sentence(service: Service) -> None:
    refused = service.dpm("up", "--port", str(service.port + 1))
    assert refused.returncode == 2
    assert "running already" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_ctrl_c_stops_all_and_a_second_start_is_warm(service: Service) -> None:
    before = service.shown()
    assert service.stop() == 0
    assert not _processes_of(service), "nothing that the service started is left"
    service.start()
    assert service.shown() == before


def _processes_of(service: Service) -> list[str]:
    """Command lines of live processes that carry this service's home in their environment or arguments."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            environment = (process / "environ").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(process.name) != str(os.getpid()) and (
            f"DPM_HOME={service.home}\0" in environment + "\0" or str(service.home) in command
        ):
            found.append(command)
    return found
