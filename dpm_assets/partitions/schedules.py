"""Rollover: months are made ahead on the 25th, and missing ones are repaired every day."""

from collections.abc import Iterator
from datetime import date

import dagster as dg

from dpm_assets.calendar import add_months, month_of, today
from dpm_assets.months import known_months, range_tags
from dpm_assets.settings import settings
from dpm_assets.warehouse import sensor_database

create_partitions = dg.define_asset_job(
    "create_partitions",
    selection=dg.AssetSelection.assets("trade_partitions"),
    description="Make the monthly partitions of a range of months where missing.",
)
create_metrics_partitions = dg.define_asset_job(
    "create_metrics_partitions",
    selection=dg.AssetSelection.assets("metrics_partitions"),
    description="Make the yearly partitions of the daily metrics where missing.",
)
check_schema = dg.define_asset_job(
    "check_schema",
    selection=dg.AssetSelection.assets("database_schema"),
    description="Apply the schema where the files are newer than the database.",
)


def _ahead() -> date:
    return add_months(month_of(today()), settings().months_ahead)


@dg.schedule(
    job=create_partitions,
    cron_schedule="0 3 25 * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="On the 25th: the running month and the months ahead of it.",
)
def monthly_rollover() -> dg.RunRequest:
    return dg.RunRequest(tags=range_tags(month_of(today()), _ahead()))


@dg.schedule(
    job=create_partitions,
    cron_schedule="15 2 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every day: whatever month is missing between the newest one that has begun and the months ahead.",
)
def daily_partition_repair() -> dg.RunRequest:
    with sensor_database().connection() as conn:
        row = conn.execute(
            "select max(b.lower) from pg_inherits as i cross join lateral prop_trading_model.leaf_bounds(i.inhrelid) as b"
            " where i.inhparent = 'prop_trading_model.raw_trades_closed'::regclass"
            " and isfinite(b.lower) and b.lower <= prop_trading_model.utc_today()"
        ).fetchone()
    # A daemon that was dead for months has left a gap behind the newest month; older gaps are months without trades.
    newest = row[0] if row and row[0] else month_of(today())
    first = next(iter(known_months(newest, today())), month_of(today()))
    return dg.RunRequest(tags=range_tags(first, _ahead()))


@dg.schedule(
    job=create_metrics_partitions,
    cron_schedule="20 2 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every day: the years that the running month and the months ahead lie in.",
)
def daily_metrics_partition_repair() -> Iterator[dg.RunRequest]:
    for year in range(today().year, _ahead().year + 1):
        yield dg.RunRequest(partition_key=str(year))


@dg.schedule(
    job=check_schema,
    cron_schedule="10 2 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every day: that the database has the schema of this installation.",
)
def daily_schema_check() -> dg.RunRequest:
    return dg.RunRequest()
