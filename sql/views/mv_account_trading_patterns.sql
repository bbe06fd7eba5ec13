-- mv_account_trading_patterns: one row an account with trades in the trailing 30 days.
-- unchecked is always NULL: a concurrent refresh looks for duplicates among rows without a NULL, for a fourth of its time, and the
-- rollups' keys rule them out.

create materialized view if not exists prop_trading_model.mv_account_trading_patterns
with (autovacuum_vacuum_threshold = 50, autovacuum_vacuum_scale_factor = 0.1) as
select
    t.account_id,
    coalesce(a.login, r.login) as login,
    t.trades as trades_last_30d,
    t.symbols as unique_symbols,
    t.favorite_symbol,
    prop_trading_model.rate(t.favorite_trades, t.trades) as top_symbol_concentration_pct,
    round(t.lots / nullif(t.lots_counted, 0), 6) as avg_lots,
    round(prop_trading_model.sample_stddev(t.lots_counted, t.lots, t.lots_squares), 6) as lots_stddev,
    round(t.volume / nullif(t.volumes, 0), 6) as avg_volume,
    prop_trading_model.rate(t.buys, t.trades) as buy_ratio,
    prop_trading_model.rate(t.stop_losses, t.trades) as stop_loss_usage_rate,
    prop_trading_model.rate(t.take_profits, t.trades) as take_profit_usage_rate,
    null::boolean as unchecked
from prop_trading_model.rollup_account_recent as t
left join prop_trading_model.rollup_latest_account as a on a.account_id = t.account_id
left join prop_trading_model.rollup_account as r on r.account_id = t.account_id;

create unique index if not exists mv_account_trading_patterns_key
    on prop_trading_model.mv_account_trading_patterns (account_id);
