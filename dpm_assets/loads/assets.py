"""The raw tables as assets, one a feed, made from the feeds' declarations; and the job that loads the landing folder."""

import dagster as dg
from pydantic import Field

from dpm_assets.code_links import sql_link
from dpm_assets.columns.metadata import column_metadata
from dpm_assets.loads.events import materializations, partitions_of, row_counts
from dpm_assets.loads.feeds import FEEDS, Feed
from dpm_assets.loads.waiting import load_waiting
from dpm_assets.runs import about
from dpm_assets.warehouse import Warehouse

POOL = "loads"

_AFTER = {"month": "trade_partitions", "year": "metrics_partitions"}


def feed_asset(feed: Feed) -> dg.AssetsDefinition:
    """The asset of a feed. Materializing it loads the files that wait for it; each partition that they touch is marked."""

    @dg.asset(
        name=feed.table,
        group_name="raw",
        kinds={"postgres", "csv", "parquet"},
        deps=[_AFTER[feed.partitions.every] if feed.partitions else "database_schema"],
        partitions_def=partitions_of(feed),
        backfill_policy=dg.BackfillPolicy.single_run() if feed.partitions else None,
        pool=POOL,
        description=(
            f"{feed.description} Files that are dropped into landing/{feed.name} are loaded by the landing sensor; "
            "materializing loads what is waiting there now."
        ),
        metadata={
            "dagster/table_name": f"prop_trading_model.{feed.table}",
            **column_metadata(feed.table),
            **sql_link(f"table {feed.table}"),
        },
    )
    def raw_table(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult[None]:
        loaded = load_waiting(context.log, warehouse.db, [feed.name])
        if loaded.errors or loaded.failed:  # a run that fails marks nothing by itself
            for event in materializations(warehouse.db, loaded):
                context.log_event(event)
        elif feed.partitions:
            asked_for = context.partition_keys
            for key, rows in row_counts(warehouse.db, feed, asked_for).items():
                context.add_asset_metadata({"dagster/partition_row_count": rows}, partition_key=key)
            for event in materializations(warehouse.db, loaded, except_keys=asked_for):
                context.log_event(event)
        loaded.raise_first()
        return dg.MaterializeResult(metadata=loaded.metadata(feed.name))

    return raw_table


FEED_ASSETS = [feed_asset(feed) for feed in FEEDS.values()]


class LandingConfig(dg.Config):
    files: list[str] = Field(
        default=[], description="Files to load, as the landing sensor found them; none: every complete file."
    )


@dg.op(
    pool=POOL, description="Loads the files, one transaction each; reports each feed and partition that they touched."
)
def load_files(context: dg.OpExecutionContext, config: LandingConfig, warehouse: Warehouse) -> None:
    loaded = load_waiting(context.log, warehouse.db, list(FEEDS), set(config.files) or None)
    for event in materializations(warehouse.db, loaded):
        context.log_event(event)
    loaded.raise_first()


@dg.job(
    description="Load the files that are waiting in the landing folder.",
    tags=about("loads", "loads"),
)
def load_landing() -> None:
    load_files()
