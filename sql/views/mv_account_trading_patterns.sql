-- mv_account_trading_patterns: one row an account with trades in the trailing 30 days.

create materialized view if not exists prop_trading_model.mv_account_trading_patterns as
with as_of as materialized (
    select prop_trading_model.as_of_date() as last_day
),
account_symbol as (
    select
        account_id, symbol_key,
        sum(trades) as trades, sum(lots) as lots, sum(lots_counted) as lots_counted, sum(lots_squares) as lots_squares,
        sum(volume) as volume, sum(volumes) as volumes, sum(buys) as buys,
        sum(stop_losses) as stop_losses, sum(take_profits) as take_profits
    from prop_trading_model.rollup_account_symbol_day
    where trade_date between (select last_day - 29 from as_of) and (select last_day from as_of)
    group by account_id, symbol_key
),
account as (
    select
        account_id,
        sum(trades) as trades, count(*) filter (where symbol_key <> '') as symbols,
        sum(lots) as lots, sum(lots_counted) as lots_counted, sum(lots_squares) as lots_squares,
        sum(volume) as volume, sum(volumes) as volumes, sum(buys) as buys,
        sum(stop_losses) as stop_losses, sum(take_profits) as take_profits
    from account_symbol
    group by account_id
),
favorite as (
    select distinct on (account_id) account_id, symbol_key, trades
    from account_symbol
    where symbol_key <> ''
    order by account_id, trades desc, symbol_key
)
select
    t.account_id,
    coalesce(a.login, r.login) as login,
    t.trades::bigint as trades_last_30d,
    t.symbols as unique_symbols,
    f.symbol_key as favorite_symbol,
    prop_trading_model.rate(f.trades, t.trades) as top_symbol_concentration_pct,
    round(t.lots / nullif(t.lots_counted, 0), 6) as avg_lots,
    round(prop_trading_model.sample_stddev(t.lots_counted::bigint, t.lots, t.lots_squares), 6) as lots_stddev,
    round(t.volume / nullif(t.volumes, 0), 6) as avg_volume,
    prop_trading_model.rate(t.buys, t.trades) as buy_ratio,
    prop_trading_model.rate(t.stop_losses, t.trades) as stop_loss_usage_rate,
    prop_trading_model.rate(t.take_profits, t.trades) as take_profit_usage_rate
from account as t
left join favorite as f on f.account_id = t.account_id
left join prop_trading_model.latest_accounts as a on a.account_id = t.account_id
left join prop_trading_model.rollup_account as r on r.account_id = t.account_id;

create unique index if not exists mv_account_trading_patterns_key
    on prop_trading_model.mv_account_trading_patterns (account_id);
