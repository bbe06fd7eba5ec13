"""A Dagster run of the refresh in a process of its own, to be killed. The processes are forked from one that has Dagster
imported already, so each starts in a moment."""

import os
import sys
from multiprocessing.process import BaseProcess
from pathlib import Path

import dagster as dg

from dpm_assets.definitions import defs
from dpm_assets.months import range_tags
from dpm_assets.settings import settings
from tests.forking import forks_of
from tests.stage import JANUARY, MARCH

_JOB = defs.resolve_job_def("refresh")
_processes = forks_of(__name__)


def start(url: str, dagster_home: Path, rebuild: bool) -> BaseProcess:
    """Materializes the months of the stage on the warehouse at `url`; the process exits with 0 if the run succeeded."""
    process = _processes.Process(target=_run, args=(url, dagster_home, rebuild))
    process.start()
    return process


def _run(url: str, dagster_home: Path, rebuild: bool) -> None:
    os.environ["DPM_DATABASE_URL"] = url
    settings.cache_clear()
    with dg.DagsterInstance.local_temp(str(dagster_home)) as instance:
        result = _JOB.execute_in_process(
            instance=instance,
            tags=range_tags(JANUARY, MARCH),
            run_config={"ops": {"refresh_warehouse": {"config": {"rebuild": rebuild}}}},
            raise_on_error=False,
        )
    sys.exit(0 if result.success else 1)
