-- rollup_account_month: recomputed for the account-months of refresh_keys, or moved by the days that are appended to them.
-- Every statement reads the accounts that changed and nothing else, however large the rest is.

-- How the rows of rollup_account_symbol_day become those of rollup_account_month; `source` and its condition give the rows r.
-- Of the cumulative daily net of the month: its highest and lowest point, and the largest fall from an earlier point.
create or replace function prop_trading_model.account_month_query(source text) returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
    select format($query$
        select
            account_id, month,
            sum(trades::integer) as trades, sum(wins::integer) as wins, sum(losses::integer) as losses,
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
                        sum(r.trades::integer) as trades, sum(r.wins::integer) as wins, sum(r.losses::integer) as losses,
                        sum(r.gross_profit) as gross_profit, sum(r.gross_loss) as gross_loss, sum(r.net) as net
                    from %s
                    group by r.account_id, r.trade_date
                ) as account_days
            ) as levels
        ) as peaks
        group by account_id, month
    $query$, source)
$$;

-- Recomputes the account-months of refresh_keys, but for accounts that are appended to; returns the rows written or removed.
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
            select distinct k.account_id, date_trunc('month', k.trade_date::timestamp)::date as month
            from prop_trading_model.refresh_keys as k
            join prop_trading_model.refresh_accounts as a on a.account_id = k.account_id and not a.appended
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

-- Appends the new days of refresh_account_days to the months of their accounts: the path of the month goes on from where it
-- stood. Leaves in refresh_appended what the new days are by themselves; returns the rows written.
create or replace function prop_trading_model.append_account_month() returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
set default_statistics_target = 10
as $$
declare
    written bigint;
begin
    perform prop_trading_model.clear_work_table('prop_trading_model.refresh_appended');
    execute 'insert into prop_trading_model.refresh_appended ' || prop_trading_model.account_month_query($source$
        prop_trading_model.refresh_account_days as r
        join prop_trading_model.refresh_accounts as a on a.account_id = r.account_id and a.appended
        where r.sign > 0
        $source$);
    analyze prop_trading_model.refresh_appended (account_id);
    insert into prop_trading_model.rollup_account_month as r
    select * from prop_trading_model.refresh_appended
    on conflict (account_id, month) do update set
        trades = r.trades + excluded.trades, wins = r.wins + excluded.wins, losses = r.losses + excluded.losses,
        gross_profit = r.gross_profit + excluded.gross_profit, gross_loss = r.gross_loss + excluded.gross_loss,
        net = r.net + excluded.net, net_squares = r.net_squares + excluded.net_squares,
        active_days = r.active_days + excluded.active_days,
        highest = greatest(r.highest, r.net + excluded.highest), lowest = least(r.lowest, r.net + excluded.lowest),
        largest_fall = greatest(r.largest_fall, excluded.largest_fall, r.highest - (r.net + excluded.lowest)),
        last_trade_date = excluded.last_trade_date;
    get diagnostics written = row_count;
    return written;
end
$$;
