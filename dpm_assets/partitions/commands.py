"""`dpm partitions create | list`, with `archive | restore` of cold/."""

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.table import Column, Table

from dpm_assets.calendar import parse_month
from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.partitions.cold.commands import archive, restore
from dpm_assets.partitions.cold.states import ColdPart, cold_parts
from dpm_assets.partitions.create import Step, ensure_months, plan_months, plan_rollover, roll_over
from dpm_assets.partitions.sizes import Partition, partitioned_tables, partitions
from dpm_assets.printing import Terminal, print_whole
from dpm_assets.server.connect import warehouse_url
from dpm_assets.settings import settings

app = typer.Typer(
    no_args_is_help=True, help="Make, list, archive and restore partitions: months of trades, years of metrics."
)
app.command()(archive)
app.command()(restore)
console = Terminal()


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
def show(
    table: Annotated[str | None, typer.Option(help="One partitioned table; without it, all of them.")] = None,
    exact: Annotated[bool, typer.Option("--exact", help="Count the rows, which reads every partition.")] = False,
) -> None:
    """Each partition, hot or in the archive, with its rows, sizes, dead rows, age, use and pending keys."""
    with Database(warehouse_url(), application_name="dpm partitions") as db:
        known = partitioned_tables(db)
        if table and table not in known:
            raise DpmError(f"{table} is not partitioned. Partitioned are: {', '.join(known)}.")
        for name in [table] if table else known:
            print_whole(console, _table(name, partitions(db, name, exact), exact))
        with db.connection() as conn:
            files = [cold for cold in cold_parts(conn) if table in (None, cold.parent_table)]
    if files:
        print_whole(console, _archive(files))


def _table(name: str, there: Sequence[Partition], exact: bool) -> Table:
    shown = Table(
        Column("partition", no_wrap=True),
        "state",
        Column("rows" if exact else "rows, about", justify="right"),
        *(Column(heading, justify="right") for heading in ("heap MB", "index MB", "toast MB", "dead rows")),
        "vacuumed",
        "analyzed",
        *(Column(heading, justify="right") for heading in ("index scans", "table scans", "pending keys")),
        title=name,
    )
    for leaf in there:
        shown.add_row(
            leaf.name,
            leaf.state,
            _count(leaf.rows_exact if exact else leaf.rows),
            *(f"{size / 1e6:,.1f}" for size in (leaf.heap_bytes, leaf.index_bytes, leaf.toast_bytes)),
            _count(leaf.dead_rows),
            *(f"{at:%Y-%m-%d %H:%M}" if at else "" for at in (leaf.last_vacuum, leaf.last_analyze)),
            *(_count(count) for count in (leaf.index_scans, leaf.table_scans, leaf.pending_keys)),
        )
    return shown


def _archive(files: Sequence[ColdPart]) -> Table:
    """What is in the archive, on its way, or left over."""
    shown = Table(
        "table",
        "partition",
        "state",
        *(Column(heading, justify="right") for heading in ("rows", "MB", "% of the partition")),
        "file",
        title="archive",
    )
    for cold in files:
        share = f"{100 * (cold.bytes or 0) / cold.partition_bytes:.1f}" if cold.partition_bytes else ""
        shown.add_row(
            cold.parent_table,
            str(cold.part),
            cold.state,
            _count(cold.rows),
            f"{(cold.bytes or 0) / 1e6:,.1f}",
            share,
            "not written yet" if cold.state == "archiving" and cold.rows is None else cold.location,
        )
    return shown


def _count(count: int | None) -> str:
    return "" if count is None else f"{count:,}"
