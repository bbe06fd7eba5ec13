-- What rollup_account_symbol must hold, from the raw trades alone.
select
    account_id,
    coalesce(std_symbol, symbol, '') as symbol_key,
    max(trade_date) as last_trade_date
from prop_trading_model.raw_trades_closed
group by account_id, coalesce(std_symbol, symbol, '')
