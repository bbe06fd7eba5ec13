"""`landing_sensor`: loads complete files from the landing folder, many files in one run."""

import time
from typing import TYPE_CHECKING, Any

import dagster as dg

from dpm_assets.loads.assets import load_landing
from dpm_assets.runs import failures_in_a_row, pause_after_failures, under_way
from dpm_assets.settings import settings

if TYPE_CHECKING:
    from dpm_assets.loads.landing import Scan

# The daemon looks at its sensors every few seconds; watching within the tick finds a file sooner than the next tick.
WATCH_SECONDS = 4.0
LOOK_EVERY_SECONDS = 0.5

# The sensor waits for a run that is under way. One whose machine died with it would be waited for without end.
MAX_RUNTIME = {"dagster/max_runtime": "14400"}


@dg.sensor(
    job=load_landing,
    tags=load_landing.tags,
    minimum_interval_seconds=1,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Loads what is dropped into landing/<feed>, once it is complete; then done/ or failed/ has the file.",
)
def landing_sensor(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    if run := under_way(context.instance, load_landing.name):
        return dg.SkipReason(f"The load {run.run_id[:8]} is under way; new files come next.")
    found = _wait_for_files()
    if not found.files:
        return dg.SkipReason("; ".join(found.notes) or f"No file is waiting in {settings().landing}.")
    paths = [str(waiting.path) for waiting in found.files]
    # A file that is at fault has left the folder; one that is still here after a failed run was not to blame.
    if any(
        path in _files_of(run) for run in failures_in_a_row(context.instance, load_landing.name)[:1] for path in paths
    ):
        pause = pause_after_failures(context.instance, load_landing.name)
        if pause > 0:
            return dg.SkipReason(f"The last load failed; trying these files again in {pause:.0f} s.")
    return dg.RunRequest(run_config={"ops": {"load_files": {"config": {"files": paths}}}}, tags=MAX_RUNTIME)


def _wait_for_files() -> "Scan":
    from dpm_assets.loads.landing import scan  # parsing libraries: a run that only refreshes should not import them

    give_up = time.monotonic() + WATCH_SECONDS
    found = scan(settings().landing)
    while not found.files and time.monotonic() < give_up:
        time.sleep(LOOK_EVERY_SECONDS)
        found = scan(settings().landing, found)
    return found


def _files_of(run: dg.DagsterRun) -> list[str]:
    ops: Any = run.run_config.get("ops")
    return list(ops["load_files"]["config"].get("files", [])) if ops else []
