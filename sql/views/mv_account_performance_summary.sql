-- mv_account_performance_summary: one row an account that is in the accounts or in the trades.
-- unchecked is always NULL: a concurrent refresh looks for duplicates among rows without a NULL, for a fourth of its time, and the
-- rollups' keys rule them out.

create materialized view if not exists prop_trading_model.mv_account_performance_summary
with (autovacuum_vacuum_threshold = 50, autovacuum_vacuum_scale_factor = 0.1) as
select
    coalesce(a.account_id::text, r.account_id::text)::varchar as account_id,
    coalesce(a.login, r.login) as login,
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
    coalesce(r.trades, 0) as lifetime_trades,
    coalesce(r.net, 0) as lifetime_profit,
    coalesce(r.gross_profit, 0) as lifetime_gross_profit,
    coalesce(r.gross_loss, 0) as lifetime_gross_loss,
    prop_trading_model.rate(r.wins, r.trades) as lifetime_win_rate,
    round(r.gross_profit / nullif(abs(r.gross_loss), 0), 6) as lifetime_profit_factor,
    round(
        (r.net / r.active_days)
        / nullif(prop_trading_model.sample_stddev(r.active_days, r.net, r.net_squares), 0), 6
    ) as lifetime_sharpe_ratio,
    r.max_drawdown as lifetime_max_drawdown,
    coalesce(r.active_days, 0) as active_days,
    r.first_trade_date,
    r.last_trade_date,
    coalesce(t.trades, 0) as trades_last_30d,
    coalesce(t.net, 0) as profit_last_30d,
    prop_trading_model.rate(t.wins, t.trades) as win_rate_last_30d,
    coalesce(t.days, 0) as trading_days_last_30d,
    coalesce(t.trades_7d, 0) as trades_last_7d,
    coalesce(t.net_7d, 0) as profit_last_7d,
    prop_trading_model.rate(t.wins_7d, t.trades_7d) as win_rate_last_7d,
    round(100 * (a.current_balance - a.starting_balance) / nullif(a.starting_balance, 0), 6) as total_return_pct,
    round(
        100 * (
            1 - 100 * (a.current_balance - a.starting_balance) / nullif(a.starting_balance, 0)
            / nullif(a.profit_target_pct, 0)
        ), 6
    ) as distance_to_target_pct,
    null::boolean as unchecked
from prop_trading_model.rollup_latest_account as a
full join prop_trading_model.rollup_account as r on a.account_id = r.account_id
left join prop_trading_model.latest_plans as p on p.plan_id = a.plan_id
left join prop_trading_model.rollup_account_recent as t
    on t.account_id = coalesce(a.account_id::text, r.account_id::text)::varchar;

create unique index if not exists mv_account_performance_summary_key
    on prop_trading_model.mv_account_performance_summary (account_id);
