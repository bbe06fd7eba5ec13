-- mv_account_performance_summary: one row an account that is in the accounts or in the trades.

create materialized view if not exists prop_trading_model.mv_account_performance_summary as
with as_of as materialized (
    select prop_trading_model.as_of_date() as last_day
),
account_day as (
    select
        account_id, trade_date,
        sum(trades) as trades, sum(wins) as wins, sum(net) as net
    from prop_trading_model.rollup_account_symbol_day
    where trade_date between (select last_day - 29 from as_of) and (select last_day from as_of)
    group by account_id, trade_date
),
recent as (
    select
        d.account_id,
        sum(d.trades) as trades_30d, sum(d.wins) as wins_30d, sum(d.net) as net_30d, count(*) as days_30d,
        sum(d.trades) filter (where d.trade_date > a.last_day - 7) as trades_7d,
        sum(d.wins) filter (where d.trade_date > a.last_day - 7) as wins_7d,
        sum(d.net) filter (where d.trade_date > a.last_day - 7) as net_7d
    from account_day as d
    cross join as_of as a
    group by d.account_id
)
select
    coalesce(a.account_id, r.account_id) as account_id,
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
    coalesce(t.trades_30d, 0)::bigint as trades_last_30d,
    coalesce(t.net_30d, 0) as profit_last_30d,
    prop_trading_model.rate(t.wins_30d, t.trades_30d) as win_rate_last_30d,
    coalesce(t.days_30d, 0) as trading_days_last_30d,
    coalesce(t.trades_7d, 0)::bigint as trades_last_7d,
    coalesce(t.net_7d, 0) as profit_last_7d,
    prop_trading_model.rate(t.wins_7d, t.trades_7d) as win_rate_last_7d,
    round(100 * (a.current_balance - a.starting_balance) / nullif(a.starting_balance, 0), 6) as total_return_pct,
    round(
        100 * (
            1 - 100 * (a.current_balance - a.starting_balance) / nullif(a.starting_balance, 0)
            / nullif(a.profit_target_pct, 0)
        ), 6
    ) as distance_to_target_pct
from prop_trading_model.latest_accounts as a
full join prop_trading_model.rollup_account as r on r.account_id = a.account_id
left join prop_trading_model.latest_plans as p on p.plan_id = a.plan_id
left join recent as t on t.account_id = r.account_id;

create unique index if not exists mv_account_performance_summary_key
    on prop_trading_model.mv_account_performance_summary (account_id);
