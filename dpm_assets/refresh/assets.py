"""The rollups and the views, each an asset with monthly partitions, refreshed together in one step.

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

from dpm_assets.code_links import sql_link
from dpm_assets.columns.metadata import column_metadata, tables_read
from dpm_assets.months import MONTHS, key_of, months_of
from dpm_assets.refresh import engine
from dpm_assets.refresh.descriptions import (
    LIVE_DESCRIPTIONS,
    MADE_BY,
    ROLLUP_DESCRIPTIONS,
    ROLLUP_INPUTS,
    VIEW_DESCRIPTIONS,
    VIEW_INPUTS,
)
from dpm_assets.refresh.events import partition_metadata, report_outside_writes, row_count
from dpm_assets.refresh.failures import DISAGREE, failure_noted
from dpm_assets.refresh.pictures import daily_profit, refresh_cost
from dpm_assets.refresh.vacuum import vacuum_worn
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


def _specs(group: str, descriptions: dict[str, str], inputs: dict[str, list[str]], kind: str) -> list[dg.AssetSpec]:
    return [
        dg.AssetSpec(
            name,
            group_name=group,
            deps=inputs[name],
            description=description,
            kinds={"postgres", kind},
            metadata={
                "dagster/table_name": f"prop_trading_model.{name}",
                **column_metadata(name),
                **sql_link(MADE_BY[name]),
            },
        )
        for name, description in descriptions.items()
    ]


# Read from whatever is there: nothing materializes them, so the graph shows them as external.
live_views = _specs("live_views", LIVE_DESCRIPTIONS, {name: tables_read(name) for name in LIVE_DESCRIPTIONS}, "view")


@dg.multi_asset(
    name="refresh_warehouse",
    specs=[
        *_specs("rollups", ROLLUP_DESCRIPTIONS, ROLLUP_INPUTS, "table"),
        *_specs("views", VIEW_DESCRIPTIONS, VIEW_INPUTS, "view"),
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
def refresh_warehouse(context: dg.AssetExecutionContext, config: RefreshConfig, warehouse: Warehouse) -> Results:
    """One step for all: the database is brought up to date first, in the order that keeps it right, and then told of."""
    months = months_of(context)
    selected = {key.to_user_string() for key in context.selected_asset_keys}
    with failure_noted(warehouse.db) as note_failure, warehouse.db.connection("dpm_refresher") as conn:
        lag = engine.pending(warehouse.db).age_seconds or 0.0
        done = bring_up_to_date(context, conn, months, config.rebuild)
        compared = sorted({*months, *months_behind_views(conn)})
        disagreeing = months_that_disagree(conn, compared)
        if not disagreeing:
            began = time.monotonic()
            done.views = engine.refresh_views(
                conn, [name for name in engine.VIEWS if name in selected], run_key(context)
            )
            done.seconds += time.monotonic() - began
            context.log.info("views refreshed: %s", ", ".join(done.views) or "none was stale")
            if worn := vacuum_worn(warehouse.db, conn):
                context.log.info("vacuumed, for their dead rows: %s", ", ".join(worn))
        for name in (*engine.ROLLUPS, *engine.VIEWS):  # in the order in which they depend on each other
            if name not in selected or (disagreeing and name in engine.VIEWS):
                continue
            for month, metadata in partition_metadata(conn, name, months).items():
                pictures = _pictures(conn, name, month, is_last=month == months[-1])
                context.add_asset_metadata(
                    {**metadata, **pictures}, asset_key=dg.AssetKey(name), partition_key=key_of(month)
                )
            numbers = {"refreshed_now": name in done.views} if name in engine.VIEWS else {}
            yield dg.MaterializeResult(
                asset_key=name,
                metadata={
                    "dagster/row_count": row_count(conn, name),
                    "lag_seconds": round(lag, 1),
                    **_metadata(done),
                    **numbers,
                },
            )
        if context.selected_asset_check_keys:
            yield _rollups_agree(compared, disagreeing)
    if disagreeing:
        note_failure(DISAGREE + ", ".join(disagreeing))
        raise dg.Failure(
            f"The rollups disagree in {', '.join(disagreeing)}; the views were left as they are. "
            "Materialize these months again: that recomputes them from the raw trades."
        )


def _pictures(conn: psycopg.Connection[Any], name: str, month: date, is_last: bool) -> dict[str, Any]:
    """Where a picture says more; that of the costs stands with the last month, which the asset's page shows."""
    if name == "mv_daily_trading_stats":
        return daily_profit(conn, month)
    return refresh_cost(conn) if name == "rollup_account_symbol_day" and is_last else {}


def run_key(context: dg.AssetExecutionContext) -> str:
    """What a retry shares with the run that it retries: the backfill, or else the root run.

    Re-execute in the UI leaves the backfill's tag off the new run; the root run still has it.
    """
    run = context.run
    root = context.instance.get_run_by_id(run.root_run_id) if run.root_run_id else None
    for tags in (run.tags, root.tags if root else {}):
        if "dagster/backfill" in tags:
            return tags["dagster/backfill"]
    return run.root_run_id or run.run_id


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
                if rows is None:
                    context.log.info("%s %s", f"{month:%Y-%m}", engine.LEFT)
                    continue
                done.add(0, [month], rows)
                context.log.info("%s recomputed in %.2f s: %d rows differed", f"{month:%Y-%m}", seconds, rows)
        report_outside_writes(context, conn)
        drained = engine.drain(conn, _with_unlisted(conn, months), key)
        done.add(drained.keys_taken, drained.months, drained.rows_written)
        if whole and (done.months or engine.finished_months(conn, key)):
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


def months_behind_views(conn: psycopg.Connection[Any]) -> list[date]:
    """The months whose rollups were written since views were refreshed last: by a run that found them to disagree, too."""
    rows = conn.execute(
        """
        select distinct m from prop_trading_model.refresh_log as r cross join lateral unnest(r.months || r.month) as m
        where m is not null
            and r.refresh_id > coalesce((select max(refresh_id) from prop_trading_model.refresh_log where kind = 'views'), 0)
        """
    ).fetchall()
    return [row[0] for row in rows]


def months_that_disagree(conn: psycopg.Connection[Any], months: list[date]) -> list[str]:
    """Compare trades and net of each month across the rollups; costs what the rollups of those months hold."""
    rows = conn.execute(
        """
        select to_char(m, 'YYYY-MM')
        from unnest(%s::date[]) as m
        cross join lateral (
            select coalesce(sum(trades), 0), coalesce(sum(net), 0) from prop_trading_model.rollup_market_day
            where trade_date >= m and trade_date < m + interval '1 month'
        ) as d (trades, net)
        cross join lateral (
            select coalesce(sum(trades), 0), coalesce(sum(net), 0) from prop_trading_model.rollup_symbol_day
            where trade_date >= m and trade_date < m + interval '1 month'
        ) as s (trades, net)
        cross join lateral (
            select coalesce(sum(trades), 0), coalesce(sum(net), 0) from prop_trading_model.rollup_account_month
            where month = m
        ) as a (trades, net)
        where d is distinct from s or d is distinct from a
        order by m
        """,
        [months],
    ).fetchall()
    return [row[0] for row in rows]


def _rollups_agree(months: list[date], disagreeing: list[str]) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        check_name="rollups_agree",
        asset_key="rollup_account_symbol_day",
        passed=not disagreeing,
        metadata={"months": len(months), "months_that_disagree": ", ".join(disagreeing) or "none"},
    )


def _metadata(done: engine.Refreshed) -> dict[str, Any]:
    return {
        "keys_taken": done.keys_taken,
        "months_written": len(done.months),
        "rows_written": done.rows_written,
        "seconds": round(done.seconds, 3),
    }
