"""The assets `trade_partitions` (monthly) and `metrics_partitions` (yearly)."""

from collections.abc import Sequence
from datetime import date

import dagster as dg

from dpm_assets.calendar import today
from dpm_assets.columns.metadata import column_metadata
from dpm_assets.months import MONTHS_AHEAD, YEARS, key_of, months_of
from dpm_assets.partitions.cold.states import cold_parts
from dpm_assets.partitions.cold.tables import METRICS, TRADES, ColdTable
from dpm_assets.partitions.create import ensure_months, ensure_years
from dpm_assets.partitions.sizes import Partition, partitions
from dpm_assets.warehouse import Warehouse

POOL = "partitions"

# The parent may be locked for minutes, by an ANALYZE say: the day's rollover waits for it rather than fail.
RETRIES = dg.RetryPolicy(max_retries=4, delay=30, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)


@dg.asset(
    group_name="partitions",
    kinds={"postgres"},
    deps=["database_schema"],
    partitions_def=MONTHS_AHEAD,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool=POOL,
    retry_policy=RETRIES,
    description=(
        "The monthly leaves of raw_trades_closed, with indexes, privileges and the triggers of the change log, and the "
        "rollup's leaf of the month. Making one that is there changes nothing; readers and writers never wait for it."
    ),
    metadata={"dagster/table_name": "prop_trading_model.raw_trades_closed", **column_metadata("raw_trades_closed")},
)
def trade_partitions(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult[None]:
    months = months_of(context)
    archived = _archived(context, warehouse, TRADES, months)
    made = ensure_months(warehouse.db, [month for month in months if month not in archived])
    there = partitions(warehouse.db, "raw_trades_closed")
    for leaf in there:
        if leaf.lower in months:
            context.add_asset_metadata(_metadata(leaf, leaf.lower in made), partition_key=key_of(leaf.lower))
    return dg.MaterializeResult(metadata={"made": len(made), "partitions": len(there)})


@dg.asset(
    group_name="partitions",
    kinds={"postgres"},
    deps=["database_schema"],
    partitions_def=YEARS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool=POOL,
    retry_policy=RETRIES,
    description="The yearly leaves of raw_metrics_daily, with their indexes and privileges.",
    metadata={"dagster/table_name": "prop_trading_model.raw_metrics_daily", **column_metadata("raw_metrics_daily")},
)
def metrics_partitions(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult[None]:
    years = [int(key) for key in context.partition_keys]
    archived = _archived(context, warehouse, METRICS, [date(year, 1, 1) for year in years])
    made = ensure_years(warehouse.db, [year for year in years if date(year, 1, 1) not in archived])
    there = partitions(warehouse.db, "raw_metrics_daily")
    for leaf in there:
        if leaf.lower.year in years:
            context.add_asset_metadata(_metadata(leaf, leaf.lower.year in made), partition_key=str(leaf.lower.year))
    return dg.MaterializeResult(metadata={"made": len(made), "partitions": len(there)})


def _archived(
    context: dg.AssetExecutionContext, warehouse: Warehouse, table: ColdTable, starts: Sequence[date]
) -> set[date]:
    """Those of the months (years) that are in the archive, or on the way: nobody makes a partition for them."""
    with warehouse.db.connection() as conn:
        found = [c.part for c in cold_parts(conn, table) if c.state != "hot" and c.lower in starts]
    if found:
        context.log.info("left in the archive: %s", ", ".join(map(str, found)))
    return {part.first_day for part in found}


def _metadata(leaf: Partition, made: bool) -> dict[str, object]:
    return {
        "partition": leaf.name,
        "state": leaf.state,
        "made_now": made,
        "dagster/partition_row_count": leaf.rows or 0,
        "bytes": leaf.size,
        "heap_bytes": leaf.heap_bytes,
        "index_bytes": leaf.index_bytes,
        "dead_rows": leaf.dead_rows or 0,
        "age_days": max(0, (today() - leaf.lower).days),
    }
