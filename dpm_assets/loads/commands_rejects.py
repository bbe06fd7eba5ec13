"""`dpm rejects list | show`: the quarantine, read."""

from typing import Annotated

import typer

from dpm_assets.loads.showing import Batch, Json, Limit, read, record, table

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
