"""Dagster's freshness policies say that the schedules are alive: none is stricter than the schedule that keeps its asset."""

from datetime import datetime, timedelta, timezone
from itertools import islice, pairwise

import dagster as dg
import pytest
from dagster._core.definitions.freshness import TimeWindowFreshnessPolicy
from dagster._utils.schedules import schedule_execution_time_iterator

from dpm_assets.definitions import defs

SCHEDULES = [
    schedule
    for schedule in defs.get_repository_def().schedule_defs
    if schedule.default_status is dg.DefaultScheduleStatus.RUNNING
]
POLICIES = {
    spec.key: spec.freshness_policy
    for spec in defs.resolve_all_asset_specs()
    if spec.group_name in {"schema", "partitions"} or spec.key.to_user_string().startswith(("mv_", "rollup_"))
}
KEPT = sorted(POLICIES, key=str)


def longest_wait(schedule: dg.ScheduleDefinition) -> timedelta:
    """The longest time between two of its ticks, of the next 800."""
    ticks = schedule_execution_time_iterator(
        datetime(2026, 1, 1, tzinfo=timezone.utc).timestamp(), schedule.cron_schedule, schedule.execution_timezone
    )
    return max(later - earlier for earlier, later in pairwise(islice(ticks, 800)))


def kept_by(asset: dg.AssetKey) -> list[dg.ScheduleDefinition]:
    """The schedules whose job materializes the asset."""
    return [
        schedule
        for schedule in SCHEDULES
        if asset in defs.resolve_job_def(schedule.job_name).asset_layer.selected_asset_keys
    ]


def test_the_views_the_schema_and_the_partitions_are_all_meant() -> None:
    names = {key.to_user_string() for key in KEPT}
    assert names >= {"database_schema", "trade_partitions", "metrics_partitions", "mv_daily_trading_stats"}
    assert sum(name.startswith("mv_") for name in names) == 5


@pytest.mark.parametrize("asset", KEPT, ids=lambda key: key.to_user_string())
def test_a_policy_warns_after_the_longest_wait_of_the_schedule_and_fails_later(asset: dg.AssetKey) -> None:
    schedules, policy = kept_by(asset), POLICIES[asset]
    assert schedules, "nothing keeps it"
    interval = min(map(longest_wait, schedules))
    assert isinstance(policy, TimeWindowFreshnessPolicy) and policy.warn_window is not None
    warns, fails = policy.warn_window.to_timedelta(), policy.fail_window.to_timedelta()
    assert interval < warns < fails
    assert fails <= 3 * interval, "a schedule that is dead is noticed before it has missed three of its ticks"
