"""Checks of the rollups and views: that they equal a recomputation from raw rows, and that no change waits for long."""

from collections import defaultdict
from collections.abc import Iterator

import dagster as dg

from dpm_assets.refresh import engine
from dpm_assets.refresh.verify import Difference, verify
from dpm_assets.warehouse import Warehouse

WARN_AFTER_SECONDS = 15 * 60
ERROR_AFTER_SECONDS = 2 * 60 * 60

_CHECKED = [*engine.ROLLUPS, *engine.VIEWS]


@dg.multi_asset_check(
    name="compare_with_recomputation",
    specs=[
        dg.AssetCheckSpec(
            "equals_recomputation",
            asset=name,
            description="Every row is compared, both ways, with a recomputation from the raw rows in plain SQL.",
        )
        for name in _CHECKED
    ],
)
def equals_recomputation(context: dg.AssetCheckExecutionContext, warehouse: Warehouse) -> Iterator[dg.AssetCheckResult]:
    found: dict[str, list[Difference]] = defaultdict(list)
    for difference in verify(warehouse.db):
        found[difference.object_name].append(difference)
    for name in _CHECKED:
        differences = found[name]
        yield dg.AssetCheckResult(
            asset_key=name,
            check_name="equals_recomputation",
            passed=not differences,
            metadata={"differences": len(differences), "first": "\n".join(str(d) for d in differences[:10])},
            description="dpm refresh --rebuild recomputes it; then find out who wrote to it." if differences else None,
        )


@dg.multi_asset_check(
    name="judge_lag",
    specs=[
        dg.AssetCheckSpec(
            "no_change_waits",
            asset=name,
            description="The age of the oldest change that the view does not show yet: the freshness to trust.",
        )
        for name in engine.VIEWS
    ],
)
def no_change_waits(context: dg.AssetCheckExecutionContext, warehouse: Warehouse) -> Iterator[dg.AssetCheckResult]:
    waiting = engine.pending(warehouse.db)
    for name in engine.VIEWS:
        age = (waiting.age_seconds or 0.0) if name in waiting.views else 0.0
        yield dg.AssetCheckResult(
            asset_key=name,
            check_name="no_change_waits",
            passed=age <= WARN_AFTER_SECONDS,
            severity=dg.AssetCheckSeverity.ERROR if age > ERROR_AFTER_SECONDS else dg.AssetCheckSeverity.WARN,
            metadata={"oldest_change_seconds": round(age, 1), "pending_account_days": waiting.keys},
        )


CHECKS = [equals_recomputation, no_change_waits]

verify_job = dg.define_asset_job(
    "verify",
    selection=dg.AssetSelection.checks(equals_recomputation),
    description="Compare every rollup and view with a recomputation from the raw rows.",
)
lag_job = dg.define_asset_job(
    "check_lag",
    selection=dg.AssetSelection.checks(no_change_waits),
    description="Judge how long the oldest change has been waiting for a refresh.",
)
JOBS = [verify_job, lag_job]

daily_verification = dg.ScheduleDefinition(
    name="daily_verification",
    job=verify_job,
    cron_schedule="45 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every night: the proof that rollups and views are exact.",
)
lag_watch = dg.ScheduleDefinition(
    name="lag_watch",
    job=lag_job,
    cron_schedule="*/15 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every 15 minutes: that no change waits for long.",
)
SCHEDULES = [daily_verification, lag_watch]
