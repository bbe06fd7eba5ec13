"""How figures grow with the trades: the exponent of a power law through them, by least squares over logarithms."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dpm_assets.bench.queries import questions
from dpm_assets.bench.results import Results
from dpm_assets.bench.systems import BY_NAME


def exponent(sizes: Sequence[float], figures: Sequence[float | None]) -> float | None:
    """0: the same at any size; 1: twice the trades, twice the figure. None for fewer than two figures above 0."""
    pairs = [(size, figure) for size, figure in zip(sizes, figures, strict=True) if figure]
    if len(pairs) < 2:
        return None
    slope, _ = np.polyfit(np.log([size for size, _ in pairs]), np.log([figure for _, figure in pairs]), 1)
    return round(float(slope), 2) + 0.0  # no -0.0


def growth_of_queries(results: Results) -> dict[str, dict[str, dict[str, Any]]]:
    """By query and system (in the form that answers it at the whole size): "ms" by step, and the exponent."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    steps = range(len(results.sizes))
    for query in questions().queries:
        for system, forms in results.queries.get(query.name, {}).items():
            form = query.best([one for one in BY_NAME[system].forms if one in forms])
            times = [results.times(query, system, form, step=step) for step in steps]
            taken = [None if one is None or one.get("stopped") else one["median"] for one in times]
            found.setdefault(query.name, {})[system] = {"ms": taken, "exponent": exponent(results.sizes, taken)}
    return found


def growth_of_bytes(results: Results, system: str) -> float | None:
    """The exponent of what all trades take on disk."""
    taken = [results.load(system, step)["storage"]["bytes"] for step in range(len(results.sizes))]
    return exponent(results.sizes, taken)
