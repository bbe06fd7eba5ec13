"""What became of the files in the landing folder, as the runs of the job that loads it tell."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import dagster as dg
from dagster import DagsterRunStatus, RunsFilter

from dpm_assets.loads.assets import load_landing

# More than there can be in the longest pause, so that a file's last failures are among them.
_RUNS_LOOKED_AT = 100


@dataclass
class Failing:
    """How many runs in a row have failed with a file, and when the last of them ended, in seconds since 1970."""

    runs: int
    ended: float


def failing_files(instance: dg.DagsterInstance) -> dict[str, Failing]:
    """The paths whose last run failed, whatever became of runs without them. The files may have left the folder since."""
    loaded, failing = set[str](), dict[str, Failing]()
    wanted = RunsFilter(job_name=load_landing.name, statuses=[DagsterRunStatus.FAILURE, DagsterRunStatus.SUCCESS])
    for record in instance.get_run_records(wanted, limit=_RUNS_LOOKED_AT):  # the newest first
        files = files_of(record.dagster_run)
        if record.dagster_run.status is DagsterRunStatus.SUCCESS:
            loaded |= files
            continue
        for path in files - loaded:
            failing.setdefault(path, Failing(0, record.end_time or time.time())).runs += 1
    return failing


def files_of(run: dg.DagsterRun) -> set[str]:
    """The paths that a run was to load; none of one that was launched without them, by hand."""
    found: Any = run.run_config
    for name in ("ops", "load_files", "config", "files"):
        found = found.get(name) if isinstance(found, Mapping) else None
    return {path for path in found if isinstance(path, str)} if isinstance(found, list | tuple) else set()
