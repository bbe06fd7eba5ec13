-- The questions that the benchmark asks (dpm bench), each in the forms that a system has for it:
--   raw      over the trades: the original, v1, and every other system that has nothing better
--   views    over the materialized views mv_*: v2 and production
--   rollups  over the rollups: production
-- psql -f sql/maintenance/performance_tests.sql runs it too, in a database of any of these, each statement timed; the account
-- may be chosen with -v account=A001000007.
-- Invariant: it only reads, and all forms of a query give the same rows.
--
-- How the program reads it: "-- parameter: NAMES" names what the next statement finds, "-- query: NAME [TAGS]" and the lines
-- after it a question, "-- form: FORM" the form of the next statement; lines that begin with a backslash are psql's alone.
-- Tags: dated (bound by dates), month (by a month or less), history (reads all there is), point (one account), undated (what
-- partitions make dearer), cold (also asked from the disk), id (needs the column id); also asked by many clients at once:
-- summary (the two that every page of an account asks), busy (all of an account's and of accounts), dashboard (where there
-- are views).

\timing on
\set ON_ERROR_STOP on
select
    to_regclass('prop_trading_model.mv_daily_trading_stats') is not null as has_views,
    to_regclass('prop_trading_model.rollup_account_month') is not null as has_rollups \gset

-- parameter: first, last
\if :has_views
-- form: views
select min(date) as first, max(date) as last from prop_trading_model.mv_daily_trading_stats \gset
\else
-- form: raw
select min(trade_date) as first, max(trade_date) as last from prop_trading_model.raw_trades_closed \gset
\endif

-- The last month that is complete, or the first of all; quarter and year end with it.
-- parameter: month, month_end, quarter, year
-- form: raw
select
    month, (month + interval '1 month')::date as month_end, (month - interval '2 months')::date as quarter,
    (month - interval '11 months')::date as year
from (
    select greatest(
        (date_trunc('month', :'last'::date + 1) - interval '1 month')::date, date_trunc('month', :'first'::date)::date
    ) as month
) as chosen \gset

-- An account with about as many trades in that month as most have.
\if :{?account}
\else
-- parameter: account
-- form: raw
select account_id as account
from prop_trading_model.raw_trades_closed
where trade_date >= :'month'::date and trade_date < :'month_end'::date
group by account_id
order by abs(count(*) - avg(count(*)) over ()), account_id
limit 1 \gset
\endif

-- parameter: accounts
-- form: raw
select array_agg(account_id order by account_id)::text as accounts
from (
    select account_id
    from prop_trading_model.raw_trades_closed
    where trade_date >= :'month'::date and trade_date < :'month_end'::date
    group by account_id
    order by md5(account_id)
    limit 100
) as chosen \gset

-- parameter: day, trade
-- form: raw
select trade_date as day, trade_id as trade
from prop_trading_model.raw_trades_closed
where account_id = :'account' and trade_date >= :'month'::date and trade_date < :'month_end'::date
order by trade_date desc, trade_id desc
limit 1 \gset

-- Ids are not the same in all systems: each looks for its own.
-- parameter: id
-- form: raw
select id
from prop_trading_model.raw_trades_closed
where account_id = :'account' and trade_date = :'day'::date and trade_id = :'trade' \gset

-- parameter: after
-- form: raw
select min(id) as after
from (
    select id from prop_trading_model.raw_trades_closed where trade_date >= :'month'::date order by id desc limit 1001
) as newest \gset

-- query: account_daily_metrics [point, dated, month, cold, busy]
-- daily metrics of one account, a month of days
-- form: raw
select
    trade_date, count(*) as trades, count(*) filter (where profit > 0) as wins,
    sum(coalesce(profit, 0) + coalesce(commission, 0) + coalesce(swap, 0)) as net, coalesce(sum(volume_usd), 0) as volume
from prop_trading_model.raw_trades_closed
where account_id = :'account' and trade_date >= :'month'::date and trade_date < :'month_end'::date
group by trade_date
order by trade_date;
\if :has_rollups
-- form: rollups
select trade_date, sum(trades) as trades, sum(wins) as wins, sum(net) as net, sum(volume) as volume
from prop_trading_model.rollup_account_symbol_day
where account_id = :'account' and trade_date >= :'month'::date and trade_date < :'month_end'::date
group by trade_date
order by trade_date;
\endif

-- query: account_month [point, dated, month, summary, busy]
-- one account's month in one row
-- form: raw
select
    count(*) as trades, count(*) filter (where profit > 0) as wins,
    sum(coalesce(profit, 0) + coalesce(commission, 0) + coalesce(swap, 0)) as net,
    coalesce(sum(profit) filter (where profit > 0), 0) as gross_profit,
    coalesce(sum(profit) filter (where profit < 0), 0) as gross_loss, count(distinct trade_date) as active_days
from prop_trading_model.raw_trades_closed
where account_id = :'account' and trade_date >= :'month'::date and trade_date < :'month_end'::date;
\if :has_rollups
-- form: rollups
select trades, wins, net, gross_profit, gross_loss, active_days
from prop_trading_model.rollup_account_month
where account_id = :'account' and month = :'month'::date;
\endif

-- query: account_summary [point, summary, busy]
-- summary of one account's whole life
-- form: raw
select
    t.account_id, a.current_balance, count(*) as lifetime_trades,
    sum(coalesce(profit, 0) + coalesce(commission, 0) + coalesce(swap, 0)) as lifetime_profit,
    coalesce(sum(profit) filter (where profit > 0), 0) as lifetime_gross_profit,
    count(distinct trade_date) as active_days, max(trade_date) as last_trade_date,
    count(*) filter (where trade_date > :'last'::date - 30 and trade_date <= :'last'::date) as trades_last_30d
from prop_trading_model.raw_trades_closed as t
left join (
    select distinct on (account_id) account_id, current_balance from prop_trading_model.raw_accounts_data
    where account_id = :'account'
    order by account_id, ingestion_timestamp desc nulls last, id desc
) as a on a.account_id = t.account_id
where t.account_id = :'account'
group by t.account_id, a.current_balance;
\if :has_views
-- form: views
select
    account_id, current_balance, lifetime_trades, lifetime_profit, lifetime_gross_profit, active_days, last_trade_date,
    trades_last_30d
from prop_trading_model.mv_account_performance_summary
where account_id = :'account';
\endif

-- query: overview_100_accounts [cold, busy]
-- overview of 100 accounts
-- form: raw
select
    t.account_id, a.current_balance, count(*) as lifetime_trades,
    sum(coalesce(profit, 0) + coalesce(commission, 0) + coalesce(swap, 0)) as lifetime_profit,
    coalesce(sum(profit) filter (where profit > 0), 0) as lifetime_gross_profit,
    count(distinct trade_date) as active_days, max(trade_date) as last_trade_date,
    count(*) filter (where trade_date > :'last'::date - 30 and trade_date <= :'last'::date) as trades_last_30d
from prop_trading_model.raw_trades_closed as t
left join (
    select distinct on (account_id) account_id, current_balance from prop_trading_model.raw_accounts_data
    where account_id = any (:'accounts'::varchar[])
    order by account_id, ingestion_timestamp desc nulls last, id desc
) as a on a.account_id = t.account_id
where t.account_id = any (:'accounts'::varchar[])
group by t.account_id, a.current_balance
order by t.account_id;
\if :has_views
-- form: views
select
    account_id, current_balance, lifetime_trades, lifetime_profit, lifetime_gross_profit, active_days, last_trade_date,
    trades_last_30d
from prop_trading_model.mv_account_performance_summary
where account_id = any (:'accounts'::varchar[])
order by account_id;
\endif

-- query: account_day_features [point, dated, month, busy]
-- features of one account-day, with its trailing 7 and 30 days
-- form: raw
select
    count(*) filter (where trade_date = :'day'::date) as trades,
    count(*) filter (where trade_date = :'day'::date and profit > 0) as wins,
    count(*) filter (where trade_date = :'day'::date and lower(side) = 'buy') as buys,
    count(distinct coalesce(std_symbol, symbol)) filter (where trade_date = :'day'::date) as symbols,
    coalesce(sum(lots) filter (where trade_date = :'day'::date), 0) as lots,
    sum(coalesce(profit, 0) + coalesce(commission, 0) + coalesce(swap, 0)) filter (where trade_date = :'day'::date) as net,
    count(*) filter (where trade_date > :'day'::date - 7) as trades_7d,
    sum(coalesce(profit, 0) + coalesce(commission, 0) + coalesce(swap, 0)) filter (where trade_date > :'day'::date - 7)
        as net_7d,
    count(*) as trades_30d,
    sum(coalesce(profit, 0) + coalesce(commission, 0) + coalesce(swap, 0)) as net_30d
from prop_trading_model.raw_trades_closed
where account_id = :'account' and trade_date > :'day'::date - 30 and trade_date <= :'day'::date;
\if :has_rollups
-- form: rollups
select
    sum(trades) filter (where trade_date = :'day'::date) as trades,
    sum(wins) filter (where trade_date = :'day'::date) as wins,
    sum(buys) filter (where trade_date = :'day'::date) as buys,
    count(*) filter (where trade_date = :'day'::date and symbol_key <> '') as symbols,
    sum(lots) filter (where trade_date = :'day'::date) as lots,
    sum(net) filter (where trade_date = :'day'::date) as net,
    sum(trades) filter (where trade_date > :'day'::date - 7) as trades_7d,
    sum(net) filter (where trade_date > :'day'::date - 7) as net_7d,
    sum(trades) as trades_30d, sum(net) as net_30d
from prop_trading_model.rollup_account_symbol_day
where account_id = :'account' and trade_date > :'day'::date - 30 and trade_date <= :'day'::date;
\endif

-- query: thirty_days_by_day [dated, month, cold, dashboard]
-- trades of 30 days aggregated by day
-- form: raw
select
    trade_date as date, count(distinct account_id) as active_accounts, count(*) as total_trades,
    count(*) filter (where profit > 0) as winning_trades,
    sum(coalesce(profit, 0) + coalesce(commission, 0) + coalesce(swap, 0)) as total_profit,
    coalesce(sum(volume_usd), 0) as total_volume
from prop_trading_model.raw_trades_closed
where trade_date > :'last'::date - 30 and trade_date <= :'last'::date
group by trade_date
order by trade_date;
\if :has_views
-- form: views
select date, active_accounts, total_trades, winning_trades, total_profit, total_volume
from prop_trading_model.mv_daily_trading_stats
where date > :'last'::date - 30 and date <= :'last'::date
order by date;
\endif

-- query: daily_aggregation [history]
-- every day there is, aggregated
-- form: raw
select
    trade_date as date, count(*) as total_trades, count(*) filter (where profit > 0) as winning_trades,
    sum(coalesce(profit, 0) + coalesce(commission, 0) + coalesce(swap, 0)) as total_profit,
    coalesce(sum(profit) filter (where profit > 0), 0) as gross_profit,
    coalesce(sum(profit) filter (where profit < 0), 0) as gross_loss
from prop_trading_model.raw_trades_closed
group by trade_date
order by trade_date;
\if :has_views
-- form: views
select date, total_trades, winning_trades, total_profit, gross_profit, gross_loss
from prop_trading_model.mv_daily_trading_stats
order by date;
\endif

-- query: symbol_performance [history, cold, dashboard]
-- every symbol's performance over all there is
-- form: raw
select
    coalesce(std_symbol, symbol) as std_symbol, count(*) as total_trades,
    count(*) filter (where profit > 0) as winning_trades,
    sum(coalesce(profit, 0) + coalesce(commission, 0) + coalesce(swap, 0)) as total_profit,
    max(profit) as max_profit, min(profit) as min_profit, coalesce(sum(lots), 0) as total_lots,
    min(trade_date) as first_trade_date, max(trade_date) as last_trade_date
from prop_trading_model.raw_trades_closed
where coalesce(std_symbol, symbol) <> ''
group by coalesce(std_symbol, symbol)
order by 1;
\if :has_views
-- form: views
select
    std_symbol, total_trades, winning_trades, total_profit, max_profit, min_profit, total_lots, first_trade_date,
    last_trade_date
from prop_trading_model.mv_symbol_performance
order by 1;
\endif

-- query: one_day [dated, month]
-- counts and sums of one day
-- form: raw
select
    count(*) as trades, count(*) filter (where profit > 0) as wins,
    sum(coalesce(profit, 0) + coalesce(commission, 0) + coalesce(swap, 0)) as net, coalesce(sum(lots), 0) as lots
from prop_trading_model.raw_trades_closed
where trade_date = :'day'::date;
\if :has_views
-- form: views
select total_trades as trades, winning_trades as wins, total_profit as net, total_lots as lots
from prop_trading_model.mv_daily_trading_stats
where date = :'day'::date;
\endif

-- query: one_month [dated, month, cold]
-- counts and sums of one month
-- form: raw
select
    count(*) as trades, count(*) filter (where profit > 0) as wins,
    sum(coalesce(profit, 0) + coalesce(commission, 0) + coalesce(swap, 0)) as net, coalesce(sum(lots), 0) as lots
from prop_trading_model.raw_trades_closed
where trade_date >= :'month'::date and trade_date < :'month_end'::date;
\if :has_views
-- form: views
select sum(total_trades) as trades, sum(winning_trades) as wins, sum(total_profit) as net, sum(total_lots) as lots
from prop_trading_model.mv_daily_trading_stats
where date >= :'month'::date and date < :'month_end'::date;
\endif

-- query: one_quarter [dated]
-- counts and sums of three months
-- form: raw
select
    count(*) as trades, count(*) filter (where profit > 0) as wins,
    sum(coalesce(profit, 0) + coalesce(commission, 0) + coalesce(swap, 0)) as net, coalesce(sum(lots), 0) as lots
from prop_trading_model.raw_trades_closed
where trade_date >= :'quarter'::date and trade_date < :'month_end'::date;
\if :has_views
-- form: views
select sum(total_trades) as trades, sum(winning_trades) as wins, sum(total_profit) as net, sum(total_lots) as lots
from prop_trading_model.mv_daily_trading_stats
where date >= :'quarter'::date and date < :'month_end'::date;
\endif

-- query: one_year [dated]
-- counts and sums of twelve months
-- form: raw
select
    count(*) as trades, count(*) filter (where profit > 0) as wins,
    sum(coalesce(profit, 0) + coalesce(commission, 0) + coalesce(swap, 0)) as net, coalesce(sum(lots), 0) as lots
from prop_trading_model.raw_trades_closed
where trade_date >= :'year'::date and trade_date < :'month_end'::date;
\if :has_views
-- form: views
select sum(total_trades) as trades, sum(winning_trades) as wins, sum(total_profit) as net, sum(total_lots) as lots
from prop_trading_model.mv_daily_trading_stats
where date >= :'year'::date and date < :'month_end'::date;
\endif

-- query: symbols_of_month [dated, month]
-- one month by symbol
-- form: raw
select
    coalesce(std_symbol, symbol) as symbol, count(*) as trades, count(*) filter (where profit > 0) as wins,
    sum(coalesce(profit, 0) + coalesce(commission, 0) + coalesce(swap, 0)) as net
from prop_trading_model.raw_trades_closed
where trade_date >= :'month'::date and trade_date < :'month_end'::date
group by coalesce(std_symbol, symbol)
order by 1;
\if :has_rollups
-- form: rollups
select symbol_key as symbol, sum(trades) as trades, sum(wins) as wins, sum(net) as net
from prop_trading_model.rollup_symbol_day
where trade_date >= :'month'::date and trade_date < :'month_end'::date
group by symbol_key
order by 1;
\endif

-- query: top_100_accounts_of_month [dated, month]
-- the 100 best accounts of a month
-- form: raw
select
    account_id, count(*) as trades, sum(coalesce(profit, 0) + coalesce(commission, 0) + coalesce(swap, 0)) as net
from prop_trading_model.raw_trades_closed
where trade_date >= :'month'::date and trade_date < :'month_end'::date
group by account_id
order by net desc, account_id
limit 100;
\if :has_rollups
-- form: rollups
select account_id, trades, net
from prop_trading_model.rollup_account_month
where month = :'month'::date
order by net desc, account_id
limit 100;
\endif

-- query: plans_of_month [dated, month]
-- a month by plan: accounts, plans and trades joined
-- form: raw
with account as (
    select distinct on (account_id) account_id, plan_id from prop_trading_model.raw_accounts_data
    order by account_id, ingestion_timestamp desc nulls last, id desc
),
plan as (
    select distinct on (plan_id) plan_id, plan_name from prop_trading_model.raw_plans_data
    order by plan_id, ingestion_timestamp desc nulls last, id desc
),
traded as (
    select
        account_id, count(*) as trades, sum(coalesce(profit, 0) + coalesce(commission, 0) + coalesce(swap, 0)) as net
    from prop_trading_model.raw_trades_closed
    where trade_date >= :'month'::date and trade_date < :'month_end'::date
    group by account_id
)
select plan_id, plan_name, count(*) as accounts, sum(trades) as trades, sum(net) as net
from traded
join account using (account_id)
join plan using (plan_id)
group by plan_id, plan_name
order by plan_id;
\if :has_rollups
-- form: rollups
select p.plan_id, p.plan_name, count(*) as accounts, sum(m.trades) as trades, sum(m.net) as net
from prop_trading_model.rollup_account_month as m
join prop_trading_model.rollup_latest_account as a using (account_id)
join prop_trading_model.latest_plans as p on p.plan_id = a.plan_id
where m.month = :'month'::date
group by p.plan_id, p.plan_name
order by p.plan_id;
\endif

-- query: account_week [point, dated, month]
-- one account's trades of seven days, row by row
-- form: raw
select trade_id, std_symbol, side, close_time, lots, profit
from prop_trading_model.raw_trades_closed
where account_id = :'account' and trade_date > :'day'::date - 7 and trade_date <= :'day'::date
order by trade_id;

-- query: account_without_date [undated]
-- one account's trades counted and summed, with no date
-- form: raw
select count(*) as trades, sum(coalesce(profit, 0) + coalesce(commission, 0) + coalesce(swap, 0)) as net
from prop_trading_model.raw_trades_closed
where account_id = :'account';
\if :has_rollups
-- form: rollups
select trades, net from prop_trading_model.rollup_account where account_id = :'account';
\endif

-- query: account_newest [undated]
-- one account's 100 newest trades, with no date
-- form: raw
select trade_id, std_symbol, close_time, profit
from prop_trading_model.raw_trades_closed
where account_id = :'account'
order by close_time desc, trade_id
limit 100;

-- query: by_close_time [undated]
-- an hour of close_time, with no date
-- form: raw
select count(*) as trades, sum(coalesce(profit, 0) + coalesce(commission, 0) + coalesce(swap, 0)) as net
from prop_trading_model.raw_trades_closed
where close_time >= :'day'::date + time '12:00' and close_time < :'day'::date + time '13:00';

-- query: by_id [undated, id]
-- one trade by its id
-- form: raw
select trade_id, account_id, profit from prop_trading_model.raw_trades_closed where id = :'id'::bigint;

-- query: by_id_after [undated, id]
-- the newest 1,000 trades by id, as a program polls them
-- form: raw
select count(*) as trades, count(distinct length(trade_id)) as lengths
from prop_trading_model.raw_trades_closed
where id > :'after'::bigint;
