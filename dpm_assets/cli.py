"""`dpm`: one command or group a domain. Each domain brings its own; nothing is decided here."""

import sys

import typer
from rich.console import Console
from rich.markup import escape

from dpm_assets.errors import DpmError
from dpm_assets.loads.commands import load, loads_app, rejects_app
from dpm_assets.partitions.commands import app as partitions_app
from dpm_assets.refresh.commands import refresh
from dpm_assets.refresh.commands_verify import verify
from dpm_assets.samples.commands import sample
from dpm_assets.schema.commands import app as schema_app
from dpm_assets.server.commands import app as server_app
from dpm_assets.service.up import up

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="A PostgreSQL trades warehouse operated by Dagster.",
)
app.command()(up)
app.command()(load)
app.command()(refresh)
app.command()(verify)
app.command()(sample)
app.add_typer(server_app, name="server")
app.add_typer(schema_app, name="schema")
app.add_typer(partitions_app, name="partitions")
app.add_typer(loads_app, name="loads")
app.add_typer(rejects_app, name="rejects")


def main() -> None:
    """Run a command; what the user can mend is said in one sentence, with exit code 2 and no traceback."""
    try:
        app()
    except DpmError as error:
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"[red]dpm:[/red] {escape(str(error))}")
        sys.exit(2)
