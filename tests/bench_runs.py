"""Tiny runs of the benchmark: in this process, or in one of their own that kills itself when a stage begins."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from dpm_assets.bench import run as running
from dpm_assets.bench.plan import Plan, make_plan
from dpm_assets.bench.store import Store
from dpm_assets.settings import settings
from tests.forking import forks_of
from tests.servers import SMALL

SIZES = (4_000, 8_000)
_processes = forks_of(__name__)


ASKED: dict[str, Any] = {"months": 8, "rounds": 1, "seconds": 0.0, "throughput_seconds": 1}
CLIENTS = (2,)


def tiny_plan(**changed: Any) -> Plan:
    """8,000 trades of 8 months in two steps, everything measured once."""
    return make_plan(SIZES[-1], sizes=SIZES, clients=CLIENTS, **(ASKED | changed))


def make_small(patch: pytest.MonkeyPatch) -> None:
    """A small server, one round from the disk, one refresh of a kind, and the second step in bulk."""
    patch.setattr("dpm_assets.server.embedded.machine_memory", lambda: SMALL)
    patch.setattr(running, "SLICE", SIZES[0])
    patch.setattr(running, "COLD_ROUNDS", 1)
    patch.setattr(running, "REFRESH_ROUNDS", 1)
    if binaries := os.environ.get("DPM_TEST_PG_BIN"):
        patch.setenv("DPM_PG_BIN", binaries)
    patch.setenv("DPM_DBT", "")
    settings.cache_clear()


def run_until(folder: Path, stage: str) -> int | None:
    """A run in a process of its own that is killed when it says that it begins a stage; returns how it ended."""
    process = _processes.Process(target=_run_until, args=(folder, stage))
    process.start()
    process.join()
    return process.exitcode


def _run_until(folder: Path, stage: str) -> None:
    def kill(said: str) -> None:
        if said.startswith(stage):
            os.kill(os.getpid(), signal.SIGKILL)

    with pytest.MonkeyPatch.context() as patch:
        make_small(patch)
        running.run(tiny_plan(), Store(folder), kill)
