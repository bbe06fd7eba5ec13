"""What all stages of a run have found, as the report reads it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dpm_assets.bench.queries import Query
from dpm_assets.bench.store import Store
from dpm_assets.bench.systems import BY_NAME
from dpm_assets.errors import DpmError

ENDED = "duckdb"
"""The last stage of a run."""


@dataclass(frozen=True)
class Results:
    """All stages by name, and the plan of the run."""

    plan: dict[str, Any]
    stages: dict[str, Any]

    @property
    def ended(self) -> bool:
        return ENDED in self.stages

    @property
    def sizes(self) -> list[int]:
        return list(self.plan["sizes"])

    @property
    def last(self) -> int:
        return len(self.sizes) - 1

    def step(self, step: int) -> dict[str, dict[str, Any]]:
        """By query, then system, then form: times and plan."""
        found: dict[str, dict[str, Any]] = {}
        for group in ("all", *BY_NAME):
            asked = self.stages.get(f"step_{step}/queries.{group}")
            for name, one in (asked or {"queries": {}})["queries"].items():
                found.setdefault(name, {}).update(one["systems"])
        return found

    @cached_property
    def queries(self) -> dict[str, dict[str, Any]]:
        """Those of the whole size."""
        return self.step(self.last)

    def times(
        self, query: Query, system: str, form: str | None = None, step: int | None = None
    ) -> dict[str, Any] | None:
        """Times of a query in a form, by default the best that the system has; None when it was not measured."""
        asked = self.queries if step is None else self.step(step)
        forms = asked.get(query.name, {}).get(system)
        if not forms:
            return None
        wanted = [form] if form else BY_NAME[system].forms
        return next((dict(forms[one]) for one in wanted if one in forms), None)

    def median(self, query: Query, system: str, form: str | None = None, step: int | None = None) -> float | None:
        """Milliseconds; of what was stopped those after which it was."""
        found = self.times(query, system, form, step)
        return None if found is None else float(found["median"])

    def factor(self, query: Query, form: str | None = None) -> float | None:
        """How many times faster production is than the original, at least when the original was stopped; None when both
        were."""
        original, ours = self.times(query, "baseline", "raw"), self.times(query, "production", form)
        if not original or not ours or (original.get("stopped") and ours.get("stopped")):
            return None
        return float(original["median"] / ours["median"])

    def load(self, system: str, step: int) -> dict[str, Any]:
        return dict(self.stages[f"step_{step}/load.{system}"])

    @property
    def views_stopped_at(self) -> int | None:
        """The size at which v2's views were not made in time; from there on v2 was asked through its trades."""
        sizes = enumerate(self.sizes)
        return next((size for step, size in sizes if self.load("v2", step).get("refresh_stopped")), None)

    def load_rate(self, system: str, month_there: bool | None = None) -> float | None:
        """Trades a second with every index in place: of all files that were not taken in bulk, or of those whose month was
        there, or was not, before."""
        files = [
            file
            for step in range(len(self.sizes))
            for found in [self.load(system, step)]
            if system == "production" or not found["bulk"]
            for file in found["files"]
            if file["seconds"] and month_there in (None, file["month_there"])
        ]
        took = sum(file["seconds"] for file in files)
        return float(sum(file["trades"] for file in files) / took) if took else None

    def cold(self) -> dict[str, Any]:
        """{"reason", "queries"} of all groups."""
        found: dict[str, Any] = {"reason": None, "queries": {}}
        for group in ("all", *BY_NAME):
            asked = self.stages.get(f"cold.{group}")
            if asked:
                found["reason"] = found["reason"] or asked["reason"]
                for name, systems in asked["queries"].items():
                    found["queries"].setdefault(name, {}).update(systems)
        return found


def results(store: Store, *, so_far: bool = False) -> Results:
    """What a run has found; with `so_far` also one that has not come to its end, if all systems were loaded and asked.

    Raises DpmError when there is not so much.
    """
    stages = store.everything()
    plan = store.plan()
    if plan is None or not (so_far or ENDED in stages):
        raise DpmError(f"The run in {store.folder} has not come to its end. Start dpm bench again, it goes on.")
    found = Results(plan, stages)
    unasked = [name for name in BY_NAME if not any(name in systems for systems in found.queries.values())]
    if unasked:
        raise DpmError(
            f"The run in {store.folder} has not asked {', '.join(unasked)} yet. Start dpm bench again, it goes on."
        )
    return found
