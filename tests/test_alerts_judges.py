"""What each alert finds on a real warehouse and a real Dagster instance, when it is over, and what it leaves alone."""

import time
from datetime import timedelta

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    ScheduleInstigatorData,
    TickData,
    TickStatus,
)
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster_shared.error import SerializableErrorInfo

from dpm_assets.alerts.judges import runs
from dpm_assets.alerts.judges.partitions import MISSING
from dpm_assets.calendar import add_months, month_of, today
from dpm_assets.definitions import defs
from dpm_assets.months import range_tags
from dpm_assets.partitions.checks import CHECKS_OF
from tests.alerting import Alerting, configure

pytestmark = pytest.mark.sql

NOW = month_of(today())


def told(alerting: Alerting, alert: str) -> list[str]:
    """What was told of one alert, in order."""
    return [event for event, name in alerting.webhook.told if name == alert]


# Ticks


def ticked(alerting: Alerting, kind: InstigatorType, name: str, status: TickStatus, *, minutes_ago: float) -> None:
    """A tick as the daemon records it."""
    repository = RemoteRepositoryOrigin(
        GrpcServerCodeLocationOrigin(host="localhost", port=1, location_name="dpm_assets"), "warehouse"
    )
    origin = repository.get_instigator_origin(name)
    data = ScheduleInstigatorData("* * * * *") if kind is InstigatorType.SCHEDULE else None
    state = InstigatorState(origin, kind, InstigatorStatus.RUNNING, data)
    if alerting.instance.get_instigator_state(state.instigator_origin_id, state.selector_id) is None:
        alerting.instance.add_instigator_state(state)
    error = SerializableErrorInfo("CheckError: Invariant failed.\nmore", [], "CheckError")
    alerting.instance.create_tick(
        TickData(
            state.instigator_origin_id, name, kind, status, time.time() - 60 * minutes_ago, selector_id=state.selector_id,
            error=error if status is TickStatus.FAILURE else None, run_ids=["1"] * (status is TickStatus.SUCCESS),
        )
    )  # fmt: skip


def test_a_schedule_whose_tick_fails_is_told_until_one_does_not(alerting: Alerting) -> None:
    schedule = (InstigatorType.SCHEDULE, "daily_metrics_partition_repair")
    ticked(alerting, *schedule, TickStatus.SUCCESS, minutes_ago=60)
    alerting.look()
    assert told(alerting, "failed ticks") == []
    ticked(alerting, *schedule, TickStatus.FAILURE, minutes_ago=30)
    alerting.look()
    (message,) = alerting.webhook.got
    assert (
        "daily_metrics_partition_repair fails and launches nothing: CheckError: Invariant failed." in message["summary"]
    )
    ticked(alerting, *schedule, TickStatus.SKIPPED, minutes_ago=1)
    alerting.look()
    assert told(alerting, "failed ticks") == ["opened", "resolved"]


def test_a_sensor_may_fail_for_some_minutes(alerting: Alerting) -> None:
    sensor = (InstigatorType.SENSOR, "landing_sensor")
    ticked(alerting, *sensor, TickStatus.SKIPPED, minutes_ago=4)
    ticked(alerting, *sensor, TickStatus.FAILURE, minutes_ago=1)
    ticked(alerting, InstigatorType.SENSOR, "of_an_earlier_version", TickStatus.FAILURE, minutes_ago=1)
    alerting.look()
    assert told(alerting, "failed ticks") == []
    ticked(alerting, InstigatorType.SENSOR, "trade_changes_sensor", TickStatus.SKIPPED, minutes_ago=9)
    ticked(alerting, InstigatorType.SENSOR, "trade_changes_sensor", TickStatus.FAILURE, minutes_ago=1)
    alerting.look()
    assert told(alerting, "failed ticks") == ["opened"]


# Runs


def break_refresh(alerting: Alerting) -> None:
    alerting.execute("alter table refresh_log add constraint nothing_fits check (false) not valid")


def mend_refresh(alerting: Alerting) -> None:
    alerting.execute("alter table refresh_log drop constraint nothing_fits")


def refresh(alerting: Alerting) -> dg.ExecuteInProcessResult:
    alerting.change(minutes_ago=0)
    return defs.resolve_job_def("refresh").execute_in_process(
        instance=alerting.instance, tags=range_tags(NOW, NOW), raise_on_error=False,
        run_config={"ops": {"refresh_warehouse": {"config": {"rebuild": False}}}},
    )  # fmt: skip


def test_a_job_that_fails_again_and_again_is_told_once_until_it_succeeds(alerting: Alerting) -> None:
    break_refresh(alerting)
    for _ in range(2):
        assert not refresh(alerting).success
        alerting.look()
    (message,) = alerting.webhook.got
    assert message["severity"] == "error" and message["summary"].startswith(f"The job refresh ({NOW:%Y-%m}) failed: ")
    assert "nothing_fits" in message["summary"]
    mend_refresh(alerting)
    assert refresh(alerting).success
    for _ in range(2):
        alerting.look()
    assert told(alerting, "run failure") == ["opened", "resolved"]


def test_a_failure_that_was_made_good_between_two_looks_is_told_once_too(alerting: Alerting) -> None:
    break_refresh(alerting)
    refresh(alerting)
    mend_refresh(alerting)
    refresh(alerting)
    for _ in range(2):
        alerting.look()
    assert told(alerting, "run failure") == ["opened", "resolved"]


@dg.op
def fails() -> None:
    raise ValueError("as asked")


@dg.job
def of_another_location() -> None:
    fails()


def test_a_failed_run_of_a_job_that_is_not_of_this_warehouse_is_not_told(alerting: Alerting) -> None:
    """Dagster's database holds the runs of every code location, and of jobs that are no more."""
    assert not of_another_location.execute_in_process(instance=alerting.instance, raise_on_error=False).success
    break_refresh(alerting)
    refresh(alerting)
    alerting.look()
    (message,) = alerting.webhook.got
    assert message["summary"].startswith("The job refresh ")


def test_the_success_of_another_job_makes_nothing_good(alerting: Alerting) -> None:
    break_refresh(alerting)
    refresh(alerting)
    assert defs.resolve_job_def("check_lag").execute_in_process(instance=alerting.instance).success
    alerting.look()
    alerting.look()
    assert told(alerting, "run failure") == ["opened"]


def test_assets_that_were_materialized_by_hand_are_made_good_by_each_other_run_of_them(alerting: Alerting) -> None:
    """Whichever job materializes them next."""
    break_refresh(alerting)
    alerting.change(minutes_ago=0)
    by_hand = defs.get_implicit_global_asset_job_def()
    chosen = [dg.AssetKey("rollup_account"), dg.AssetKey("rollup_symbol_day")]
    failed = by_hand.execute_in_process(
        instance=alerting.instance, asset_selection=chosen, tags=range_tags(NOW, NOW), raise_on_error=False
    )
    assert not failed.success
    alerting.look()
    assert "Materializing rollup_account, rollup_symbol_day" in alerting.webhook.got[0]["summary"]
    mend_refresh(alerting)
    refresh(alerting)
    alerting.look()
    assert told(alerting, "run failure") == ["opened", "resolved"]


def test_a_failure_that_is_being_retried_is_not_told_yet(alerting: Alerting, monkeypatch: pytest.MonkeyPatch) -> None:
    break_refresh(alerting)
    failed = refresh(alerting)
    alerting.instance.add_run_tags(failed.run_id, {"dagster/will_retry": "true"})
    alerting.look()
    assert alerting.webhook.told == []
    monkeypatch.setattr(runs, "RETRY_IS_LAUNCHED_WITHIN", timedelta(0))
    alerting.look()
    assert told(alerting, "run failure") == ["opened"], "no retry came"


# Freshness, partitions


def test_the_age_is_that_of_the_oldest_change_whatever_was_materialized_since(alerting: Alerting) -> None:
    """What a freshness policy cannot see: a month of long ago is materialized, and the change still waits."""
    alerting.change(minutes_ago=130)
    alerting.instance.report_runless_asset_event(
        dg.AssetMaterialization("mv_daily_trading_stats", partition="2020-01-01")
    )
    alerting.look()
    (message,) = alerting.webhook.got
    assert message["alert"] == "freshness" and message["severity"] == "error"


def test_partitions_that_are_missing_are_told_by_table_and_an_error_where_it_is_near(alerting: Alerting) -> None:
    far, near = add_months(NOW, 3), add_months(NOW, 1)
    alerting.execute(f"drop table raw_trades_closed_{far:%Y_%m}")
    alerting.look()
    (message,) = alerting.webhook.got
    assert message["severity"] == "warning" and message["details"]["partitions"] == [f"raw_trades_closed_{far:%Y_%m}"]
    alerting.execute(f"drop table raw_trades_closed_{near:%Y_%m}")
    alerting.look()
    alerting.execute("select create_monthly_partitions(3)")
    alerting.refresh()
    alerting.look()
    events = [(m["event"], m["alert"]) for m in alerting.webhook.got if m["summary"].startswith("raw_trades_closed")]
    assert {alert for _, alert in events} == {"missing partitions"}
    assert [event for event, _ in events if event != "opened"].count("worsened") == 1
    assert alerting.rows("select from alert_incidents where resolved_at is null") == []


# Rejects


def batch(alerting: Alerting, number: int, rejects: int, status: str = "loaded", file: str = "trades.csv") -> None:
    alerting.execute(
        "insert into load_batches (batch_id, file, sha256, feed, bytes, rows_read, rows_inserted, rows_rejected, status)"
        " values (%s, %s, lpad(%s::text, 64, '0'), 'trades', 1, %s + 1, 1, %s, %s)",
        number, f"landing/trades/{file}", number, rejects, rejects, status,
    )  # fmt: skip
    alerting.execute(
        "insert into load_rejects (batch_id, line, reason, raw_text)"
        " select %s, n, 'lots must be above 0', 'x' from generate_series(1, %s) as n",
        number, rejects,
    )  # fmt: skip


def test_rejects_are_told_above_the_limit_and_over_when_they_are_dealt_with(alerting: Alerting) -> None:
    configure(rejects=10)
    batch(alerting, 1, 6)
    alerting.look()
    assert alerting.webhook.told == []
    batch(alerting, 2, 5, file="others.csv")
    alerting.look()
    (message,) = alerting.webhook.got
    assert message["summary"] == "Feed trades: 11 rejected rows waiting in 2 batches."
    batch(alerting, 3, 0, file="others.csv")
    alerting.look()
    assert told(alerting, "rejects") == ["opened", "resolved"], "the file was mended and loaded again"


def test_rejects_that_were_retried_or_are_old_do_not_count(alerting: Alerting) -> None:
    configure(rejects=10)
    batch(alerting, 1, 20)
    alerting.execute("update load_batches set finished_at = now() - interval '8 days'")
    batch(alerting, 2, 20, file="retried.csv")
    batch(alerting, 3, 0, file="the_retry.csv")
    alerting.execute("update load_rejects set resolved_by = 3 where batch_id = 2")
    alerting.look()
    assert alerting.webhook.told == []


def test_a_file_that_was_refused_for_its_rejects_is_an_error_until_it_is_loaded(alerting: Alerting) -> None:
    batch(alerting, 1, 20, status="refused")
    alerting.look()
    (message,) = alerting.webhook.got
    assert message["severity"] == "error" and "(such as trades.csv)" in message["summary"]
    batch(alerting, 2, 0)
    alerting.look()
    assert told(alerting, "rejects") == ["opened", "resolved"]


# Checks


def evaluate(alerting: Alerting) -> None:
    alerting.refresh()
    assert defs.resolve_job_def("verify").execute_in_process(instance=alerting.instance).success


def test_a_check_that_fails_is_told_once_and_over_when_it_passes(alerting: Alerting) -> None:
    alerting.change(minutes_ago=0)
    evaluate(alerting)
    alerting.execute("update rollup_account set net = net + 1")
    evaluate(alerting)
    for _ in range(2):
        alerting.look()
    (message,) = alerting.webhook.got
    assert message["summary"].startswith(
        "The check equals_recomputation of rollup_account failed: dpm refresh --rebuild"
    )
    alerting.execute("update rollup_account set net = net - 1")
    evaluate(alerting)
    alerting.look()
    assert told(alerting, "asset check") == ["opened", "resolved"]


def test_a_check_that_is_being_evaluated_counts_as_it_ended_before(alerting: Alerting) -> None:
    alerting.change(minutes_ago=0)
    alerting.refresh()
    alerting.execute("update rollup_account set net = net + 1")
    evaluate(alerting)
    alerting.look()
    key = dg.AssetCheckKey(dg.AssetKey("rollup_account"), "equals_recomputation")
    alerting.instance.create_run_for_job(defs.resolve_job_def("verify"))
    latest = alerting.instance.event_log_storage.get_latest_asset_check_execution_by_key([key])[key]
    assert latest.status is AssetCheckExecutionRecordStatus.PLANNED
    alerting.look()
    assert told(alerting, "asset check") == ["opened"]


def test_a_partition_that_is_far_ahead_is_told_by_its_check(alerting: Alerting) -> None:
    """What the check `months_are_ready` finds is left to the alert on missing partitions, which has to know all of it."""
    assert set(CHECKS_OF["months_are_ready"]) == set(MISSING)
    alerting.execute("select ensure_metrics_years('{2061}')")
    assert defs.resolve_job_def("check_partitions").execute_in_process(instance=alerting.instance).success
    alerting.look()
    (message,) = alerting.webhook.got
    assert (message["alert"], message["severity"]) == ("asset check", "warning")
    assert message["summary"].startswith(
        "The check bounds_are_right of metrics_partitions failed: raw_metrics_daily_2061"
    )


# Statements


STATEMENT = "select sum(profit) from raw_trades_closed where symbol = ?"


@pytest.fixture
def counting(alerting: Alerting) -> Alerting:
    alerting.execute("create extension if not exists pg_stat_statements")
    return alerting


def snapshot(alerting: Alerting, calls: int, mean_seconds: float, minutes_ago: int = 0) -> None:
    alerting.execute(
        "insert into query_performance_log (captured_at, fingerprint, query, calls, mean_ms, min_ms, max_ms, stddev_ms, rows,"
        " blocks_read, blocks_hit)"
        " values ((now() at time zone 'utc') - make_interval(mins => %s), 'f', %s, %s, %s, 0, 0, 0, 0, 0, 0)",
        minutes_ago, STATEMENT, calls, mean_seconds * 1000,
    )  # fmt: skip


def test_a_statement_that_was_slow_lately_is_told_and_over_when_it_is_not_any_more(counting: Alerting) -> None:
    snapshot(counting, calls=4, mean_seconds=7, minutes_ago=100)
    snapshot(counting, calls=2, mean_seconds=10, minutes_ago=10)
    counting.look()
    (message,) = counting.webhook.got
    assert message["summary"] == f"A statement took 8.0 s on average, 6 times: {STATEMENT}"
    snapshot(counting, calls=10, mean_seconds=1)
    counting.look()
    assert told(counting, "slow statements") == ["opened", "resolved"]


def test_a_statement_that_is_seldom_or_was_slow_long_ago_is_not_told(counting: Alerting) -> None:
    snapshot(counting, calls=2, mean_seconds=60)
    snapshot(counting, calls=90, mean_seconds=60, minutes_ago=130)
    counting.look()
    assert counting.webhook.told == []


def test_without_the_extension_nothing_is_told_and_the_sensor_says_so_once(
    alerting: Alerting, capfd: pytest.CaptureFixture[str]
) -> None:
    alerting.execute("drop extension if exists pg_stat_statements")
    for _ in range(3):
        alerting.look()
    said = "".join(capfd.readouterr())
    assert said.count("Slow statements are not judged: pg_stat_statements is not installed") == 1
    assert alerting.webhook.told == []
