-- The materialized views of v2, each a query over the raw trades, and the function that refreshes them all.
-- Invariant: the names, columns and meanings of production's views. Quantiles are computed in double precision.

create materialized view if not exists prop_trading_model.mv_daily_trading_stats as
with account_day as (
    select
        trade_date, account_id,
        count(*) as trades,
        count(*) filter (where profit > 0) as wins,
        count(*) filter (where profit < 0) as losses,
        coalesce(sum(profit) filter (where profit > 0), 0) as gross_profit,
        coalesce(sum(profit) filter (where profit < 0), 0) as gross_loss,
        sum(coalesce(profit, 0) + coalesce(commission, 0) + coalesce(swap, 0)) as net,
        coalesce(sum(volume_usd), 0) as volume,
        coalesce(sum(lots), 0) as lots
    from prop_trading_model.raw_trades_closed
    group by trade_date, account_id
)
select
    trade_date as date,
    count(*) as active_accounts,
    count(*) filter (where net > 0) as profitable_accounts,
    count(*) filter (where net < 0) as losing_accounts,
    sum(trades) as total_trades,
    sum(wins) as winning_trades,
    sum(losses) as losing_trades,
    round(100 * sum(wins) / sum(trades), 6) as win_rate,
    sum(net) as total_profit,
    sum(gross_profit) as gross_profit,
    sum(gross_loss) as gross_loss,
    round(sum(gross_profit) / nullif(-sum(gross_loss), 0), 6) as profit_factor,
    round(avg(net), 6) as avg_profit,
    round(stddev_samp(net), 6) as profit_stddev,
    round(percentile_cont(0.5) within group (order by net)::numeric, 6) as median_profit,
    round(percentile_cont(0.25) within group (order by net)::numeric, 6) as profit_q1,
    round(percentile_cont(0.75) within group (order by net)::numeric, 6) as profit_q3,
    max(net) as max_profit,
    min(net) as min_profit,
    sum(volume) as total_volume,
    sum(lots) as total_lots
from account_day
group by trade_date;
create unique index if not exists mv_daily_trading_stats_key on prop_trading_model.mv_daily_trading_stats (date);

create materialized view if not exists prop_trading_model.mv_symbol_performance as
with trade as (
    select
        *, coalesce(std_symbol, symbol) as symbol_key,
        coalesce(profit, 0) + coalesce(commission, 0) + coalesce(swap, 0) as net,
        trade_date > last_day - 90 and trade_date <= last_day as recent
    from prop_trading_model.raw_trades_closed
    cross join (
        select max(trade_date) as last_day from prop_trading_model.raw_trades_closed where trade_date <= current_date
    ) as as_of
)
select
    symbol_key as std_symbol,
    count(distinct account_id) as traders_count,
    count(*) as total_trades,
    count(*) filter (where profit > 0) as winning_trades,
    count(*) filter (where profit < 0) as losing_trades,
    round(100.0 * count(*) filter (where profit > 0) / count(*), 6) as win_rate,
    sum(net) as total_profit,
    coalesce(sum(profit) filter (where profit > 0), 0) as gross_profit,
    coalesce(sum(profit) filter (where profit < 0), 0) as gross_loss,
    round(
        coalesce(sum(profit) filter (where profit > 0), 0) / nullif(-sum(profit) filter (where profit < 0), 0), 6
    ) as profit_factor,
    round(avg(profit), 6) as avg_profit,
    round(stddev_samp(profit), 6) as profit_stddev,
    max(profit) as max_profit,
    min(profit) as min_profit,
    coalesce(sum(volume_usd), 0) as total_volume,
    coalesce(sum(lots), 0) as total_lots,
    round(avg(extract(epoch from close_time - open_time)) / 3600, 6) as avg_trade_duration_hours,
    min(trade_date) as first_trade_date,
    max(trade_date) as last_trade_date,
    count(*) filter (where recent) as trades_last_90d,
    coalesce(sum(net) filter (where recent), 0) as profit_last_90d,
    round(
        100.0 * count(*) filter (where recent and profit > 0) / nullif(count(*) filter (where recent), 0), 6
    ) as win_rate_last_90d,
    count(distinct account_id) filter (where recent) as traders_last_90d
from trade
where symbol_key <> ''
group by symbol_key;
create unique index if not exists mv_symbol_performance_key on prop_trading_model.mv_symbol_performance (std_symbol);

create materialized view if not exists prop_trading_model.mv_account_performance_summary as
with as_of as (
    select max(trade_date) as last_day from prop_trading_model.raw_trades_closed where trade_date <= current_date
),
account as (
    select distinct on (account_id) * from prop_trading_model.raw_accounts_data
    order by account_id, ingestion_timestamp desc nulls last, id desc
),
plan as (
    select distinct on (plan_id) * from prop_trading_model.raw_plans_data
    order by plan_id, ingestion_timestamp desc nulls last, id desc
),
last_login as (
    select distinct on (account_id) account_id, login from prop_trading_model.raw_trades_closed
    order by account_id, trade_date desc, close_time desc nulls last, id desc
),
account_day as (
    select
        account_id, trade_date,
        count(*) as trades,
        count(*) filter (where profit > 0) as wins,
        coalesce(sum(profit) filter (where profit > 0), 0) as gross_profit,
        coalesce(sum(profit) filter (where profit < 0), 0) as gross_loss,
        sum(coalesce(profit, 0) + coalesce(commission, 0) + coalesce(swap, 0)) as net
    from prop_trading_model.raw_trades_closed
    group by account_id, trade_date
),
levels as (
    select *, sum(net) over (partition by account_id order by trade_date) as level from account_day
),
falls as (
    select *, greatest(0, max(level) over (partition by account_id order by trade_date)) - level as fall from levels
),
life as (
    select
        account_id,
        sum(trades) as trades,
        sum(net) as net,
        sum(gross_profit) as gross_profit,
        sum(gross_loss) as gross_loss,
        sum(wins) as wins,
        avg(net) / nullif(stddev_samp(net), 0) as sharpe,
        max(fall) as max_drawdown,
        count(*) as days,
        min(trade_date) as first_trade_date,
        max(trade_date) as last_trade_date,
        sum(trades) filter (where of_30d) as trades_30d,
        sum(net) filter (where of_30d) as net_30d,
        sum(wins) filter (where of_30d) as wins_30d,
        count(*) filter (where of_30d) as days_30d,
        sum(trades) filter (where of_7d) as trades_7d,
        sum(net) filter (where of_7d) as net_7d,
        sum(wins) filter (where of_7d) as wins_7d
    from falls
    cross join lateral (
        select
            trade_date > last_day - 30 and trade_date <= last_day as of_30d,
            trade_date > last_day - 7 and trade_date <= last_day as of_7d
        from as_of
    ) as windows
    group by account_id
)
select
    account_id,
    coalesce(a.login, t.login) as login,
    a.trader_id,
    a.plan_id,
    p.plan_name,
    a.phase,
    a.status,
    a.starting_balance,
    a.current_balance,
    a.current_equity,
    a.profit_target_pct,
    a.max_drawdown_pct,
    coalesce(l.trades, 0) as lifetime_trades,
    coalesce(l.net, 0) as lifetime_profit,
    coalesce(l.gross_profit, 0) as lifetime_gross_profit,
    coalesce(l.gross_loss, 0) as lifetime_gross_loss,
    round(100 * l.wins / l.trades, 6) as lifetime_win_rate,
    round(l.gross_profit / nullif(-l.gross_loss, 0), 6) as lifetime_profit_factor,
    round(l.sharpe, 6) as lifetime_sharpe_ratio,
    l.max_drawdown as lifetime_max_drawdown,
    coalesce(l.days, 0) as active_days,
    l.first_trade_date,
    l.last_trade_date,
    coalesce(l.trades_30d, 0) as trades_last_30d,
    coalesce(l.net_30d, 0) as profit_last_30d,
    round(100 * l.wins_30d / l.trades_30d, 6) as win_rate_last_30d,
    coalesce(l.days_30d, 0) as trading_days_last_30d,
    coalesce(l.trades_7d, 0) as trades_last_7d,
    coalesce(l.net_7d, 0) as profit_last_7d,
    round(100 * l.wins_7d / l.trades_7d, 6) as win_rate_last_7d,
    round(100 * (a.current_balance - a.starting_balance) / nullif(a.starting_balance, 0), 6) as total_return_pct,
    round(
        100 * (
            1 - (100 * (a.current_balance - a.starting_balance) / nullif(a.starting_balance, 0))
                / nullif(a.profit_target_pct, 0)
        ), 6
    ) as distance_to_target_pct
from account as a
full join life as l using (account_id)
left join plan as p on p.plan_id = a.plan_id
left join last_login as t using (account_id);
create unique index if not exists mv_account_performance_summary_key
    on prop_trading_model.mv_account_performance_summary (account_id);

create materialized view if not exists prop_trading_model.mv_account_trading_patterns as
with trade as (
    select *, coalesce(std_symbol, symbol, '') as symbol_key
    from prop_trading_model.raw_trades_closed
    cross join (
        select max(trade_date) as last_day from prop_trading_model.raw_trades_closed where trade_date <= current_date
    ) as as_of
    where trade_date > last_day - 30 and trade_date <= last_day
),
account as (
    select distinct on (account_id) * from prop_trading_model.raw_accounts_data
    order by account_id, ingestion_timestamp desc nulls last, id desc
),
last_login as (
    select distinct on (account_id) account_id, login from prop_trading_model.raw_trades_closed
    order by account_id, trade_date desc, close_time desc nulls last, id desc
),
favorite as (
    select distinct on (account_id) account_id, symbol_key, count(*) as trades
    from trade where symbol_key <> ''
    group by account_id, symbol_key
    order by account_id, count(*) desc, symbol_key
)
select
    account_id,
    coalesce(a.login, l.login) as login,
    count(*) as trades_last_30d,
    count(distinct nullif(t.symbol_key, '')) as unique_symbols,
    f.symbol_key as favorite_symbol,
    round(100.0 * f.trades / count(*), 6) as top_symbol_concentration_pct,
    round(avg(t.lots), 6) as avg_lots,
    round(stddev_samp(t.lots), 6) as lots_stddev,
    round(avg(t.volume_usd), 6) as avg_volume,
    round(100.0 * count(*) filter (where lower(t.side) = 'buy') / count(*), 6) as buy_ratio,
    round(100.0 * count(t.stop_loss) / count(*), 6) as stop_loss_usage_rate,
    round(100.0 * count(t.take_profit) / count(*), 6) as take_profit_usage_rate
from trade as t
join last_login as l using (account_id)
left join favorite as f using (account_id)
left join account as a using (account_id)
group by account_id, a.login, l.login, f.symbol_key, f.trades;
create unique index if not exists mv_account_trading_patterns_key
    on prop_trading_model.mv_account_trading_patterns (account_id);

create materialized view if not exists prop_trading_model.mv_market_regime_performance as
with regime as (
    select distinct on (date) date, summary from prop_trading_model.raw_regimes_daily
    order by date, ingestion_timestamp desc nulls last, id desc
),
account_day as (
    select
        trade_date, account_id,
        count(*) as trades,
        count(*) filter (where profit > 0) as wins,
        sum(coalesce(profit, 0) + coalesce(commission, 0) + coalesce(swap, 0)) as net,
        coalesce(sum(volume_usd), 0) as volume
    from prop_trading_model.raw_trades_closed
    group by trade_date, account_id
)
select
    r.date,
    r.summary ->> 'market_sentiment' as market_sentiment,
    r.summary ->> 'volatility_regime' as volatility_regime,
    r.summary ->> 'liquidity_state' as liquidity_state,
    count(d.account_id) as active_accounts,
    coalesce(sum(d.trades), 0) as total_trades,
    coalesce(sum(d.net), 0) as total_profit,
    round(avg(d.net), 6) as avg_profit,
    round(stddev_samp(d.net), 6) as profit_stddev,
    round(100 * sum(d.wins) / sum(d.trades), 6) as win_rate,
    coalesce(sum(d.volume), 0) as total_volume,
    round(percentile_cont(0.5) within group (order by d.net)::numeric, 6) as median_profit,
    count(*) filter (where d.net > 0) as profitable_accounts
from regime as r
left join account_day as d on d.trade_date = r.date
group by r.date, r.summary;
create unique index if not exists mv_market_regime_performance_key on prop_trading_model.mv_market_regime_performance (date);

-- Refreshes all five, one after the other, without keeping readers out.
create or replace function prop_trading_model.refresh_materialized_views() returns void
language plpgsql
as $$
begin
    refresh materialized view concurrently prop_trading_model.mv_daily_trading_stats;
    refresh materialized view concurrently prop_trading_model.mv_symbol_performance;
    refresh materialized view concurrently prop_trading_model.mv_account_performance_summary;
    refresh materialized view concurrently prop_trading_model.mv_account_trading_patterns;
    refresh materialized view concurrently prop_trading_model.mv_market_regime_performance;
end
$$;
