"""What has to stand in the new tables and among the rows that could not move, told from the old tables alone."""

from psycopg import sql

from tests.interleaving import Connection

# A row fits when it passes the checks of sql/tables, written here once more and in other words, and partitions may take its day.
_TRADES = """
select id, trade_id, account_id, login, symbol, std_symbol, side, open_time, close_time, day as trade_date, open_price,
    close_price, nullif(stop_loss, 0) as stop_loss, nullif(take_profit, 0) as take_profit, lots, volume_usd, profit,
    commission, swap, ingestion_timestamp, source_api_endpoint
from (
    select *, row_number() over (
        partition by account_id, day, trade_id order by ingestion_timestamp desc nulls last, id desc) as age
    from (
        select *, coalesce(trade_date, cast(close_time as date)) as day from {old}.raw_trades_closed) as dated
    where day >= '2020-01-01' and day < date_trunc('month', now() at time zone 'utc') + interval '4 months'
        and upper(coalesce(side, 'BUY')) in ('BUY', 'SELL')
        and not coalesce(close_time < open_time, false)
        and coalesce(open_price, 1) > 0 and coalesce(close_price, 1) > 0
        and coalesce(stop_loss, 0) >= 0 and coalesce(take_profit, 0) >= 0
        and coalesce(lots, 1) > 0 and coalesce(volume_usd, 0) >= 0
        and 'NaN' <> all (array[coalesce(open_price, 0), coalesce(close_price, 0), coalesce(stop_loss, 0),
            coalesce(take_profit, 0), coalesce(lots, 0), coalesce(volume_usd, 0), coalesce(profit, 0),
            coalesce(commission, 0), coalesce(swap, 0)])
        and isfinite(coalesce(open_time, 'epoch')) and isfinite(coalesce(close_time, 'epoch'))
        and isfinite(coalesce(ingestion_timestamp, 'epoch'))) as fitting
where age = 1
"""
_METRICS = """
select id, account_id, login, date, net_profit, gross_profit, gross_loss, total_trades, winning_trades, losing_trades,
    win_rate, profit_factor, lots_traded, volume_traded, commission, swap, balance_start, balance_end, equity_start,
    equity_end, ingestion_timestamp, source_api_endpoint
from {old}.raw_metrics_daily
where date >= '2020-01-01' and date < '2100-01-01' and isfinite(coalesce(ingestion_timestamp, 'epoch'))
    and not coalesce(winning_trades + losing_trades > total_trades, false)
    and coalesce(total_trades, 0) >= 0 and coalesce(winning_trades, 0) >= 0 and coalesce(losing_trades, 0) >= 0
    and coalesce(gross_profit, 0) >= 0 and coalesce(gross_loss, 0) <= 0
    and coalesce(win_rate, 50) >= 0 and coalesce(win_rate, 50) <= 100
    and 'NaN' <> all (array[coalesce(net_profit, 0), coalesce(gross_profit, 0), coalesce(gross_loss, 0),
        coalesce(win_rate, 0), coalesce(profit_factor, 0), coalesce(lots_traded, 0), coalesce(volume_traded, 0),
        coalesce(commission, 0), coalesce(swap, 0), coalesce(balance_start, 0), coalesce(balance_end, 0),
        coalesce(equity_start, 0), coalesce(equity_end, 0)])
"""
_FITTING = {"raw_trades_closed": _TRADES, "raw_metrics_daily": _METRICS}
OLD = "prop_trading_model_old"
NEW = "prop_trading_model"


def misplaced(conn: Connection, old: str = OLD, new: str = NEW) -> list[str]:
    """Every row of the old tables that is not in its place, and every row of the new ones that has no place there.

    A row that fits is in the new table as it was, under its id; any other is kept among the unmoved rows with a reason.
    """
    faults = []
    for table, fitting in _FITTING.items():
        query = sql.SQL(fitting).format(old=sql.Identifier(old))
        there = sql.SQL("select * from {}").format(sql.Identifier(new, table))
        for what, first, second in (("is not in the new", query, there), ("is only in the new", there, query)):
            rows = conn.execute(
                sql.SQL(
                    "select (to_jsonb(a) - 'load_batch_id')::text from ({}) as a except all"
                    " select (to_jsonb(b) - 'load_batch_id')::text from ({}) as b"
                ).format(first, second)
            ).fetchall()
            faults += [f"{table}: {row} {what} table" for (row,) in rows]
        kept = conn.execute(
            sql.SQL(
                "select coalesce(o.id, u.id), u.id is null, u.reason, to_jsonb(o) = u.row from"
                " (select * from {old} as t where id not in (select id from ({fitting}) as f)) as o full join"
                " (select * from prop_trading_model_migration.unmoved_rows where table_name = {table}) as u on u.id = o.id"
                " where o.id is null or u.id is null or u.reason is null or to_jsonb(o) <> u.row"
            ).format(old=sql.Identifier(old, table), fitting=query, table=sql.Literal(table))
        ).fetchall()
        faults += [f"{table}: row {row} does not stand as it should among the unmoved rows" for row in kept]
    return faults


def set_aside(conn: Connection, table: str) -> dict[str, str]:
    """The reason of each unmoved row of the dirty baseline, by its kind of dirt."""
    return dict(
        conn.execute(
            "select row ->> 'source_api_endpoint', reason from prop_trading_model_migration.unmoved_rows where table_name = %s",
            [table],
        ).fetchall()
    )
