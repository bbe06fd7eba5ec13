-- What mv_account_performance_summary must hold, from the raw trades, accounts and plans alone.
with as_of as (
    select max(trade_date) as last_day
    from prop_trading_model.raw_trades_closed
    where trade_date <= prop_trading_model.utc_today()
),
account as (
    select * from (
        select *, row_number() over (partition by account_id order by ingestion_timestamp desc nulls last, id desc) as place
        from prop_trading_model.raw_accounts_data
    ) as newest_first
    where place = 1
),
plan as (
    select * from (
        select *, row_number() over (partition by plan_id order by ingestion_timestamp desc nulls last, id desc) as place
        from prop_trading_model.raw_plans_data
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
account_day as (
    select
        account_id, trade_date,
        count(*) as trades,
        sum(case when profit > 0 then 1 else 0 end) as wins,
        sum(greatest(coalesce(profit, 0), 0)) as gross_profit,
        sum(least(coalesce(profit, 0), 0)) as gross_loss,
        sum(coalesce(profit, 0) + coalesce(commission, 0) + coalesce(swap, 0)) as net
    from prop_trading_model.raw_trades_closed
    group by account_id, trade_date
),
levels as (
    select
        d.*,
        sum(d.net) over (partition by d.account_id order by d.trade_date) as level,
        coalesce(d.trade_date > a.last_day - 30 and d.trade_date <= a.last_day, false) as of_30d,
        coalesce(d.trade_date > a.last_day - 7 and d.trade_date <= a.last_day, false) as of_7d
    from account_day as d cross join as_of as a
),
peaks as (
    select *, greatest(0, max(level) over (partition by account_id order by trade_date)) as peak from levels
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
        max(peak - level) as max_drawdown,
        count(*) as days,
        min(trade_date) as first_trade_date,
        max(trade_date) as last_trade_date,
        sum(case when of_30d then trades else 0 end) as trades_30d,
        sum(case when of_30d then wins else 0 end) as wins_30d,
        sum(case when of_30d then net else 0 end) as net_30d,
        sum(case when of_30d then 1 else 0 end) as days_30d,
        sum(case when of_7d then trades else 0 end) as trades_7d,
        sum(case when of_7d then wins else 0 end) as wins_7d,
        sum(case when of_7d then net else 0 end) as net_7d
    from peaks
    group by account_id
),
account_ids as (
    select account_id from account union select account_id from life
)
select
    i.account_id,
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
    round(l.gross_profit / -nullif(l.gross_loss, 0), 6) as lifetime_profit_factor,
    round(l.sharpe, 6) as lifetime_sharpe_ratio,
    l.max_drawdown as lifetime_max_drawdown,
    coalesce(l.days, 0) as active_days,
    l.first_trade_date,
    l.last_trade_date,
    coalesce(l.trades_30d, 0) as trades_last_30d,
    coalesce(l.net_30d, 0) as profit_last_30d,
    round(100 * l.wins_30d / nullif(l.trades_30d, 0), 6) as win_rate_last_30d,
    coalesce(l.days_30d, 0) as trading_days_last_30d,
    coalesce(l.trades_7d, 0) as trades_last_7d,
    coalesce(l.net_7d, 0) as profit_last_7d,
    round(100 * l.wins_7d / nullif(l.trades_7d, 0), 6) as win_rate_last_7d,
    round(100 * (a.current_balance - a.starting_balance) / nullif(a.starting_balance, 0), 6) as total_return_pct,
    round(
        100 * (
            1 - (100 * (a.current_balance - a.starting_balance) / nullif(a.starting_balance, 0))
                / nullif(a.profit_target_pct, 0)
        ), 6
    ) as distance_to_target_pct,
    null::boolean as unchecked
from account_ids as i
left join account as a on a.account_id = i.account_id
left join plan as p on p.plan_id = a.plan_id
left join life as l on l.account_id = i.account_id
left join last_trade as t on t.account_id = i.account_id
