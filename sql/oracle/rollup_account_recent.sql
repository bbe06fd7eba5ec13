-- What rollup_account_recent must hold, from the raw trades alone.
with trade as (
    -- Each by name: a firm may have columns of its own that are called like what is computed here.
    select t.account_id, t.trade_date, t.profit, t.lots, t.volume_usd, t.side, t.stop_loss, t.take_profit,
        coalesce(t.std_symbol, t.symbol, '') as symbol_key, as_of.last_day,
        coalesce(t.profit, 0) + coalesce(t.commission, 0) + coalesce(t.swap, 0) as net
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
)
select
    t.account_id,
    count(*) as trades,
    count(*) filter (where t.profit > 0) as wins,
    sum(t.net) as net,
    count(distinct t.trade_date) as days,
    count(*) filter (where t.trade_date > t.last_day - 7) as trades_7d,
    count(*) filter (where t.profit > 0 and t.trade_date > t.last_day - 7) as wins_7d,
    coalesce(sum(t.net) filter (where t.trade_date > t.last_day - 7), 0) as net_7d,
    count(distinct nullif(t.symbol_key, '')) as symbols,
    min(f.symbol_key) as favorite_symbol,
    min(f.trades) as favorite_trades,
    coalesce(sum(t.lots), 0) as lots,
    count(t.lots) as lots_counted,
    coalesce(sum(t.lots * t.lots), 0) as lots_squares,
    coalesce(sum(t.volume_usd), 0) as volume,
    count(t.volume_usd) as volumes,
    count(*) filter (where t.side ilike 'buy') as buys,
    count(t.stop_loss) as stop_losses,
    count(t.take_profit) as take_profits
from trade as t
left join favorite as f on f.account_id = t.account_id
group by t.account_id
