"""`dpm load`."""

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.loads.faults import FileRefused
from dpm_assets.loads.finding import find_files
from dpm_assets.loads.result import LoadResult
from dpm_assets.loads.several import File, Outcome, load_files
from dpm_assets.loads.staging import Progress as ShowProgress
from dpm_assets.loads.taking import public_name
from dpm_assets.printing import Terminal
from dpm_assets.server.connect import warehouse_url

console = Terminal(soft_wrap=True)

_LONG_LOAD = 20 * 1024 * 1024

Json = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]


def load(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...",
            help="Files, folders, patterns such as 'exports/*.parquet', URLs (s3://, gs://, ...), or - for standard input.",
            show_default=False,
        ),
    ],
    feed: Annotated[str | None, typer.Option(help="Which feed they are of; otherwise the header tells.")] = None,
    max_rejects: Annotated[
        str, typer.Option(help="Rejects a file of 1,000 rows or more may have: 10% or 500.")
    ] = "10%",
    full_history: Annotated[
        bool, typer.Option("--full-history", help="Look for the old copy of a corrected trade at every date.")
    ] = False,
    complete: Annotated[
        bool,
        typer.Option("--complete", help="Open trades: the file holds all there are; those that it lacks are closed."),
    ] = False,
    replace_days: Annotated[
        bool,
        typer.Option(
            "--replace-days", help="Trades: the file holds all of its account-days; what it lacks was busted."
        ),
    ] = False,
    jobs: Annotated[
        int,
        typer.Option(
            "--jobs", min=1, max=64, help="Files loaded at the same time; the outcome is that of one after the other."
        ),
    ] = 1,
    as_json: Json = False,
) -> None:
    """Load files into the warehouse: each once, wholly or not at all. Exit code 1 when one was refused."""
    asked: dict[str, Any] = {"full_history": full_history, "complete": complete, "replace_days": replace_days}
    asked = {name: wanted for name, wanted in asked.items() if wanted}
    files = _only_one(find_files(paths)) if complete else find_files(paths)
    refused = False
    with (
        Database(warehouse_url(), application_name="dpm load", max_connections=max(8, jobs + 2)) as db,
        _Bars(shown=not as_json and sys.stderr.isatty()) as bars,
    ):
        for path, outcome in load_files(db, files, feed, jobs=jobs, progress=bars.of, max_rejects=max_rejects, **asked):
            with bars.hidden():
                refused = _show_outcome(path, outcome, as_json) or refused
    if refused:
        raise typer.Exit(1)


def _show_outcome(path: File, outcome: Outcome, as_json: bool) -> bool:
    """Whether the file was refused."""
    if isinstance(outcome, FileRefused):
        answer = {"file": public_name(path), "status": "refused", "message": str(outcome)}
        _say(as_json, str(outcome), answer, error=True)
        return True
    _show(outcome, as_json)
    return outcome.status == "refused"


def _only_one(files: Iterable[str | Path]) -> list[str | Path]:
    """Raises DpmError for several: each would close what only the others hold."""
    found = list(files)
    if len(found) > 1:
        raise DpmError(
            f"--complete was given with {len(found)} files, and each would close the open trades that only the others hold. "
            "Nothing was loaded. Give one file that holds all open trades, or leave --complete out."
        )
    return found


class _Bars:
    """A bar for each long load at a terminal, gone when the load ends; nothing otherwise."""

    def __init__(self, shown: bool) -> None:
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TimeRemainingColumn())
        self._bars = Progress(*columns, console=Terminal(stderr=True), transient=True) if shown else None

    def of(self, path: File) -> ShowProgress | None:
        if not self._bars:
            return None
        bars, task = self._bars, self._bars.add_task(public_name(path).rpartition("/")[2], visible=False)

        def show(done: int, total: int) -> None:
            bars.update(task, completed=done, total=total, visible=total >= _LONG_LOAD and done < total)

        return show

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """While something is printed: below a bar it would be overwritten."""
        if self._bars:
            self._bars.stop()
        yield
        if self._bars:
            self._bars.start()

    def __enter__(self) -> "_Bars":
        if self._bars:
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bars:
            self._bars.stop()


def _show(result: LoadResult, as_json: bool) -> None:
    if result.status != "loaded":
        _say(
            as_json,
            f"{result.file}: {result.status}; {result.message}",
            result.as_json(),
            error=result.status == "refused",
        )
    else:
        removed = f", {result.rows_removed:,} removed" if result.rows_removed else ""
        text = (
            f"{result.file}: batch {result.batch_id}, {result.feed}: {result.rows_read:,} rows read, "
            f"{result.rows_inserted:,} inserted, {result.rows_updated:,} updated, {result.rows_duplicate:,} duplicate, "
            f"{result.rows_rejected:,} rejected{removed}; {result.seconds:.1f} s, {result.rows_per_second:,.0f} rows/s"
        )
        _say(as_json, text + (f" ({result.message})" if result.message else ""), result.as_json())
    if not as_json:
        for line, reason in result.rejects:
            console.print(f"  {result.file}, line {line}: {reason}")
        if result.rows_rejected > len(result.rejects):
            console.print(f"  ... all of them: dpm rejects list {result.batch_id}")


def _say(as_json: bool, text: str, answer: dict[str, Any], error: bool = False) -> None:
    if as_json:
        typer.echo(json.dumps(answer))
    else:
        (Terminal(stderr=True, soft_wrap=True) if error else console).print(text)
