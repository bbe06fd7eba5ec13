"""How a run waits for the slot of its pool: asleep, and so that it can be canceled.

Dagster 1.13's in-process executor means to sleep until the next look at the slot, but computes no time above 0: a run that waits
would keep a core busy, and heed no cancellation until it has the slot.
"""

import time

from dagster import raise_execution_interrupts
from dagster._core.execution.plan.active import ActiveExecution

LOOKS_EVERY_SECONDS = 0.2


def sleep_between_looks() -> None:
    """Have every run of this process sleep while it has no step to execute."""
    ActiveExecution.sleep_til_ready = _sleep  # type: ignore[assignment, method-assign]


def _sleep(_: ActiveExecution) -> None:
    with raise_execution_interrupts():
        time.sleep(LOOKS_EVERY_SECONDS)
