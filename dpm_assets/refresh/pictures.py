"""Pictures of a refresh: the daily profit of a month, and what the last refreshes cost."""

from datetime import date
from typing import Any

import dagster as dg
import psycopg

from dpm_assets.monitor.charts import as_markdown, gains_and_losses, stacked_bars

_KINDS = ("keys", "month", "totals", "views")
_SHOWN = 60


def daily_profit(conn: psycopg.Connection[Any], month: date) -> dict[str, Any]:
    """The net of each day of a month as mv_daily_trading_stats has it, as a picture; nothing for a month without trades."""
    rows = conn.execute(
        "select date, total_profit from prop_trading_model.mv_daily_trading_stats"
        " where date >= %(month)s::date and date < %(month)s::date + interval '1 month' order by date",
        {"month": month},
    ).fetchall()
    if not rows:
        return {}
    total = round(sum(profit for _, profit in rows))
    chart = gains_and_losses(
        f"Net profit of each day of {month:%B %Y}, together {total:,}",
        [(f"{day:%d}", round(profit)) for day, profit in rows],
    )
    return {"daily_profit": dg.MetadataValue.md(as_markdown(chart, f"net profit of each day of {month:%Y-%m}"))}


def refresh_cost(conn: psycopg.Connection[Any]) -> dict[str, Any]:
    """Milliseconds of the last steps of refreshes, by kind: changed keys, rebuilt months, totals, views."""
    rows = conn.execute(
        "select kind, started_at, round(1000 * seconds) from prop_trading_model.refresh_log order by refresh_id desc limit %s",
        [_SHOWN],
    ).fetchall()
    bars = [
        (f"{started:%d. %H:%M}", [int(milliseconds) if kind == each else 0 for each in _KINDS])
        for kind, started, milliseconds in reversed(rows)
    ]
    chart = stacked_bars("The last steps of refreshes", _KINDS, bars, "ms")
    return {"refresh_cost": dg.MetadataValue.md(as_markdown(chart, "milliseconds of the last steps of refreshes"))}
