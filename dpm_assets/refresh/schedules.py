"""The hourly refresh: a safety net under the sensor."""

import dagster as dg

from dpm_assets.calendar import month_of, stretches, today
from dpm_assets.months import key_of, known_months
from dpm_assets.refresh import engine
from dpm_assets.refresh.jobs import refresh_job, refresh_request
from dpm_assets.warehouse import sensor_database


@dg.schedule(
    job=refresh_job,
    tags=refresh_job.tags,
    cron_schedule="5 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every hour: whatever is pending, should the sensor be stopped; also shows that the views are looked after.",
)
def hourly_refresh() -> list[dg.RunRequest]:
    pending = engine.pending(sensor_database())
    months = {known for month in pending.months for known in known_months(month, month)} | {month_of(today())}
    return [refresh_request(first, last, run_key=key_of(first)) for first, last in stretches(months)]
