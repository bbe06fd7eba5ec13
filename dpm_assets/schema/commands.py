"""`dpm schema apply | status`."""

import typer

from dpm_assets.database import Database
from dpm_assets.printing import Terminal
from dpm_assets.schema.apply import apply_to_warehouse, status
from dpm_assets.server.connect import warehouse_url

app = typer.Typer(no_args_is_help=True, help="Set up the schema, and tell which version a database has.")
console = Terminal()


@app.command()
def apply() -> None:
    """Make or bring up to date every table, function and view. Applying again changes nothing."""
    applied = apply_to_warehouse()
    console.print("The schema is applied." if applied else "The schema is current; nothing to do.")


@app.command("status")
def show_status() -> None:
    """Say which version the database has; exit code 1 when it is not the one of this installation."""
    url = warehouse_url(administrator=True)
    with Database(url, application_name="dpm schema") as db:
        found = status(db)
        where = db.where()
    if found.current:
        console.print(f"{where}: revision {found.revision}, files {found.digest}: current.")
        return
    have = (
        f"revision {found.revision}, files {found.digest}"
        if found.revision or found.digest
        else "no schema, or one applied by psql"
    )
    console.print(
        f"{where}: {have}; this installation has revision {found.expected_revision}, files {found.expected_digest}. "
        "Run dpm schema apply."
    )
    raise typer.Exit(1)
