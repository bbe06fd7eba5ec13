"""How many trades each day gets, and the slices of bounded size in which they are made."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import accumulate, pairwise

from dpm_assets.calendar import add_months, month_of
from dpm_assets.samples.draws import Stream, fields

SLICE_ROWS = 25_000
WEEKDAY_WEIGHTS = (95, 105, 105, 105, 90, 2, 2)


@dataclass(frozen=True)
class DayPart:
    """Rows `low` to `high` (half-open) of the `total` trades of one day, in order of their close. `ordinal` is the
    day as of `date.toordinal`; `offset` is added to a row's number to make its trade's."""

    ordinal: int
    low: int
    high: int
    total: int
    offset: int


@dataclass(frozen=True)
class Slice:
    """Trades that are made together: days, or a part of a day, of one month. At most SLICE_ROWS rows."""

    stream: Stream
    month: date
    parts: tuple[DayPart, ...]

    @property
    def rows(self) -> int:
        return sum(part.high - part.low for part in self.parts)


def day_count(start: date, months: int) -> int:
    return (add_months(start, months) - start).days


def day_sizes(seed: int, start: date, days: int, trades: int) -> list[int]:
    """Trades of each day, in all exactly `trades`: Fridays and Mondays calmer, weekends next to nothing."""
    weights = []
    for day in (start + timedelta(count) for count in range(days)):
        mood = int(fields((seed, Stream.DAY_SIZES, day.toordinal()), 1, 1)[0, 0])
        weights.append(WEEKDAY_WEIGHTS[day.weekday()] * (85 * 65536 + 30 * mood))
    total = sum(weights)
    reached = [0, *(trades * weight // total for weight in accumulate(weights))]
    return [after - before for before, after in pairwise(reached)]


def day_parts(start: date, sizes: list[int], offsets: list[int]) -> Iterator[DayPart]:
    """Every day that has trades, cut into parts of at most SLICE_ROWS rows."""
    for count, (size, offset) in enumerate(zip(sizes, offsets, strict=True)):
        cuts = -(-size // SLICE_ROWS)
        for cut in range(cuts):
            yield DayPart(start.toordinal() + count, size * cut // cuts, size * (cut + 1) // cuts, size, offset)


def slices(stream: Stream, parts: Iterator[DayPart]) -> Iterator[Slice]:
    """The parts joined to slices, as many days of a month in each as fit."""
    waiting: list[DayPart] = []
    rows = 0
    for part in parts:
        same_month = not waiting or _month(waiting[0]) == _month(part)
        if waiting and not (same_month and rows + part.high - part.low <= SLICE_ROWS):
            yield Slice(stream, _month(waiting[0]), tuple(waiting))
            waiting, rows = [], 0
        waiting.append(part)
        rows += part.high - part.low
    if waiting:
        yield Slice(stream, _month(waiting[0]), tuple(waiting))


def _month(part: DayPart) -> date:
    return month_of(date.fromordinal(part.ordinal))
