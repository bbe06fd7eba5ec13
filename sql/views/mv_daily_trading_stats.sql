-- mv_daily_trading_stats: one row a date with trades. Averages, deviation, quantiles and extremes are over account-day net.

create materialized view if not exists prop_trading_model.mv_daily_trading_stats
with (autovacuum_vacuum_threshold = 50, autovacuum_vacuum_scale_factor = 0.1) as
select
    trade_date as date,
    accounts as active_accounts,
    profitable_accounts,
    losing_accounts,
    trades as total_trades,
    wins as winning_trades,
    losses as losing_trades,
    prop_trading_model.rate(wins, trades) as win_rate,
    net as total_profit,
    gross_profit,
    gross_loss,
    round(gross_profit / nullif(abs(gross_loss), 0), 6) as profit_factor,
    round(net / accounts, 6) as avg_profit,
    round(prop_trading_model.sample_stddev(accounts, net, net_squares), 6) as profit_stddev,
    round(net_median, 6) as median_profit,
    round(net_q1, 6) as profit_q1,
    round(net_q3, 6) as profit_q3,
    net_max as max_profit,
    net_min as min_profit,
    volume as total_volume,
    lots as total_lots
from prop_trading_model.rollup_market_day;

create unique index if not exists mv_daily_trading_stats_key on prop_trading_model.mv_daily_trading_stats (date);
