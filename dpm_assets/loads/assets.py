"""The raw tables as assets, one a feed, and the job that loads the landing folder into them."""

import dagster as dg
from pydantic import Field

from dpm_assets.loads.waiting import FEED_ASSETS, load_waiting, month_counts, trade_events
from dpm_assets.months import MONTHS, key_of, months_of
from dpm_assets.warehouse import Warehouse

POOL = "loads"


@dg.asset(
    group_name="raw",
    kinds={"postgres", "csv"},
    deps=["trade_partitions"],
    partitions_def=MONTHS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    pool=POOL,
    description=(
        "Closed trades, one row a trade. Files that are dropped into landing/trades are loaded by the landing sensor, "
        "which reports each month that a file touched; materializing loads what is waiting there now."
    ),
    metadata={"dagster/table_name": "prop_trading_model.raw_trades_closed"},
)
def raw_trades_closed(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult[None]:
    loaded = load_waiting(context.log, warehouse.db, ["trades"])
    months = months_of(context)
    for month, rows in month_counts(warehouse.db, months).items():
        context.add_asset_metadata({"dagster/partition_row_count": rows}, partition_key=key_of(month))
    for event in trade_events(warehouse.db, loaded):
        if event.partition not in context.partition_keys:
            context.log_event(event)
    return dg.MaterializeResult(metadata=loaded.metadata("trades"))


def _snapshot_asset(feed: str, description: str) -> dg.AssetsDefinition:
    """An asset of a feed whose rows have no month: snapshots of accounts or plans."""
    name = FEED_ASSETS[feed]

    @dg.asset(
        name=name,
        group_name="raw",
        kinds={"postgres", "csv"},
        deps=["database_schema"],
        pool=POOL,
        description=description,
        metadata={"dagster/table_name": f"prop_trading_model.{name}"},
    )
    def snapshots(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult[None]:
        return dg.MaterializeResult(metadata=load_waiting(context.log, warehouse.db, [feed]).metadata(feed))

    return snapshots


raw_accounts_data = _snapshot_asset(
    "accounts", "Snapshots of the accounts; history is kept, latest_accounts shows the newest. From landing/accounts."
)
raw_plans_data = _snapshot_asset(
    "plans", "Snapshots of the plans; history is kept, latest_plans shows the newest. From landing/plans."
)

raw_regimes_daily = dg.AssetSpec(
    "raw_regimes_daily",
    group_name="raw",
    kinds={"postgres"},
    deps=["database_schema"],
    description="Market regimes by date as jsonb, written by the regime model; the newest of a date counts.",
    metadata={"dagster/table_name": "prop_trading_model.raw_regimes_daily"},
)


class LandingConfig(dg.Config):
    files: list[str] = Field(
        default=[], description="Files to load, as the landing sensor found them; none: every complete file."
    )


@dg.op(pool=POOL, description="Loads the files, one transaction each; reports each month and feed that they touched.")
def load_files(context: dg.OpExecutionContext, config: LandingConfig, warehouse: Warehouse) -> None:
    loaded = load_waiting(context.log, warehouse.db, list(FEED_ASSETS), set(config.files) or None)
    for event in trade_events(warehouse.db, loaded):
        context.log_event(event)
    for feed in ("accounts", "plans"):
        numbers = loaded.metadata(feed)
        if numbers["files"]:
            context.log_event(dg.AssetMaterialization(FEED_ASSETS[feed], metadata=numbers))
    if loaded.failed:
        raise dg.Failure(
            description="; ".join(loaded.failed.values()),
            metadata={"files": len(loaded.failed), "next": "Mend the file in landing/<feed>/failed and move it back."},
            allow_retries=False,
        )


@dg.job(description="Load the files that are waiting in the landing folder.")
def load_landing() -> None:
    load_files()
