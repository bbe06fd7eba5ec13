-- What rollup_account_symbol_day must hold, from the raw trades alone.
select
    trade_date,
    count(*) as trades,
    sum(case when profit > 0 then 1 else 0 end) as wins,
    sum(case when profit < 0 then 1 else 0 end) as losses,
    sum(case when profit is null then 0 else 1 end) as profits,
    sum(case when lots is null then 0 else 1 end) as lots_counted,
    sum(case when volume_usd is null then 0 else 1 end) as volumes,
    sum(case when close_time is null or open_time is null then 0 else 1 end) as durations,
    sum(case when side ilike 'buy' then 1 else 0 end) as buys,
    sum(case when stop_loss is null then 0 else 1 end) as stop_losses,
    sum(case when take_profit is null then 0 else 1 end) as take_profits,
    account_id,
    coalesce(std_symbol, symbol, '') as symbol_key,
    sum(greatest(coalesce(profit, 0), 0)) as gross_profit,
    sum(least(coalesce(profit, 0), 0)) as gross_loss,
    sum(coalesce(profit, 0) + coalesce(commission, 0) + coalesce(swap, 0)) as net,
    sum(coalesce(profit, 0) * coalesce(profit, 0)) as profit_squares,
    max(profit) as profit_max,
    min(profit) as profit_min,
    sum(coalesce(lots, 0)) as lots,
    sum(coalesce(lots, 0) * coalesce(lots, 0)) as lots_squares,
    sum(coalesce(volume_usd, 0)) as volume,
    sum(coalesce(extract(epoch from close_time) - extract(epoch from open_time), 0)) * 1000000 as duration_us
from prop_trading_model.raw_trades_closed
group by account_id, trade_date, coalesce(std_symbol, symbol, '')
