"""`dpm server start | stop | upgrade | status | url | psql | run`."""

import os
import shutil
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from psycopg.conninfo import conninfo_to_dict

from dpm_assets.errors import DpmError
from dpm_assets.printing import Terminal
from dpm_assets.server.connect import embedded_server
from dpm_assets.server.embedded import EmbeddedServer
from dpm_assets.server.programs import without_other_servers
from dpm_assets.settings import settings

app = typer.Typer(no_args_is_help=True, help="The embedded PostgreSQL of this warehouse.")
console = Terminal(soft_wrap=True)


def _server() -> EmbeddedServer:
    if settings().database_url is not None:
        raise DpmError(
            "This warehouse uses a server of your own (DPM_DATABASE_URL is set). Unset it to use the embedded one."
        )
    return embedded_server()


def _running() -> EmbeddedServer:
    server = _server()
    if not server.running():
        raise DpmError("The embedded server is not running. Start it with dpm server start.")
    return server


@app.command()
def start() -> None:
    """Start it, making its data at the first start."""
    server = _server()
    started = server.start(_say)
    state = server.state()
    what = "started" if started else "is running already"
    console.print(f"PostgreSQL {state.major} {what} on 127.0.0.1:{state.port}; data in {state.data}")
    if not Path(state.root).is_relative_to(server.home):
        console.print(f"The server's user cannot enter {server.home}, so the data is in {state.root}.")


@app.command()
def stop() -> None:
    """Stop it, ending its sessions."""
    console.print("Stopped." if _server().stop() else "It was not running.")


@app.command()
def upgrade(
    old_programs: Annotated[
        Path | None,
        typer.Option("--from", help="Programs of the version that wrote the data, if not found by themselves."),
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Tables dumped and restored at once; default: the cores.")
    ] = None,
) -> None:
    """Bring the data of the stopped server to the newest PostgreSQL here; the old data are kept beside."""
    from dpm_assets.server.tuning import machine_cores
    from dpm_assets.server.upgrade import upgrade as upgrade_server
    from dpm_assets.service.up import only_one

    server = _server()
    before = server.state()
    with only_one():
        done = upgrade_server(server, _say, jobs=jobs or machine_cores(), old_programs=old_programs)
    if not done:
        console.print(f"The data are of the newest PostgreSQL here already: {before.major}.")
        return
    kept = Path(before.root) / f"data.{before.major}"
    console.print(f"Done. Start it with dpm server start. The old data are in {kept}; delete them when all is well.")


def _say(text: str) -> None:
    console.print(f"dpm: {text}")


@app.command()
def status() -> None:
    """Say whether it runs, and where; exit code 3 when it does not."""
    server = _server()
    if not server.running():
        console.print(f"Not running; home {server.home}.")
        raise typer.Exit(3)
    state = server.state()
    console.print(
        f"PostgreSQL {state.major} runs on 127.0.0.1:{state.port}; data in {state.data}; programs in {state.binaries}"
    )


@app.command()
def url() -> None:
    """Print the administrator's URL of the warehouse's database."""
    typer.echo(_running().url())


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def psql(
    context: typer.Context,
    database: Annotated[str, typer.Option("--database", help="The database: dpm or dagster.")] = "dpm",
) -> None:
    """Open psql as the administrator; further arguments are psql's."""
    _become("psql", context.args, database)


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "allow_interspersed_args": False}
)
def run(
    context: typer.Context,
    program: Annotated[str, typer.Argument(help="Its name, pg_basebackup say; what follows are its arguments.")],
    database: Annotated[str, typer.Option("--database", help="The database: dpm or dagster.")] = "dpm",
) -> None:
    """Run another of PostgreSQL's programs as the administrator; no argument has the password."""
    _become(program, context.args, database)


def _become(program: str, arguments: list[str], database: str) -> NoReturn:
    """Replace this process by a program of the server's or else of the PATH, logged in as the administrator."""
    server = _running()
    inside = Path(server.state().binaries) / program
    found = str(inside) if inside.exists() else shutil.which(program)
    if found is None:
        raise DpmError(
            f"There is no {program} beside the server's programs or on the PATH. Install a PostgreSQL client."
        )
    parts = conninfo_to_dict(server.url(database))
    # The password goes through the environment: a command line can be read by every user of the machine.
    environment = without_other_servers(os.environ) | {
        "PGPASSWORD": str(parts["password"]),
        "PGHOST": str(parts["host"]),
        "PGPORT": str(parts["port"]),
        "PGUSER": str(parts["user"]),
        "PGDATABASE": database,
    }
    os.execve(found, [found, *arguments], environment)
