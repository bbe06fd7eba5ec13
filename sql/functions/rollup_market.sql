-- rollup_symbol_day, rollup_account_day_net and rollup_market_day: what all accounts did together, by symbol and day, and by
-- day.
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
            s.volume, s.lots
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

-- How they become those of rollup_account_day_net; `source` gives the rows r of whole account-days.
create or replace function prop_trading_model.account_day_net_query(source text) returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
    select format(
        'select r.trade_date, sum(r.net) as net, r.account_id from %s group by r.trade_date, r.account_id', source
    )
$$;

-- Moves rollup_account_day_net to what refresh_account_days holds; returns the rows written or removed.
create or replace function prop_trading_model.move_account_day_net() returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    gone bigint;
    written bigint;
begin
    delete from prop_trading_model.rollup_account_day_net as r
    using prop_trading_model.refresh_account_days as o
    where o.sign < 0 and r.trade_date = o.trade_date and r.net = o.net and r.account_id = o.account_id
        and not exists (
            select from prop_trading_model.refresh_account_days as n
            where n.sign > 0 and n.trade_date = o.trade_date and n.net = o.net and n.account_id = o.account_id
        );
    get diagnostics gone = row_count;
    insert into prop_trading_model.rollup_account_day_net (trade_date, net, account_id)
    select n.trade_date, n.net, n.account_id
    from prop_trading_model.refresh_account_days as n
    where n.sign > 0
        and not exists (
            select from prop_trading_model.refresh_account_days as o
            where o.sign < 0 and o.trade_date = n.trade_date and o.net = n.net and o.account_id = n.account_id
        );
    get diagnostics written = row_count;
    return gone + written;
end
$$;

-- The quartiles of the nets of a day that has so many accounts, as quantile() has them: found by their places in the order, in
-- one pass that ends with the last of them.
create or replace function prop_trading_model.day_quartiles(
    day date, accounts bigint, out q1 numeric, out median numeric, out q3 numeric
)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    with places as (
        select fraction, floor(fraction * (accounts - 1))::bigint as place, fraction * (accounts - 1) % 1 as part
        from (values (0.25), (0.5), (0.75)) as fractions (fraction)
    ),
    nets as materialized (
        select place, net
        from (
            select n.net, row_number() over (order by n.net) - 1 as place
            from prop_trading_model.rollup_account_day_net as n
            where n.trade_date = day
            order by n.net
            limit floor(0.75 * (accounts - 1))::bigint + 2
        ) as ranked
        where place in (select p.place from places as p union all select p.place + 1 from places as p)
    ),
    found as (
        select p.fraction, n.net + (coalesce(next.net, n.net) - n.net) * p.part as net
        from places as p
        join nets as n on n.place = p.place
        left join nets as next on next.place = p.place + 1
    )
    select
        max(net) filter (where fraction = 0.25), max(net) filter (where fraction = 0.5), max(net) filter (where fraction = 0.75)
    from found
$$;

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
    insert into prop_trading_model.rollup_market_day as r
    select
        d.trade_date, d.accounts, d.profitable_accounts, d.losing_accounts, s.trades, s.wins, s.losses,
        s.gross_profit, s.gross_loss, s.net, d.net_squares, e.net_max, e.net_min,
        q.q1, q.median, q.q3,
        s.volume, s.lots
    from (
        select
            m.trade_date, coalesce(o.accounts, 0) + m.accounts as accounts,
            coalesce(o.profitable_accounts, 0) + m.profitable_accounts as profitable_accounts,
            coalesce(o.losing_accounts, 0) + m.losing_accounts as losing_accounts,
            coalesce(o.net_squares, 0) + m.net_squares as net_squares
        from (
            select
                trade_date, sum(sign) as accounts,
                coalesce(sum(sign) filter (where net > 0), 0) as profitable_accounts,
                coalesce(sum(sign) filter (where net < 0), 0) as losing_accounts,
                sum(sign * net * net) as net_squares
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
    cross join lateral (
        select max(n.net) as net_max, min(n.net) as net_min
        from prop_trading_model.rollup_account_day_net as n
        where n.trade_date = d.trade_date
    ) as e
    cross join lateral prop_trading_model.day_quartiles(d.trade_date, d.accounts) as q
    where d.accounts > 0
    on conflict (trade_date) do update set
        accounts = excluded.accounts, profitable_accounts = excluded.profitable_accounts,
        losing_accounts = excluded.losing_accounts, trades = excluded.trades, wins = excluded.wins,
        losses = excluded.losses, gross_profit = excluded.gross_profit, gross_loss = excluded.gross_loss,
        net = excluded.net, net_squares = excluded.net_squares, net_max = excluded.net_max,
        net_min = excluded.net_min, net_q1 = excluded.net_q1, net_median = excluded.net_median,
        net_q3 = excluded.net_q3, volume = excluded.volume, lots = excluded.lots
    where r is distinct from excluded;
    get diagnostics written = row_count;

    delete from prop_trading_model.rollup_market_day as r
    using (select distinct trade_date from prop_trading_model.refresh_account_days) as m
    where r.trade_date = m.trade_date
        and not exists (select from prop_trading_model.rollup_account_day_net as n where n.trade_date = m.trade_date);
    get diagnostics gone = row_count;
    return written + gone;
end
$$;
