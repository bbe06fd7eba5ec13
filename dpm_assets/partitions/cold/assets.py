"""The asset `cold_months`: months of trades as Parquet files, and the job and schedule that archive by age."""

import dagster as dg

from dpm_assets.calendar import month_of, today
from dpm_assets.months import MONTHS, known_months, months_of, range_tags
from dpm_assets.partitions.cold.ages import months_to_archive
from dpm_assets.settings import settings
from dpm_assets.warehouse import Warehouse, sensor_database

POOL = "cold_months"
PATIENCE_SECONDS = 900.0
"""How long a run waits for a refresh to end, or for changes of the month to be refreshed."""


@dg.asset(
    group_name="archive",
    kinds={"postgres", "parquet"},
    deps=["raw_trades_closed", "rollup_account_symbol_day"],
    partitions_def=MONTHS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool=POOL,
    description=(
        "Months of closed trades that are Parquet files: written, read back and compared with the partition before that is "
        "dropped. Rollups and views keep them; dpm_assets.read_trades reads them beside the others. Materializing archives a "
        "month; dpm partitions restore brings it back."
    ),
    metadata={"dagster/table_name": "prop_trading_model.cold_files"},
)
def cold_months(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult[None]:
    """Each month that is done is reported at once, should a later one fail."""
    from dpm_assets.partitions.cold.archive import archive  # with pyarrow: only who archives pays for the import
    from dpm_assets.partitions.cold.describing import describe, in_partitions

    months = months_of(context)
    there = in_partitions(warehouse.db, months)
    done = []
    try:
        for month in months:
            if month not in there:
                context.log.info("%s has no partition and no file: there is nothing to archive", f"{month:%Y-%m}")
                continue
            for step in archive(warehouse.db, month, settings().cold_root, patience=PATIENCE_SECONDS):
                context.log.info("%s", step.said)
            done.append(month)
            for key, metadata in describe(warehouse.db, [month]).items():
                context.add_asset_metadata(metadata, partition_key=key)
    except BaseException:
        for key, metadata in describe(warehouse.db, done).items():
            context.log_event(dg.AssetMaterialization("cold_months", partition=key, metadata=metadata))
        raise
    files = describe(warehouse.db)
    return dg.MaterializeResult(
        metadata={"months": len(files), "bytes": sum(int(each["bytes"]) for each in files.values())}
    )


archive_months = dg.define_asset_job(
    "archive_months",
    selection=dg.AssetSelection.assets("cold_months"),
    description="Move a range of months into Parquet files.",
)


@dg.schedule(
    job=archive_months,
    cron_schedule="30 4 2 * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="On the 2nd: the months that ended DPM_COLD_AFTER_MONTHS months ago or earlier.",
)
def monthly_archive() -> list[dg.RunRequest] | dg.SkipReason:
    after = settings().cold_after_months
    if after is None:
        return dg.SkipReason("DPM_COLD_AFTER_MONTHS is not set: months stay in PostgreSQL.")
    months = months_to_archive(sensor_database(), after)
    known = set(known_months(min(months), month_of(today()))) if months else set()
    requests = [dg.RunRequest(tags=range_tags(month, month)) for month in months if month in known]
    return requests or dg.SkipReason(f"No month in PostgreSQL ended {after} months ago or earlier.")
