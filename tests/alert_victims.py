"""A look of the alerts in a process of its own, to be killed. It is forked from one that has everything imported."""

from multiprocessing.process import BaseProcess
from pathlib import Path

import dagster as dg

from tests.alerting import tick
from tests.environment import Environment, adopt, own_settings
from tests.forking import forks_of

_processes = forks_of(__name__)


def look(dagster_home: Path) -> BaseProcess:
    """One tick of the sensor, with this process's settings. Exit code 1 when it fails."""
    dagster_home.mkdir(exist_ok=True)
    process = _processes.Process(target=_look, args=(own_settings(), str(dagster_home)))
    process.start()
    return process


def _look(given: Environment, dagster_home: str) -> None:
    adopt(given)
    with dg.DagsterInstance.local_temp(dagster_home) as instance:
        tick(instance)
