"""Taking times: repeated runs of one thing, and what is said of them."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

LEAST = 3


@dataclass
class Times:
    """Milliseconds of repeated runs, in the order in which they were taken."""

    taken: list[float] = field(default_factory=list)

    def wanted(self, rounds: int, seconds: float) -> bool:
        """Whether another run is wanted: `rounds` of them; fewer when they take more than `seconds`, but LEAST if asked; no
        more after one that alone took so long."""
        if len(self.taken) >= rounds or max(self.taken, default=0.0) > seconds * 1000:
            return False
        return len(self.taken) < min(LEAST, rounds) or sum(self.taken) < seconds * 1000

    def time(self, action: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        result = action()
        self.taken.append(round((time.perf_counter() - began) * 1000, 4))
        return result

    def summary(self) -> dict[str, Any]:
        return spread(self.taken)


def spread(taken: list[float]) -> dict[str, Any]:
    """Median, quartiles and extremes of milliseconds, with the runs themselves."""
    low, _, high = statistics.quantiles(taken, n=4, method="inclusive") if len(taken) > 1 else [taken[0]] * 3
    return {
        "median": round(statistics.median(taken), 4),
        "low": round(low, 4),
        "high": round(high, 4),
        "min": min(taken),
        "max": max(taken),
        "runs": taken,
    }


def stopped_after(longest: float) -> dict[str, Any]:
    """What is said of a run that was stopped after `longest` seconds: it took more."""
    return {**spread([longest * 1000]), "runs": [], "stopped": True}


def seconds(action: Callable[[], Any]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began
