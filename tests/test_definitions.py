"""The asset graph: what it says of itself, what its sensors and schedules ask for, and how it fails."""

import os
import subprocess
import sys
from datetime import date, datetime, timezone
from typing import Any

import dagster as dg
import pytest
from psycopg import sql

from dpm_assets import warehouse as warehouse_module
from dpm_assets.calendar import add_months, month_of, today
from dpm_assets.database import Database
from dpm_assets.definitions import ON_DEMAND, defs
from dpm_assets.monitor.problems import problems
from dpm_assets.monitor.snapshot import take
from dpm_assets.months import MONTHS, RANGE_END, RANGE_START, key_of, known_months, range_tags
from dpm_assets.partitions.schedules import daily_metrics_partition_repair, daily_partition_repair, monthly_rollover
from dpm_assets.refresh import engine
from dpm_assets.refresh.schedules import hourly_refresh
from dpm_assets.refresh.sensors import trade_changes_sensor
from dpm_assets.settings import settings

# Sorted: every worker of a parallel run has to collect the same tests in the same order.
SPECS = sorted(defs.resolve_all_asset_specs(), key=lambda spec: spec.key)


def test_the_graph_can_be_served_with_all_its_jobs() -> None:
    """What only a code server asks for: two jobs, or a job and an op, may not share a name."""
    assert {job.name for job in defs.get_repository_def().get_all_jobs()} > {
        "check_partitions",
        "archive_months",
        "verify",
    }


def insert_trade(db: Database, day: date, trade_id: str = "t-1") -> None:
    with db.connection(None) as conn:
        conn.execute("select ensure_trade_months(%s)", [[day]])
        conn.execute(
            "insert into raw_trades_closed (trade_id, account_id, login, std_symbol, trade_date, profit)"
            " values (%s, 'a-1', '1', 'EURUSD', %s, 10)",
            [trade_id, day],
        )


def months_back(count: int) -> date:
    return add_months(month_of(today()), -count)


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.key.to_user_string())
def test_what_is_dated_has_months_and_what_is_kept_has_a_freshness_policy(spec: dg.AssetSpec) -> None:
    if spec.group_name in {"rollups", "views"}:
        assert spec.partitions_def == MONTHS
    if spec.group_name in {"schema", "partitions", "rollups", "views", "monitor"} and spec.key not in ON_DEMAND:
        assert spec.freshness_policy is not None
    if spec.group_name == "schema":
        assert spec.partitions_def is None


def test_the_sensor_asks_for_one_run_for_each_stretch_of_changed_months(
    connected: Database, instance: dg.DagsterInstance
) -> None:
    for number, back in enumerate((9, 8, 4)):
        insert_trade(connected, months_back(back), f"t-{number}")
    asked = trade_changes_sensor(dg.build_sensor_context(instance))
    assert isinstance(asked, dg.SensorResult) and asked.run_requests
    ranges = [(request.tags[RANGE_START], request.tags[RANGE_END]) for request in asked.run_requests]
    assert ranges == [
        (key_of(months_back(9)), key_of(months_back(8))),
        (key_of(months_back(4)), key_of(months_back(4))),
    ]
    assert all(
        request.run_config["ops"]["refresh_warehouse"]["config"]["rebuild"] is False for request in asked.run_requests
    )


def test_the_sensor_says_why_it_does_nothing(connected: Database, instance: dg.DagsterInstance) -> None:
    with connected.connection("dpm_refresher") as conn:
        conn.execute("select refresh_materialized_views()")
    assert isinstance(trade_changes_sensor(dg.build_sensor_context(instance)), dg.SkipReason)


def test_a_month_that_no_partition_stands_for_is_asked_for_with_the_running_month(
    connected: Database, instance: dg.DagsterInstance
) -> None:
    insert_trade(connected, add_months(month_of(today()), 2))
    asked = trade_changes_sensor(dg.build_sensor_context(instance))
    assert isinstance(asked, dg.SensorResult) and asked.run_requests
    assert [request.tags[RANGE_START] for request in asked.run_requests] == [key_of(today())]
    materialize(connected, instance, month_of(today()), month_of(today()), rebuild=False)
    with connected.connection() as conn:
        assert conn.execute("select keys, views from pending_changes()").fetchone() == (0, [])


def materialize(
    db: Database,
    instance: dg.DagsterInstance,
    first: date,
    last: date,
    *,
    raise_on_error: bool = True,
    rebuild: bool = True,
) -> dg.ExecuteInProcessResult:
    return defs.resolve_job_def("refresh").execute_in_process(
        instance=instance,
        tags=range_tags(first, last),
        run_config={"ops": {"refresh_warehouse": {"config": {"rebuild": rebuild}}}},
        raise_on_error=raise_on_error,
    )


def partitions_marked(instance: dg.DagsterInstance, asset: str) -> set[str]:
    return set(instance.get_materialized_partitions(dg.AssetKey(asset)))


def test_a_range_of_months_is_one_run_and_marks_each_month(connected: Database, instance: dg.DagsterInstance) -> None:
    insert_trade(connected, months_back(3))
    insert_trade(connected, months_back(1), "t-2")
    result = materialize(connected, instance, months_back(3), months_back(1))
    assert result.success
    expected = {key_of(months_back(n)) for n in (3, 2, 1)}
    for asset in ("rollup_account_symbol_day", "mv_daily_trading_stats"):
        assert partitions_marked(instance, asset) == expected
    assert len(instance.get_runs()) == 1


def test_a_write_from_outside_is_reported_to_the_raw_table(connected: Database, instance: dg.DagsterInstance) -> None:
    insert_trade(connected, months_back(2))
    materialize(connected, instance, months_back(2), months_back(2), rebuild=False)
    assert partitions_marked(instance, "raw_trades_closed") == {key_of(months_back(2))}


def test_a_range_into_the_future_leaves_no_phantom_months(connected: Database, instance: dg.DagsterInstance) -> None:
    result = defs.resolve_job_def("create_partitions").execute_in_process(
        instance=instance, tags=range_tags(month_of(today()), add_months(month_of(today()), settings().months_ahead))
    )
    assert result.success
    with connected.connection() as conn:
        row = conn.execute(
            "select max(upper_bound) from analyze_partitions(false) where parent_table = 'raw_trades_closed'"
        ).fetchone()
    assert row == (add_months(month_of(today()), settings().months_ahead + 1),)
    assert known_months(add_months(month_of(today()), 1), add_months(month_of(today()), 80)) == []


def test_a_failing_run_reports_the_months_it_finished(connected: Database, instance: dg.DagsterInstance) -> None:
    for number, back in enumerate((3, 2, 1)):
        insert_trade(connected, months_back(back), f"t-{number}")
    with connected.connection(None) as conn:
        conn.execute(
            sql.SQL("alter table rollup_market_day add constraint not_here check (trade_date < {})").format(
                sql.Literal(months_back(1))
            )
        )
    result = materialize(connected, instance, months_back(3), months_back(1), raise_on_error=False)
    assert not result.success
    assert partitions_marked(instance, "rollup_market_day") == {key_of(months_back(3)), key_of(months_back(2))}


def test_disagreeing_rollups_keep_the_views_from_being_refreshed(
    connected: Database, instance: dg.DagsterInstance
) -> None:
    insert_trade(connected, months_back(2))
    materialize(connected, instance, months_back(2), months_back(2))
    with connected.connection(None) as conn:
        conn.execute("update rollup_symbol_day set net = net + 1")
        conn.execute("update input_generations set generation = generation + 1 where input = 'trades'")
    insert_trade(connected, months_back(2).replace(day=20), "t-2")
    failed = materialize(connected, instance, months_back(2), months_back(2), raise_on_error=False, rebuild=False)
    assert not failed.success
    # The log is empty after that, and the next run is of another month: it must not publish what was held back.
    next_one = materialize(connected, instance, today(), today(), raise_on_error=False, rebuild=False)
    assert not next_one.success
    with connected.connection() as conn:
        assert conn.execute("select sum(total_trades) from mv_daily_trading_stats").fetchone() == (1,)
    mended = materialize(connected, instance, months_back(2), months_back(2))
    assert mended.success
    with connected.connection() as conn:
        assert conn.execute("select sum(total_trades) from mv_daily_trading_stats").fetchone() == (2,)


def test_status_tells_of_rollups_that_disagree_until_their_months_are_recomputed(
    connected: Database, instance: dg.DagsterInstance
) -> None:
    def told() -> list[tuple[str, str]]:
        return [(p.text, p.command) for p in problems(take()) if p.text.startswith("The last refresh failed")]

    insert_trade(connected, months_back(2))
    materialize(connected, instance, months_back(2), months_back(2))
    with connected.connection(None) as conn:
        conn.execute("update rollup_symbol_day set net = net + 1")
    insert_trade(connected, months_back(2).replace(day=20), "t-2")
    assert told() == []
    assert not materialize(
        connected, instance, months_back(2), months_back(2), raise_on_error=False, rebuild=False
    ).success
    month = f"{months_back(2):%Y-%m}"
    assert told() == [(f"The last refresh failed: the rollups disagree in {month}.", f"dpm refresh --rebuild {month}")]
    list(engine.refresh(connected, [months_back(2)], whole=True))
    assert told() == []
    with connected.connection() as conn:
        assert conn.execute("select sum(total_trades) from mv_daily_trading_stats").fetchone() == (2,)


def test_a_rebuild_that_failed_at_the_totals_makes_them_when_it_is_tried_again(
    connected: Database, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert_trade(connected, months_back(2))
    materialize(connected, instance, months_back(2), months_back(2))
    with connected.connection(None) as conn:
        conn.execute("update rollup_account set net = net + 1")

    def again() -> bool:
        tags = {**range_tags(months_back(2), months_back(2)), "dagster/backfill": "b-1"}
        job = defs.resolve_job_def("refresh")
        return job.execute_in_process(instance=instance, tags=tags, raise_on_error=False).success

    with monkeypatch.context() as patch:
        patch.setattr(engine, "rebuild_totals", lambda *_: 1 / 0)
        assert not again()
    assert again()
    with connected.connection() as conn:
        assert conn.execute("select net from rollup_account").fetchone() == (10,)


def test_a_check_finds_a_wrong_number(connected: Database, instance: dg.DagsterInstance) -> None:
    insert_trade(connected, months_back(2))
    materialize(connected, instance, months_back(2), months_back(2))
    assert verified(instance) == {}
    with connected.connection(None) as conn:
        conn.execute("update rollup_account set net = net + 0.01")
    assert verified(instance) == {"rollup_account": 1}


def verified(instance: dg.DagsterInstance) -> dict[str, Any]:
    """Differences by object, of those checks that did not pass."""
    result = defs.resolve_job_def("verify").execute_in_process(instance=instance)
    return {
        e.asset_key.to_user_string(): e.metadata["differences"].value
        for e in result.get_asset_check_evaluations()
        if not e.passed
    }


def test_the_schedules_ask_for_the_months_ahead(connected: Database, instance: dg.DagsterInstance) -> None:
    at = dg.build_schedule_context(instance, scheduled_execution_time=datetime.now(timezone.utc))
    ahead = key_of(add_months(month_of(today()), settings().months_ahead))
    for schedule in (monthly_rollover, daily_partition_repair):
        asked: Any = schedule(at) if schedule is not monthly_rollover else schedule()
        assert asked.tags[RANGE_END] == ahead
    hourly: Any = hourly_refresh()
    assert hourly[-1].tags[RANGE_END] == key_of(today())


def test_a_tick_of_each_schedule_launches_as_many_runs_as_it_has_to(
    connected: Database, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole tick, as the daemon evaluates it: of several requests Dagster wants a run key in each."""
    monkeypatch.setenv("DPM_COLD_AFTER_MONTHS", "3")
    monkeypatch.setenv("DPM_MONTHS_AHEAD", "12")
    settings.cache_clear()
    for number, back in enumerate((14, 9, 6)):
        insert_trade(connected, months_back(back), f"t-{number}")
    with connected.connection(None) as conn:
        # The year before is old enough from April on.
        conn.execute("select ensure_metrics_years(array[%s, %s])", [today().year - 3, today().year - 2])
    asked = {}
    for schedule in defs.get_repository_def().schedule_defs:
        at = dg.build_schedule_context(
            instance, repository_def=defs.get_repository_def(), scheduled_execution_time=datetime.now(timezone.utc)
        )
        requests = schedule.evaluate_tick(at).run_requests or []
        assert len({request.run_key for request in requests}) == len(requests)
        asked[schedule.name] = len(requests)
    assert asked["hourly_refresh"] == 4, "three old months and the running one"
    assert asked["daily_metrics_partition_repair"] >= 2
    assert asked["monthly_archive"] >= 3 and asked["yearly_archive"] == 2
    assert all(count == 1 for name, count in asked.items() if name.startswith(("nightly", "query_log")))


def test_years_reach_as_far_as_the_months_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from dpm_assets.months import YEARS; print(YEARS.get_last_partition_key())"],
        env={**os.environ, "DPM_MONTHS_AHEAD": "25"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) >= add_months(month_of(today()), 25).year


def test_the_daily_repair_asks_for_the_months_and_years_that_a_dead_daemon_missed(
    connected: Database, instance: dg.DagsterInstance
) -> None:
    """The database has a newest month that lies back; what is between it and those ahead is asked for in one run."""
    at = dg.build_schedule_context(instance, scheduled_execution_time=datetime.now(timezone.utc))
    with connected.connection(None) as conn:
        for ahead in range(4):
            conn.execute(f"drop table raw_trades_closed_{add_months(month_of(today()), ahead):%Y_%m}".encode())
        conn.execute("select ensure_trade_months(%s)", [[months_back(7)]])
    asked: Any = daily_partition_repair(at)
    assert asked.tags[RANGE_START] == key_of(months_back(7))
    result = defs.resolve_job_def("create_partitions").execute_in_process(instance=instance, tags=asked.tags)
    assert result.success
    with connected.connection() as conn:
        found = conn.execute("select count(*) from check_partitions(%s)", [settings().months_ahead]).fetchone()
    assert found == (0,)
    years: Any = daily_metrics_partition_repair(at)
    assert next(request.partition_key for request in years) == str(today().year)


def test_the_resource_shows_no_password() -> None:
    assert "postgresql" not in str(warehouse_module.Warehouse().model_dump())
