-- rollup_account: whole lives, recomputed from the months of the accounts that changed, or moved by the days that are appended to
-- them. Either way the cost follows the accounts that changed.

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
            max(greatest(start_peak, start_level + highest)) as peak,
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

-- How they become the rows of rollup_account: with the login of the newest trade, or, of a day in the archive, as it was kept.
create or replace function prop_trading_model.account_query(source text) returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
    select format($query$
        select
            l.account_id,
            coalesce(n.login, (
                select c.login from prop_trading_model.cold_logins as c
                where c.account_id = l.account_id and c.trade_date = l.last_trade_date
            )) as login,
            l.trades, l.wins, l.losses, l.gross_profit, l.gross_loss, l.net, l.net_squares,
            l.active_days, l.max_drawdown, l.peak, l.first_trade_date, l.last_trade_date
        from (%s) as l
        left join lateral (
            select t.login from prop_trading_model.raw_trades_closed as t
            where t.account_id = l.account_id and t.trade_date = l.last_trade_date
            order by t.close_time desc nulls last, t.id desc, t.trade_id desc
            limit 1
        ) as n on true
    $query$, prop_trading_model.account_life_query(source))
$$;

-- Recomputes the accounts of refresh_accounts from their months, but for those that are appended to; returns the rows written or
-- removed.
create or replace function prop_trading_model.refresh_account() returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    gone bigint;
    written bigint;
begin
    execute format($statement$
        insert into prop_trading_model.rollup_account as r
        %s
        on conflict (account_id) do update set
            login = excluded.login, trades = excluded.trades, wins = excluded.wins, losses = excluded.losses,
            gross_profit = excluded.gross_profit, gross_loss = excluded.gross_loss, net = excluded.net,
            net_squares = excluded.net_squares, active_days = excluded.active_days,
            max_drawdown = excluded.max_drawdown, peak = excluded.peak,
            first_trade_date = excluded.first_trade_date, last_trade_date = excluded.last_trade_date
        where r is distinct from excluded
        $statement$,
        prop_trading_model.account_query(
            'prop_trading_model.refresh_accounts as t'
            ' join prop_trading_model.rollup_account_month as m on m.account_id = t.account_id and not t.appended'
        )
    );
    get diagnostics written = row_count;

    delete from prop_trading_model.rollup_account as r
    using prop_trading_model.refresh_accounts as t
    where r.account_id = t.account_id and not t.appended
        and not exists (select from prop_trading_model.rollup_account_month as m where m.account_id = t.account_id);
    get diagnostics gone = row_count;
    return written + gone;
end
$$;

-- Appends what refresh_appended holds to the lives of its accounts: the path goes on from where it stood. Returns the rows
-- written.
create or replace function prop_trading_model.append_account() returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    written bigint;
begin
    update prop_trading_model.rollup_account as r
    set trades = r.trades + n.trades, wins = r.wins + n.wins, losses = r.losses + n.losses,
        gross_profit = r.gross_profit + n.gross_profit, gross_loss = r.gross_loss + n.gross_loss,
        net = r.net + n.net, net_squares = r.net_squares + n.net_squares, active_days = r.active_days + n.active_days,
        max_drawdown = greatest(r.max_drawdown, n.largest_fall, r.peak - (r.net + n.lowest)),
        peak = greatest(r.peak, r.net + n.highest), last_trade_date = n.last_trade_date
    from prop_trading_model.refresh_appended as n
    where n.account_id = r.account_id;
    get diagnostics written = row_count;
    return written;
end
$$;
