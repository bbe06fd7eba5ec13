"""A run that waits for the slot of its pool takes nothing from the one that has it, and can be canceled."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.execution.plan.instance_concurrency_context import InstanceConcurrencyContext

from dpm_assets.definitions import defs


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as made:
        yield made


@dg.op(pool="one")
def in_a_pool() -> None:
    pass


@dg.job
def waiting() -> None:
    in_a_pool()


def test_a_run_that_waits_for_the_slot_of_its_pool_sleeps(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Importing the definitions sees to that. It would keep a core from the run that it waits for."""
    assert defs
    looks: list[float] = []

    def claim(self: Any, _: str, step: str, __: int = 0) -> bool:
        looks.append(time.monotonic())
        free = looks[-1] - looks[0] > 1
        (self._pending_claims.discard if free else self._pending_claims.add)(step)
        return free

    monkeypatch.setattr(InstanceConcurrencyContext, "claim", claim)
    assert waiting.execute_in_process(instance=instance).success
    assert 1 < len(looks) < 50
