-- mv_market_regime_performance: one row a date with a regime, with trades or without.

create materialized view if not exists prop_trading_model.mv_market_regime_performance
with (autovacuum_vacuum_threshold = 50, autovacuum_vacuum_scale_factor = 0.1) as
select
    g.date,
    g.summary ->> 'market_sentiment' as market_sentiment,
    g.summary ->> 'volatility_regime' as volatility_regime,
    g.summary ->> 'liquidity_state' as liquidity_state,
    coalesce(d.accounts, 0) as active_accounts,
    coalesce(d.trades, 0) as total_trades,
    coalesce(d.net, 0) as total_profit,
    round(d.net / d.accounts, 6) as avg_profit,
    round(prop_trading_model.sample_stddev(d.accounts, d.net, d.net_squares), 6) as profit_stddev,
    prop_trading_model.rate(d.wins, d.trades) as win_rate,
    coalesce(d.volume, 0) as total_volume,
    round(d.net_median, 6) as median_profit,
    coalesce(d.profitable_accounts, 0) as profitable_accounts
from prop_trading_model.latest_regimes_daily as g
left join prop_trading_model.rollup_market_day as d on d.trade_date = g.date;

create unique index if not exists mv_market_regime_performance_key
    on prop_trading_model.mv_market_regime_performance (date);
