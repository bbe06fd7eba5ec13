"""`dpm partitions create | list`."""

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from dpm_assets.calendar import parse_month
from dpm_assets.database import Database
from dpm_assets.partitions.create import Step, ensure_months, plan_months, plan_rollover, roll_over
from dpm_assets.partitions.sizes import partitions
from dpm_assets.server.connect import warehouse_url
from dpm_assets.settings import settings

app = typer.Typer(no_args_is_help=True, help="Make and list the partitions: months of trades, years of metrics.")
console = Console(highlight=False)


@app.command()
def create(
    months: Annotated[
        list[str] | None,
        typer.Argument(help="Months, YYYY-MM; none: the running month and year, those ahead, and those missed."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the SQL and its locks; make nothing.")] = False,
) -> None:
    """Make partitions where they are missing."""
    wanted = [parse_month(month) for month in months or []]
    with Database(warehouse_url(), application_name="dpm partitions") as db:
        if dry_run:
            _print_steps(plan_months(db, wanted) if wanted else plan_rollover(db, settings().months_ahead))
            return
        made = (
            [f"{month:%Y-%m}" for month in ensure_months(db, wanted)]
            if wanted
            else roll_over(db, settings().months_ahead)
        )
    console.print(
        f"Made {len(made)}: {', '.join(made)}" if made else "Every partition is there already; nothing to do."
    )


def _print_steps(steps: Sequence[Step]) -> None:
    """SQL that psql would run as it stands."""
    if not steps:
        typer.echo("-- Every partition is there already; nothing to do.")
    for step in steps:
        typer.echo(f"-- {step.locks}\n{step.statement};")


@app.command("list")
def show(table: Annotated[str, typer.Option(help="The partitioned table.")] = "raw_trades_closed") -> None:
    """Each partition with its rows, as last estimated, and its size."""
    shown = Table("partition", "from", "to", "rows", "MB", title=table)
    with Database(warehouse_url(), application_name="dpm partitions") as db:
        for leaf in partitions(db, table):
            shown.add_row(leaf.name, str(leaf.lower), str(leaf.upper), f"{leaf.rows:,}", f"{leaf.size / 1e6:,.1f}")
    console.print(shown)
