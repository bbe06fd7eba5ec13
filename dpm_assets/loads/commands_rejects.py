"""`dpm rejects list | show | export | retry`: the quarantine."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from dpm_assets.errors import DpmError
from dpm_assets.loads.showing import Batch, Json, Limit, console, read, record, table, warehouse
from dpm_assets.printing import visible

rejects_app = typer.Typer(no_args_is_help=True, help="Rows that were not loaded, with the reason.")

_WITH_REJECTS = r"""
select b.batch_id, b.status, b.feed, regexp_replace(b.file, '^.*[/\\]', '') as file, b.rows_rejected,
    count(*) filter (where r.resolved_by is null) as open,
    (array_agg(r.reason order by r.resolved_by is not null, r.line))[1] as first_reason
from prop_trading_model.load_batches as b join prop_trading_model.load_rejects as r using (batch_id)
group by b.batch_id order by b.batch_id desc limit %(limit)s
"""
_REJECTS = """
select line, resolved_by, reason, raw_text from prop_trading_model.load_rejects
where batch_id = %(batch)s order by line limit %(limit)s
"""
_REJECT = """
select b.file, r.line, r.reason, r.raw_text, r.resolved_by
from prop_trading_model.load_rejects as r join prop_trading_model.load_batches as b using (batch_id)
where r.batch_id = %(batch)s and r.line = %(line)s
"""


@rejects_app.command("list")
def list_rejects(
    batch: Annotated[int | None, typer.Argument(help="A batch; none: the batches that have rejects.")] = None,
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """The rejected rows of a batch, or the batches that have some."""
    rows = read(_WITH_REJECTS, limit=limit) if batch is None else read(_REJECTS, batch=batch, limit=limit)
    table(rows, as_json, "No row was rejected.")


@rejects_app.command("show")
def show_reject(
    batch: Batch, line: Annotated[int, typer.Argument(help="The line in the file.")], as_json: Json = False
) -> None:
    """One rejected row: file, line, reason, and its text as it stands in the file."""
    missing = f"Batch {batch} has no reject at line {line}. See `dpm rejects list {batch}`."
    record(read(_REJECT, batch=batch, line=line), as_json, missing)


@rejects_app.command("export")
def export(
    batch: Batch,
    out: Annotated[Path | None, typer.Option(help="File to write; none: standard output.")] = None,
    spreadsheet: Annotated[
        bool,
        typer.Option(
            "--spreadsheet", help="Put ' before cells that a spreadsheet would run; `retry` takes it off again."
        ),
    ] = False,
) -> None:
    """The open rejects of a batch as a file to mend and load: rows as they stand, each with its line and reason in front."""
    from dpm_assets.loads.exporting import export_rejects

    with warehouse() as db:
        if out is None:
            sys.stdout.reconfigure(encoding="utf-8", newline="")  # type: ignore[union-attr]  # a text stream
            show = visible if sys.stdout.isatty() else str  # what a terminal obeys must not reach one
            sys.stdout.writelines(f"{show(line)}\n" for line in export_rejects(db, batch, spreadsheet))
            return
        try:
            file = out.open("x", encoding="utf-8", newline="")
        except FileExistsError:
            raise DpmError(f"{out} is there already. Give another name, or remove it first.") from None
        try:
            with file:
                count = sum(file.write(f"{line}\n") > 0 for line in export_rejects(db, batch, spreadsheet))
        except BaseException:
            out.unlink()
            raise
    console.print(f"{out}: {count:,} lines. Mend them, then: dpm rejects retry {batch} --mended {out}")


@rejects_app.command("retry")
def retry(
    batch: Batch,
    mended: Annotated[
        Path | None, typer.Option(help="The exported file, mended; none: the rows as they were rejected.")
    ] = None,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace", help="Take them for newer than what later batches have loaded, and let them replace it."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Judge the open rejects of a batch again: good ones are loaded as a new batch, the others stay. Exit code 1 if any do."""
    from dpm_assets.loads.retrying import retry_rejects

    with warehouse() as db:
        retried = retry_rejects(db, batch, mended, replace=replace)
    if as_json:
        result = retried.result.as_json() if retried.result else None
        typer.echo(json.dumps({**asdict(retried), "result": result}))
    else:
        made = "no batch was made"
        if retried.result:
            made = f"{retried.result.status} as batch {retried.result.batch_id}"
        console.print(
            f"Batch {batch}: {retried.judged:,} rejects judged again, {retried.resolved:,} of them good now ({made}), "
            f"{retried.still_open:,} open."
        )
    if retried.still_open:
        raise typer.Exit(1)
