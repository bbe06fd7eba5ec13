"""`dpm partitions archive | restore`."""

from collections.abc import Iterable
from datetime import date
from typing import Annotated

import typer
from rich.console import Console

from dpm_assets.calendar import parse_month
from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.partitions.cold.states import Step
from dpm_assets.server.connect import warehouse_url
from dpm_assets.settings import settings

console = Console(highlight=False, soft_wrap=True)


def archive(
    months: Annotated[list[str] | None, typer.Argument(help="Months, YYYY-MM.")] = None,
    older_than: Annotated[
        int | None, typer.Option(min=1, help="All months that ended at least this many months ago.")
    ] = None,
    to: Annotated[str | None, typer.Option(help="Folder or URL; default: DPM_COLD_LOCATION.")] = None,
) -> None:
    """Move months into Parquet files: written, read back, compared, and only then is the partition dropped."""
    from dpm_assets.partitions.cold.ages import months_to_archive
    from dpm_assets.partitions.cold.archive import archive as archive_month

    if not months and older_than is None:
        raise DpmError("Which months? Name them (2023-01), or give --older-than 24.")
    with Database(warehouse_url(), application_name="dpm partitions archive") as db:
        wanted = {parse_month(month) for month in months or ()}
        if older_than is not None:
            wanted |= set(months_to_archive(db, older_than))
        if not wanted:
            console.print("No month is that old; nothing to do.")
        for month in sorted(wanted):
            _say(archive_month(db, month, to or settings().cold_root, say=console.print))


def restore(months: Annotated[list[str], typer.Argument(help="Months, YYYY-MM.")]) -> None:
    """Bring months back from their Parquet files, bit for bit; takes back an archive that was begun and not ended."""
    from dpm_assets.partitions.cold.restore import restore as restore_month

    wanted: list[date] = sorted({parse_month(month) for month in months})
    with Database(warehouse_url(), application_name="dpm partitions restore") as db:
        for month in wanted:
            _say(restore_month(db, month, say=console.print))


def _say(steps: Iterable[Step]) -> None:
    for step in steps:
        console.print(f"{step.said}.", markup=False)
