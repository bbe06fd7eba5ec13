"""Schedules and sensors whose ticks fail: what they would have launched never was, so no run of it has failed."""

from datetime import timedelta

from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import InstigatorState, InstigatorTick, TickStatus

from dpm_assets.alerts.conditions import Condition, Look

PATIENCE = timedelta(minutes=5)
"""How long a sensor may fail, which is asked again in seconds. A schedule's tick is not: it is told at once."""

_WELL = [TickStatus.SUCCESS, TickStatus.SKIPPED]


def failing_ticks(look: Look) -> list[Condition]:
    """Of each schedule and sensor that runs, whether its last tick failed; over with the next that does not."""
    known = {schedule.name for schedule in look.repository.schedule_defs} | {
        sensor.name for sensor in look.repository.sensor_defs
    }
    return [
        condition
        for state in look.instance.all_instigator_state()
        if state.is_running and state.instigator_name in known and (condition := _judge(look, state))
    ]


def _judge(look: Look, state: InstigatorState) -> Condition | None:
    failed = _last(look, state, [TickStatus.FAILURE])
    well = _last(look, state, _WELL)
    if failed is None or (well is not None and well.timestamp > failed.timestamp):
        return None
    is_sensor = state.instigator_type is InstigatorType.SENSOR
    if is_sensor and well is not None and look.now.timestamp() - well.timestamp < PATIENCE.total_seconds():
        return None
    what = "sensor" if is_sensor else "schedule"
    return Condition(
        alert="failed ticks",
        key=f"failed ticks: {state.instigator_name}",
        severity="error",
        summary=f"The {what} {state.instigator_name} fails and launches nothing: {_error(failed)}",
        remedy="See its ticks in the UI under Automation; what it looks after can be launched there by hand meanwhile.",
        details={what: state.instigator_name},
    )


def _last(look: Look, state: InstigatorState, statuses: list[TickStatus]) -> InstigatorTick | None:
    ticks = look.instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1, statuses=statuses)
    return ticks[0] if ticks else None


def _error(tick: InstigatorTick) -> str:
    """The first line of what it failed with."""
    error = tick.error
    while error is not None and error.cause is not None:
        error = error.cause
    lines = (error.message if error else "").strip().splitlines()
    return lines[0][:300] if lines else "it says no reason."
