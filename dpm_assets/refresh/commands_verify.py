"""`dpm verify`."""

import json
from typing import Annotated, Any

import typer
from rich.table import Column, Table

from dpm_assets.calendar import parse_month
from dpm_assets.database import Database
from dpm_assets.printing import Terminal
from dpm_assets.refresh.verify import Difference, Verification
from dpm_assets.refresh.verify import verify as run_verify
from dpm_assets.server.connect import warehouse_url

console = Terminal()


def verify(
    months: Annotated[list[str] | None, typer.Argument(help="Months, YYYY-MM; none: all.")] = None,
    cold: Annotated[
        bool, typer.Option("--cold", help="Compare all months in the archive too, with their files.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the differences as JSON.")] = False,
) -> None:
    """Recompute rollups and views from the raw trades and print what differs; exit code 1 when something does.

    Of each rollup and view 20 differences are shown, the others counted."""
    wanted = [parse_month(month) for month in months] if months else None
    with Database(warehouse_url(), application_name="dpm verify") as db:
        result = run_verify(db, wanted, cold=cold)
    _print_json(result) if as_json else _print(result)
    if result.total:
        raise typer.Exit(1)


def _print(result: Verification) -> None:
    for note in result.notes:
        console.print(note)
    compared = f"{sum(result.rows.values()):,} rows of {len(result.rows)} rollups and views"
    if not result.total:
        console.print(f"No difference: {compared} equal their recomputation from the raw rows.")
        return
    # A name is never cut short, however narrow the terminal is: it is what one has to look for.
    table = Table(Column("object", no_wrap=True), "what", "key", "expected", "found")
    for difference in result.differences:
        table.add_row(difference.object, difference.kind, *map(_words, _values(difference)))
    console.print(table)
    for name, count in result.counts.items():
        left = count - sum(difference.object == name for difference in result.differences)
        if left:
            console.print(f"{name}: {left:,} more differences, not shown.")
    console.print(f"{result.total:,} differences; compared were {compared}. Run dpm refresh --rebuild to repair them.")


def _values(difference: Difference) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    return difference.key, difference.expected, difference.found


def _words(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _print_json(result: Verification) -> None:
    typer.echo(
        json.dumps(
            {
                "rows_compared": result.rows,
                "difference_counts": result.counts,
                "notes": result.notes,
                "differences": [vars(difference) for difference in result.differences],
            },
            default=str,
        )
    )
