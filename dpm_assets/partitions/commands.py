"""`dpm partitions create | list`."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from dpm_assets.calendar import parse_month
from dpm_assets.database import Database
from dpm_assets.partitions.create import ensure_months, partitions
from dpm_assets.server.connect import warehouse_url
from dpm_assets.settings import settings

app = typer.Typer(no_args_is_help=True, help="Make and list the monthly partitions.")
console = Console(highlight=False)


@app.command()
def create(
    months: Annotated[
        list[str] | None, typer.Argument(help="Months, YYYY-MM; none: the running one and those ahead.")
    ] = None,
) -> None:
    """Make partitions where they are missing."""
    with Database(warehouse_url(), application_name="dpm partitions") as db:
        if months:
            made = [f"{month:%Y-%m}" for month in ensure_months(db, [parse_month(month) for month in months])]
        else:
            with db.connection("dpm_loader") as conn:
                rows = conn.execute(
                    "select to_char(month, 'YYYY-MM') from prop_trading_model.create_monthly_partitions(%s)",
                    [settings().months_ahead],
                ).fetchall()
            made = [row[0] for row in rows]
    console.print(
        f"Made {len(made)}: {', '.join(made)}" if made else "Every partition is there already; nothing to do."
    )


@app.command("list")
def show(table: Annotated[str, typer.Option(help="The partitioned table.")] = "raw_trades_closed") -> None:
    """Each partition with its rows, as last estimated, and its size."""
    shown = Table("partition", "from", "to", "rows", "MB", title=table)
    with Database(warehouse_url(), application_name="dpm partitions") as db:
        for leaf in partitions(db, table):
            shown.add_row(leaf.name, str(leaf.lower), str(leaf.upper), f"{leaf.rows:,}", f"{leaf.size / 1e6:,.1f}")
    console.print(shown)
