"""Checks of the partitions: the findings of check_partitions(), a check for each kind of trouble."""

from collections.abc import Iterator

import dagster as dg

from dpm_assets.partitions.findings import findings
from dpm_assets.runs import about
from dpm_assets.settings import settings
from dpm_assets.warehouse import Warehouse

CHECKS_OF = {
    "months_are_ready": ("partition missing", "gap"),
    "bounds_are_right": ("overlap", "bounds across months", "default partition", "detach pending", "far ahead"),
    "triggers_are_there": ("trigger missing",),
    "indexes_are_valid": ("index missing", "index invalid"),
    "leaves_are_as_their_table": (
        "wrong owner",
        "privileges missing",
        "unlogged",
        "constraint not validated",
        "freeze overdue",
    ),
}
DESCRIPTIONS = {
    "months_are_ready": "Every partition is there that today and the months ahead need, and none is missing in between.",
    "bounds_are_right": (
        "No two partitions claim the same time, none is in the way of another, none is half detached or over ten years ahead."
    ),
    "triggers_are_there": "Every change of the inputs is logged: no trigger is missing or disabled.",
    "indexes_are_valid": "Every partition has every index of its table, and each can be used.",
    "leaves_are_as_their_table": "Owner, privileges, persistence and constraints of the partitions; none nears a wraparound.",
}
TABLES_OF = {
    "trade_partitions": {"raw_trades_closed", "rollup_account_symbol_day"},
    "metrics_partitions": {"raw_metrics_daily"},
}


@dg.multi_asset_check(
    name="partitions_are_sound",
    specs=[
        dg.AssetCheckSpec(name, asset=asset, description=description)
        for asset in TABLES_OF
        for name, description in DESCRIPTIONS.items()
    ],
    can_subset=True,
)
def partitions_are_sound(context: dg.AssetCheckExecutionContext, warehouse: Warehouse) -> Iterator[dg.AssetCheckResult]:
    found = findings(warehouse.db, settings().months_ahead)
    metrics = TABLES_OF["metrics_partitions"]
    for key in sorted(context.selected_asset_check_keys, key=str):
        asset = key.asset_key.to_user_string()
        # What belongs to neither table (an index of another one, say) is told with the trades.
        mine = [
            f
            for f in found
            if f.finding in CHECKS_OF[key.name] and (f.table in metrics) == (asset == "metrics_partitions")
        ]
        yield dg.AssetCheckResult(
            asset_key=key.asset_key,
            check_name=key.name,
            passed=not mine,
            severity=(
                dg.AssetCheckSeverity.ERROR if any(f.severity == "error" for f in mine) else dg.AssetCheckSeverity.WARN
            ),
            description="; ".join(f"{f.object}: {f.detail}" for f in mine[:3]) or None,
            metadata={
                "findings": len(mine),
                "remedies": dg.MetadataValue.md("\n".join(f"- `{f.object}`: `{f.remedy}`" for f in mine) or "none"),
            },
        )


check_job = dg.define_asset_job(
    "check_partitions",
    selection=dg.AssetSelection.checks(partitions_are_sound),
    description="Look for partitions that are missing, half detached, or not as their table is.",
    tags=about("partitions", "reads"),
)

hourly_partition_check = dg.ScheduleDefinition(
    name="hourly_partition_check",
    job=check_job,
    tags=check_job.tags,
    cron_schedule="35 * * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every hour: that nothing is wrong with the partitions; it costs a look at the catalogue.",
)
