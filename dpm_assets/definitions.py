"""Everything of the asset graph, wired together."""

from datetime import timedelta

import dagster as dg

from dpm_assets.alerts import sensors as alert_sensors
from dpm_assets.bench import assets as bench_assets
from dpm_assets.code_links import with_code_links
from dpm_assets.loads import assets as load_assets
from dpm_assets.loads import checks as load_checks
from dpm_assets.loads import sensors as load_sensors
from dpm_assets.migration import assets as migration_assets
from dpm_assets.monitor import assets as monitor_assets
from dpm_assets.monitor import runs as monitor_runs
from dpm_assets.partitions import assets as partition_assets
from dpm_assets.partitions import checks as partition_checks
from dpm_assets.partitions import schedules as partition_schedules
from dpm_assets.partitions.cold import assets as cold_assets
from dpm_assets.pool_waits import sleep_between_looks
from dpm_assets.refresh import assets as refresh_assets
from dpm_assets.refresh import checks as refresh_checks
from dpm_assets.refresh import jobs as refresh_jobs
from dpm_assets.refresh import schedules as refresh_schedules
from dpm_assets.refresh import sensors as refresh_sensors
from dpm_assets.schema import assets as schema_assets
from dpm_assets.warehouse import Warehouse

OWNERS = ["team:data-engineering"]

# Each policy follows the schedule that keeps its assets: the schema and the partitions daily, the views hourly.
DAILY = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=49), warn_window=timedelta(hours=26))
HOURLY = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=3), warn_window=timedelta(minutes=75))
FRESHNESS = {"schema": DAILY, "partitions": DAILY, "monitor": DAILY, "rollups": HOURLY, "views": HOURLY}
ON_DEMAND = {dg.AssetKey("benchmark_report")}

sleep_between_looks()


def _with_policy(spec: dg.AssetSpec) -> dg.AssetSpec:
    policy = None if spec.key in ON_DEMAND else FRESHNESS.get(spec.group_name or "")
    return spec.replace_attributes(owners=OWNERS, freshness_policy=policy)


defs = dg.Definitions(
    assets=with_code_links(
        dg.load_assets_from_modules(
            [
                schema_assets,
                partition_assets,
                cold_assets,
                load_assets,
                refresh_assets,
                monitor_assets,
                migration_assets,
                bench_assets,
            ],
            include_specs=True,
        )
    ),
    asset_checks=[load_checks.agrees_with_trades, partition_checks.partitions_are_sound, *refresh_checks.CHECKS],
    jobs=[
        refresh_jobs.refresh_job,
        load_assets.load_landing,
        load_checks.reconciliation_job,
        partition_schedules.create_partitions,
        partition_schedules.create_metrics_partitions,
        partition_schedules.check_schema,
        partition_checks.check_job,
        monitor_assets.collect_partition_statistics,
        monitor_assets.log_query_performance,
        monitor_runs.delete_old_runs_job,
        cold_assets.archive_months,
        cold_assets.archive_years,
        *refresh_checks.JOBS,
    ],
    schedules=[
        partition_schedules.monthly_rollover,
        partition_schedules.daily_partition_repair,
        partition_schedules.daily_metrics_partition_repair,
        partition_schedules.daily_schema_check,
        partition_checks.hourly_partition_check,
        monitor_assets.daily_partition_statistics,
        monitor_assets.query_log_every_15_minutes,
        monitor_runs.nightly_deletion_of_old_runs,
        cold_assets.monthly_archive,
        cold_assets.yearly_archive,
        refresh_schedules.hourly_refresh,
        load_checks.daily_reconciliation,
        *refresh_checks.SCHEDULES,
    ],
    sensors=[load_sensors.landing_sensor, refresh_sensors.trade_changes_sensor, alert_sensors.alert_sensor],
    resources={"warehouse": Warehouse()},
    # A run is a process of its own already; a process for each step would double the time to a refreshed view.
    executor=dg.in_process_executor,
).map_asset_specs(func=_with_policy)
