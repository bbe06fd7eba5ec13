"""What runs are tagged with, and what sensors ask of them: is one under way, and how long to wait after failures."""

import time

import dagster as dg
from dagster import DagsterRunStatus, RunsFilter

# A job that fails is tried again later and later, so that a broken warehouse is not flooded with runs.
FIRST_PAUSE_SECONDS = 15
LONGEST_PAUSE_SECONDS = 600


def about(domain: str, effect: str) -> dict[str, str]:
    """Tags of a job and its runs, to filter by: what it is about, and what it does to the data.

    Effects: "reads", "derives" (recomputes what follows from the raw rows), "loads", "archives", "makes" (schema, partitions),
    "forgets" (Dagster's own old runs, no data).
    """
    return {"dpm/domain": domain, "dpm/effect": effect}


_UNDER_WAY = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]


def under_way(instance: dg.DagsterInstance, job_name: str) -> dg.DagsterRun | None:
    """A run of this job that has not ended."""
    records = instance.get_run_records(RunsFilter(job_name=job_name, statuses=_UNDER_WAY), limit=1)
    return records[0].dagster_run if records else None


def failures_in_a_row(instance: dg.DagsterInstance, job_name: str) -> list[dg.DagsterRun]:
    """The failed runs since the last that did not fail, the newest first; at most eight."""
    failed: list[dg.DagsterRun] = []
    for record in instance.get_run_records(RunsFilter(job_name=job_name), limit=8):
        if record.dagster_run.status is not DagsterRunStatus.FAILURE:
            break
        failed.append(record.dagster_run)
    return failed


def pause_after_failures(instance: dg.DagsterInstance, job_name: str) -> float:
    """Seconds still to wait before the next try after failures in a row; none when it is not above 0."""
    failed = failures_in_a_row(instance, job_name)
    if not failed:
        return 0.0
    record = instance.get_run_record_by_id(failed[0].run_id)
    ended = (record.end_time if record else None) or time.time()
    return ended + pause_after(len(failed)) - time.time()


def pause_after(failures: int) -> float:
    """Seconds between the last of so many failures in a row and the next try: doubled with each."""
    return min(FIRST_PAUSE_SECONDS * 2.0 ** (failures - 1), LONGEST_PAUSE_SECONDS)
