"""`dpm doctor`."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from dpm_assets.database import Database
from dpm_assets.partitions.findings import Finding, findings, remedies, repair
from dpm_assets.printing import Terminal
from dpm_assets.server.connect import warehouse_url
from dpm_assets.settings import settings

console = Terminal(soft_wrap=True)


def doctor(
    mend: Annotated[bool, typer.Option("--repair", help="Run the remedies that need no decision.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="With --repair: print what it would run.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Check partitions, triggers, indexes and owners; print each finding with its remedy; exit code 1 when there is one."""
    with Database(warehouse_url(), application_name="dpm doctor") as db:
        found = findings(db, settings().months_ahead)
        beside = Terminal(stderr=as_json, soft_wrap=True)  # what is done meanwhile is no part of the JSON
        if mend and dry_run:
            for statement in remedies(found):
                typer.echo(f"{statement};", err=as_json)
        elif mend:
            for failure in repair(db, found, lambda statement: beside.print(f"running: {statement}")):
                beside.print(f"failed: {failure}")
            found = findings(db, settings().months_ahead)
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in found]))
    else:
        _print(found)
    if found:
        raise typer.Exit(1)


def _print(found: list[Finding]) -> None:
    for finding in found:
        console.print(f"{finding.severity}: {finding.finding}: {finding.object}: {finding.detail}.")
        console.print(f"    {finding.remedy}{'' if finding.by_hand else ';'}")
    errors = sum(finding.severity == "error" for finding in found)
    if found:
        console.print(f"{len(found)} findings, {errors} of them errors. dpm doctor --repair runs what ends with ';'.")
    else:
        console.print("Nothing is wrong: every partition is there and as its table is.")
