-- What rollup_account_day_net must hold, from the raw trades alone.
select
    trade_date,
    sum(coalesce(profit, 0) + coalesce(commission, 0) + coalesce(swap, 0)) as net,
    account_id
from prop_trading_model.raw_trades_closed
group by account_id, trade_date
