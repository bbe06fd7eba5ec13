"""`dpm partitions archive | restore`."""

from collections.abc import Iterable
from typing import Annotated

import typer

from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.partitions.cold.states import Step
from dpm_assets.partitions.cold.tables import parse_part
from dpm_assets.printing import Terminal
from dpm_assets.server.connect import warehouse_url
from dpm_assets.settings import settings

console = Terminal(soft_wrap=True)


def archive(
    parts: Annotated[
        list[str] | None, typer.Argument(help="Months of trades, YYYY-MM; years of metrics, YYYY.")
    ] = None,
    older_than: Annotated[
        int | None, typer.Option(min=1, help="All months and years that ended at least this many months ago.")
    ] = None,
    to: Annotated[str | None, typer.Option(help="Folder or URL; default: DPM_COLD_LOCATION.")] = None,
) -> None:
    """Move months and years into Parquet files: written, read back, compared, and only then is the partition dropped."""
    from dpm_assets.partitions.cold.ages import parts_to_archive
    from dpm_assets.partitions.cold.archive import archive as archive_part

    if not parts and older_than is None:
        raise DpmError("Which months? Name them (2023-01; 2023: a year of metrics), or give --older-than 24.")
    with Database(warehouse_url(), application_name="dpm partitions archive") as db:
        wanted = {parse_part(part) for part in parts or ()}
        if older_than is not None:
            wanted |= set(parts_to_archive(db, older_than))
        if not wanted:
            console.print("No month or year is that old; nothing to do.")
        for part in sorted(wanted):
            _say(archive_part(db, part, to or settings().cold_root, say=console.print))


def restore(
    parts: Annotated[list[str], typer.Argument(help="Months of trades, YYYY-MM; years of metrics, YYYY.")],
) -> None:
    """Bring months and years back from their Parquet files, bit for bit; takes back an archive that was begun and not ended."""
    from dpm_assets.partitions.cold.restore import restore as restore_part

    wanted = sorted({parse_part(part) for part in parts})
    with Database(warehouse_url(), application_name="dpm partitions restore") as db:
        for part in wanted:
            _say(restore_part(db, part, say=console.print))


def _say(steps: Iterable[Step]) -> None:
    for step in steps:
        console.print(f"{step.said}.")
