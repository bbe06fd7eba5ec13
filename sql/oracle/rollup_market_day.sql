-- What rollup_market_day must hold, from the raw trades alone. A quantile takes each of the two values around its place by
-- how near it is: linear interpolation, in numeric.
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
    trade_date,
    count(*) as accounts,
    sum(case when net > 0 then 1 else 0 end) as profitable_accounts,
    sum(case when net < 0 then 1 else 0 end) as losing_accounts,
    sum(trades) as trades,
    sum(wins) as wins,
    sum(losses) as losses,
    sum(gross_profit) as gross_profit,
    sum(gross_loss) as gross_loss,
    sum(net) as net,
    sum(net * net) as net_squares,
    max(net) as net_max,
    min(net) as net_min,
    sum(net * greatest(0, 1 - abs(place - 0.25 * last_place))) as net_q1,
    sum(net * greatest(0, 1 - abs(place - 0.50 * last_place))) as net_median,
    sum(net * greatest(0, 1 - abs(place - 0.75 * last_place))) as net_q3,
    sum(volume) as volume,
    sum(lots) as lots,
    array_agg(net order by place) as nets
from placed
group by trade_date
