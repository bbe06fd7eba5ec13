"""`dpm bench`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dpm_assets.calendar import parse_month
from dpm_assets.printing import Terminal
from dpm_assets.settings import settings

if TYPE_CHECKING:
    from dpm_assets.bench.store import Store

console = Terminal(soft_wrap=True)


def bench(
    *,
    trades: Annotated[int, typer.Option(help="Trades at the end of the run.")] = 1_000_000,
    size: Annotated[
        list[int] | None, typer.Option(help="A step before it, repeatedly; default 1, 3, 10, 27, 81 M.")
    ] = None,
    months: Annotated[
        int | None, typer.Option(help="Months they are spread over; default 13, more above 32 M.")
    ] = None,
    start: Annotated[
        str | None, typer.Option(help="The first month, YYYY-MM; default: so that the last is over.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the sample.")] = 1,
    rounds: Annotated[int, typer.Option(min=1, help="Times that a query is timed, at most.")] = 15,
    seconds: Annotated[float, typer.Option(min=0, help="Seconds after which a query is not timed again.")] = 10.0,
    throughput_seconds: Annotated[int, typer.Option(min=1, help="Seconds of each run of pgbench.")] = 10,
    longest: Annotated[float, typer.Option(help="Seconds after which a statement is stopped.")] = 300.0,
    together: Annotated[
        int, typer.Option(help="Trades up to which all systems stand side by side; above, one after the other.")
    ] = 10_000_000,
    sample: Annotated[
        Path | None, typer.Option(help="A folder that dpm sample has written; default: a sample is made.")
    ] = None,
    folder: Annotated[Path | None, typer.Option(help="Where the run is kept; default bench/ in DPM_HOME.")] = None,
    report: Annotated[
        Path | None, typer.Option(help="Where the report is written; default report/ in the folder.")
    ] = None,
    go_on_from: Annotated[
        Path | None,
        typer.Option(
            help="results.json of an unfinished run, in another folder or of another machine: what it has found of the systems "
            "that it was done with is not measured again."
        ),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew, whatever the folder holds.")] = False,
    so_far: Annotated[
        bool, typer.Option("--so-far", help="Measure nothing, write the report of what an unfinished run has found.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what room it would need.")] = False,
) -> None:
    """Compare the original, v1, v2 and production with the same trades on one server, and write the report.

    A run that was killed goes on where it was, when it is given again.
    """
    from dpm_assets.bench.disk import free_at, room
    from dpm_assets.bench.given_sample import of_sample
    from dpm_assets.bench.plan import make_plan
    from dpm_assets.bench.run import forget, run
    from dpm_assets.bench.store import Store

    store = Store((folder or settings().home / "bench").expanduser().resolve())
    if so_far:
        _report(store, report)
        return
    if fresh and not dry_run:
        forget(store)
    if go_on_from and not dry_run:
        store.take_over(go_on_from.expanduser())
    first = start or (store.plan() or {}).get("start")
    plan = make_plan(
        trades,
        sizes=tuple(size or ()),
        months=months,
        start=parse_month(first) if first else None,
        seed=seed,
        rounds=rounds,
        seconds=seconds,
        throughput_seconds=throughput_seconds,
        together=together,
        longest=longest,
    )
    if sample:
        plan = of_sample(plan, sample.expanduser().resolve())
    console.print(f"{trades:,} trades: {room(plan, free_at(store.folder)).sentence()}.")
    if dry_run:
        return
    run(plan, store, lambda said: console.print(f"{said[:1].upper()}{said[1:]}."))
    _report(store, report)


def _report(store: "Store", folder: Path | None) -> None:
    from dpm_assets.bench.report import write_report
    from dpm_assets.bench.results import results
    from dpm_assets.bench.targets import judge

    found = results(store, so_far=True)
    page, whole = write_report(found, (folder or store.folder / "report").expanduser())
    missed = sum(one.met is False for one in judge(found))
    end = "" if found.ended else " of what there is"
    console.print(f"The report{end} is {page}, and as one file {whole}. Targets missed: {missed}.")
