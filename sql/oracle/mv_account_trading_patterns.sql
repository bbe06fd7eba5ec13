-- What mv_account_trading_patterns must hold, from the raw trades and accounts alone.
with trade as (
    -- Each by name: a firm may have columns of its own that are called like what is computed here.
    select t.account_id, t.lots, t.volume_usd, t.side, t.stop_loss, t.take_profit,
        coalesce(t.std_symbol, t.symbol, '') as symbol_key
    from prop_trading_model.raw_trades_closed as t
    cross join (
        select max(trade_date) as last_day
        from prop_trading_model.raw_trades_closed
        where trade_date <= prop_trading_model.utc_today()
    ) as as_of
    where t.trade_date > as_of.last_day - 30 and t.trade_date <= as_of.last_day
),
favorite as (
    select account_id, symbol_key, trades from (
        select
            account_id, symbol_key, count(*) as trades,
            row_number() over (partition by account_id order by count(*) desc, symbol_key) as place
        from trade
        where symbol_key <> ''
        group by account_id, symbol_key
    ) as most_traded_first
    where place = 1
),
account as (
    select * from (
        select
            account_id, login,
            row_number() over (partition by account_id order by ingestion_timestamp desc nulls last, id desc) as place
        from prop_trading_model.raw_accounts_data
    ) as newest_first
    where place = 1
),
last_trade as (
    select * from (
        select account_id, login, row_number() over (
            partition by account_id order by trade_date desc, close_time desc nulls last, id desc, trade_id desc
        ) as place
        from prop_trading_model.raw_trades_closed
    ) as newest_first
    where place = 1
),
pattern as (
    select
        account_id,
        count(*) as trades,
        count(distinct nullif(symbol_key, '')) as symbols,
        avg(lots) as avg_lots,
        stddev_samp(lots) as lots_stddev,
        avg(volume_usd) as avg_volume,
        sum(case when side ilike 'buy' then 100.0 else 0 end) / count(*) as buy_ratio,
        sum(case when stop_loss is null then 0 else 100.0 end) / count(*) as stop_loss_usage_rate,
        sum(case when take_profit is null then 0 else 100.0 end) / count(*) as take_profit_usage_rate
    from trade
    group by account_id
)
select
    p.account_id,
    coalesce(a.login, t.login) as login,
    p.trades as trades_last_30d,
    p.symbols as unique_symbols,
    f.symbol_key as favorite_symbol,
    round(100.0 * f.trades / p.trades, 6) as top_symbol_concentration_pct,
    round(p.avg_lots, 6) as avg_lots,
    round(p.lots_stddev, 6) as lots_stddev,
    round(p.avg_volume, 6) as avg_volume,
    round(p.buy_ratio, 6) as buy_ratio,
    round(p.stop_loss_usage_rate, 6) as stop_loss_usage_rate,
    round(p.take_profit_usage_rate, 6) as take_profit_usage_rate,
    null::boolean as unchecked
from pattern as p
join last_trade as t on t.account_id = p.account_id
left join favorite as f on f.account_id = p.account_id
left join account as a on a.account_id = p.account_id
