"""`trade_changes_sensor`: refreshes after any change of the views' inputs, whoever made it.

The truth is the change log in the database and never an event of Dagster: a missed tick or a dead daemon loses nothing.
"""

import json
import time

import dagster as dg

from dpm_assets.calendar import month_of, stretches, today
from dpm_assets.months import known_months
from dpm_assets.refresh import engine
from dpm_assets.refresh.jobs import refresh_job, refresh_request
from dpm_assets.runs import pause_after_failures, under_way
from dpm_assets.warehouse import sensor_database

# The daemon looks at its sensors every few seconds; watching within the tick finds a change sooner than the next tick.
WATCH_SECONDS = 4.0
LOOK_EVERY_SECONDS = 0.2
STANDS_STILL_SECONDS = 60


@dg.sensor(
    job=refresh_job,
    tags=refresh_job.tags,
    minimum_interval_seconds=1,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Refreshes after a load, ours or anybody's: one run for each contiguous stretch of changed months.",
)
def trade_changes_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    if run := under_way(context.instance, refresh_job.name):
        return dg.SkipReason(f"The refresh {run.run_id[:8]} is under way; what changed since comes next.")
    pause = pause_after_failures(context.instance, refresh_job.name)
    if pause > 0:
        return dg.SkipReason(f"The last refresh failed; trying again in {pause:.0f} s.")
    pending = _wait_for_changes()
    if pending is None:
        return dg.SkipReason("Nothing is pending: rollups and views are up to date.")
    if _stands_still(context, pending):
        return dg.SkipReason(
            "A partition of the trades cannot get its triggers (it is locked, or another role owns it), so its months are "
            f"recomputed every {STANDS_STILL_SECONDS} s: {', '.join(f'{m:%Y-%m}' for m in pending.months)}."
        )
    months = [known for month in pending.months for known in known_months(month, month)] or [month_of(today())]
    return dg.SensorResult(
        run_requests=[refresh_request(first, last) for first, last in stretches(months)], cursor=_cursor(pending)
    )


def _cursor(pending: engine.Pending) -> str:
    """What a refresh was launched for, and when."""
    return json.dumps({"at": time.time(), "months": [m.isoformat() for m in pending.months]})


def _stands_still(context: dg.SensorEvaluationContext, pending: engine.Pending) -> bool:
    """Whether months are pending again, with no change behind them, for which a refresh was launched a moment ago."""
    if not context.cursor or pending.keys or pending.inputs or pending.oldest is not None:
        return False
    last = json.loads(context.cursor)
    same: bool = last["months"] == [m.isoformat() for m in pending.months]
    return same and time.time() - last["at"] < STANDS_STILL_SECONDS


def _wait_for_changes() -> engine.Pending | None:
    """What is pending, as soon as something is; None when nothing was for the length of the watch."""
    give_up = time.monotonic() + WATCH_SECONDS
    while True:
        pending = engine.pending(sensor_database())
        if not pending.nothing:
            return pending
        if time.monotonic() >= give_up:
            return None
        time.sleep(LOOK_EVERY_SECONDS)
