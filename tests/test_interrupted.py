"""Runs that a service left behind when it was killed together with everything it had started."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import datetime, timezone
from pathlib import Path

import dagster as dg
import pytest
from dagster import DagsterRunStatus

from dpm_assets.calendar import add_months, month_of, today
from dpm_assets.service import interrupted
from dpm_assets.service.interrupted import end_interrupted_runs


@dg.job
def empty() -> None:
    pass


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as made:
        yield made


def status(instance: dg.DagsterInstance, run_id: str) -> DagsterRunStatus:
    run = instance.get_run_by_id(run_id)
    assert run is not None
    return run.status


@pytest.mark.parametrize("left", [DagsterRunStatus.NOT_STARTED, DagsterRunStatus.STARTING, DagsterRunStatus.STARTED])
def test_a_run_under_way_when_the_service_was_killed_has_failed(
    instance: dg.DagsterInstance, left: DagsterRunStatus
) -> None:
    run = instance.create_run_for_job(empty, status=left)
    assert end_interrupted_runs(instance, datetime.now(timezone.utc)) == 1
    assert status(instance, run.run_id) is DagsterRunStatus.FAILURE


def test_a_run_that_was_being_canceled_is_canceled(instance: dg.DagsterInstance) -> None:
    run = instance.create_run_for_job(empty, status=DagsterRunStatus.CANCELING)
    end_interrupted_runs(instance, datetime.now(timezone.utc))
    assert status(instance, run.run_id) is DagsterRunStatus.CANCELED


def test_runs_that_ended_or_that_this_service_made_stay_as_they_are(instance: dg.DagsterInstance) -> None:
    done = instance.create_run_for_job(empty, status=DagsterRunStatus.SUCCESS)
    began = datetime.now(timezone.utc)
    ours = instance.create_run_for_job(empty, status=DagsterRunStatus.STARTED)
    assert end_interrupted_runs(instance, began) == 0
    assert status(instance, done.run_id) is DagsterRunStatus.SUCCESS
    assert status(instance, ours.run_id) is DagsterRunStatus.STARTED


@pytest.mark.parametrize(("launcher", "left"), [(True, DagsterRunStatus.FAILURE), (False, DagsterRunStatus.STARTED)])
def test_before_a_code_server_starts_only_runs_that_were_its_processes_are_ended(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, launcher: bool, left: DagsterRunStatus
) -> None:
    """Kubernetes jobs, and whatever else another launcher starts, go on without it."""
    run = instance.create_run_for_job(empty, status=DagsterRunStatus.STARTED)
    kind = dg.DefaultRunLauncher if launcher else object
    monkeypatch.setattr(type(instance), "run_launcher", kind())
    monkeypatch.setattr(dg.DagsterInstance, "get", lambda: nullcontext(instance))
    interrupted.main()
    assert status(instance, run.run_id) is left


def test_the_set_up_begins_no_earlier_than_the_first_month(monitored: str, tmp_path: Path) -> None:
    """The sample's first month lies a year back, whatever the first month of the warehouse."""
    year_ago, lately, now = (f"{add_months(month_of(today()), back):%Y-%m}" for back in (-12, -2, 0))
    done = subprocess.run(
        [sys.executable, "-m", "dpm_assets.service.bootstrap", year_ago, now, str(time.time())],
        env={**os.environ, "DAGSTER_HOME": str(tmp_path), "DPM_DATABASE_URL": monitored,
             "DPM_FIRST_MONTH": lately},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
