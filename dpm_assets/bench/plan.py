"""What a run measures: how many trades, in which steps, how often, for how long."""

from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from dpm_assets.bench.digests import sql_digests
from dpm_assets.calendar import add_months, month_of, today
from dpm_assets.errors import DpmError

STEPS = (1_000_000, 3_000_000, 10_000_000, 27_000_000, 81_000_000)
TOGETHER = 10_000_000
"""Up to so many trades all systems stand beside each other and take turns; above, they come one after the other."""
LONGEST = 300.0
SLICE = 3_000_000
"""Comparators take their rows with all indexes in place up to here, which is their load rate, and are bulk-built above."""
DENSEST = 2_500_000
"""Trades a month that a sample has at most, as a firm of 60,000 accounts."""
LEAST_MONTHS = 8
FORMAT = 2


@dataclass(frozen=True)
class Plan:
    """One run. Sizes are trades, each step an extension of the one before; times are seconds.

    `sample` is a folder that `dpm sample` has written, None: one is made. No statement of a comparison runs longer than
    `longest`: what takes more is stopped, and said to take more.
    """

    sizes: tuple[int, ...]
    months: int
    start: date
    seed: int
    rounds: int
    seconds: float
    throughput_seconds: int
    clients: tuple[int, ...]
    together: int
    longest: float
    sample: Path | None

    @property
    def trades(self) -> int:
        return self.sizes[-1]

    @property
    def side_by_side(self) -> bool:
        return self.trades <= self.together

    def identity(self) -> dict[str, Any]:
        """What has to be the same for stages of two runs to stand in one report: this plan and the SQL that is measured."""
        said = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
        sample = self.sample and str(self.sample)
        return {**said, "start": f"{self.start:%Y-%m}", "sample": sample, "format": FORMAT, "sql": sql_digests()}


def make_plan(
    trades: int,
    *,
    sizes: tuple[int, ...] = (),
    months: int | None = None,
    start: date | None = None,
    seed: int = 1,
    rounds: int = 15,
    seconds: float = 10.0,
    throughput_seconds: int = 10,
    clients: tuple[int, ...] = (1, 8, 50, 200),
    together: int = TOGETHER,
    longest: float = LONGEST,
    sample: Path | None = None,
) -> Plan:
    """The plan of `trades` trades, by default of the steps up to them. Raises DpmError for what cannot be measured."""
    if trades < 1_000:
        raise DpmError(f"{trades:,} trades are too few to compare anything. Ask for 1,000 or more.")
    steps = sorted({size for size in sizes or STEPS if size < trades} | {trades})
    if steps[0] < 1_000:
        raise DpmError(
            f"A step of {steps[0]:,} trades is too small to compare anything. Ask for steps of 1,000 or more."
        )
    months = months or max(13, -(-trades // DENSEST))
    if months < LEAST_MONTHS:
        raise DpmError(
            f"{months} months are too few: those older than six are measured cold. Ask for {LEAST_MONTHS} or more."
        )
    if longest < 1:
        raise DpmError(f"Nothing can be measured in {longest:g} s. Let a statement take 1 s or more.")
    if rounds < 1 or not all(1 <= count <= 200 for count in clients):
        raise DpmError("Rounds have to be at least 1 and clients from 1 to 200. Ask for such.")
    return Plan(
        sizes=tuple(steps),
        months=months,
        start=start or add_months(month_of(today()), -months),
        seed=seed,
        rounds=rounds,
        seconds=seconds,
        throughput_seconds=throughput_seconds,
        clients=clients,
        together=together,
        longest=longest,
        sample=sample,
    )
