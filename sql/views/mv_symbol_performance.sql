-- mv_symbol_performance: one row a symbol. Averages, deviation and extremes are over single trades' profit.

create materialized view if not exists prop_trading_model.mv_symbol_performance
with (autovacuum_vacuum_threshold = 50, autovacuum_vacuum_scale_factor = 0.1) as
with as_of as materialized (
    select prop_trading_model.as_of_date() as last_day, prop_trading_model.as_of_date() - 89 as first_day
),
symbols as (
    select
        d.symbol_key,
        sum(d.trades) as trades, sum(d.wins) as wins, sum(d.losses) as losses,
        sum(d.gross_profit) as gross_profit, sum(d.gross_loss) as gross_loss, sum(d.net) as net,
        sum(d.profits) as profits, sum(d.profit_squares) as profit_squares,
        max(d.profit_max) as profit_max, min(d.profit_min) as profit_min,
        sum(d.volume) as volume, sum(d.lots) as lots, sum(d.duration_us) as duration_us, sum(d.durations) as durations,
        min(d.trade_date) as first_trade_date, max(d.trade_date) as last_trade_date,
        coalesce(sum(d.trades) filter (where d.trade_date between a.first_day and a.last_day), 0) as trades_90d,
        coalesce(sum(d.wins) filter (where d.trade_date between a.first_day and a.last_day), 0) as wins_90d,
        coalesce(sum(d.net) filter (where d.trade_date between a.first_day and a.last_day), 0) as net_90d
    from prop_trading_model.rollup_symbol_day as d
    cross join as_of as a
    where d.symbol_key <> ''
    group by d.symbol_key
),
-- An account traded a symbol within the window if its last day lies in it. Its ends are looked up first, so that workers can
-- share the counting.
traders as materialized (
    select
        symbol_key,
        count(*) as traders,
        count(*) filter (
            where last_trade_date between (select first_day from as_of) and (select last_day from as_of)
        ) as traders_90d,
        max(last_trade_date) as last_trade_date
    from prop_trading_model.rollup_account_symbol
    group by symbol_key
),
-- Where the last day lies after the window (a trade dated in the future), its days are looked at.
later_traders as (
    select s.symbol_key, count(*) as traders_90d
    from prop_trading_model.rollup_account_symbol as s
    cross join as_of as a
    where (select max(t.last_trade_date) from traders as t) > (select w.last_day from as_of as w)
        and s.last_trade_date > a.last_day
        and exists (
            select from prop_trading_model.rollup_account_symbol_day as d
            where d.account_id = s.account_id and d.symbol_key = s.symbol_key
                and d.trade_date between a.first_day and a.last_day
        )
    group by s.symbol_key
)
select
    s.symbol_key as std_symbol,
    coalesce(t.traders, 0) as traders_count,
    s.trades::bigint as total_trades,
    s.wins::bigint as winning_trades,
    s.losses::bigint as losing_trades,
    prop_trading_model.rate(s.wins, s.trades) as win_rate,
    s.net as total_profit,
    s.gross_profit,
    s.gross_loss,
    round(s.gross_profit / nullif(abs(s.gross_loss), 0), 6) as profit_factor,
    round((s.gross_profit + s.gross_loss) / nullif(s.profits, 0), 6) as avg_profit,
    round(prop_trading_model.sample_stddev(s.profits::bigint, s.gross_profit + s.gross_loss, s.profit_squares), 6)
        as profit_stddev,
    s.profit_max as max_profit,
    s.profit_min as min_profit,
    s.volume as total_volume,
    s.lots as total_lots,
    round(s.duration_us / nullif(s.durations, 0) / 3600000000, 6) as avg_trade_duration_hours,
    s.first_trade_date,
    s.last_trade_date,
    s.trades_90d::bigint as trades_last_90d,
    s.net_90d as profit_last_90d,
    prop_trading_model.rate(s.wins_90d, s.trades_90d) as win_rate_last_90d,
    coalesce(t.traders_90d, 0) + coalesce(l.traders_90d, 0) as traders_last_90d
from symbols as s
left join traders as t using (symbol_key)
left join later_traders as l using (symbol_key);

create unique index if not exists mv_symbol_performance_key on prop_trading_model.mv_symbol_performance (std_symbol);
