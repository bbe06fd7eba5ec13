"""A look of the alerts in a process of its own, to be killed. It is forked from one that has everything imported."""

import multiprocessing
import os
from multiprocessing.process import BaseProcess
from pathlib import Path

import dagster as dg

from dpm_assets.alerts.settings import alert_settings
from dpm_assets.settings import settings
from tests.alerting import tick

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload([__name__])


def look(dagster_home: Path) -> BaseProcess:
    """One tick of the sensor, with this process's settings. Exit code 1 when it fails."""
    dagster_home.mkdir(exist_ok=True)
    given = {name: value for name, value in os.environ.items() if name.startswith("DPM_")}
    process = _processes.Process(target=_look, args=(given, str(dagster_home)))
    process.start()
    return process


def _look(given: dict[str, str], dagster_home: str) -> None:
    os.environ |= given
    settings.cache_clear()
    alert_settings.cache_clear()
    with dg.DagsterInstance.local_temp(dagster_home) as instance:
        tick(instance)
