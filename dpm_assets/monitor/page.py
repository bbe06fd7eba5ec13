"""The one page of `dpm status`: a look at the warehouse and what it finds wrong, as lines for a terminal of any width."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

from dpm_assets.monitor.problems import Problem, duration, size
from dpm_assets.monitor.snapshot import Snapshot
from dpm_assets.printing import print_whole, visible
from dpm_assets.settings import settings

NARROW = 72
_STYLES = {"wrong": "bold red", "unknown": "bold yellow", "note": "cyan"}

Line = tuple[str, str | Text]


def print_page(console: Console, looked: Snapshot, found: Sequence[Problem]) -> None:
    """Labels beside what they tell; on a narrow terminal above it; without a terminal as wide as it takes."""
    lines = [*_lines(looked), *_problems(found)]
    if console.is_terminal and console.width < NARROW:
        console.print(Group(*(_stacked(label, text) for label, text in lines)))
        return
    shown = Table.grid(Column(no_wrap=True), Column(overflow="fold"), padding=(0, 2, 0, 0))
    for label, text in lines:
        shown.add_row(Text(label, "bold"), text)
    print_whole(console, shown)


def _stacked(label: str, text: str | Text) -> Group:
    body = Padding(Text(visible(text), overflow="fold") if isinstance(text, str) else text, (0, 0, 0, 2))
    return Group(Text(label, "bold"), body) if label else Group(body)


def _problems(found: Sequence[Problem]) -> Iterator[Line]:
    if not any(problem.kind != "note" for problem in found):
        yield "state", Text("healthy", "bold green")
    for problem in found:
        yield (
            problem.kind,
            Text.assemble(
                (visible(problem.text), _STYLES[problem.kind]), "\n  next: ", (visible(problem.command), "bold")
            ),
        )


def _lines(looked: Snapshot) -> Iterator[Line]:
    yield "looked", f"{looked.taken_at:%Y-%m-%d %H:%M:%S} UTC"
    if looked.where:
        yield "server", looked.where + _server(looked)
    if looked.schema_state in ("current", "differs") and looked.schema:
        yield "schema", f"revision {looked.schema.revision}, files {looked.schema.digest}: {looked.schema_state}"
    yield from _data(looked)
    yield from _rows("loads", [_load(looked, at) for at in range(len(looked.loads or []))])
    yield from _rows("refreshes", [_refresh(looked, at) for at in range(len(looked.refreshes or []))])
    yield from _rows(
        "slowest a day",
        [f"{q.mean_ms:,.1f} ms, {q.calls:,} calls: {q.short(120)}" for q in (looked.queries or [])[:5]],
    )
    yield from _disk(looked)


def _server(looked: Snapshot) -> str:
    there = looked.server
    if there is None:
        return ""
    up = duration((looked.taken_at - there.started_at).total_seconds())
    return f", PostgreSQL {there.version}, up for {up}, {there.connections} connections"


def _data(looked: Snapshot) -> Iterator[Line]:
    waiting = looked.pending
    if waiting:
        age = f", the oldest for {duration(waiting.age_seconds)}" if waiting.age_seconds is not None else ""
        text = (
            "nothing: rollups and views are up to date"
            if waiting.nothing
            else f"{waiting.keys:,} account-days in {len(waiting.months)} months, {len(waiting.views)} stale views{age}"
        )
        yield "pending", text
    if running := looked.refresh_running:
        since = f" since {running.since:%H:%M:%S} UTC" if running.since else ""
        waits = f", waiting for process {running.waits_for[0]}" if running.waits_for else ""
        yield "refresh", f"at work{since}, process {running.pid}{waits}"
    if looked.months_ahead is not None:
        yield "months ahead", f"{looked.months_ahead} ready, {settings().months_ahead} wanted"
    if looked.load_sums is not None:
        rejects = [f"{feed.open_rejects:,} of {feed.feed}" for feed in looked.load_sums if feed.open_rejects]
        yield "rejects", ", ".join(rejects) or "none open"
    if looked.cold:
        yield "archive", ", ".join(f"{c.parts} of {c.table} ({size(c.bytes)})" for c in looked.cold)


def _rows(label: str, texts: Sequence[str]) -> Iterator[Line]:
    for place, text in enumerate(texts):
        yield (label if place == 0 else "", text)


def _load(looked: Snapshot, at: int) -> str:
    load = (looked.loads or [])[at]
    rejected = f", {load.rows_rejected:,} rejected" if load.rows_rejected else ""
    return (
        f"{_ago(looked, load.finished_at)}  batch {load.batch_id} {load.feed} {load.status}: {load.rows_read:,} rows{rejected},"
        f" {load.seconds:.1f} s, {load.file}"
    )


def _refresh(looked: Snapshot, at: int) -> str:
    done = (looked.refreshes or [])[at]
    what = {
        "keys": f"{done.keys_taken:,} changed rows of the log, {done.rows_written:,} rollup rows",
        "month": f"{', '.join(f'{m:%Y-%m}' for m in done.months)} recomputed, {done.rows_written:,} rollup rows",
        "totals": f"totals, {done.rows_written:,} rollup rows",
        "views": ", ".join(done.views),
    }[done.kind]
    return f"{_ago(looked, done.finished_at)}  {done.seconds:.2f} s: {what}"


def _ago(looked: Snapshot, at: datetime) -> str:
    return f"{duration(max((looked.taken_at - at).total_seconds(), 0))} ago"


def _disk(looked: Snapshot) -> Iterator[Line]:
    if looked.database_bytes is not None:
        parts = "".join(
            f"; {table} {size(sum(leaf.size for leaf in leaves))}"
            for table, leaves in (looked.partitions or {}).items()
        )
        yield "size", f"{size(looked.database_bytes)}{parts}"
    if looked.disk:
        yield "disk", f"{size(looked.disk.free)} of {size(looked.disk.total)} are free"
