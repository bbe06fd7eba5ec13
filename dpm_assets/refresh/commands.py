"""`dpm refresh`."""

import json
from typing import Annotated

import typer

from dpm_assets.calendar import parse_month
from dpm_assets.database import Database
from dpm_assets.printing import Terminal
from dpm_assets.refresh.engine import Refreshed
from dpm_assets.refresh.engine import refresh as run_refresh
from dpm_assets.server.connect import warehouse_url

console = Terminal()


def refresh(
    months: Annotated[list[str] | None, typer.Argument(help="Months, YYYY-MM; none: all that changed.")] = None,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Recompute the months from the raw trades (none: all).")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
) -> None:
    """Bring rollups and views up to date with what changed; with --rebuild, recompute them whatever changed."""
    wanted = [parse_month(month) for month in months] if months else None
    with Database(warehouse_url(), application_name="dpm refresh") as db:
        for step in run_refresh(db, wanted, whole=rebuild):
            if isinstance(step, Refreshed):
                _show(step, as_json)
            elif not as_json:
                console.print(step)


def _show(done: Refreshed, as_json: bool) -> None:
    if as_json:
        typer.echo(
            json.dumps(
                {
                    "keys_taken": done.keys_taken,
                    "months": [f"{m:%Y-%m}" for m in done.months],
                    "rows_written": done.rows_written,
                    "views": done.views,
                    "seconds": round(done.seconds, 3),
                }
            )
        )
        return
    if not (done.keys_taken or done.months or done.views):
        console.print("Nothing was pending: rollups and views are up to date.")
        return
    months = ", ".join(f"{m:%Y-%m}" for m in done.months) or "none"
    console.print(
        f"{done.keys_taken:,} changed account-days taken; months: {months}; {done.rows_written:,} rollup rows written; "
        f"views refreshed: {', '.join(done.views) or 'none'}; {done.seconds:.2f} s."
    )
