-- The window of rollup_account_recent: it ends with the last day that has trades, today at the latest.
-- Invariant: the day in recent_window and the rollup move together, in one transaction.

-- Makes rollup_account_recent hold for the window that ends with this day. Returns the rows written or removed.
create or replace function prop_trading_model.move_recent_window(last_day date) returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    before date := prop_trading_model.recent_day();
    written bigint;
begin
    -- Further away, so many days differ that the whole window costs no more.
    if abs(last_day - before) <= 7 then
        written := prop_trading_model.shift_recent_window(before, last_day);
    else
        written := prop_trading_model.remake_recent_window(last_day);
    end if;
    update prop_trading_model.recent_window as w set last_day = move_recent_window.last_day;
    return written;
end
$$;

create or replace function prop_trading_model.remake_recent_window(last_day date) returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    perform prop_trading_model.find_differences(
        'prop_trading_model.rollup_account_recent',
        prop_trading_model.account_recent_query(
            '(select * from prop_trading_model.rollup_account_symbol_day where {piece}) as r',
            format('%L::date', last_day)
        ),
        prop_trading_model.pieces_by_account('prop_trading_model.rollup_account', 4)
    );
    return prop_trading_model.apply_differences('prop_trading_model.rollup_account_recent');
end
$$;

-- From the window that ends with `before` to the one that ends with `after`, which overlap: a day counts with sign 1 when it comes
-- in, -1 when it leaves, in either window. Favorites do not merge: they are counted anew, in integers.
create or replace function prop_trading_model.shift_recent_window(before date, after date) returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
set default_statistics_target = 10
as $$
declare
    days date[] := array(
        select day::date
        from generate_series(least(before, after)::timestamp - interval '29 days', greatest(before, after), '1 day') as day
        where (day::date between before - 29 and before) <> (day::date between after - 29 and after)
            or (day::date between before - 6 and before) <> (day::date between after - 6 and after)
    );
    pieces text[] := prop_trading_model.pieces_by_account(
        'prop_trading_model.rollup_account_recent tablesample system (20) repeatable (0)', 4
    );
    gone bigint;
    written bigint;
begin
    perform prop_trading_model.make_in_pieces('recent_moves', format($query$
        select
            account_id,
            sum(sign * trades::integer) as trades, sum(sign * wins::integer) as wins, sum(sign * net) as net,
            sum(sign) as days,
            sum(sign_7d * trades::integer) as trades_7d, sum(sign_7d * wins::integer) as wins_7d, sum(sign_7d * net) as net_7d,
            sum(sign * lots) as lots, sum(sign * lots_counted::integer) as lots_counted,
            sum(sign * lots_squares) as lots_squares, sum(sign * volume) as volume, sum(sign * volumes::integer) as volumes,
            sum(sign * buys::integer) as buys, sum(sign * stop_losses::integer) as stop_losses,
            sum(sign * take_profits::integer) as take_profits
        from (
            select
                r.account_id,
                (r.trade_date between %2$L::date - 29 and %2$L)::integer
                    - (r.trade_date between %1$L::date - 29 and %1$L)::integer as sign,
                (r.trade_date between %2$L::date - 6 and %2$L)::integer
                    - (r.trade_date between %1$L::date - 6 and %1$L)::integer as sign_7d,
                sum(r.trades) as trades, sum(r.wins) as wins, sum(r.net) as net,
                sum(r.lots) as lots, sum(r.lots_counted) as lots_counted, sum(r.lots_squares) as lots_squares,
                sum(r.volume) as volume, sum(r.volumes) as volumes, sum(r.buys) as buys,
                sum(r.stop_losses) as stop_losses, sum(r.take_profits) as take_profits
            from prop_trading_model.rollup_account_symbol_day as r
            where r.trade_date between %4$L and %5$L and r.trade_date + 0 = any (%3$L::date[]) and {piece}
            group by r.account_id, r.trade_date
        ) as account_days
        group by account_id
        $query$, before, after, days, days[1], days[cardinality(days)]
    ), pieces);
    analyze pg_temp.recent_moves (account_id);
    perform prop_trading_model.make_in_pieces('recent_favorites', format($query$
        select account_id, %2$s
        from (
            select account_id, symbol_key, sum(trades) as trades
            from prop_trading_model.rollup_account_symbol_day
            where trade_date between %1$L::date - 29 and %1$L and {piece}
            group by account_id, symbol_key
        ) as account_symbols
        group by account_id
        $query$, after, prop_trading_model.favorite_measures()
    ), pieces);
    analyze pg_temp.recent_favorites (account_id);
    delete from prop_trading_model.rollup_account_recent as r
    using pg_temp.recent_moves as m
    where r.account_id = m.account_id and r.trades + m.trades = 0;
    get diagnostics gone = row_count;
    insert into prop_trading_model.rollup_account_recent as r
    select
        m.account_id, m.trades, m.wins, m.net, m.days, m.trades_7d, m.wins_7d, m.net_7d,
        f.symbols, f.favorite_symbol, f.favorite_trades, m.lots, m.lots_counted, m.lots_squares, m.volume, m.volumes,
        m.buys, m.stop_losses, m.take_profits
    from pg_temp.recent_moves as m
    join pg_temp.recent_favorites as f on f.account_id = m.account_id
    on conflict (account_id) do update set
        trades = r.trades + excluded.trades, wins = r.wins + excluded.wins, net = r.net + excluded.net,
        days = r.days + excluded.days, trades_7d = r.trades_7d + excluded.trades_7d,
        wins_7d = r.wins_7d + excluded.wins_7d, net_7d = r.net_7d + excluded.net_7d,
        symbols = excluded.symbols, favorite_symbol = excluded.favorite_symbol,
        favorite_trades = excluded.favorite_trades, lots = r.lots + excluded.lots,
        lots_counted = r.lots_counted + excluded.lots_counted, lots_squares = r.lots_squares + excluded.lots_squares,
        volume = r.volume + excluded.volume, volumes = r.volumes + excluded.volumes, buys = r.buys + excluded.buys,
        stop_losses = r.stop_losses + excluded.stop_losses, take_profits = r.take_profits + excluded.take_profits;
    get diagnostics written = row_count;
    drop table pg_temp.recent_moves, pg_temp.recent_favorites;
    return gone + written;
end
$$;
