"""Rollover: months are made ahead on the 25th, and missing ones are repaired every day."""

from collections.abc import Iterator
from datetime import date

import dagster as dg

from dpm_assets.calendar import add_months, month_of, today
from dpm_assets.months import range_tags
from dpm_assets.runs import about
from dpm_assets.settings import settings
from dpm_assets.warehouse import sensor_database

create_partitions = dg.define_asset_job(
    "create_partitions",
    selection=dg.AssetSelection.assets("trade_partitions"),
    description="Make the monthly partitions of a range of months where missing.",
    tags=about("partitions", "makes"),
)
create_metrics_partitions = dg.define_asset_job(
    "create_metrics_partitions",
    selection=dg.AssetSelection.assets("metrics_partitions"),
    description="Make the yearly partitions of the daily metrics where missing.",
    tags=about("partitions", "makes"),
)
check_schema = dg.define_asset_job(
    "check_schema",
    selection=dg.AssetSelection.assets("database_schema"),
    description="Apply the schema where the files are newer than the database.",
    tags=about("schema", "makes"),
)


def _ahead() -> date:
    return add_months(month_of(today()), settings().months_ahead)


@dg.schedule(
    job=create_partitions,
    tags=create_partitions.tags,
    cron_schedule="0 3 25 * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="On the 25th: the running month and the months ahead of it.",
)
def monthly_rollover() -> dg.RunRequest:
    return dg.RunRequest(tags=range_tags(month_of(today()), _ahead()))


@dg.schedule(
    job=create_partitions,
    tags=create_partitions.tags,
    cron_schedule="15 2 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every day: whatever month is missing between the newest one that has begun and the months ahead.",
)
def daily_partition_repair() -> dg.RunRequest:
    return dg.RunRequest(tags=range_tags(starts_to_keep("raw_trades_closed")[0], _ahead()))


@dg.schedule(
    job=create_metrics_partitions,
    tags=create_metrics_partitions.tags,
    cron_schedule="20 2 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every day: whatever year is missing between the newest one that has begun and the months ahead.",
)
def daily_metrics_partition_repair() -> Iterator[dg.RunRequest]:
    for start in starts_to_keep("raw_metrics_daily"):
        year = str(start.year)
        yield dg.RunRequest(run_key=year, partition_key=year)  # of several requests each needs a run key


def starts_to_keep(table: str) -> list[date]:
    """Of the partitions that have to be there, the first days: those that a daemon dead for months missed, too."""
    with sensor_database().connection() as conn:
        rows = conn.execute(
            "select prop_trading_model.starts_to_keep(%s::regclass, %s)",
            [f"prop_trading_model.{table}", settings().months_ahead],
        ).fetchall()
    # A year counts from its first day, whatever the first month of the warehouse.
    earliest = settings().first_month.replace(month=1) if table == "raw_metrics_daily" else settings().first_month
    return sorted(row[0] for row in rows if row[0] >= earliest)


@dg.schedule(
    job=check_schema,
    tags=check_schema.tags,
    cron_schedule="10 2 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every day: that the database has the schema of this installation.",
)
def daily_schema_check() -> dg.RunRequest:
    return dg.RunRequest()
