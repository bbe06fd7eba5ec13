"""`landing_sensor`: loads complete files from the landing folder, many files in one run."""

import time
from typing import TYPE_CHECKING

import dagster as dg

from dpm_assets.loads.assets import load_landing
from dpm_assets.loads.landing_runs import failing_files, files_of
from dpm_assets.runs import failures_in_a_row, pause_after, pause_after_failures, under_way
from dpm_assets.settings import settings

if TYPE_CHECKING:
    from dpm_assets.loads.landing import Scan

# The daemon looks at its sensors every few seconds; watching within the tick finds a file sooner than the next tick.
WATCH_SECONDS = 4.0
LOOK_EVERY_SECONDS = 0.5

# The sensor waits for a run that is under way. One whose machine died with it would be waited for without end.
MAX_RUNTIME = {"dagster/max_runtime": "14400"}

# So many runs in a row that leave ever other files behind: what is at fault is none of them, and will not spare the next file.
_FAILURES_OF_ALL = 3


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
    pause = pause_after_failures(context.instance, load_landing.name)
    if pause > 0 and _whatever_file_fails(context.instance, set(paths)):
        return dg.SkipReason(f"The last loads failed, whatever the file; trying again in {pause:.0f} s.")
    # A file that is at fault has left the folder; one that is still here after a failed run was not to blame. It is tried again
    # later and later, and without others: they neither wait for it nor count among the files of a run that fails because of it.
    left = _seconds_until_tried_again(context.instance)
    files = [path for path in paths if left.get(path, 1) <= 0] or [path for path in paths if path not in left]
    if not files:
        pause = min(left[path] for path in paths)
        return dg.SkipReason(f"The last load failed; trying these files again in {pause:.0f} s.")
    return dg.RunRequest(run_config={"ops": {"load_files": {"config": {"files": files}}}}, tags=MAX_RUNTIME)


def _wait_for_files() -> "Scan":
    from dpm_assets.loads.landing import scan  # parsing libraries: a run that only refreshes should not import them

    give_up = time.monotonic() + WATCH_SECONDS
    found = scan(settings().landing)
    while not found.files and time.monotonic() < give_up:
        time.sleep(LOOK_EVERY_SECONDS)
        found = scan(settings().landing, found)
    return found


def _whatever_file_fails(instance: dg.DagsterInstance, waiting: set[str]) -> bool:
    """Whether the last three runs failed, and no single file is behind it: each left files, and none was left by all of them."""
    failed = failures_in_a_row(instance, load_landing.name)[:_FAILURES_OF_ALL]
    stayed = [files_of(run) & waiting for run in failed]
    return len(stayed) == _FAILURES_OF_ALL and all(stayed) and not set.intersection(*stayed)


def _seconds_until_tried_again(instance: dg.DagsterInstance) -> dict[str, float]:
    """Of each file whose last run failed; more with each run in a row that failed with it, whatever became of other runs."""
    now = time.time()
    return {path: file.ended + pause_after(file.runs) - now for path, file in failing_files(instance).items()}
