"""What a refresh tells Dagster besides that it ran: rows of tables, and writes that did not come through us."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import dagster as dg
import psycopg

from dpm_assets.calendar import month_of
from dpm_assets.months import key_of, known_months

_DATE_OF = {
    "rollup_account_symbol_day": "trade_date",
    "rollup_account_month": "month",
    "rollup_market_day": "trade_date",
    "rollup_symbol_day": "trade_date",
    "mv_daily_trading_stats": "date",
    "mv_market_regime_performance": "date",
}


def row_count(conn: psycopg.Connection[Any], name: str) -> int:
    """Rows of a view, counted, or of a rollup, as PostgreSQL counts what is written and estimates at the last ANALYZE."""
    if name.startswith("mv_"):
        query = psycopg.sql.SQL("select count(*) from {}").format(psycopg.sql.Identifier("prop_trading_model", name))
        row = conn.execute(query).fetchone()
    else:
        conn.execute("select pg_stat_force_next_flush()")  # what this session wrote counts too
        row = conn.execute(
            "select coalesce(sum(greatest(pg_stat_get_live_tuples(c.oid), reltuples, 0)), 0)::bigint"
            " from pg_partition_tree(%s::regclass) as t join pg_class as c on c.oid = t.relid where t.isleaf",
            [f"prop_trading_model.{name}"],
        ).fetchone()
    return int(row[0]) if row else 0


def partition_metadata(conn: psycopg.Connection[Any], name: str, months: Sequence[date]) -> dict[date, dict[str, Any]]:
    """For each month the rows of it, where the rows of a rollup or view have a date; else the trades of the month."""
    column = _DATE_OF.get(name)
    if column:
        query = psycopg.sql.SQL(
            "select m, (select count(*) from {table} where {column} >= m and {column} < m + interval '1 month')"
            " from unnest(%s::date[]) as m"
        ).format(table=psycopg.sql.Identifier("prop_trading_model", name), column=psycopg.sql.Identifier(column))
        return {row[0]: {"dagster/partition_row_count": row[1]} for row in conn.execute(query, [list(months)])}
    trades = conn.execute(
        "select m, (select coalesce(sum(trades), 0)::bigint from prop_trading_model.rollup_market_day"
        " where trade_date >= m and trade_date < m + interval '1 month') from unnest(%s::date[]) as m",
        [list(months)],
    )
    return {row[0]: {"trades": row[1]} for row in trades}


def report_outside_writes(context: dg.AssetExecutionContext, conn: psycopg.Connection[Any]) -> None:
    """Report to raw_trades_closed the months that something other than our loader wrote, so that lineage shows them.

    A month counts as ours when a batch that touched it finished after the oldest change of it that is still pending.
    """
    rows = conn.execute(
        """
        select p.month, p.keys
        from (
            select date_trunc('month', trade_date)::date as month, min(changed_at) as oldest,
                count(distinct (account_id, trade_date)) as keys
            from prop_trading_model.changed_account_days group by 1
        ) as p
        where not exists (
            select from prop_trading_model.load_batches as b
            where b.status = 'loaded' and p.month = any (b.months) and b.finished_at >= p.oldest
        )
        order by 1
        """
    ).fetchall()
    for month, keys in rows:
        for known in known_months(month_of(month), month_of(month)):
            context.log_event(
                dg.AssetMaterialization(
                    "raw_trades_closed",
                    partition=key_of(known),
                    description="Written by something other than the loader of this warehouse, such as psql.",
                    metadata={"changed_account_days": keys},
                )
            )
