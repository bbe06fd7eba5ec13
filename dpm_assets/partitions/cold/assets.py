"""The assets `cold_months` and `cold_years`: months of trades and years of metrics as Parquet files, with jobs and schedules."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import dagster as dg
import psycopg
from pydantic import Field

from dpm_assets.calendar import month_of, stretches, today
from dpm_assets.columns.metadata import column_metadata
from dpm_assets.errors import DpmError
from dpm_assets.months import MONTHS, YEARS, key_of, known_months, months_of, range_tags
from dpm_assets.partitions.cold.ages import parts_to_archive
from dpm_assets.partitions.cold.tables import METRICS, TRADES, ColdTable, Part, parse_part
from dpm_assets.runs import about
from dpm_assets.settings import settings
from dpm_assets.warehouse import Warehouse, sensor_database

POOL = "cold_months"
DROP = "drop_partitions"
PATIENCE_SECONDS = 900.0
"""How long a run waits for a refresh to end, or for changes of the month to be refreshed."""


class ArchiveConfig(dg.Config):
    drop_partitions: bool = Field(
        default=False,
        description=(
            "Write the files and drop the partitions that they stand for. False: only say what would be archived, so that "
            "Materialize all, or a wrong click, moves nothing."
        ),
    )


Archived = Iterator[dg.MaterializeResult[None]]


@dg.asset(
    group_name="archive",
    output_required=False,
    kinds={"postgres", "parquet"},
    deps=["raw_trades_closed", "rollup_account_symbol_day"],
    partitions_def=MONTHS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool=POOL,
    description=(
        "Months of closed trades that are Parquet files: written, read back and compared with the partition before that is "
        "dropped. Rollups and views keep them; dpm_assets.read_trades reads them beside the others. Materializing with the "
        "config drop_partitions archives a month, and without it says what it would do; dpm partitions restore brings it back."
    ),
    metadata={"dagster/table_name": "prop_trading_model.cold_files", **column_metadata("raw_trades_closed")},
)
def cold_months(context: dg.AssetExecutionContext, config: ArchiveConfig, warehouse: Warehouse) -> Archived:
    yield from _archive(context, config, warehouse, [TRADES.part(month) for month in months_of(context)], TRADES)


@dg.asset(
    group_name="archive",
    output_required=False,
    kinds={"postgres", "parquet"},
    deps=["raw_metrics_daily"],
    partitions_def=YEARS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool=POOL,
    description=(
        "Years of daily metrics that are Parquet files, archived as cold_months are; dpm_assets.read_metrics reads them beside "
        "the others. Materializing with the config drop_partitions archives a year; dpm partitions restore brings it back."
    ),
    metadata={"dagster/table_name": "prop_trading_model.cold_files", **column_metadata("raw_metrics_daily")},
)
def cold_years(context: dg.AssetExecutionContext, config: ArchiveConfig, warehouse: Warehouse) -> Archived:
    yield from _archive(context, config, warehouse, [parse_part(key) for key in context.partition_keys], METRICS)


def _archive(
    context: dg.AssetExecutionContext,
    config: ArchiveConfig,
    warehouse: Warehouse,
    parts: Sequence[Part],
    table: ColdTable,
) -> Archived:
    """A part that fails keeps no other from its file; those that are done are reported although the run fails then."""
    from dpm_assets.partitions.cold.archive import archive  # with pyarrow: only who archives pays for the import
    from dpm_assets.partitions.cold.describing import describe, in_partitions

    there = in_partitions(warehouse.db, parts)
    if not config.drop_partitions:
        context.log.info(
            "Nothing was archived. With the config %s: true these would be, and their partitions dropped: %s",
            DROP,
            ", ".join(map(str, there)) or "none is in PostgreSQL",
        )
        return
    done: list[Part] = []
    failed: dict[Part, Exception] = {}
    try:
        for part in parts:
            if part not in there:
                context.log.info("%s has no partition and no file: there is nothing to archive", part)
                continue
            try:
                for step in archive(
                    warehouse.db, part, settings().cold_root, patience=PATIENCE_SECONDS, say=context.log.warning
                ):
                    context.log.info("%s", step.said)
            except (DpmError, psycopg.Error, OSError) as error:
                context.log.error("%s is not archived: %s", part, error)
                failed[part] = error
                continue
            done.append(part)
            for archived, metadata in describe(warehouse.db, table, [part]).items():
                context.add_asset_metadata(metadata, partition_key=_key(archived))
        if failed:
            first = next(iter(failed.values()))
            raise DpmError(f"Not archived: {', '.join(map(str, failed))}. The first because: {first}") from first
    except BaseException:
        for archived, metadata in describe(warehouse.db, table, done).items():
            context.log_event(dg.AssetMaterialization(context.asset_key, partition=_key(archived), metadata=metadata))
        raise
    files = describe(warehouse.db, table)
    yield dg.MaterializeResult(
        metadata={f"{table.every}s": len(files), "bytes": sum(int(each["bytes"]) for each in files.values())}
    )


def _key(part: Part) -> str:
    """The partition key of the graph."""
    return key_of(part.first_day) if part.table is TRADES else str(part)


archive_months = dg.define_asset_job(
    "archive_months",
    selection=dg.AssetSelection.assets("cold_months"),
    description="Move a range of months of trades into Parquet files, if drop_partitions says so.",
    tags=about("archive", "archives"),
)
archive_years = dg.define_asset_job(
    "archive_years",
    selection=dg.AssetSelection.assets("cold_years"),
    description="Move years of daily metrics into Parquet files, if drop_partitions says so.",
    tags=about("archive", "archives"),
)


@dg.schedule(
    job=archive_months,
    tags=archive_months.tags,
    cron_schedule="30 4 2 * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="On the 2nd: the months that ended DPM_COLD_AFTER_MONTHS months ago or earlier.",
)
def monthly_archive() -> list[dg.RunRequest] | dg.SkipReason:
    def request(parts: list[Part]) -> list[dg.RunRequest]:
        # A run for each stretch, since every run that waits is a process: switching the archive on may ask for a hundred months.
        months = {part.first_day for part in parts}
        known = months.intersection(known_months(min(months), month_of(today())))
        return [
            dg.RunRequest(
                run_key=f"{key_of(first)} {key_of(last)}", tags=range_tags(first, last), run_config=_drop(cold_months)
            )
            for first, last in stretches(known)
        ]

    return _requests(TRADES, request)


@dg.schedule(
    job=archive_years,
    tags=archive_years.tags,
    cron_schedule="45 4 2 * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="On the 2nd: the years of metrics that ended DPM_COLD_AFTER_MONTHS months ago or earlier.",
)
def yearly_archive() -> list[dg.RunRequest] | dg.SkipReason:
    def request(parts: list[Part]) -> list[dg.RunRequest]:
        return [
            dg.RunRequest(run_key=str(part), partition_key=str(part), run_config=_drop(cold_years))
            for part in parts
            if YEARS.has_partition_key(str(part))
        ]

    return _requests(METRICS, request)


def _drop(asset: dg.AssetsDefinition) -> dict[str, Any]:
    """Run config that has the files written and the partitions dropped."""
    return {"ops": {asset.op.name: {"config": {DROP: True}}}}


def _requests(
    table: ColdTable, request: Callable[[list[Part]], list[dg.RunRequest]]
) -> list[dg.RunRequest] | dg.SkipReason:
    after = settings().cold_after_months
    if after is None:
        return dg.SkipReason(f"DPM_COLD_AFTER_MONTHS is not set: {table.every}s stay in PostgreSQL.")
    parts = parts_to_archive(sensor_database(), after, [table])
    return (request(parts) if parts else []) or dg.SkipReason(
        f"No {table.every} in PostgreSQL ended {after} months ago or earlier."
    )
