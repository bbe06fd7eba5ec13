"""The asset `partition_statistics`: ANALYZE of what changed, and the sizes and ages of all partitions; the asset
`query_performance_log`: what each statement cost since the last look."""

from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

import dagster as dg

from dpm_assets.code_links import sql_link
from dpm_assets.columns.metadata import column_metadata
from dpm_assets.monitor.charts import as_markdown, stacked_bars
from dpm_assets.monitor.queries import log_queries, slowest
from dpm_assets.partitions.assets import POOL
from dpm_assets.partitions.sizes import Partition, collect_statistics, partitioned_tables, partitions
from dpm_assets.runs import about
from dpm_assets.settings import settings
from dpm_assets.warehouse import Warehouse


@dg.asset(
    group_name="monitor",
    kinds={"postgres"},
    deps=["trade_partitions", "metrics_partitions"],
    pool=POOL,
    description=(
        "ANALYZE of every partition that was written since its last one, so that plans fit the rows; then size, dead rows, "
        "age and state of each. The numbers are plotted over time; a chart shows the months side by side."
    ),
    metadata={
        "dagster/table_name": "prop_trading_model.analyze_partitions",
        **column_metadata("analyze_partitions"),
        **sql_link("function analyze_partitions"),
    },
)
def partition_statistics(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult[None]:
    analyzed = collect_statistics(warehouse.db, context.log.info)
    metadata: dict[str, Any] = {"relations_analyzed": analyzed}
    for table in partitioned_tables(warehouse.db):
        there = partitions(warehouse.db, table)
        metadata |= {f"{table}/{name}": value for name, value in sizes_and_ages(there).items()}
        metadata[f"{table}/sizes"] = dg.MetadataValue.md(f"{chart(table, there)}\n\n{as_table(there)}")
    metadata["dagster/row_count"] = metadata["raw_trades_closed/rows"]
    return dg.MaterializeResult(metadata=metadata)


def sizes_and_ages(there: Sequence[Partition]) -> dict[str, float]:
    """Numbers that Dagster plots from one materialization to the next."""
    now = datetime.now(timezone.utc)
    hot = [leaf for leaf in there if leaf.size]
    ages = [(now - leaf.last_analyze).total_seconds() / 3600 for leaf in hot if leaf.rows and leaf.last_analyze]
    return {
        "partitions": len(there),
        "in_archive": sum(leaf.state == "cold" for leaf in there),
        "rows": sum(leaf.rows or 0 for leaf in there),
        "dead_rows": sum(leaf.dead_rows or 0 for leaf in there),
        "heap_bytes": sum(leaf.heap_bytes for leaf in there),
        "index_bytes": sum(leaf.index_bytes for leaf in there),
        "largest_bytes": max((leaf.size for leaf in there), default=0),
        "pending_keys": sum(leaf.pending_keys or 0 for leaf in there),
        "oldest_statistics_hours": round(max(ages, default=0.0), 2),
        "begun_ahead": sum(leaf.lower > now.date() for leaf in there),
    }


def chart(table: str, there: Sequence[Partition]) -> str:
    bars = [
        (
            leaf.name.removeprefix(f"{table}_"),
            [leaf.heap_bytes // 10**6, leaf.index_bytes // 10**6, leaf.toast_bytes // 10**6],
        )
        for leaf in there[-120:]
    ]
    return as_markdown(stacked_bars(table, ["heap", "indexes", "toast"], bars, "MB"), f"sizes of {table}")


def as_table(there: Sequence[Partition]) -> str:
    lines = ["| partition | state | rows | MB | dead rows | analyzed |", "|---|---|---:|---:|---:|---|"]
    for leaf in there[-120:]:
        analyzed = f"{leaf.last_analyze:%Y-%m-%d %H:%M}" if leaf.last_analyze else ""
        rows, dead = ("" if n is None else f"{n:,}" for n in (leaf.rows, leaf.dead_rows))
        lines.append(f"| {leaf.name} | {leaf.state} | {rows} | {leaf.size / 1e6:,.1f} | {dead} | {analyzed} |")
    return "\n".join(lines)


collect_partition_statistics = dg.define_asset_job(
    "collect_partition_statistics",
    selection=dg.AssetSelection.assets("partition_statistics"),
    description="Bring the statistics of partitions up to date and note their sizes.",
    tags=about("monitor", "reads"),
)

daily_partition_statistics = dg.ScheduleDefinition(
    name="daily_partition_statistics",
    job=collect_partition_statistics,
    tags=collect_partition_statistics.tags,
    cron_schedule="15 4 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every night: ANALYZE of what changed, sizes and ages of partitions.",
)


@dg.asset(
    group_name="monitor",
    kinds={"postgres"},
    deps=["database_schema"],
    description=(
        "What each statement of this database cost since the snapshot before, from pg_stat_statements: calls, times, rows, "
        "buffers. The views slowest_queries, growing_queries and newly_slow_queries read it. Old snapshots go."
    ),
    metadata={
        "dagster/table_name": "prop_trading_model.query_performance_log",
        **column_metadata("query_performance_log"),
    },
)
def query_performance_log(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult[None]:
    taken = log_queries(warehouse.db, settings().query_log_days)
    if taken.note:
        context.log.warning("%s", taken.note)
    with warehouse.db.connection() as conn:
        first = slowest(conn, 10)
    lines = ["| mean ms | max ms | calls | statement |", "|---:|---:|---:|---|"]
    lines += [f"| {q.mean_ms:,.1f} | {q.max_ms:,.1f} | {q.calls:,} | `{q.short(160)}` |" for q in first]
    return dg.MaterializeResult(
        metadata={
            "statements": taken.statements,
            "calls": taken.calls,
            "dagster/row_count": taken.logged,
            "rows_forgotten": taken.removed,
            "note": taken.note or "none",
            "slowest_of_a_day": dg.MetadataValue.md("\n".join(lines)),
        }
    )


log_query_performance = dg.define_asset_job(
    "log_query_performance",
    selection=dg.AssetSelection.assets("query_performance_log"),
    description="Note what each statement cost since the last time.",
    tags=about("monitor", "reads"),
)

query_log_every_15_minutes = dg.ScheduleDefinition(
    name="query_log_every_15_minutes",
    job=log_query_performance,
    tags=log_query_performance.tags,
    cron_schedule="10,25,40,55 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every 15 minutes: a snapshot of what statements cost.",
)
