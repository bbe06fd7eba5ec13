"""`dpm loads list | show | undo`: the ledger of loads."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from dpm_assets.loads.showing import Batch, Json, Limit, console, read, record, table, warehouse

loads_app = typer.Typer(no_args_is_help=True, help="What was loaded, from which file, and what became of its rows.")

_RECENT = r"""
select batch_id, status, feed, regexp_replace(file, '^.*[/\\]', '') as file, bytes, rows_read, rows_inserted,
    rows_updated, rows_duplicate, rows_rejected, rows_removed, round(seconds::numeric, 1) as seconds,
    round((rows_read / nullif(seconds, 0))::numeric) as rows_per_second, path_taken, loaded_by,
    to_char(finished_at at time zone 'utc', 'YYYY-MM-DD HH24:MI') as at
from prop_trading_model.load_batches order by batch_id desc limit %(limit)s
"""
_BATCH = """
select b.batch_id, status, feed, file, sha256, bytes, format, rows_read, rows_inserted, rows_updated, rows_duplicate,
    rows_rejected, rows_removed, rows_written, seconds, round((rows_read / nullif(seconds, 0))::numeric) as rows_per_second,
    path_taken, options, array(select to_char(m, 'YYYY-MM') from unnest(months) as m) as months, loaded_by,
    started_at, finished_at, message, retry_of,
    (select count(*) from prop_trading_model.load_corrections as c where c.batch_id = b.batch_id) as before_images,
    (
        select count(*) from prop_trading_model.load_rejects as r
        where r.batch_id = b.batch_id and r.resolved_by is null
    ) as open_rejects,
    undone_by, undone_at
from prop_trading_model.load_batches as b where batch_id = %(batch)s
"""


@loads_app.command("list")
def list_loads(limit: Limit = 20, as_json: Json = False) -> None:
    """The latest loads."""
    table(read(_RECENT, limit=limit), as_json, "Nothing has been loaded yet: dpm load PATH...")


@loads_app.command("show")
def show_load(batch: Batch, as_json: Json = False) -> None:
    """Everything that the ledger says of one batch."""
    record(read(_BATCH, batch=batch), as_json, f"There is no batch {batch}. See `dpm loads list`.")


@loads_app.command("undo")
def undo(
    batch: Batch,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would happen.")] = False,
    as_json: Json = False,
) -> None:
    """Take a batch back: its rows go, what it corrected, moved or removed returns. Its file may be loaded again."""
    from dpm_assets.loads.undo import undo_load

    with warehouse() as db:
        undone = undo_load(db, batch, dry_run=dry_run)
    if as_json:
        typer.echo(json.dumps(asdict(undone), default=str))
        return
    be, were = ("would be", "would be") if dry_run else ("is", "were")
    console.print(
        f"Batch {undone.batch_id} ({undone.file}) {be} undone: {undone.rows_gone:,} rows of {undone.feed} {were} deleted, "
        f"{undone.rows_returned:,} {were} returned as they stood before it."
    )
    if undone.rejects_reopened:
        console.print(f"{undone.rejects_reopened:,} rejects that it had resolved {were} opened again.")
