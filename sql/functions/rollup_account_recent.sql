-- rollup_account_recent: what each account did in the trailing 30 days, for the two views by account.
-- Invariant: it holds for the window that ends with the day in recent_window; null while there is no trade.
-- Sums move by the account-days that change. Favorites do not merge; but of an account that traded its favorite more than all other
-- symbols together, that is the favorite still. Only the other accounts are recomputed.

-- How an account's symbols and their trades become three measures.
create or replace function prop_trading_model.favorite_measures() returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
    select $measures$
        count(*) filter (where symbol_key <> '') as symbols,
        (array_agg(symbol_key order by trades desc, symbol_key) filter (where symbol_key <> ''))[1]::varchar(50)
            as favorite_symbol,
        max(trades) filter (where symbol_key <> '')::bigint as favorite_trades
    $measures$
$$;

-- Sums of an account's counts are summed again as integers, which is several times cheaper than as bigints.
-- How the rows of rollup_account_symbol_day become those of rollup_account_recent; `source` gives the rows r (those outside
-- the window are left out), `last_day` is the text of a date.
create or replace function prop_trading_model.account_recent_query(source text, last_day text) returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
    select format($query$
        select
            account_id,
            sum(trades::integer) as trades, sum(wins::integer) as wins, sum(net) as net,
            bit_count(bit_or(days)::bit(64)) as days,
            sum(trades_7d::integer) as trades_7d, sum(wins_7d::integer) as wins_7d, sum(net_7d) as net_7d,
            %3$s,
            sum(lots) as lots, sum(lots_counted::integer) as lots_counted, sum(lots_squares) as lots_squares,
            sum(volume) as volume, sum(volumes::integer) as volumes, sum(buys::integer) as buys,
            sum(stop_losses::integer) as stop_losses, sum(take_profits::integer) as take_profits
        from (
            select
                r.account_id, r.symbol_key,
                sum(r.trades) as trades, sum(r.wins) as wins, sum(r.net) as net,
                -- A bit a day: days on which several symbols were traded count once.
                bit_or(1::bigint << (%2$s - r.trade_date)) as days,
                coalesce(sum(r.trades) filter (where r.trade_date > %2$s - 7), 0) as trades_7d,
                coalesce(sum(r.wins) filter (where r.trade_date > %2$s - 7), 0) as wins_7d,
                coalesce(sum(r.net) filter (where r.trade_date > %2$s - 7), 0) as net_7d,
                sum(r.lots) as lots, sum(r.lots_counted) as lots_counted, sum(r.lots_squares) as lots_squares,
                sum(r.volume) as volume, sum(r.volumes) as volumes, sum(r.buys) as buys,
                sum(r.stop_losses) as stop_losses, sum(r.take_profits) as take_profits
            from %1$s
            where r.trade_date between %2$s - 29 and %2$s
            group by r.account_id, r.symbol_key
        ) as account_symbols
        group by account_id
    $query$, source, last_day, prop_trading_model.favorite_measures())
$$;

-- The day that the windows of rollup_account_recent end with; null while there is no trade.
create or replace function prop_trading_model.recent_day() returns date
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$ select last_day from prop_trading_model.recent_window $$;

-- Recomputes the accounts of refresh_keys that changed within the window, whatever there is; returns the rows written or removed.
create or replace function prop_trading_model.refresh_account_recent() returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    last_day date := prop_trading_model.recent_day();
    gone bigint;
begin
    if last_day is null then
        return 0;
    end if;
    perform prop_trading_model.clear_work_table('prop_trading_model.refresh_recent');
    insert into prop_trading_model.refresh_recent (account_id)
    select distinct account_id from prop_trading_model.refresh_keys where trade_date between last_day - 29 and last_day;
    analyze prop_trading_model.refresh_recent (account_id);
    delete from prop_trading_model.rollup_account_recent as r
    using prop_trading_model.refresh_recent as k
    where r.account_id = k.account_id
        and not exists (
            select from prop_trading_model.rollup_account_symbol_day as d
            where d.account_id = k.account_id and d.trade_date between last_day - 29 and last_day
        );
    get diagnostics gone = row_count;
    return gone + prop_trading_model.recompute_recent(last_day);
end
$$;

-- Recomputes the accounts of refresh_recent for the window that ends with this day; returns the rows written.
create or replace function prop_trading_model.recompute_recent(last_day date) returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    written bigint;
begin
    execute 'insert into prop_trading_model.rollup_account_recent as r ' || prop_trading_model.account_recent_query(
        'prop_trading_model.refresh_recent as k'
        ' join prop_trading_model.rollup_account_symbol_day as r on r.account_id = k.account_id',
        format('%L::date', last_day)
    ) || $conflict$
        on conflict (account_id) do update set
            trades = excluded.trades, wins = excluded.wins, net = excluded.net, days = excluded.days,
            trades_7d = excluded.trades_7d, wins_7d = excluded.wins_7d, net_7d = excluded.net_7d,
            symbols = excluded.symbols, favorite_symbol = excluded.favorite_symbol,
            favorite_trades = excluded.favorite_trades, lots = excluded.lots, lots_counted = excluded.lots_counted,
            lots_squares = excluded.lots_squares, volume = excluded.volume, volumes = excluded.volumes,
            buys = excluded.buys, stop_losses = excluded.stop_losses, take_profits = excluded.take_profits
        where r is distinct from excluded
        $conflict$;
    get diagnostics written = row_count;
    return written;
end
$$;

-- Moves the accounts of refresh_keys by what refresh_before, refresh_rows and refresh_account_days hold within the window, wherever
-- it has to move to afterwards; returns the rows written or removed.
create or replace function prop_trading_model.move_account_recent() returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    last_day date := prop_trading_model.recent_day();
    -- The columns of rollup_account_symbol_day alone: refresh_rows has one more.
    changes constant text := $changes$
        select account_id, trade_date, symbol_key, %s as sign,
            trades, wins, net, lots, lots_counted, lots_squares, volume, volumes, buys, stop_losses, take_profits
        from prop_trading_model.%I
        where trade_date between $1 - 29 and $1
        $changes$;
begin
    if last_day is null then
        return 0;
    end if;
    perform prop_trading_model.clear_work_table('prop_trading_model.refresh_recent');
    execute format($statement$
        insert into prop_trading_model.refresh_recent
        select
            account_id, sum(sign * trades), sum(sign * wins), sum(sign * net), max(days),
            coalesce(sum(sign * trades) filter (where trade_date > $1 - 7), 0),
            coalesce(sum(sign * wins) filter (where trade_date > $1 - 7), 0),
            coalesce(sum(sign * net) filter (where trade_date > $1 - 7), 0),
            sum(sign * lots), sum(sign * lots_counted), sum(sign * lots_squares), sum(sign * volume), sum(sign * volumes),
            sum(sign * buys), sum(sign * stop_losses), sum(sign * take_profits),
            coalesce(sum(sign * trades) filter (where symbol_key = favorite_symbol), 0)
        from (%s union all %s) as changes
        join (
            select account_id, sum(sign) as days from prop_trading_model.refresh_account_days
            where trade_date between $1 - 29 and $1
            group by account_id
        ) as account_days using (account_id)
        left join (select account_id, favorite_symbol from prop_trading_model.rollup_account_recent) as favorites using (account_id)
        group by account_id
        $statement$, format(changes, -1, 'refresh_before'), format(changes, 1, 'refresh_rows')
    ) using last_day;
    analyze prop_trading_model.refresh_recent (account_id);
    return prop_trading_model.settle_recent(last_day);
end
$$;

-- Adds the sums of refresh_recent to its accounts, for the window that ends with this day, and recomputes those that have no row yet
-- or whose favorite may be another one. What an account traded last with each symbol, rollup_account_symbol tells: how many symbols
-- lie in the window, unless a day after it is among them. Returns the rows written or removed.
create or replace function prop_trading_model.settle_recent(last_day date) returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    gone bigint;
    moved bigint;
begin
    delete from prop_trading_model.rollup_account_recent as r
    using prop_trading_model.refresh_recent as m
    where r.account_id = m.account_id and r.trades + m.trades = 0;
    get diagnostics gone = row_count;
    with settled as (
        update prop_trading_model.rollup_account_recent as r
        set trades = r.trades + m.trades, wins = r.wins + m.wins, net = r.net + m.net, days = r.days + m.days,
            trades_7d = r.trades_7d + m.trades_7d, wins_7d = r.wins_7d + m.wins_7d, net_7d = r.net_7d + m.net_7d,
            symbols = s.symbols, favorite_trades = r.favorite_trades + m.favorite_trades,
            lots = r.lots + m.lots, lots_counted = r.lots_counted + m.lots_counted,
            lots_squares = r.lots_squares + m.lots_squares, volume = r.volume + m.volume, volumes = r.volumes + m.volumes,
            buys = r.buys + m.buys, stop_losses = r.stop_losses + m.stop_losses,
            take_profits = r.take_profits + m.take_profits
        from prop_trading_model.refresh_recent as m
        join (
            select
                y.account_id, max(y.last_trade_date) as last_trade_date,
                count(*) filter (where y.symbol_key <> '' and y.last_trade_date > last_day - 30) as symbols
            from prop_trading_model.refresh_recent as k
            join prop_trading_model.rollup_account_symbol as y on y.account_id = k.account_id
            group by y.account_id
        ) as s on s.account_id = m.account_id
        where r.account_id = m.account_id and s.last_trade_date <= last_day
            and 2 * (r.favorite_trades + m.favorite_trades) > r.trades + m.trades
        returning r.account_id
    )
    delete from prop_trading_model.refresh_recent as m using settled where settled.account_id = m.account_id;
    get diagnostics moved = row_count;
    analyze prop_trading_model.refresh_recent;
    return gone + moved + prop_trading_model.recompute_recent(last_day);
end
$$;
