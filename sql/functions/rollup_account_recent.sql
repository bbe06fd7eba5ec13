-- rollup_account_recent: what each account did in the trailing 30 days, for the two views by account.
-- Invariant: it holds for the window that ends with the day in recent_window: null while there is no trade, -infinity when
-- it has to be made anew.
-- Accounts that change within the window are recomputed with their keys; a new last day moves the window of all accounts.

-- How the rows of rollup_account_symbol_day become those of rollup_account_recent; `source` gives the rows r (those outside
-- the window are left out), `last_day` is the text of a date.
create or replace function prop_trading_model.account_recent_query(source text, last_day text) returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
    select format($query$
        select
            account_id,
            sum(trades)::bigint as trades, sum(wins)::bigint as wins, sum(net) as net,
            bit_count(bit_or(days)::bit(64)) as days,
            sum(trades_7d)::bigint as trades_7d, sum(wins_7d)::bigint as wins_7d, sum(net_7d) as net_7d,
            count(*) filter (where symbol_key <> '') as symbols,
            (array_agg(symbol_key order by trades desc, symbol_key) filter (where symbol_key <> ''))[1]::varchar(50)
                as favorite_symbol,
            max(trades) filter (where symbol_key <> '')::bigint as favorite_trades,
            sum(lots) as lots, sum(lots_counted)::bigint as lots_counted, sum(lots_squares) as lots_squares,
            sum(volume) as volume, sum(volumes)::bigint as volumes, sum(buys)::bigint as buys,
            sum(stop_losses)::bigint as stop_losses, sum(take_profits)::bigint as take_profits
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
    $query$, source, last_day)
$$;

-- The day that the windows of rollup_account_recent end with; -infinity when they have to be made anew.
create or replace function prop_trading_model.recent_day() returns date
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$ select last_day from prop_trading_model.recent_window $$;

-- Recomputes the accounts of refresh_keys; returns the rows written or removed. When the window has to move, all accounts
-- are due anyway: that is left to move_recent_window().
create or replace function prop_trading_model.refresh_account_recent() returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    last_day date := prop_trading_model.recent_day();
    gone bigint;
    written bigint;
begin
    if last_day is distinct from prop_trading_model.as_of_date() then
        update prop_trading_model.recent_window as w set last_day = '-infinity';
        return 0;
    end if;
    execute 'insert into prop_trading_model.rollup_account_recent as r ' || prop_trading_model.account_recent_query(
        '(select distinct account_id from prop_trading_model.refresh_keys) as k'
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
    delete from prop_trading_model.rollup_account_recent as r
    using (select distinct account_id from prop_trading_model.refresh_keys) as k
    where r.account_id = k.account_id
        and not exists (
            select from prop_trading_model.rollup_account_symbol_day as d
            where d.account_id = k.account_id and d.trade_date between last_day - 29 and last_day
        );
    get diagnostics gone = row_count;
    return written + gone;
end
$$;

-- Makes rollup_account_recent anew, for the window that ends with this day. Returns the rows that differed.
create or replace function prop_trading_model.move_recent_window(last_day date) returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    written bigint;
begin
    perform prop_trading_model.make_rebuilt(prop_trading_model.account_recent_query(
        'prop_trading_model.rollup_account_symbol_day as r', format('%L::date', last_day)
    ));
    written := prop_trading_model.apply_rebuilt('prop_trading_model.rollup_account_recent');
    update prop_trading_model.recent_window as w set last_day = move_recent_window.last_day;
    return written;
end
$$;
