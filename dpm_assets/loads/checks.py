"""The check that the API's own metrics and the trades agree."""

from typing import Any

import dagster as dg
from psycopg.rows import dict_row

from dpm_assets.runs import about
from dpm_assets.warehouse import Warehouse

_COUNTS = """
select count(*) as account_days, count(*) filter (where only_in = 'metrics') as only_in_metrics,
    count(*) filter (where only_in = 'trades') as only_in_trades,
    (select count(*) from prop_trading_model.latest_metrics_daily where date between %(first)s and %(last)s) as compared
from prop_trading_model.v_metrics_reconciliation where date between %(first)s and %(last)s
"""
_FIRST = """
select account_id, date, only_in, differs, metrics_net_profit, trades_net_profit, metrics_total_trades, trades_total_trades
from prop_trading_model.v_metrics_reconciliation where date between %(first)s and %(last)s
order by date desc, account_id limit 10
"""


@dg.asset_check(
    asset="raw_metrics_daily",
    name="agrees_with_trades",
    description=(
        "Net, gross profit and loss, trades, wins, losses, lots and volume of every account-day, to the cent, over the days "
        "that the metrics span; v_metrics_reconciliation has every difference with both figures."
    ),
)
def agrees_with_trades(warehouse: Warehouse) -> dg.AssetCheckResult:
    with warehouse.db.connection() as conn:
        cursor = conn.cursor(row_factory=dict_row)
        span: dict[str, Any] = (
            cursor.execute(
                "select min(date) as first, max(date) as last from prop_trading_model.raw_metrics_daily"
            ).fetchone()
            or {}
        )
        counts: dict[str, int] = cursor.execute(_COUNTS, span).fetchone() or {}
        first = cursor.execute(_FIRST, span).fetchall() if counts["account_days"] else []
    return dg.AssetCheckResult(
        passed=not counts["account_days"],
        severity=dg.AssetCheckSeverity.WARN,
        metadata={**counts, "first": "\n".join(map(_in_words, first)) or "none"},
        description=(
            "select * from v_metrics_reconciliation shows both figures: one of the feeds lacks a file, or has old ones."
            if first
            else None
        ),
    )


def _in_words(row: dict[str, Any]) -> str:
    if row["only_in"]:
        return f"{row['account_id']} {row['date']}: only in the {row['only_in']}"
    return (
        f"{row['account_id']} {row['date']}: {', '.join(row['differs'])} (net {row['metrics_net_profit']} in the metrics, "
        f"{row['trades_net_profit']} by the trades; {row['metrics_total_trades']} and {row['trades_total_trades']} trades)"
    )


reconciliation_job = dg.define_asset_job(
    "reconcile_metrics",
    selection=dg.AssetSelection.checks(agrees_with_trades),
    description="Compare the API's own metrics with the trades.",
    tags=about("loads", "reads"),
)

daily_reconciliation = dg.ScheduleDefinition(
    name="daily_reconciliation",
    job=reconciliation_job,
    tags=reconciliation_job.tags,
    cron_schedule="15 4 * * *",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Every night: where the metrics and the trades disagree.",
)
