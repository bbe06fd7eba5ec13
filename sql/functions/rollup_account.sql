-- rollup_account_month and rollup_account, recomputed for the accounts of refresh_keys, and rollup_account_symbol, moved by
-- what came and what went.
-- Every statement reads the few accounts that changed and nothing else, however large the rest is.

-- How the rows of rollup_account_symbol_day become those of rollup_account_month; `source` and its condition give the rows r.
-- Of the cumulative daily net of the month: its highest and lowest point, and the largest fall from an earlier point.
create or replace function prop_trading_model.account_month_query(source text) returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
    select format($query$
        select
            account_id, month,
            sum(trades)::bigint as trades, sum(wins)::bigint as wins, sum(losses)::bigint as losses,
            sum(gross_profit) as gross_profit, sum(gross_loss) as gross_loss,
            sum(net) as net, sum(net * net) as net_squares, count(*) as active_days,
            max(level) as highest, min(level) as lowest, max(peak - level) as largest_fall,
            min(trade_date) as first_trade_date, max(trade_date) as last_trade_date
        from (
            select *, max(level) over (partition by account_id, month order by trade_date) as peak
            from (
                select *, sum(net) over (partition by account_id, month order by trade_date) as level
                from (
                    select
                        r.account_id, date_trunc('month', r.trade_date::timestamp)::date as month, r.trade_date,
                        sum(r.trades) as trades, sum(r.wins) as wins, sum(r.losses) as losses,
                        sum(r.gross_profit) as gross_profit, sum(r.gross_loss) as gross_loss, sum(r.net) as net
                    from %s
                    group by r.account_id, r.trade_date
                ) as account_days
            ) as levels
        ) as peaks
        group by account_id, month
    $query$, source)
$$;

-- The account-months of refresh_keys; returns the rows written or removed.
create or replace function prop_trading_model.refresh_account_month() returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    first_day date;
    last_day date;
    gone bigint;
    written bigint;
begin
    select date_trunc('month', min(trade_date)), date_trunc('month', max(trade_date)) + interval '1 month - 1 day'
    into first_day, last_day
    from prop_trading_model.refresh_keys;

    execute 'insert into prop_trading_model.rollup_account_month as r ' || prop_trading_model.account_month_query($source$
        (
            select distinct account_id, date_trunc('month', trade_date::timestamp)::date as month
            from prop_trading_model.refresh_keys
        ) as k
        join prop_trading_model.rollup_account_symbol_day as r
            on r.account_id = k.account_id and r.trade_date >= k.month and r.trade_date < k.month + interval '1 month'
        where r.trade_date between $1 and $2
        $source$) || $conflict$
        on conflict (account_id, month) do update set
            trades = excluded.trades, wins = excluded.wins, losses = excluded.losses,
            gross_profit = excluded.gross_profit, gross_loss = excluded.gross_loss, net = excluded.net,
            net_squares = excluded.net_squares, active_days = excluded.active_days, highest = excluded.highest,
            lowest = excluded.lowest, largest_fall = excluded.largest_fall,
            first_trade_date = excluded.first_trade_date, last_trade_date = excluded.last_trade_date
        where r is distinct from excluded
        $conflict$ using first_day, last_day;
    get diagnostics written = row_count;
    if not exists (select from prop_trading_model.refresh_gone) then
        return written;
    end if;

    delete from prop_trading_model.rollup_account_month as r
    using (
        select distinct account_id, date_trunc('month', trade_date::timestamp)::date as month
        from prop_trading_model.refresh_gone
    ) as g
    where r.account_id = g.account_id and r.month = g.month
        and not exists (
            select from prop_trading_model.rollup_account_symbol_day as d
            where d.account_id = g.account_id and d.trade_date >= g.month and d.trade_date < g.month + interval '1 month'
                and d.trade_date between first_day and last_day
        );
    get diagnostics gone = row_count;
    return written + gone;
end
$$;

-- How the rows of rollup_account_month become whole lives, without the login; `source` gives all months m of some accounts.
-- Drawdown merges over months: the largest of the falls within a month, and of the falls from an earlier peak (0 at the
-- start) to a month's lowest point.
create or replace function prop_trading_model.account_life_query(source text) returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
    select format($query$
        select
            account_id,
            sum(trades)::bigint as trades, sum(wins)::bigint as wins, sum(losses)::bigint as losses,
            sum(gross_profit) as gross_profit, sum(gross_loss) as gross_loss,
            sum(net) as net, sum(net_squares) as net_squares, sum(active_days)::bigint as active_days,
            max(greatest(largest_fall, start_peak - start_level - lowest)) as max_drawdown,
            min(first_trade_date) as first_trade_date, max(last_trade_date) as last_trade_date
        from (
            select *, greatest(0, max(start_level + highest) over earlier) as start_peak
            from (
                select m.*, coalesce(sum(m.net) over earlier, 0) as start_level
                from %s
                window earlier as (
                    partition by m.account_id order by m.month rows between unbounded preceding and 1 preceding
                )
            ) as levels
            window earlier as (partition by account_id order by month rows between unbounded preceding and 1 preceding)
        ) as peaks
        group by account_id
    $query$, source)
$$;

-- The whole lives of the accounts of refresh_keys, from their months; returns the rows written or removed.
create or replace function prop_trading_model.refresh_account() returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    gone bigint;
    written bigint;
begin
    execute format($statement$
        with touched as materialized (
            select distinct account_id from prop_trading_model.refresh_keys
        )
        insert into prop_trading_model.rollup_account as r
        select
            l.account_id, n.login, l.trades, l.wins, l.losses, l.gross_profit, l.gross_loss, l.net, l.net_squares,
            l.active_days, l.max_drawdown, l.first_trade_date, l.last_trade_date
        from (%s) as l
        left join lateral (
            select t.login from prop_trading_model.raw_trades_closed as t
            where t.account_id = l.account_id and t.trade_date = l.last_trade_date
            order by t.close_time desc nulls last, t.id desc, t.trade_id desc
            limit 1
        ) as n on true
        on conflict (account_id) do update set
            login = excluded.login, trades = excluded.trades, wins = excluded.wins, losses = excluded.losses,
            gross_profit = excluded.gross_profit, gross_loss = excluded.gross_loss, net = excluded.net,
            net_squares = excluded.net_squares, active_days = excluded.active_days,
            max_drawdown = excluded.max_drawdown, first_trade_date = excluded.first_trade_date,
            last_trade_date = excluded.last_trade_date
        where r is distinct from excluded
        $statement$,
        prop_trading_model.account_life_query(
            'touched as t join prop_trading_model.rollup_account_month as m on m.account_id = t.account_id'
        )
    );
    get diagnostics written = row_count;

    delete from prop_trading_model.rollup_account as r
    using (select distinct account_id from prop_trading_model.refresh_keys) as t
    where r.account_id = t.account_id
        and not exists (select from prop_trading_model.rollup_account_month as m where m.account_id = t.account_id);
    get diagnostics gone = row_count;
    return written + gone;
end
$$;

-- Moves rollup_account_symbol by the rows in refresh_rows (there now) and refresh_gone (no more): a later day is the last
-- day; only where the last day itself went are the others looked up. Returns the rows written or removed.
create or replace function prop_trading_model.move_account_symbol() returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    gone bigint;
    moved bigint;
    written bigint;
begin
    insert into prop_trading_model.rollup_account_symbol as r
    select account_id, symbol_key, max(trade_date)
    from prop_trading_model.refresh_rows
    group by account_id, symbol_key
    on conflict (account_id, symbol_key) do update set last_trade_date = excluded.last_trade_date
    where r.last_trade_date < excluded.last_trade_date;
    get diagnostics written = row_count;
    if not exists (select from prop_trading_model.refresh_gone) then
        return written;
    end if;

    update prop_trading_model.rollup_account_symbol as r
    set last_trade_date = coalesce((
        select max(d.trade_date) from prop_trading_model.rollup_account_symbol_day as d
        where d.account_id = r.account_id and d.symbol_key = r.symbol_key
    ), '-infinity')
    from prop_trading_model.refresh_gone as g
    where r.account_id = g.account_id and r.symbol_key = g.symbol_key and r.last_trade_date = g.trade_date;
    get diagnostics moved = row_count;
    delete from prop_trading_model.rollup_account_symbol as r
    using (select distinct account_id, symbol_key from prop_trading_model.refresh_gone) as g
    where r.account_id = g.account_id and r.symbol_key = g.symbol_key and r.last_trade_date = '-infinity';
    get diagnostics gone = row_count;
    return written + moved + gone;
end
$$;
