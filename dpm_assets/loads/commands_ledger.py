"""`dpm loads list | show` and `dpm rejects list | show`: the ledger and the quarantine, read."""

import json
from typing import Annotated, Any

import typer
from psycopg.rows import dict_row
from rich.console import Console
from rich.table import Table

from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.server.connect import warehouse_url

console = Console(highlight=False, soft_wrap=True, markup=False)

loads_app = typer.Typer(no_args_is_help=True, help="What was loaded, from which file, and what became of its rows.")
rejects_app = typer.Typer(no_args_is_help=True, help="Rows that were not loaded, with the reason.")

Limit = Annotated[int, typer.Option(help="How many at most.", min=1)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]
Batch = Annotated[int, typer.Argument(help="The batch, as `dpm loads list` shows it.", show_default=False)]

_RECENT = r"""
select batch_id, status, feed, regexp_replace(file, '^.*[/\\]', '') as file, rows_read, rows_inserted, rows_updated,
    rows_duplicate, rows_rejected, round(seconds::numeric, 1) as seconds,
    to_char(finished_at, 'YYYY-MM-DD HH24:MI') as at
from prop_trading_model.load_batches order by batch_id desc limit %(limit)s
"""
_BATCH = """
select b.*, round((rows_read / nullif(seconds, 0))::numeric) as rows_per_second,
    (select count(*) from prop_trading_model.load_corrections as c where c.batch_id = b.batch_id) as before_images
from prop_trading_model.load_batches as b where batch_id = %(batch)s
"""
_WITH_REJECTS = r"""
select batch_id, feed, regexp_replace(file, '^.*[/\\]', '') as file, rows_rejected, (
    select reason from prop_trading_model.load_rejects as r where r.batch_id = b.batch_id order by line limit 1
) as first_reason
from prop_trading_model.load_batches as b where rows_rejected > 0 order by batch_id desc limit %(limit)s
"""
_REJECTS = """
select line, reason, raw_text from prop_trading_model.load_rejects
where batch_id = %(batch)s order by line limit %(limit)s
"""
_REJECT = """
select b.file, r.line, r.reason, r.raw_text
from prop_trading_model.load_rejects as r join prop_trading_model.load_batches as b using (batch_id)
where r.batch_id = %(batch)s and r.line = %(line)s
"""


@loads_app.command("list")
def list_loads(limit: Limit = 20, as_json: Json = False) -> None:
    """The latest loads."""
    _table(_rows(_RECENT, limit=limit), as_json, "Nothing has been loaded yet: dpm load PATH...")


@loads_app.command("show")
def show_load(batch: Batch, as_json: Json = False) -> None:
    """Everything that the ledger says of one batch."""
    _record(_rows(_BATCH, batch=batch), as_json, f"There is no batch {batch}. See `dpm loads list`.")


@rejects_app.command("list")
def list_rejects(
    batch: Annotated[int | None, typer.Argument(help="A batch; none: the batches that have rejects.")] = None,
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """The rejected rows of a batch, or the batches that have some."""
    rows = _rows(_WITH_REJECTS, limit=limit) if batch is None else _rows(_REJECTS, batch=batch, limit=limit)
    _table(rows, as_json, "No row was rejected.")


@rejects_app.command("show")
def show_reject(
    batch: Batch, line: Annotated[int, typer.Argument(help="The line in the file.")], as_json: Json = False
) -> None:
    """One rejected row: file, line, reason, and its text as it stands in the file."""
    missing = f"Batch {batch} has no reject at line {line}. See `dpm rejects list {batch}`."
    _record(_rows(_REJECT, batch=batch, line=line), as_json, missing)


def _rows(query: str, **parameters: int) -> list[dict[str, Any]]:
    with Database(warehouse_url(), application_name="dpm loads") as db, db.connection() as conn:
        return conn.cursor(row_factory=dict_row).execute(query, parameters).fetchall()


def _table(rows: list[dict[str, Any]], as_json: bool, nothing: str) -> None:
    if as_json:
        for row in rows:
            typer.echo(json.dumps(row, default=str))
    elif not rows:
        console.print(nothing)
    else:
        table = Table(*rows[0], box=None, pad_edge=False)
        for row in rows:
            table.add_row(*(_plain(value) for value in row.values()))
        console.print(table)


def _record(rows: list[dict[str, Any]], as_json: bool, missing: str) -> None:
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
