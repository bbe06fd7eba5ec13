"""Checks of the rollups and views: that they equal a recomputation from raw rows, and that no change waits for long."""

from collections.abc import Iterator

import dagster as dg

from dpm_assets.refresh import engine
from dpm_assets.refresh.verify import verify
from dpm_assets.runs import about
from dpm_assets.settings import settings
from dpm_assets.warehouse import Warehouse

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
    can_subset=True,
)
def equals_recomputation(context: dg.AssetCheckExecutionContext, warehouse: Warehouse) -> Iterator[dg.AssetCheckResult]:
    names = [key.asset_key.to_user_string() for key in context.selected_asset_check_keys]
    if context.run.asset_selection:
        context.log.info(
            "Not compared in this run: comparing costs a pass over all trades. The job verify does it nightly."
        )
        return
    proof = verify(warehouse.db, names=names)
    for note in proof.notes:
        context.log.info("%s", note)
    for name in names:
        if name not in proof.counts:
            continue
        count = proof.counts[name]
        first = [d for d in proof.differences if d.object == name][:10]
        yield dg.AssetCheckResult(
            asset_key=name,
            check_name="equals_recomputation",
            passed=count == 0,
            metadata={
                "rows_compared": proof.rows[name],
                "differences": count,
                "first": "\n".join(f"{d.kind} {d.key}: expected {d.expected}, found {d.found}" for d in first)
                or "none",
            },
            description="dpm refresh --rebuild recomputes it; then find out who wrote to it." if count else None,
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
    can_subset=True,
)
def no_change_waits(context: dg.AssetCheckExecutionContext, warehouse: Warehouse) -> Iterator[dg.AssetCheckResult]:
    waiting = engine.pending(warehouse.db)
    for name in sorted(key.asset_key.to_user_string() for key in context.selected_asset_check_keys):
        age = (waiting.age_seconds or 0.0) if name in waiting.views else 0.0
        yield dg.AssetCheckResult(
            asset_key=name,
            check_name="no_change_waits",
            passed=age <= settings().lag_warning_seconds,
            severity=dg.AssetCheckSeverity.ERROR if age > settings().lag_error_seconds else dg.AssetCheckSeverity.WARN,
            metadata={"oldest_change_seconds": round(age, 1), "pending_account_days": waiting.keys},
        )


CHECKS = [equals_recomputation, no_change_waits]

verify_job = dg.define_asset_job(
    "verify",
    selection=dg.AssetSelection.checks(equals_recomputation),
    description="Compare every rollup and view with a recomputation from the raw rows.",
    tags=about("refresh", "reads"),
)
lag_job = dg.define_asset_job(
    "check_lag",
    selection=dg.AssetSelection.checks(no_change_waits),
    description="Judge how long the oldest change has been waiting for a refresh.",
    tags=about("refresh", "reads"),
)
JOBS = [verify_job, lag_job]

daily_verification = dg.ScheduleDefinition(
    name="daily_verification",
    job=verify_job,
    tags=verify_job.tags,
    cron_schedule="45 3 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every night: the proof that rollups and views are exact.",
)
lag_watch = dg.ScheduleDefinition(
    name="lag_watch",
    job=lag_job,
    tags=lag_job.tags,
    cron_schedule="*/15 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every 15 minutes: that no change waits for long.",
)
SCHEDULES = [daily_verification, lag_watch]
