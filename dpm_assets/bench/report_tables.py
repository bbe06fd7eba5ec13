"""Tables and figures as the report writes them."""

import re
from collections.abc import Sequence
from typing import Any

from dpm_assets.bench.systems import SYSTEMS

_FIGURE = re.compile(r"(> |-)?\d[\d,.]*( x| %| \(|$)|-$")
NAMES = [system.name for system in SYSTEMS]
TITLES = [system.title for system in SYSTEMS]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown; columns of figures are set to the right."""
    figures = [all(not row[place] or _FIGURE.match(row[place]) for row in rows) for place in range(1, len(head))]
    lines = [f"| {' | '.join(head)} |", f"|---|{''.join('---:|' if is_one else '---|' for is_one in figures)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def milliseconds(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def with_spread(times: dict[str, Any] | None) -> str:
    """Median, and in brackets the least and the most; of what was asked once that it was, of what was stopped only that it
    took more."""
    if times is None:
        return ""
    if times.get("stopped"):
        return f"> {milliseconds(times['median'])}"
    if len(times["runs"]) == 1:
        return f"{milliseconds(times['median'])} (one run)"
    least, most = milliseconds(times["min"]), milliseconds(times["max"])
    return f"{milliseconds(times['median'])} ({least} to {most})"


def times_faster(factor: float | None) -> str:
    """As in '12 x' or '0.85 x'."""
    if factor is None:
        return ""
    return f"{factor:,.0f} x" if factor >= 10 else f"{factor:.2f} x"


def profile(statements: Sequence[dict[str, Any]]) -> str:
    """Statements with the time that PostgreSQL counted of each."""
    rows = [
        [
            f"`{one['statement'].replace('|', chr(92) + '|')}`",
            f"{one['calls']:,}",
            milliseconds(one["ms"]),
            f"{one['wal_kb']:,}",
        ]
        for one in statements
    ]
    return table(["statement", "calls", "ms", "log, kB"], rows)
