"""Runs that an earlier service left behind: what ended without a word, a crash or a power cut, would be under way for ever.

Dagster notices the death of a run through the code server that started it; when that died too, nobody does. The
sensors wait for the run that is under way, so one that never ends would keep every later change from the views.
"""

import sys
from datetime import datetime, timezone

import dagster as dg
from dagster import DagsterRunStatus, DefaultRunLauncher, RunsFilter

_UNDER_WAY = [
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]


def end_interrupted_runs(instance: dg.DagsterInstance, before: datetime) -> int:
    """Mark the runs that were made before this service as failed, which has them tried again; how many there were.

    To be called before the code server works, by the one service of this home: none of these runs has a process any more.
    """
    records = instance.get_run_records(RunsFilter(statuses=_UNDER_WAY, created_before=before))
    for record in records:
        run = record.dagster_run
        if run.status is DagsterRunStatus.CANCELING:
            instance.report_run_canceled(run, "The service ended while this run was being canceled.")
        else:
            instance.report_run_failed(run, "The service ended while this run was under way.")
        instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
    return len(records)


def main() -> None:
    """`python -m dpm_assets.service.interrupted`, before a code server starts: runs are processes of it and ended with it.

    Not so where runs are launched elsewhere, as Kubernetes jobs are: nothing is done then.
    """
    with dg.DagsterInstance.get() as instance:
        if isinstance(instance.run_launcher, DefaultRunLauncher):
            ended = end_interrupted_runs(instance, datetime.now(timezone.utc))
            sys.stderr.write(
                f"{ended} runs that were under way when the code server ended are marked as failed.\n" * bool(ended)
            )


if __name__ == "__main__":
    main()
