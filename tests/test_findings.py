"""Whatever can go wrong with a partition is found, with a remedy that mends it."""

import json
from collections.abc import Iterator
from datetime import date, timedelta

import dagster as dg
import pytest

from dpm_assets.calendar import add_months, month_of, today
from dpm_assets.database import Database
from dpm_assets.definitions import defs
from dpm_assets.partitions.findings import Finding, findings, repair
from dpm_assets.settings import settings
from tests.clock import set_today
from tests.command_line import dpm
from tests.interleaving import Connection, session

pytestmark = pytest.mark.sql

NOW = month_of(today())
OLD = date(2021, 5, 1)
OLD_LEAF = "raw_trades_closed_2021_05"


@pytest.fixture
def conn(database_url: str, db: Database) -> Iterator[Connection]:
    with session(database_url, autocommit=True) as opened:
        opened.execute("select ensure_trade_months('{2021-05-01,2021-06-01}'), ensure_metrics_years('{2021}')")
        opened.execute(
            "insert into raw_trades_closed (trade_id, account_id, login, trade_date, profit)"
            " values ('t', 'a', 'l', '2021-05-03', 1)"
        )
        opened.execute("call refresh_warehouse()")
        yield opened


def kinds(found: list[Finding]) -> list[tuple[str, str]]:
    return [(f.finding, f.object) for f in found]


def test_a_warehouse_as_it_is_made_has_no_finding(db: Database, conn: Connection) -> None:
    assert findings(db, 3) == []
    assert conn.execute("select * from partition_findings").fetchall() == []


# What somebody does, and what is found of it; every one of these is mended without a decision.
MENDED: list[tuple[str, str, list[tuple[str, str]]]] = [
    (
        "a trigger is disabled",
        f"alter table {OLD_LEAF} disable trigger log_update",
        [("trigger missing", OLD_LEAF)],
    ),
    (
        "triggers are dropped",
        f"drop trigger log_insert on {OLD_LEAF}; drop trigger log_truncate on {OLD_LEAF}",
        [("trigger missing", OLD_LEAF)],
    ),
    (
        "a trigger of the table itself is dropped",
        "drop trigger log_delete on raw_trades_closed",
        [("trigger missing", "raw_trades_closed")],
    ),
    (
        "a trigger fires no longer for a replica",
        f"alter table {OLD_LEAF} enable trigger log_insert",
        [("trigger missing", OLD_LEAF)],
    ),
    (
        "the input of a view is not logged",
        "drop trigger log_input on raw_plans_data",
        [("trigger missing", "raw_plans_data")],
    ),
    ("a privilege is revoked", f"revoke select on {OLD_LEAF} from dpm_reader", [("privileges missing", OLD_LEAF)]),
    (
        "the partition of a month between others is dropped",
        "select ensure_trade_months('{2021-07-01}'); drop table raw_trades_closed_2021_06",
        [("gap", "raw_trades_closed_2021_06")],
    ),
    (
        "of the months between others one is in the archive and one is dropped",
        "select ensure_trade_months('{2021-07-01,2021-08-01}'); drop table raw_trades_closed_2021_06, raw_trades_closed_2021_07;"
        " insert into month_state (month, state) values ('2021-06-01', 'cold')",
        [("gap", "raw_trades_closed_2021_07")],
    ),
    (
        "a year is dropped whose months of trades are in the archive",
        "select ensure_metrics_years('{2022,2023}'); drop table raw_metrics_daily_2022;"
        " insert into month_state (month, state) values ('2022-01-01', 'cold')",
        [("gap", "raw_metrics_daily_2022")],
    ),
    (
        "a constraint was never validated",
        f"alter table {OLD_LEAF} add constraint theirs check (lots < 1e9) not valid",
        [("constraint not validated", OLD_LEAF)],
    ),
    (
        "a trigger for each row is disabled on one partition",
        "create function count_it() returns trigger language plpgsql as $$ begin return null; end $$;"
        " create trigger theirs after insert on raw_metrics_daily for each row execute function count_it();"
        " alter table raw_metrics_daily_2021 disable trigger theirs",
        [("trigger missing", "raw_metrics_daily_2021")],
    ),
]


@pytest.mark.parametrize(("what", "done", "expected"), MENDED, ids=[case[0] for case in MENDED])
def test_it_is_found_and_its_remedy_mends_it(
    db: Database, conn: Connection, what: str, done: str, expected: list[tuple[str, str]]
) -> None:
    conn.execute(done.encode())
    found = findings(db, 3)
    assert kinds(found) == expected
    assert repair(db, found, lambda _: None) == []
    assert findings(db, 3) == []


def test_what_was_written_without_triggers_is_in_the_views_after_the_repair(db: Database, conn: Connection) -> None:
    conn.execute(f"alter table {OLD_LEAF} disable trigger log_update")
    conn.execute(f"update {OLD_LEAF} set profit = 7")
    assert repair(db, findings(db, 3), lambda _: None) == []
    conn.execute("call refresh_warehouse()")
    assert conn.execute("select total_profit from mv_daily_trading_stats").fetchall() == [(7,)]


# What needs a person: it is found, with what to do.
BY_HAND: list[tuple[str, str, list[tuple[str, str]]]] = [
    (
        "a partition belongs to somebody else",
        f"alter table {OLD_LEAF} owner to current_user",
        [("wrong owner", OLD_LEAF)],
    ),
    (
        "a table has taken the name of a month",
        "create table prop_trading_model.raw_trades_closed_2022_01 (n integer)",
        [("overlap", "raw_trades_closed_2022_01")],
    ),
    (
        "a partition holds half a month",
        "create table halves partition of raw_trades_closed for values from ('2021-07-01') to ('2021-07-16');"
        " alter table halves owner to dpm_owner; select refresh_materialized_views()",
        [("bounds across months", "halves")],
    ),
    (
        "there is a default partition",
        "create table rest partition of raw_metrics_daily default; alter table rest owner to dpm_owner;"
        " grant select on rest to dpm_reader, dpm_loader, dpm_refresher; grant insert, update, delete on rest to dpm_loader",
        [("default partition", "rest")],
    ),
    (
        "a month is in the archive and in the table",
        "insert into month_state (month, state) values ('2021-05-01', 'cold')",
        [("overlap", OLD_LEAF)],
    ),
    ("a partition would not survive a crash", f"alter table {OLD_LEAF} set unlogged", [("unlogged", OLD_LEAF)]),
    (
        "a clock was wrong by decades",
        "select ensure_metrics_years('{2061}')",
        [("far ahead", "raw_metrics_daily_2061")],
    ),
    (
        "an index is declared and was not built everywhere",
        "create index on_login on only raw_metrics_daily (login)",
        [("index missing", f"raw_metrics_daily_{year}") for year in (2021, *sorted({today().year, add_months(NOW, 3).year}))],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("what", "done", "expected"), BY_HAND, ids=[case[0] for case in BY_HAND])
def test_what_needs_a_decision_is_found_and_left_alone(
    db: Database, conn: Connection, what: str, done: str, expected: list[tuple[str, str]]
) -> None:
    conn.execute(done.encode())
    found = findings(db, 3)
    assert kinds(found) == expected
    assert all(finding.by_hand and finding.remedy for finding in found)
    assert repair(db, found, lambda _: None) == []
    assert kinds(findings(db, 3)) == expected


def test_missing_months_are_errors_when_they_are_near_and_warnings_when_they_are_ahead(
    db: Database, conn: Connection
) -> None:
    set_today(conn, add_months(NOW, 3) + timedelta(days=14))
    found = [f for f in findings(db, 2) if f.table == "raw_trades_closed"]
    assert [(f.finding, f.severity, f.object) for f in found] == [
        ("partition missing", "error", f"raw_trades_closed_{add_months(NOW, 4):%Y_%m}"),
        ("partition missing", "warning", f"raw_trades_closed_{add_months(NOW, 5):%Y_%m}"),
    ]
    assert repair(db, findings(db, 2), lambda _: None) == []
    assert findings(db, 2) == []


def test_a_detach_that_was_interrupted_is_finished(db: Database, conn: Connection, database_url: str) -> None:
    interrupt_detach(conn, database_url)
    found = findings(db, 3)
    assert ("detach pending", OLD_LEAF) in kinds(found)
    assert conn.execute("select count(*) from raw_trades_closed").fetchone() == (0,), "its rows are invisible meanwhile"
    assert repair(db, found, lambda _: None) == []
    assert kinds(findings(db, 3)) == [("overlap", OLD_LEAF)], "the table is kept, and somebody has to say what for"


def interrupt_detach(conn: Connection, url: str) -> None:
    with session(url) as reader:
        reader.execute("set transaction isolation level repeatable read")
        reader.execute("select count(*) from raw_trades_closed")
        conn.execute("set lock_timeout = '200ms'")
        with pytest.raises(Exception, match="lock timeout"):
            conn.execute(f"alter table raw_trades_closed detach partition {OLD_LEAF} concurrently")
        conn.execute("reset lock_timeout")


def test_an_index_whose_build_was_interrupted_is_found_and_built_again(
    db: Database, conn: Connection, database_url: str
) -> None:
    conn.execute(
        "insert into raw_metrics_daily (account_id, login, date) values ('a', 'l', '2021-03-03'), ('b', 'l', '2021-03-03')"
    )
    with pytest.raises(Exception, match="could not create unique index"):
        conn.execute("create unique index concurrently theirs on raw_metrics_daily_2021 (login)")
    found = findings(db, 3)
    assert [(f.finding, f.object, f.by_hand) for f in found] == [("index invalid", "theirs", False)]
    assert repair(db, found, lambda _: None) == []
    assert findings(db, 3) == []


def test_the_doctor_exits_1_with_remedies_and_0_when_they_have_been_run(conn: Connection, database_url: str) -> None:
    assert dpm(database_url, "doctor").returncode == 0
    conn.execute(f"alter table {OLD_LEAF} disable trigger log_update")
    ill = dpm(database_url, "doctor")
    assert ill.returncode == 1 and "repair_triggers" in ill.stdout and OLD_LEAF in ill.stdout
    planned = dpm(database_url, "doctor", "--repair", "--dry-run")
    assert planned.returncode == 1 and planned.stdout.startswith("select prop_trading_model.repair_triggers(")
    mended = dpm(database_url, "doctor", "--repair")
    assert mended.returncode == 0 and "Nothing is wrong" in mended.stdout
    assert dpm(database_url, "doctor", "--json").stdout.strip() == "[]"


def test_the_checks_of_the_graph_say_the_same(
    db: Database, conn: Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DPM_DATABASE_URL", database_url)
    settings.cache_clear()
    try:
        assert failed_checks() == {}
        conn.execute(f"drop trigger log_insert on {OLD_LEAF}")
        conn.execute("create index on_login on only raw_metrics_daily (login)")
        assert failed_checks() == {
            ("trade_partitions", "triggers_are_there"): 1,
            ("metrics_partitions", "indexes_are_valid"): len(findings(db, 3)) - 1,
        }
    finally:
        monkeypatch.undo()
        settings.cache_clear()


def failed_checks() -> dict[tuple[str, str], object]:
    with dg.instance_for_test() as instance:
        result = defs.resolve_job_def("check_partitions").execute_in_process(instance=instance)
    return {
        (e.asset_key.to_user_string(), e.check_name): e.metadata["findings"].value
        for e in result.get_asset_check_evaluations()
        if not e.passed
    }


def test_what_the_doctor_runs_is_no_part_of_its_json(conn: Connection, database_url: str) -> None:
    conn.execute(f"alter table {OLD_LEAF} disable trigger log_update".encode())
    planned = dpm(database_url, "doctor", "--repair", "--dry-run", "--json")
    assert planned.returncode == 1 and len(json.loads(planned.stdout)) > 0 and "repair_triggers" in planned.stderr
    mended = dpm(database_url, "doctor", "--repair", "--json")
    assert mended.returncode == 0 and json.loads(mended.stdout) == [] and "running: select" in mended.stderr
