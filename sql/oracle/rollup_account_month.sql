-- What rollup_account_month must hold, from the raw trades alone. A fall is measured from each day to the lowest day at or
-- after it.
with account_day as (
    select
        account_id, trade_date, date_trunc('month', trade_date)::date as month,
        count(*) as trades,
        sum(case when profit > 0 then 1 else 0 end) as wins,
        sum(case when profit < 0 then 1 else 0 end) as losses,
        sum(greatest(coalesce(profit, 0), 0)) as gross_profit,
        sum(least(coalesce(profit, 0), 0)) as gross_loss,
        sum(coalesce(profit, 0) + coalesce(commission, 0) + coalesce(swap, 0)) as net
    from prop_trading_model.raw_trades_closed
    group by account_id, trade_date, date_trunc('month', trade_date)::date
),
levels as (
    select *, sum(net) over (partition by account_id, month order by trade_date) as level from account_day
),
falls as (
    select
        *,
        level - min(level) over (
            partition by account_id, month order by trade_date rows between current row and unbounded following
        ) as fall
    from levels
)
select
    account_id,
    month,
    sum(trades) as trades,
    sum(wins) as wins,
    sum(losses) as losses,
    sum(gross_profit) as gross_profit,
    sum(gross_loss) as gross_loss,
    sum(net) as net,
    sum(net * net) as net_squares,
    count(*) as active_days,
    max(level) as highest,
    min(level) as lowest,
    max(fall) as largest_fall,
    min(trade_date) as first_trade_date,
    max(trade_date) as last_trade_date
from falls
group by account_id, month
