"""Jobs whose last run failed; and runs that failed and were made good before anybody looked."""

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import dagster as dg
from dagster import DagsterEventType, DagsterRunStatus, RunRecord, RunsFilter
from dagster._core.storage.tags import WILL_RETRY_TAG

from dpm_assets.alerts.conditions import Condition, Look
from dpm_assets.loads.assets import load_landing
from dpm_assets.loads.landing_runs import failing_files
from dpm_assets.months import RANGE_END, RANGE_START
from dpm_assets.runs import under_way

REMEMBERED = timedelta(days=7)
"""A failure that is older than this, with none since, is over: the job is not used any more, or its selection not again."""

TOLD_AFTERWARDS = timedelta(days=1)
"""A failure that was made good without anybody having looked is told if it is younger than this."""

RETRY_IS_LAUNCHED_WITHIN = timedelta(minutes=10)

_OF_A_SELECTION = "__ASSET_JOB"
_ENDED = {DagsterEventType.STEP_FAILURE, DagsterEventType.RUN_FAILURE}


def failed_runs(look: Look) -> list[Condition]:
    """Of each job, and of each selection of assets that was materialized by hand, the last run that failed."""
    return [condition for record in _last_failures(look) if (condition := _judge(look, record))]


def _last_failures(look: Look) -> Iterable[RunRecord]:
    names = [job.name for job in look.repository.get_all_jobs() if not job.name.startswith(_OF_A_SELECTION)]
    last: dict[str, RunRecord] = {}
    # Job by job: the storage holds those of other code locations too, and does not heed `bucket_by`.
    for name, most in [*((name, 5) for name in names), (_OF_A_SELECTION, 100)]:
        for record in look.instance.get_run_records(_failed(look, name), limit=most):
            key = _key(record.dagster_run)
            if key not in last or _ended(record) > _ended(last[key]):
                last[key] = record
    return last.values()


def _failed(look: Look, job: str) -> RunsFilter:
    return RunsFilter(job_name=job, statuses=[DagsterRunStatus.FAILURE], updated_after=look.now - REMEMBERED)


def _key(run: dg.DagsterRun) -> str:
    assets = _assets_by_hand(run)
    return f"run failure: {', '.join(assets)}" if assets else f"run failure: {run.job_name}"


def _assets_by_hand(run: dg.DagsterRun) -> list[str]:
    if run.job_name != _OF_A_SELECTION:
        return []
    return sorted(key.to_user_string() for key in run.asset_selection or ())


def _ended(record: RunRecord) -> float:
    return record.end_time or record.update_timestamp.timestamp()


def _judge(look: Look, record: RunRecord) -> Condition | None:
    run = record.dagster_run
    over = _made_good(look.instance, record)
    retried = run.tags.get(WILL_RETRY_TAG) == "true"
    age = look.now.timestamp() - _ended(record)
    if over and (retried or age > TOLD_AFTERWARDS.total_seconds()):
        return None
    undecided = retried and (
        age < RETRY_IS_LAUNCHED_WITHIN.total_seconds() or under_way(look.instance, run.job_name) is not None
    )
    job, error = _what(run), _error(look.instance, run)
    return Condition(
        alert="run failure",
        key=_key(run),
        severity="error",
        summary=f"{job} failed{f': {error}' if error else '.'}",
        remedy=f"See the run {run.run_id[:8]} in the UI; Re-execute from failure goes on where it stopped.",
        details={"job": run.job_name, "run_id": run.run_id, "assets": _assets_by_hand(run), "months": _months(run)},
        occurrence=run.run_id,
        state="over" if over else "undecided" if undecided else "on",
    )


def _made_good(instance: dg.DagsterInstance, failed: RunRecord) -> bool:
    """Whether the job has succeeded since; of what was launched by hand, whether all its assets were materialized since. The
    success of other files makes no load good of which a file is still waiting."""
    run, ended = failed.dagster_run, _ended(failed)
    if assets := _assets_by_hand(run):
        made = [instance.get_latest_materialization_event(dg.AssetKey.from_user_string(asset)) for asset in assets]
        return all(event is not None and event.timestamp > ended for event in made)
    succeeded = instance.get_run_records(
        RunsFilter(job_name=run.job_name, statuses=[DagsterRunStatus.SUCCESS]), limit=5
    )
    if not any(_ended(record) > ended for record in succeeded):
        return False
    return run.job_name != load_landing.name or not any(Path(path).exists() for path in failing_files(instance))


def _what(run: dg.DagsterRun) -> str:
    assets = _assets_by_hand(run)
    more = f" and {len(assets) - 3} more" if len(assets) > 3 else ""
    what = f"Materializing {', '.join(assets[:3])}{more}" if assets else f"The job {run.job_name}"
    return f"{what} ({months})" if (months := _months(run)) else what


def _months(run: dg.DagsterRun) -> str:
    first, last = (run.tags.get(tag, "")[:7] for tag in (RANGE_START, RANGE_END))
    return (first if first == last else f"{first} to {last}") if first else run.tags.get("dagster/partition", "")[:7]


def _error(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """The first line of what the run failed with."""
    for record in instance.get_records_for_run(run.run_id, of_type=_ENDED, limit=5).records:
        event = record.event_log_entry.dagster_event
        data = event.event_specific_data if event else None
        described = getattr(getattr(data, "user_failure_data", None), "description", None)
        error = getattr(data, "error", None)
        while error is not None and error.cause is not None:
            error = error.cause
        said = described or (error.message if error else "") or (event.message if event else "") or ""
        if said.strip():
            return said.strip().splitlines()[0][:300]
    return ""
