"""Loads in processes of their own, to be killed: `dpm load`'s loader and a Dagster run of the landing job. They are forked
from a process that has everything imported, so each starts in a moment."""

import os
import sys
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import dagster as dg

from dpm_assets import runs
from dpm_assets.database import Database
from dpm_assets.definitions import defs
from dpm_assets.errors import DpmError
from dpm_assets.loads import landing, sensors
from dpm_assets.loads.load import load_file
from dpm_assets.loads.several import load_files
from dpm_assets.settings import settings
from tests.forking import forks_of

_JOB = defs.resolve_job_def("load_landing")
_processes = forks_of(__name__)


def loader(url: str, folder: Path) -> BaseProcess:
    """Loads the one file in landing/trades and leaves it there. Exit code 1 when that fails with a sentence."""
    return _start(_load, url, folder)


def run(url: str, folder: Path) -> BaseProcess:
    """One tick of the landing sensor and the run that it asks for. Exit code 1 when the run fails."""
    return _start(_tick_and_run, url, folder)


def several(url: str, folder: Path) -> BaseProcess:
    """Loads all files in landing/trades at the same time and leaves them there."""
    return _start(_load_several, url, folder)


def _start(target: Callable[[str, Path], None], url: str, folder: Path) -> BaseProcess:
    process = _processes.Process(target=target, args=(url, folder))
    process.start()
    return process


def _load(url: str, folder: Path) -> None:
    with Database(url) as db:
        try:
            load_file(db, next((folder / "landing" / "trades").glob("*.csv")), "trades")
        except DpmError as error:
            (folder / "said.txt").write_text(str(error))
            sys.exit(1)


def _load_several(url: str, folder: Path) -> None:
    files = sorted((folder / "landing" / "trades").glob("*.csv"))
    with Database(url) as db:
        for _ in load_files(db, files, jobs=len(files)):
            pass


def _tick_and_run(url: str, folder: Path) -> None:
    os.environ |= {"DPM_DATABASE_URL": url, "DPM_LANDING": str(folder / "landing")}
    settings.cache_clear()
    landing.QUIET_SECONDS = sensors.WATCH_SECONDS = 0.0  # the file is there and whole, or it has gone
    runs.FIRST_PAUSE_SECONDS = 0
    with dg.DagsterInstance.local_temp(str(folder / "dagster")) as instance:
        _give_up_on_the_dead(instance)
        asked = sensors.landing_sensor(dg.build_sensor_context(instance))
        if not isinstance(asked, dg.RunRequest):
            return
        result = _JOB.execute_in_process(instance=instance, run_config=asked.run_config, raise_on_error=False)
    sys.exit(0 if result.success else 1)


def _give_up_on_the_dead(instance: dg.DagsterInstance) -> None:
    """What Dagster's run monitoring does some seconds after the process of a run is gone."""
    while left := runs.under_way(instance, _JOB.name):
        instance.report_run_failed(left)
