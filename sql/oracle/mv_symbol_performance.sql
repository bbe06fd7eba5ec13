-- What mv_symbol_performance must hold, from the raw trades alone.
with as_of as (
    select max(trade_date) as last_day
    from prop_trading_model.raw_trades_closed
    where trade_date <= prop_trading_model.utc_today()
),
trade as (
    select
        -- Each by name: a firm may have columns of its own that are called like what is computed here.
        t.account_id, t.trade_date, t.open_time, t.close_time, t.profit, t.lots, t.volume_usd,
        coalesce(t.std_symbol, t.symbol, '') as symbol_key,
        coalesce(t.profit, 0) + coalesce(t.commission, 0) + coalesce(t.swap, 0) as net,
        coalesce(t.trade_date > a.last_day - 90 and t.trade_date <= a.last_day, false) as recent
    from prop_trading_model.raw_trades_closed as t cross join as_of as a
)
select
    symbol_key as std_symbol,
    count(distinct account_id) as traders_count,
    count(*) as total_trades,
    sum(case when profit > 0 then 1 else 0 end) as winning_trades,
    sum(case when profit < 0 then 1 else 0 end) as losing_trades,
    round(100.0 * sum(case when profit > 0 then 1 else 0 end) / count(*), 6) as win_rate,
    sum(net) as total_profit,
    sum(greatest(coalesce(profit, 0), 0)) as gross_profit,
    sum(least(coalesce(profit, 0), 0)) as gross_loss,
    round(sum(greatest(coalesce(profit, 0), 0)) / -nullif(sum(least(coalesce(profit, 0), 0)), 0), 6) as profit_factor,
    round(avg(profit), 6) as avg_profit,
    round(stddev_samp(profit), 6) as profit_stddev,
    max(profit) as max_profit,
    min(profit) as min_profit,
    sum(coalesce(volume_usd, 0)) as total_volume,
    sum(coalesce(lots, 0)) as total_lots,
    round(avg(extract(epoch from close_time) - extract(epoch from open_time)) / 3600, 6) as avg_trade_duration_hours,
    min(trade_date) as first_trade_date,
    max(trade_date) as last_trade_date,
    sum(case when recent then 1 else 0 end) as trades_last_90d,
    sum(case when recent then net else 0 end) as profit_last_90d,
    round(
        100.0 * sum(case when recent and profit > 0 then 1 else 0 end) / nullif(sum(case when recent then 1 else 0 end), 0), 6
    ) as win_rate_last_90d,
    count(distinct case when recent then account_id end) as traders_last_90d
from trade
where symbol_key <> ''
group by symbol_key
