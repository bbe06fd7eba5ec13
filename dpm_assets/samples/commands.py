"""`dpm sample`: write synthetic trades to a folder."""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from dpm_assets.calendar import parse_month


def sample(
    *,
    out: Annotated[Path, typer.Option(help="A new or empty folder for the files.")],
    trades: Annotated[int, typer.Option(help="Closed trades, exactly.")] = 1_000_000,
    months: Annotated[int, typer.Option(help="Months they are spread over.")] = 12,
    start: Annotated[str, typer.Option(help="The first month, YYYY-MM.")] = "2024-01",
    seed: Annotated[int, typer.Option(help="The same seed gives the same files; ids of two seeds never collide.")] = 1,
    accounts: Annotated[int | None, typer.Option(help="Accounts; by default 60,000, fewer for small samples.")] = None,
    corrections: Annotated[int, typer.Option(help="Newer versions of some trades, in a folder of their own.")] = 0,
    late: Annotated[int, typer.Option(help="Further trades that arrive late, in a folder of their own.")] = 0,
) -> None:
    """Write realistic synthetic trades, accounts and plans as CSV files: OUT/trades, OUT/accounts, OUT/plans."""
    from dpm_assets.samples import write_sample

    first = parse_month(start)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, transient=True) as bar:
        task = bar.add_task("Writing trades", total=max(trades, 1))
        written = write_sample(
            out.expanduser(),
            trades=trades,
            months=months,
            start=first,
            seed=seed,
            accounts=accounts,
            corrections=corrections,
            late=late,
            progress=lambda done: bar.update(task, completed=done),
        )
    typer.echo(
        f"{written.trades:,} trades, {written.accounts:,} accounts and {written.plans} plans in {written.files} files "
        f"under {out}, in {written.seconds:.1f} s ({written.trades / written.seconds:,.0f} trades/s)."
    )
