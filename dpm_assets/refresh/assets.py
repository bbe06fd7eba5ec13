"""The rollups and the views, each an asset with monthly partitions, refreshed together in one step a group.

A range of months is one run. Each finished month is noted in refresh_log under the run's key, so that a retry goes on
from the month where it was killed.
"""

import time
from collections.abc import Iterator
from datetime import date
from typing import Any

import dagster as dg
import psycopg
from pydantic import Field

from dpm_assets.months import MONTHS, key_of, months_of
from dpm_assets.refresh import engine
from dpm_assets.refresh.descriptions import ROLLUP_DESCRIPTIONS, ROLLUP_INPUTS, VIEW_DESCRIPTIONS, VIEW_INPUTS
from dpm_assets.refresh.events import partition_metadata, report_outside_writes, table_metadata
from dpm_assets.warehouse import Warehouse

POOL = "refresh"

Results = Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]


class RefreshConfig(dg.Config):
    rebuild: bool = Field(
        default=True,
        description=(
            "Recompute the months from the raw trades whatever the change log says: what a backfill or a click on "
            "Materialize means. False: only what the log says has changed, which is what the sensor asks for."
        ),
    )


@dg.multi_asset(
    name="rollups",
    specs=[
        dg.AssetSpec(
            name,
            group_name="rollups",
            deps=ROLLUP_INPUTS[name],
            description=description,
            kinds={"postgres", "table"},
            metadata={"dagster/table_name": f"prop_trading_model.{name}"},
            skippable=False,
        )
        for name, description in ROLLUP_DESCRIPTIONS.items()
    ],
    check_specs=[
        dg.AssetCheckSpec(
            "rollups_agree",
            asset="rollup_account_symbol_day",
            blocking=True,
            description="Trades and net of the months are the same in all rollups; the views are not refreshed otherwise.",
        )
    ],
    partitions_def=MONTHS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    can_subset=True,
    pool=POOL,
)
def rollups(context: dg.AssetExecutionContext, config: RefreshConfig, warehouse: Warehouse) -> Results:
    months = months_of(context)
    with warehouse.db.connection("dpm_refresher") as conn:
        done = bring_up_to_date(context, conn, months, config.rebuild)
        for name in engine.ROLLUPS:  # in the order in which they depend on each other
            key = dg.AssetKey(name)
            if key not in context.selected_asset_keys:
                continue
            counts = engine.rows_by_month(conn, name, months) if "month" in name or "day" in name else {}
            for month, rows in counts.items():
                context.add_asset_metadata({"dagster/partition_row_count": rows}, asset_key=key, partition_key=key_of(month))
            yield dg.MaterializeResult(asset_key=key, metadata={**table_metadata(conn, name), **_metadata(done)})
        if context.selected_asset_check_keys:
            yield _rollups_agree(conn, months)


@dg.multi_asset(
    name="views",
    specs=[
        dg.AssetSpec(
            name,
            group_name="views",
            deps=VIEW_INPUTS[name],
            description=description,
            kinds={"postgres", "view"},
            metadata={"dagster/table_name": f"prop_trading_model.{name}"},
            skippable=False,
        )
        for name, description in VIEW_DESCRIPTIONS.items()
    ],
    partitions_def=MONTHS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    can_subset=True,
    pool=POOL,
)
def views(context: dg.AssetExecutionContext, config: RefreshConfig, warehouse: Warehouse) -> Results:
    months = months_of(context)
    selected = sorted(key.to_user_string() for key in context.selected_asset_keys)
    with warehouse.db.connection("dpm_refresher") as conn:
        done = bring_up_to_date(context, conn, months, config.rebuild)
        began = time.monotonic()
        done.views = engine.refresh_views(conn, selected, run_key(context))
        context.log.info("views refreshed in %.2f s: %s", time.monotonic() - began, ", ".join(done.views) or "none was stale")
        for name in selected:
            for month, metadata in partition_metadata(conn, name, months).items():
                context.add_asset_metadata(metadata, asset_key=dg.AssetKey(name), partition_key=key_of(month))
            yield dg.MaterializeResult(
                asset_key=name,
                metadata={**table_metadata(conn, name), **_metadata(done), "refreshed_now": name in done.views},
            )


def run_key(context: dg.AssetExecutionContext) -> str:
    """What a retry shares with the run that it retries: the backfill, or else the root run."""
    return context.run.tags.get("dagster/backfill") or context.run.root_run_id or context.run.run_id


def bring_up_to_date(
    context: dg.AssetExecutionContext, conn: psycopg.Connection[Any], months: list[date], whole: bool
) -> engine.Refreshed:
    """The rollups of these months: recomputed if `whole`, and in any case whatever the log has of them.

    When it fails, the months that are done are reported first: they are done, and a failed run marks nothing by itself.
    """
    began = time.monotonic()
    done = engine.Refreshed()
    key = run_key(context)
    try:
        if whole:
            for month, rows, seconds in engine.rebuild(conn, months, key):
                done.add(0, [month], rows)
                context.log.info("%s recomputed in %.2f s: %d rows differed", f"{month:%Y-%m}", seconds, rows)
        report_outside_writes(context, conn)
        drained = engine.drain(conn, _with_unlisted(conn, months), key)
        done.add(drained.keys_taken, drained.months, drained.rows_written)
        if whole and done.months:
            done.rows_written += engine.rebuild_totals(conn, key)
    except BaseException:
        for month in sorted(set(months) & set(done.months)):
            for asset in context.selected_asset_keys:
                context.log_event(dg.AssetMaterialization(asset, partition=key_of(month)))
        raise
    done.seconds = time.monotonic() - began
    return done


def _with_unlisted(conn: psycopg.Connection[Any], months: list[date]) -> list[date]:
    """The months, and those pending ones that no partition of the graph stands for: they are brought up to date too."""
    row = conn.execute("select months from prop_trading_model.pending_changes()").fetchone()
    known = set(MONTHS.get_partition_keys())
    return [*months, *(month for month in (row[0] if row else []) if key_of(month) not in known)]


def _rollups_agree(conn: psycopg.Connection[Any], months: list[date]) -> dg.AssetCheckResult:
    """Compare trades and net of each month across the rollups; costs what the rollups of those months hold."""
    rows = conn.execute(
        """
        select m, d.*, s.*, a.*
        from unnest(%s::date[]) as m
        cross join lateral (
            select coalesce(sum(trades), 0), coalesce(sum(net), 0) from rollup_market_day
            where trade_date >= m and trade_date < m + interval '1 month'
        ) as d (day_trades, day_net)
        cross join lateral (
            select coalesce(sum(trades), 0), coalesce(sum(net), 0) from rollup_symbol_day
            where trade_date >= m and trade_date < m + interval '1 month'
        ) as s (symbol_trades, symbol_net)
        cross join lateral (
            select coalesce(sum(trades), 0), coalesce(sum(net), 0) from rollup_account_month where month = m
        ) as a (account_trades, account_net)
        """,
        [months],
    ).fetchall()
    wrong = [f"{r[0]:%Y-%m}" for r in rows if not ((r[1], r[2]) == (r[3], r[4]) == (r[5], r[6]))]
    return dg.AssetCheckResult(
        check_name="rollups_agree",
        asset_key="rollup_account_symbol_day",
        passed=not wrong,
        metadata={"months": len(rows), "months_that_disagree": ", ".join(wrong) or "none"},
        description=f"Materialize these months again: {', '.join(wrong)}" if wrong else None,
    )


def _metadata(done: engine.Refreshed) -> dict[str, Any]:
    return {
        "keys_taken": done.keys_taken,
        "months_written": len(done.months),
        "rows_written": done.rows_written,
        "seconds": round(done.seconds, 3),
    }
