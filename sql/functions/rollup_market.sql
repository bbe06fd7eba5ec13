-- rollup_symbol_day and rollup_market_day: what all accounts did together, by symbol and day, and by day.
-- Invariant: every measure equals the sum over rollup_account_symbol_day. Sums move by what the account-days of refresh_keys
-- had before and have after (exact, as numerics are), so that the cost follows the keys; extremes are looked up again only
-- where the row that held one has changed; quantiles, which do not merge, are found by their place among the day's nets.

-- Moves rollup_symbol_day by what refresh_symbol_days holds; returns the rows written or removed.
create or replace function prop_trading_model.move_symbol_day() returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    gone bigint;
    written bigint;
begin
    -- An extreme that was held by a row that changed, and that no row reaches now, has to be looked up.
    with moved as materialized (
        select
            trade_date, symbol_key,
            max(profit_max) filter (where sign < 0) as old_max, max(profit_max) filter (where sign > 0) as new_max,
            min(profit_min) filter (where sign < 0) as old_min, min(profit_min) filter (where sign > 0) as new_min
        from prop_trading_model.refresh_symbol_days
        group by trade_date, symbol_key
    ),
    lost as materialized (
        select m.trade_date, m.symbol_key
        from moved as m join prop_trading_model.rollup_symbol_day as r using (trade_date, symbol_key)
        where (m.old_max = r.profit_max and m.new_max < r.profit_max is not false)
            or (m.old_min = r.profit_min and m.new_min > r.profit_min is not false)
    )
    update prop_trading_model.rollup_symbol_day as r
    set profit_max = e.profit_max, profit_min = e.profit_min
    from lost as l
    cross join lateral (
        select max(d.profit_max) as profit_max, min(d.profit_min) as profit_min
        from prop_trading_model.rollup_account_symbol_day as d
        where d.trade_date = l.trade_date and d.trade_date + 0 = l.trade_date and d.symbol_key = l.symbol_key
    ) as e
    where r.trade_date = l.trade_date and r.symbol_key = l.symbol_key;

    insert into prop_trading_model.rollup_symbol_day as r
    select
        trade_date, symbol_key,
        sum(trades), sum(wins), sum(losses), sum(gross_profit), sum(gross_loss), sum(net),
        sum(profits), sum(profit_squares),
        max(profit_max) filter (where sign > 0), min(profit_min) filter (where sign > 0),
        sum(volume), sum(lots), sum(duration_us), sum(durations)
    from prop_trading_model.refresh_symbol_days
    group by trade_date, symbol_key
    on conflict (trade_date, symbol_key) do update set
        trades = r.trades + excluded.trades, wins = r.wins + excluded.wins, losses = r.losses + excluded.losses,
        gross_profit = r.gross_profit + excluded.gross_profit, gross_loss = r.gross_loss + excluded.gross_loss,
        net = r.net + excluded.net, profits = r.profits + excluded.profits,
        profit_squares = r.profit_squares + excluded.profit_squares,
        profit_max = greatest(r.profit_max, excluded.profit_max), profit_min = least(r.profit_min, excluded.profit_min),
        volume = r.volume + excluded.volume, lots = r.lots + excluded.lots,
        duration_us = r.duration_us + excluded.duration_us, durations = r.durations + excluded.durations;
    get diagnostics written = row_count;

    delete from prop_trading_model.rollup_symbol_day as r
    using (select distinct trade_date, symbol_key from prop_trading_model.refresh_symbol_days) as m
    where r.trade_date = m.trade_date and r.symbol_key = m.symbol_key and r.trades = 0;
    get diagnostics gone = row_count;
    return written + gone;
end
$$;

-- How the rows of rollup_account_symbol_day become those of rollup_symbol_day; `source` gives the rows r of whole days.
create or replace function prop_trading_model.symbol_days_query(source text) returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
    select format($query$
        select
            r.trade_date, r.symbol_key,
            sum(r.trades)::bigint as trades, sum(r.wins)::bigint as wins, sum(r.losses)::bigint as losses,
            sum(r.gross_profit) as gross_profit, sum(r.gross_loss) as gross_loss, sum(r.net) as net,
            sum(r.profits)::bigint as profits, sum(r.profit_squares) as profit_squares,
            max(r.profit_max) as profit_max, min(r.profit_min) as profit_min,
            sum(r.volume) as volume, sum(r.lots) as lots,
            sum(r.duration_us) as duration_us, sum(r.durations)::bigint as durations
        from %s
        group by r.trade_date, r.symbol_key
    $query$, source)
$$;

-- How they become those of rollup_market_day: what is counted or ranked by account from rollup_account_symbol_day, sums from
-- there or from rollup_symbol_day, which is shorter. The sources give the rows r of whole days.
create or replace function prop_trading_model.market_day_query(source text, source_of_sums text) returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
    select format($query$
        select
            a.trade_date, a.accounts, a.profitable_accounts, a.losing_accounts, s.trades, s.wins, s.losses,
            s.gross_profit, s.gross_loss, s.net, a.net_squares,
            a.nets[cardinality(a.nets)] as net_max, a.nets[1] as net_min,
            prop_trading_model.quantile(a.nets, 0.25) as net_q1,
            prop_trading_model.quantile(a.nets, 0.5) as net_median,
            prop_trading_model.quantile(a.nets, 0.75) as net_q3,
            s.volume, s.lots, a.nets
        from (
            select
                trade_date, count(*) as accounts,
                count(*) filter (where net > 0) as profitable_accounts,
                count(*) filter (where net < 0) as losing_accounts,
                sum(net * net) as net_squares, array_agg(net order by net) as nets
            from (
                select r.trade_date, r.account_id, sum(r.net) as net
                from %1$s
                group by r.trade_date, r.account_id
            ) as account_days
            group by trade_date
        ) as a
        join (
            select
                r.trade_date, sum(r.trades)::bigint as trades, sum(r.wins)::bigint as wins,
                sum(r.losses)::bigint as losses, sum(r.gross_profit) as gross_profit, sum(r.gross_loss) as gross_loss,
                sum(r.net) as net, sum(r.volume) as volume, sum(r.lots) as lots
            from %2$s
            group by r.trade_date
        ) as s using (trade_date)
    $query$, source, source_of_sums)
$$;

-- Values in order, without those of `gone` (one for one, as many as there are of each) and with those of `come`.
create or replace function prop_trading_model.exchange_values(sorted numeric[], gone numeric[], come numeric[])
returns numeric[]
language sql immutable parallel safe
return (
    select array_agg(value order by value)
    from (
        select value from unnest(sorted) as value
        except all
        select value from unnest(gone) as value
        union all
        select value from unnest(come) as value
    ) as exchanged
);

-- Moves rollup_market_day by what refresh_account_days holds, and takes its sums from rollup_symbol_day; returns the rows written or
-- removed.
create or replace function prop_trading_model.move_market_day() returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    gone bigint;
    written bigint;
begin
    insert into prop_trading_model.rollup_market_day as r (
        trade_date, accounts, profitable_accounts, losing_accounts, trades, wins, losses, gross_profit, gross_loss, net,
        net_squares, net_max, net_min, net_q1, net_median, net_q3, volume, lots, nets
    )
    select
        d.trade_date, cardinality(n.nets), d.profitable_accounts, d.losing_accounts, s.trades, s.wins, s.losses,
        s.gross_profit, s.gross_loss, s.net, d.net_squares, n.nets[cardinality(n.nets)], n.nets[1],
        prop_trading_model.quantile(n.nets, 0.25), prop_trading_model.quantile(n.nets, 0.5),
        prop_trading_model.quantile(n.nets, 0.75), s.volume, s.lots, n.nets
    from (
        select
            m.trade_date, o.nets, m.gone, m.come,
            coalesce(o.profitable_accounts, 0) + m.profitable_accounts as profitable_accounts,
            coalesce(o.losing_accounts, 0) + m.losing_accounts as losing_accounts,
            coalesce(o.net_squares, 0) + m.net_squares as net_squares
        from (
            select
                trade_date,
                coalesce(sum(sign) filter (where net > 0), 0) as profitable_accounts,
                coalesce(sum(sign) filter (where net < 0), 0) as losing_accounts,
                sum(sign * net * net) as net_squares,
                array_agg(net) filter (where sign < 0) as gone, array_agg(net) filter (where sign > 0) as come
            from prop_trading_model.refresh_account_days
            group by trade_date
        ) as m
        left join prop_trading_model.rollup_market_day as o using (trade_date)
    ) as d
    cross join lateral (
        select
            sum(y.trades)::bigint as trades, sum(y.wins)::bigint as wins, sum(y.losses)::bigint as losses,
            sum(y.gross_profit) as gross_profit, sum(y.gross_loss) as gross_loss, sum(y.net) as net,
            sum(y.volume) as volume, sum(y.lots) as lots
        from prop_trading_model.rollup_symbol_day as y
        where y.trade_date = d.trade_date
    ) as s
    cross join lateral (select prop_trading_model.exchange_values(d.nets, d.gone, d.come) as nets offset 0) as n
    where cardinality(n.nets) > 0
    on conflict (trade_date) do update set
        accounts = excluded.accounts, profitable_accounts = excluded.profitable_accounts,
        losing_accounts = excluded.losing_accounts, trades = excluded.trades, wins = excluded.wins,
        losses = excluded.losses, gross_profit = excluded.gross_profit, gross_loss = excluded.gross_loss,
        net = excluded.net, net_squares = excluded.net_squares, net_max = excluded.net_max,
        net_min = excluded.net_min, net_q1 = excluded.net_q1, net_median = excluded.net_median,
        net_q3 = excluded.net_q3, volume = excluded.volume, lots = excluded.lots, nets = excluded.nets
    where r is distinct from excluded;
    get diagnostics written = row_count;

    delete from prop_trading_model.rollup_market_day as r
    using (select distinct trade_date from prop_trading_model.refresh_account_days) as m
    where r.trade_date = m.trade_date
        and not exists (select from prop_trading_model.rollup_symbol_day as s where s.trade_date = m.trade_date);
    get diagnostics gone = row_count;
    return written + gone;
end
$$;
