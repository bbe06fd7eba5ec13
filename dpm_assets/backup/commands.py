"""`dpm backup`, `dpm restore`."""

from pathlib import Path
from typing import Annotated

import typer

from dpm_assets.printing import Terminal
from dpm_assets.server.tuning import machine_cores

console = Terminal(soft_wrap=True)


def backup(
    folder: Annotated[Path, typer.Argument(help="A folder that is not there yet.")],
    jobs: Annotated[int | None, typer.Option(min=1, help="Tables dumped at once; default: the cores.")] = None,
    copy_cold: Annotated[
        bool, typer.Option("--copy-cold", help="Copy the files of the archive too; without it they are listed.")
    ] = False,
) -> None:
    """Back up the warehouse, Dagster's database and the roles while everything goes on, and read the backup back; exit code 1
    when a file of the archive could not be copied."""
    from dpm_assets.backup.take import back_up

    manifest, complaints = back_up(folder, _say, jobs=jobs or machine_cores(), copy_cold=copy_cold)
    if manifest.cold_files and not copy_cold:
        _say(
            f"{len(manifest.cold_files)} files of the archive are listed, not copied: keep copies of them, or give --copy-cold"
        )
    for dumped in manifest.databases:
        if dumped.dumped_by != dumped.server_major:
            _say(
                f"{dumped.folder}: dumped by pg_dump of PostgreSQL {dumped.dumped_by}: an older server's pg_restore cannot "
                "read it"
            )
    _complain(complaints)


def restore(
    folder: Annotated[Path, typer.Argument(help="A folder that dpm backup made.")],
    jobs: Annotated[int | None, typer.Option(min=1, help="Tables restored at once; default: the cores.")] = None,
    only_check: Annotated[bool, typer.Option("--check", help="Only read the backup and compare its hashes.")] = False,
    own: Annotated[
        bool, typer.Option("--own", help="Everything becomes the login's own, without roles and privileges.")
    ] = False,
) -> None:
    """Restore a backup into empty databases; exit code 1 when something of it could not be brought back."""
    from dpm_assets.backup.restore import check
    from dpm_assets.backup.restore import restore as restore_backup

    if only_check:
        manifest = check(folder)
        _say(f"whole: {manifest.bytes / 1e6:,.1f} MB in {len(manifest.files)} files, of {manifest.made_at}")
        return
    complaints = restore_backup(folder, _say, jobs=jobs or machine_cores(), own=own)
    _say("restored; dpm verify proves the numbers")
    _complain(complaints)


def _complain(complaints: list[str]) -> None:
    for complaint in complaints:
        console.print(f"dpm: {complaint}", style="red")
    if complaints:
        raise typer.Exit(1)


def _say(text: str) -> None:
    console.print(f"dpm: {text}")
