"""A plan as text."""

import json
from typing import Any

from rich.console import Console

from dpm_assets.migration.disk import gigabytes
from dpm_assets.migration.plan import Plan


def show_plan(console: Console, plan: Plan) -> None:
    """Print what has to be mended first, what would not move, what hangs on the tables, room, and what changes for programs."""
    for table, rows in plan.rows.items():
        console.print(f"{table}: {rows:,} rows")
    _section(console, "Has to be mended before start", plan.refusals)
    console.print("\nRows", style="bold")
    if not plan.findings and not plan.in_place:
        console.print("  every row can move as it is")
    for finding in plan.findings:
        fate = "moves, changed by rule" if finding.moves else "does not move; kept in unmoved_rows and in the original"
        console.print(f"  {finding.table}: {finding.rows:,} rows, {finding.what} ({fate})")
        _samples(console, finding.samples)
    for fault in plan.in_place:
        fate = "corrected by rule" if fault.mended else "refused: correct them, or start with --set-aside"
        console.print(f"  {fault.table}: {fault.rows:,} rows, {fault.rule} ({fate})")
        _samples(console, fault.samples)
    _section(
        console,
        "Hangs on the two tables",
        [
            f"{each.kind} {each.name}: {each.fate}{f', {each.advice}' if each.advice else ''}"
            for each in plan.dependents
        ],
    )
    free = "cannot be seen from here" if plan.room.free is None else gigabytes(plan.room.free)
    _section(
        console,
        "Room on the server's disk",
        [
            f"the original tables take {gigabytes(plan.room.originals)}, the copy {gigabytes(plan.room.needed)}; free: {free}"
        ],
    )
    _section(console, "For programs", plan.notes)


def _section(console: Console, heading: str, lines: list[str]) -> None:
    if lines:
        console.print(f"\n{heading}", style="bold")
        for line in lines:
            console.print(f"  {line}")


def _samples(console: Console, samples: list[dict[str, Any]]) -> None:
    for sample in samples:
        told = {key: value for key, value in sample.items() if value is not None}
        console.print(f"      {json.dumps(told, default=str)}")
