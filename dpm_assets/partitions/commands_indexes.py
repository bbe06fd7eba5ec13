"""`dpm indexes list | create | drop | rebuild | check`."""

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.table import Column, Table

from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.partitions import indexes
from dpm_assets.partitions.create import Step
from dpm_assets.printing import Terminal
from dpm_assets.server.connect import warehouse_url

indexes_app = typer.Typer(
    no_args_is_help=True, help="Indexes of the partitioned tables, built without holding anybody up."
)
console = Terminal(soft_wrap=True)

Name = Annotated[str, typer.Argument(help="The index, by the name that it has on the partitioned table.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the SQL and its locks; change nothing.")]


def _database() -> Database:
    return Database(warehouse_url(), application_name="dpm indexes")


@indexes_app.command("list")
def show() -> None:
    """Each index with its size and use over all partitions."""
    shown = Table(Column("index", no_wrap=True), "table", "parts", "missing", "invalid", "MB", "scans", "definition")
    with _database() as db:
        for index in indexes.indexes(db):
            shown.add_row(
                index.index,
                index.table,
                str(index.parts),
                str(index.missing),
                str(index.invalid),
                f"{index.size / 1e6:,.1f}",
                f"{index.scans:,}",
                index.definition.split(" USING ", 1)[-1],
            )
    console.print(shown)


@indexes_app.command()
def create(
    name: Name,
    on: Annotated[
        str | None, typer.Option(help="The partitioned table, for an index that is not declared yet.")
    ] = None,
    definition: Annotated[
        str | None, typer.Option(help="What CREATE INDEX takes after the table: '(login)', 'using brin (close_time)'.")
    ] = None,
    unique: Annotated[bool, typer.Option("--unique", help="A unique index; it has to hold the partition key.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Declare an index, build it partition by partition, attach each part. Run it again to go on with a build that was killed."""
    with _database() as db:
        if not indexes.is_declared(db, name):
            if not on or not definition:
                raise DpmError(f"There is no index {name} yet. Declare it: --on TABLE --definition '(columns)'.")
            if dry_run:
                typer.echo(f"-- SHARE on {on} for a moment: its writers wait for up to 40 ms at a time")
                typer.echo(f"{indexes.plan_declaration(db, name, on, definition, unique)};")
                typer.echo("-- then each partition's part is built CONCURRENTLY and attached")
                return
            console.print(indexes.declare(db, name, on, definition, unique))
        if dry_run:
            _print_steps(indexes.plan_build(db, name))
            return
        indexes.build(db, name, console.print)
    console.print(f"The index {name} is complete.")


@indexes_app.command()
def rebuild(name: Name, dry_run: DryRun = False) -> None:
    """Build each part of an index anew with REINDEX CONCURRENTLY."""
    with _database() as db:
        if dry_run:
            _print_steps(indexes.plan_rebuild(db, name))
            return
        indexes.rebuild(db, name, console.print)
    console.print(f"The index {name} is rebuilt.")


@indexes_app.command()
def drop(name: Name, dry_run: DryRun = False) -> None:
    """Drop an index with all its parts, and what a killed build left of it."""
    with _database() as db:
        if dry_run:
            typer.echo("-- ACCESS EXCLUSIVE on the table and its partitions for a moment, 40 ms of waiting at a time")
            typer.echo(f"{indexes.plan_drop(db, name)};")
            return
        indexes.drop(db, name, console.print)


@indexes_app.command()
def check() -> None:
    """Find indexes that are missing on a partition, invalid, unused or duplicate; exit code 1 when there is one."""
    with _database() as db:
        found = indexes.index_findings(db)
    for finding in found:
        size = f" ({finding.size / 1e6:,.1f} MB)" if finding.size else ""
        console.print(f"{finding.finding}: {finding.index} of {finding.table}{size}: {finding.detail}")
    if found:
        raise typer.Exit(1)
    console.print("Every index is on every partition, valid, used, and the only one of its kind.")


def _print_steps(steps: Sequence[Step]) -> None:
    if not steps:
        typer.echo("-- The index is complete; nothing to do.")
    for step in steps:
        typer.echo(f"-- {step.locks}\n{step.statement};")
