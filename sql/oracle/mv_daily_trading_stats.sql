-- What mv_daily_trading_stats must hold, from the raw trades alone.
with account_day as (
    select
        account_id, trade_date,
        count(*) as trades,
        sum(case when profit > 0 then 1 else 0 end) as wins,
        sum(case when profit < 0 then 1 else 0 end) as losses,
        sum(greatest(coalesce(profit, 0), 0)) as gross_profit,
        sum(least(coalesce(profit, 0), 0)) as gross_loss,
        sum(coalesce(profit, 0) + coalesce(commission, 0) + coalesce(swap, 0)) as net,
        sum(coalesce(volume_usd, 0)) as volume,
        sum(coalesce(lots, 0)) as lots
    from prop_trading_model.raw_trades_closed
    group by account_id, trade_date
),
placed as (
    select
        *,
        row_number() over (partition by trade_date order by net) - 1 as place,
        count(*) over (partition by trade_date) - 1 as last_place
    from account_day
)
select
    trade_date as date,
    count(*) as active_accounts,
    sum(case when net > 0 then 1 else 0 end) as profitable_accounts,
    sum(case when net < 0 then 1 else 0 end) as losing_accounts,
    sum(trades) as total_trades,
    sum(wins) as winning_trades,
    sum(losses) as losing_trades,
    round(100 * sum(wins) / sum(trades), 6) as win_rate,
    sum(net) as total_profit,
    sum(gross_profit) as gross_profit,
    sum(gross_loss) as gross_loss,
    round(sum(gross_profit) / -nullif(sum(gross_loss), 0), 6) as profit_factor,
    round(avg(net), 6) as avg_profit,
    round(stddev_samp(net), 6) as profit_stddev,
    round(sum(net * greatest(0, 1 - abs(place - 0.50 * last_place))), 6) as median_profit,
    round(sum(net * greatest(0, 1 - abs(place - 0.25 * last_place))), 6) as profit_q1,
    round(sum(net * greatest(0, 1 - abs(place - 0.75 * last_place))), 6) as profit_q3,
    max(net) as max_profit,
    min(net) as min_profit,
    sum(volume) as total_volume,
    sum(lots) as total_lots
from placed
group by trade_date
