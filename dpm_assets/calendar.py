"""Months and years: arithmetic on first-of-month dates, free of Dagster so that the command line starts fast."""

import re
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timezone

from dpm_assets.errors import DpmError


def today() -> date:
    """Today's date in UTC, the warehouse's only calendar."""
    return datetime.now(timezone.utc).date()


def month_of(day: date) -> date:
    return day.replace(day=1)


def add_months(month: date, count: int) -> date:
    """The first day of the month `count` months after (or, negative, before) `month`."""
    index = month.year * 12 + month.month - 1 + count
    return date(index // 12, index % 12 + 1, 1)


def months_between(first: date, last: date) -> Iterator[date]:
    """Every month from `first` to `last`, both included."""
    month = month_of(first)
    while month <= last:
        yield month
        month = add_months(month, 1)


def stretches(months: Iterable[date]) -> list[tuple[date, date]]:
    """Contiguous stretches of months, each as (first, last), in order."""
    found: list[tuple[date, date]] = []
    for month in sorted(set(months)):
        if found and add_months(found[-1][1], 1) == month:
            found[-1] = (found[-1][0], month)
        else:
            found.append((month, month))
    return found


def parse_month(text: str) -> date:
    """'2025-03' as date(2025, 3, 1). Raises DpmError for anything else."""
    match = re.fullmatch(r"(\d{4})-(\d{2})(?:-01)?", text.strip())
    if not match or not 1 <= int(match[2]) <= 12 or int(match[1]) == 0:
        raise DpmError(f"{text!r} is not a month. Write it as YYYY-MM, for example 2025-03.")
    return date(int(match[1]), int(match[2]), 1)
