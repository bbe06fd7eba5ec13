"""`dpm migrate plan | start | status | verify | cutover | rollback | clean`."""

from typing import Annotated

import typer
from rich.table import Column, Table

from dpm_assets.database import Database
from dpm_assets.migration import clean as cleaning
from dpm_assets.migration import start as starting
from dpm_assets.migration import swap
from dpm_assets.migration.checking import check_parts
from dpm_assets.migration.following import keys_waiting
from dpm_assets.migration.parts import parts
from dpm_assets.migration.plan import make_plan
from dpm_assets.migration.sessions import owner, phase
from dpm_assets.migration.showing import show_plan
from dpm_assets.printing import Terminal
from dpm_assets.server.connect import warehouse_url

app = typer.Typer(
    no_args_is_help=True, help="From the unpartitioned original to this schema while programs go on, and back."
)
console = Terminal(soft_wrap=True)


def _db() -> Database:
    return Database(warehouse_url(administrator=True), application_name="dpm migrate", max_connections=40)


@app.command()
def plan(jobs: Annotated[int, typer.Option(help="Months that will be copied at a time.")] = 1) -> None:
    """Say what a migration would find, take and change. Touches nothing; findings are no failure."""
    with _db() as db:
        show_plan(console, make_plan(db, jobs))


@app.command()
def start(
    jobs: Annotated[int, typer.Option(help="Months that are copied at a time.")] = 1,
    set_aside: Annotated[
        bool,
        typer.Option("--set-aside", help="Keep rows that the new checks of the other tables refuse in unmoved_rows."),
    ] = False,
    free_gb: Annotated[
        float | None, typer.Option(help="What is free on the server's disk, where this cannot be seen from here.")
    ] = None,
) -> None:
    """Copy and verify every month; running it again goes on where it was. Programs keep using the original tables."""
    with _db() as db:
        free = None if free_gb is None else round(free_gb * 1e9)
        starting.start(db, console.print, jobs=jobs, set_aside=set_aside, free_bytes=free)


@app.command()
def status() -> None:
    """Say how far the migration is: each month, its bites, and what was written since it was copied."""
    with _db() as db, owner(db) as conn:
        found = phase(conn)
        if found is None:
            console.print("No migration has been started. dpm migrate plan says what one would find.")
            return
        table = Table(
            "part", "state", *(Column(heading, justify="right") for heading in ("rows", "bites", "written since"))
        )
        for part in parts(conn):
            table.add_row(
                part.name,
                part.state,
                "" if part.rows is None else f"{part.rows:,}",
                f"{part.bites_copied}/{part.bites}",
                f"{part.pending:,}",
            )
        console.print(table)
        used, waiting = ("original", "originals") if found == "copying" else ("new", "successors")
        days = keys_waiting(conn, f"changed_{waiting}")
        console.print(
            f"Programs use the {used} tables. {days:,} account-days wait to be brought over to the others"
            f" (start and {'cutover' if found == 'copying' else 'rollback'} do that)."
        )


@app.command()
def verify(
    months: Annotated[list[str] | None, typer.Argument(help="Months YYYY-MM, years YYYY; none: all.")] = None,
) -> None:
    """Compare both sides: count, sums, and a hash of every row. Exit code 1 when a month differs."""
    with _db() as db:
        differing = check_parts(db, months or [], console.print)
    if differing:
        raise typer.Exit(1)


@app.command()
def cutover(
    patience: Annotated[float, typer.Option(help="Seconds for which a refused lock is tried again.")] = 120.0,
) -> None:
    """Let programs use the new tables, in one short transaction; brings over first what was written since the copy."""
    with _db() as db:
        swap.cutover(db, console.print, patience=patience)


@app.command()
def rollback(
    patience: Annotated[float, typer.Option(help="Seconds for which a refused lock is tried again.")] = 120.0,
) -> None:
    """Let programs use the original tables again, with every write since the cutover."""
    with _db() as db:
        swap.rollback(db, console.print, patience=patience)


@app.command()
def clean(
    forget_unmoved: Annotated[
        bool, typer.Option("--forget-unmoved", help="Drop the rows that could not move too.")
    ] = False,
    abandon: Annotated[bool, typer.Option("--abandon", help="Without a cutover: drop the new tables instead.")] = False,
) -> None:
    """End the migration: drop the original tables, which programs no longer use."""
    with _db() as db:
        cleaning.clean(db, console.print, forget_unmoved=forget_unmoved, abandon=abandon)
