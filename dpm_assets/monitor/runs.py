"""The job `delete_old_runs`, nightly: Dagster's own history is kept for DPM_KEEP_RUNS_DAYS."""

from datetime import datetime, timedelta, timezone

import dagster as dg

from dpm_assets.monitor.old_runs import delete_old_runs
from dpm_assets.runs import about
from dpm_assets.settings import settings


@dg.op(
    description="Delete runs that ended long ago, with their events and logs; never what an asset's status is made of."
)
def delete_runs(context: dg.OpExecutionContext) -> None:
    days = settings().keep_runs_days
    if days is None:
        context.log.info("DPM_KEEP_RUNS_DAYS is 0: every run is kept.")
        return
    deleted = delete_old_runs(context.instance, datetime.now(timezone.utc) - timedelta(days=days))
    context.log.info(
        f"{deleted.runs} runs that ended more than {days} days ago are deleted; {deleted.kept} stay, since they hold the "
        "latest events of assets, partitions or checks."
    )
    context.add_output_metadata({"deleted": deleted.runs, "kept": deleted.kept})


@dg.job(
    name="delete_old_runs",
    description="Keep Dagster's own history for DPM_KEEP_RUNS_DAYS: delete older runs, and with them their events and logs.",
    tags=about("monitor", "forgets"),
)
def delete_old_runs_job() -> None:
    delete_runs()


nightly_deletion_of_old_runs = dg.ScheduleDefinition(
    name="nightly_deletion_of_old_runs",
    job=delete_old_runs_job,
    tags=delete_old_runs_job.tags,
    cron_schedule="45 4 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every night: runs that ended more than DPM_KEEP_RUNS_DAYS ago go.",
)
