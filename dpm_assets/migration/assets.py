"""The assets `migrated_trades` (monthly) and `migrated_metrics` (yearly): `dpm migrate start` as a backfill that people watch."""

from datetime import date

import dagster as dg
from pydantic import Field

from dpm_assets.columns.metadata import column_metadata
from dpm_assets.migration.names import MIGRATION, Moved
from dpm_assets.months import MONTHS_AHEAD, YEARS, key_of
from dpm_assets.warehouse import Warehouse

POOL = "migration"


class MigrationConfig(dg.Config):
    jobs: int = Field(default=2, ge=1, description="Months that are copied at a time.")
    set_aside: bool = Field(
        default=False, description="Keep rows that the new checks of the other tables refuse in unmoved_rows."
    )


def migrated(name: str, table: Moved, partitions_def: dg.PartitionsDefinition[str], every: str) -> dg.AssetsDefinition:
    """The asset of a table: its partitions are copied, verified, and brought up to date when they are copied already."""

    @dg.asset(
        name=name,
        group_name="migration",
        kinds={"postgres"},
        partitions_def=partitions_def,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=POOL,
        description=(
            f"{every} of {table} on their way from the unpartitioned original to this schema, each copied, verified, and then "
            "kept up to date, while programs use the original. A run that was stopped goes on where it was; dpm migrate "
            "cutover ends it. Of no use to a warehouse that has nothing to migrate."
        ),
        metadata={"dagster/table_name": f"{MIGRATION}.parts", **column_metadata(table)},
    )
    def migrated_table(
        context: dg.AssetExecutionContext, config: MigrationConfig, warehouse: Warehouse
    ) -> dg.MaterializeResult[None]:
        wanted = {_start_of(key) for key in context.partition_keys}
        copied = _copy(context, table, wanted, config)
        for starts, rows in copied.items():
            context.add_asset_metadata(
                {"dagster/partition_row_count": rows},
                partition_key=key_of(starts) if partitions_def is MONTHS_AHEAD else str(starts.year),
            )
        return dg.MaterializeResult(metadata={"partitions": len(copied), "rows": sum(copied.values())})

    return migrated_table


def _start_of(key: str) -> date:
    return date.fromisoformat(f"{key}-01-01" if len(key) == 4 else key)


def _copy(
    context: dg.AssetExecutionContext, table: Moved, wanted: set[date], config: MigrationConfig
) -> dict[date, int]:
    """Copy and verify the parts that begin on these days; the rows of each that there is. Raises Failure with what to mend."""
    from dpm_assets.database import Database  # only who migrates pays for the imports
    from dpm_assets.errors import DpmError
    from dpm_assets.migration.start import copy_wanted
    from dpm_assets.server.connect import warehouse_url

    try:
        with Database(
            warehouse_url(administrator=True), application_name="dpm run", max_connections=config.jobs + 4
        ) as db:
            parts = copy_wanted(
                db,
                lambda part: part.table == table and part.starts in wanted,
                context.log.info,
                jobs=config.jobs,
                set_aside=config.set_aside,
            )
    except DpmError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    return {part.starts: part.rows or 0 for part in parts}


migrated_trades = migrated("migrated_trades", "raw_trades_closed", MONTHS_AHEAD, "Months")
migrated_metrics = migrated("migrated_metrics", "raw_metrics_daily", YEARS, "Years")
