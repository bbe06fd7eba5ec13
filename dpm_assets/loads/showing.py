"""What `dpm loads` and `dpm rejects` print: a table or one record for people, one JSON object a line for machines."""

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from psycopg.rows import dict_row
from rich.table import Column, Table

from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.printing import Terminal, print_whole
from dpm_assets.server.connect import warehouse_url

console = Terminal(soft_wrap=True)

Row = dict[str, Any]

Limit = Annotated[int, typer.Option(help="How many at most.", min=1)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]
Batch = Annotated[int, typer.Argument(help="The batch, as `dpm loads list` shows it.", show_default=False)]


def warehouse() -> Database:
    return Database(warehouse_url(), application_name="dpm loads")


def read(query: str, **parameters: int) -> list[Row]:
    """The rows that a query gives to a reader."""
    with warehouse() as db, db.connection() as conn:
        return conn.cursor(row_factory=dict_row).execute(query, parameters).fetchall()


def table(rows: Sequence[Row], as_json: bool, nothing: str) -> None:
    if as_json:
        for row in rows:
            typer.echo(json.dumps(row, default=str))
    elif not rows:
        console.print(nothing)
    else:
        shown = Table(*(Column(name, overflow="fold") for name in rows[0]), box=None, pad_edge=False)
        for row in rows:
            shown.add_row(*(_plain(value) for value in row.values()))
        print_whole(console, shown)


def record(rows: Sequence[Row], as_json: bool, missing: str) -> None:
    """The one row; raises DpmError with what is `missing` when there is none."""
    if not rows:
        raise DpmError(missing)
    if as_json:
        typer.echo(json.dumps(rows[0], default=str))
        return
    for name, value in rows[0].items():
        console.print(f"{name:>18}  {_plain(value)}")


def _plain(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)
