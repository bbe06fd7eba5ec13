"""MONTHS and YEARS: the partitions of the asset graph, and the months that a run is for."""

from datetime import date

import dagster as dg

from dpm_assets.calendar import months_between, parse_month
from dpm_assets.settings import settings

_FIRST = settings().first_month.isoformat()

# Data lives in months up to the running one; partitions of the database are made some months ahead of it.
MONTHS = dg.MonthlyPartitionsDefinition(start_date=_FIRST, end_offset=1, timezone="UTC")
MONTHS_AHEAD = dg.MonthlyPartitionsDefinition(start_date=_FIRST, end_offset=1 + settings().months_ahead, timezone="UTC")
YEARS = dg.TimeWindowPartitionsDefinition(
    start=str(settings().first_month.year),
    fmt="%Y",
    cron_schedule="0 0 1 1 *",
    end_offset=1 + (11 + settings().months_ahead) // 12,
    timezone="UTC",
)

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"


def key_of(month: date) -> str:
    """The partition key of a month: its first day, as Dagster writes it."""
    return month.replace(day=1).isoformat()


def months_of(context: dg.AssetExecutionContext) -> list[date]:
    """The months of this run, in order, without those that no partition stands for.

    Dagster does not check the ends of a range: one that reaches into the future would leave phantom months.
    """
    keys = context.partition_keys
    last = parse_month(MONTHS_AHEAD.get_last_partition_key() or keys[-1])
    return [month for month in (parse_month(key) for key in keys) if settings().first_month <= month <= last]


def range_tags(first: date, last: date) -> dict[str, str]:
    """Tags that make one run for every month from `first` to `last`."""
    return {RANGE_START: key_of(first), RANGE_END: key_of(last)}


def known_months(first: date, last: date) -> list[date]:
    """The months of a stretch that MONTHS has, so that no event names a partition that does not exist."""
    newest = parse_month(MONTHS.get_last_partition_key() or key_of(settings().first_month))
    return [m for m in months_between(first, last) if settings().first_month <= m <= newest]
