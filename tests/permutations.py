"""The interleavings of writers with a refresh that stands at one of its steps, each with a name."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, product, starmap
from typing import Literal

from tests import steps, writers
from tests.steps import Step
from tests.writers import WRITERS, Writer

Timing = Literal["whole", "opened before", "outlasts"]
CALLS = {
    "a refresh": "call prop_trading_model.refresh_warehouse()",
    "a refresh in bites": "call prop_trading_model.refresh_warehouse(60)",
    "a refresh in one transaction": "select prop_trading_model.refresh_materialized_views()",
    "a refresh of a marked month": "call prop_trading_model.refresh_warehouse()",
    "a rebuild": "select prop_trading_model.rebuild_month('2024-02-01')",
}


@dataclass(frozen=True)
class Permutation:
    """A writer, a refresh and the step at which it stands; and how the writer's transaction lies to that moment.

    whole: begun and committed while the refresh stands. opened before: written before the refresh begins, committed while
    it stands. outlasts: written while it stands, committed once it has ended.
    """

    writer: Writer
    step: Step
    call: str = "a refresh"
    timing: Timing = "whole"

    def __str__(self) -> str:
        said = {"whole": "", "opened before": " opened before", "outlasts": " that outlasts it"}[self.timing]
        return f"{self.writer.name}{said}, {self.call} standing {self.step.name}".replace(" ", "_")


_ROLLUP = "rollup_account_symbol_day"
_CARDINAL = (steps.BEFORE_THE_LOCK, steps.KEYS_TAKEN, steps.BITE_WRITTEN, steps.BEFORE_THE_VIEWS)
_SPANNING = (
    writers.INSERT,
    writers.MOVE,
    writers.DELETE,
    writers.COPY,
    writers.MERGE,
    writers.TWO_PHASE,
    writers.PLANS,
)
_IN_A_MONTH = (
    writers.UPDATE, writers.MOVE, writers.DELETE, writers.TRUNCATE_LEAF, writers.DROP, writers.REWRITE
)  # fmt: skip
_BETWEEN = (writers.UPDATE, writers.MOVE, writers.TRUNCATE_LEAF, writers.ATTACH, writers.DETACH, writers.DROP,
            writers.REGIME_CORRECTED, writers.MIDNIGHT)  # fmt: skip


def _groups() -> Iterator[Iterable[Permutation]]:
    """Every writer at the steps that matter most, then at every step a few, then other timings and other refreshes."""
    yield starmap(Permutation, product(WRITERS, _CARDINAL))
    of_keys = [step for step in steps.OF_KEYS if step not in _CARDINAL]
    of_views = [step for step in steps.OF_VIEWS if step not in _CARDINAL]
    yield starmap(Permutation, product((writers.MOVE, writers.DELETE), of_keys))
    yield starmap(Permutation, product((writers.MOVE, writers.ACCOUNTS, writers.MIDNIGHT), of_views))
    yield starmap(Permutation, product((writers.PLANS, writers.REGIME_CORRECTED), of_views[-2:]))
    yield [Permutation(writers.UPDATE, steps.WRITTEN[_ROLLUP])]
    spanning: tuple[Timing, ...] = ("opened before", "outlasts")
    yield (
        Permutation(writer, step, timing=timing)
        for writer, step, timing in product(_SPANNING, (steps.KEYS_TAKEN, steps.BITE_WRITTEN), spanning)
    )
    for call, taken in (("a rebuild", steps.KEYS_TAKEN), ("a refresh of a marked month", steps.MONTH_TAKEN)):
        of_month = (taken, steps.WRITING[_ROLLUP], steps.BITE_WRITTEN)
        yield (Permutation(writer, step, call) for writer, step in product(_IN_A_MONTH, of_month))
    yield (Permutation(writer, steps.BETWEEN_BITES, "a refresh in bites") for writer in _BETWEEN)
    yield (Permutation(writer, steps.BEFORE_THE_LAST_COMMIT, "a refresh in one transaction") for writer in _BETWEEN)
    second = (steps.KEYS_TAKEN, steps.WRITING[_ROLLUP], steps.MADE["mv_daily_trading_stats"])
    yield starmap(Permutation, product(writers.REFRESHES, second))
    yield (Permutation(writer, steps.WRITING[_ROLLUP], "a rebuild") for writer in writers.REFRESHES)


PERMUTATIONS = tuple(chain.from_iterable(_groups()))
