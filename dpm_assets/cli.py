"""`dpm`: one command or group a domain. Each domain brings its own; nothing is decided here."""

import sys

import psycopg
import typer
from rich.text import Text

from dpm_assets.alerts.commands import app as alerts_app
from dpm_assets.backup.commands import backup, restore
from dpm_assets.bench.commands import bench
from dpm_assets.errors import DpmError
from dpm_assets.loads.commands import load
from dpm_assets.loads.commands_ledger import loads_app
from dpm_assets.loads.commands_rejects import rejects_app
from dpm_assets.migration.commands import app as migrate_app
from dpm_assets.monitor.commands import metrics, status
from dpm_assets.partitions.commands import app as partitions_app
from dpm_assets.partitions.commands_doctor import doctor
from dpm_assets.partitions.commands_indexes import indexes_app
from dpm_assets.printing import Terminal, visible
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
app.command()(doctor)
app.command()(status)
app.command()(metrics)
app.command()(sample)
app.command()(backup)
app.command()(restore)
app.command()(bench)
app.add_typer(server_app, name="server")
app.add_typer(schema_app, name="schema")
app.add_typer(partitions_app, name="partitions")
app.add_typer(migrate_app, name="migrate")
app.add_typer(indexes_app, name="indexes")
app.add_typer(loads_app, name="loads")
app.add_typer(rejects_app, name="rejects")
app.add_typer(alerts_app, name="alerts")


def main() -> None:
    """Run a command; what the user can mend is said in one sentence, with exit code 2 and no traceback."""
    try:
        app()
    except DpmError as error:
        _complain(str(error))
    except psycopg.OperationalError as error:
        _complain(
            f"PostgreSQL could not go on: {_one_line(error)}. See that the server runs and has room, then do it again."
        )
    except psycopg.Error as error:
        _complain(
            f"PostgreSQL refused: {_one_line(error)}. If the schema is older than this installation: dpm schema apply."
        )
    except OSError as error:
        _complain(f"{error.filename or 'The system'}: {error.strerror or error}. Mend that, then do it again.")


def _complain(sentence: str) -> None:
    Terminal(stderr=True, soft_wrap=True).print(Text.assemble(("dpm:", "red"), f" {visible(sentence)}"))
    sys.exit(2)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")
