-- rollup_account_month, rollup_account and rollup_account_symbol, recomputed for the accounts of refresh_keys.

-- The account-months of refresh_keys, from rollup_account_symbol_day.
create or replace function prop_trading_model.refresh_account_month() returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    first_day date;
    last_day date;
    written bigint;
begin
    select date_trunc('month', min(trade_date)), date_trunc('month', max(trade_date)) + interval '1 month - 1 day'
    into first_day, last_day
    from prop_trading_model.refresh_keys;

    with touched as materialized (
        select distinct account_id, date_trunc('month', trade_date)::date as month from prop_trading_model.refresh_keys
    ),
    account_day as (
        select
            t.account_id, t.month, r.trade_date,
            sum(r.trades) as trades, sum(r.wins) as wins, sum(r.losses) as losses,
            sum(r.gross_profit) as gross_profit, sum(r.gross_loss) as gross_loss, sum(r.net) as net
        from touched as t
        join prop_trading_model.rollup_account_symbol_day as r
            on r.account_id = t.account_id and r.trade_date >= t.month and r.trade_date < t.month + interval '1 month'
                and r.trade_date between first_day and last_day
        group by t.account_id, t.month, r.trade_date
    ),
    -- The cumulative net of the month, and the highest point up to and including each day.
    cumulative as (
        select *, max(level) over (partition by account_id, month order by trade_date) as peak
        from (
            select *, sum(net) over (partition by account_id, month order by trade_date) as level from account_day
        ) as levels
    ),
    fresh as materialized (
        select
            account_id, month,
            sum(trades)::bigint as trades, sum(wins)::bigint as wins, sum(losses)::bigint as losses,
            sum(gross_profit) as gross_profit, sum(gross_loss) as gross_loss,
            sum(net) as net, sum(net * net) as net_squares, count(*) as active_days,
            max(level) as highest, min(level) as lowest, max(peak - level) as largest_fall,
            min(trade_date) as first_trade_date, max(trade_date) as last_trade_date
        from cumulative
        group by account_id, month
    ),
    gone as (
        delete from prop_trading_model.rollup_account_month as r
        using touched as t
        where r.account_id = t.account_id and r.month = t.month
            and not exists (select from fresh as f where f.account_id = r.account_id and f.month = r.month)
        returning 1
    ),
    written as (
        insert into prop_trading_model.rollup_account_month as r
        select * from fresh
        on conflict (account_id, month) do update set
            trades = excluded.trades, wins = excluded.wins, losses = excluded.losses,
            gross_profit = excluded.gross_profit, gross_loss = excluded.gross_loss, net = excluded.net,
            net_squares = excluded.net_squares, active_days = excluded.active_days, highest = excluded.highest,
            lowest = excluded.lowest, largest_fall = excluded.largest_fall,
            first_trade_date = excluded.first_trade_date, last_trade_date = excluded.last_trade_date
        where r is distinct from excluded
        returning 1
    )
    select (select count(*) from gone) + (select count(*) from written) into written;
    return written;
end
$$;

-- The whole lives of the accounts of refresh_keys, from their months. Drawdown merges over months: the largest of the
-- falls within a month, and of the falls from an earlier peak (0 at the start) to a month's lowest point.
create or replace function prop_trading_model.refresh_account() returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    written bigint;
begin
    with touched as materialized (
        select distinct account_id from prop_trading_model.refresh_keys
    ),
    levels as (
        select m.*, coalesce(sum(m.net) over earlier, 0) as start_level
        from touched as t join prop_trading_model.rollup_account_month as m on m.account_id = t.account_id
        window earlier as (partition by m.account_id order by m.month rows between unbounded preceding and 1 preceding)
    ),
    peaks as (
        select *, greatest(0, max(start_level + highest) over earlier) as start_peak
        from levels
        window earlier as (partition by account_id order by month rows between unbounded preceding and 1 preceding)
    ),
    life as materialized (
        select
            account_id,
            sum(trades)::bigint as trades, sum(wins)::bigint as wins, sum(losses)::bigint as losses,
            sum(gross_profit) as gross_profit, sum(gross_loss) as gross_loss,
            sum(net) as net, sum(net_squares) as net_squares, sum(active_days)::bigint as active_days,
            max(greatest(largest_fall, start_peak - start_level - lowest)) as max_drawdown,
            min(first_trade_date) as first_trade_date, max(last_trade_date) as last_trade_date
        from peaks
        group by account_id
    ),
    newest as materialized (
        select distinct on (t.account_id) t.account_id, t.login
        from life as l join prop_trading_model.raw_trades_closed as t
            on t.account_id = l.account_id and t.trade_date = l.last_trade_date
        order by t.account_id, t.close_time desc nulls last, t.id desc, t.trade_id desc
    ),
    fresh as materialized (
        select
            l.account_id, n.login, l.trades, l.wins, l.losses, l.gross_profit, l.gross_loss, l.net, l.net_squares,
            l.active_days, l.max_drawdown, l.first_trade_date, l.last_trade_date
        from life as l left join newest as n on n.account_id = l.account_id
    ),
    gone as (
        delete from prop_trading_model.rollup_account as r
        using touched as t
        where r.account_id = t.account_id and not exists (select from fresh as f where f.account_id = r.account_id)
        returning 1
    ),
    written as (
        insert into prop_trading_model.rollup_account as r
        select * from fresh
        on conflict (account_id) do update set
            login = excluded.login, trades = excluded.trades, wins = excluded.wins, losses = excluded.losses,
            gross_profit = excluded.gross_profit, gross_loss = excluded.gross_loss, net = excluded.net,
            net_squares = excluded.net_squares, active_days = excluded.active_days,
            max_drawdown = excluded.max_drawdown, first_trade_date = excluded.first_trade_date,
            last_trade_date = excluded.last_trade_date
        where r is distinct from excluded
        returning 1
    )
    select (select count(*) from gone) + (select count(*) from written) into written;
    return written;
end
$$;

create or replace function prop_trading_model.refresh_account_symbol() returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    written bigint;
begin
    with touched as materialized (
        select distinct account_id from prop_trading_model.refresh_keys
    ),
    fresh as materialized (
        select r.account_id, r.symbol_key, count(*) as active_days, max(r.trade_date) as last_trade_date
        from touched as t
        join prop_trading_model.rollup_account_symbol_day as r on r.account_id = t.account_id
        group by r.account_id, r.symbol_key
    ),
    gone as (
        delete from prop_trading_model.rollup_account_symbol as r
        using touched as t
        where r.account_id = t.account_id
            and not exists (select from fresh as f where f.account_id = r.account_id and f.symbol_key = r.symbol_key)
        returning 1
    ),
    written as (
        insert into prop_trading_model.rollup_account_symbol as r
        select * from fresh
        on conflict (account_id, symbol_key) do update set
            active_days = excluded.active_days, last_trade_date = excluded.last_trade_date
        where r is distinct from excluded
        returning 1
    )
    select (select count(*) from gone) + (select count(*) from written) into written;
    return written;
end
$$;
