-- rollup_account_symbol_day: recomputed from raw_trades_closed, for the account-days in refresh_keys or for a whole month.
-- Invariant: what was there before does not matter; afterwards the rows of those keys equal the recomputation.

-- The one place that says how trades become a row. `source` is one of the constants of the functions below; with `same_login` a
-- last column says whether all trades t have the login of k.
-- Few sums of numerics, the dearest part: sum(profit) is the sum of wins and losses. Durations are whole microseconds; as
-- doubles they are exact between 1990 and 2050, and times outside are taken one by one in numeric.
create or replace function prop_trading_model.account_symbol_day_query(source text, same_login boolean default false)
returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
    select format($query$
        select
            trade_date,
            trades::integer,
            wins::integer,
            losses::integer,
            profits::integer,
            lots_counted::integer,
            volumes::integer,
            durations::integer,
            buys::integer,
            stop_losses::integer,
            take_profits::integer,
            account_id,
            symbol_key,
            gross_profit,
            gross_loss,
            gross_profit + gross_loss + charges as net,
            profit_squares,
            profit_max,
            profit_min,
            lots,
            lots_squares,
            volume,
            duration_us + trunc(1000000 * far_duration) as duration_us%2$s
        from (
            select
                t.account_id,
                t.trade_date,
                coalesce(t.std_symbol, t.symbol, ''::varchar(50)) as symbol_key,
                count(*) as trades,
                count(*) filter (where t.profit > 0) as wins,
                count(*) filter (where t.profit < 0) as losses,
                coalesce(sum(t.profit) filter (where t.profit > 0), 0) as gross_profit,
                coalesce(sum(t.profit) filter (where t.profit < 0), 0) as gross_loss,
                coalesce(sum(t.commission), 0) + coalesce(sum(t.swap), 0) as charges,
                count(t.profit) as profits,
                coalesce(sum(t.profit * t.profit), 0) as profit_squares,
                max(t.profit) as profit_max,
                min(t.profit) as profit_min,
                coalesce(sum(t.lots), 0) as lots,
                count(t.lots) as lots_counted,
                coalesce(sum(t.lots * t.lots), 0) as lots_squares,
                coalesce(sum(t.volume_usd), 0) as volume,
                count(t.volume_usd) as volumes,
                coalesce(
                    sum(round(1000000 * date_part('epoch', t.close_time - t.open_time))::bigint)
                    filter (where t.open_time >= '1990-01-01' and t.close_time < '2050-01-01'), 0
                ) as duration_us,
                coalesce(
                    sum(extract(epoch from t.close_time) - extract(epoch from t.open_time))
                    filter (where t.open_time < '1990-01-01' or t.close_time >= '2050-01-01'), 0
                ) as far_duration,
                count(*) filter (where t.open_time is not null and t.close_time is not null) as durations,
                count(*) filter (where t.side = 'buy' or (t.side <> 'sell' and lower(t.side) = 'buy')) as buys,
                count(t.stop_loss) as stop_losses,
                count(t.take_profit) as take_profits%3$s
            from %1$s
            group by t.account_id, t.trade_date, coalesce(t.std_symbol, t.symbol, ''::varchar(50))
        ) as sums
        $query$, source,
        case when same_login then ', same_login' end,
        case when same_login then ', bool_and(t.login is not distinct from k.login) as same_login' end
    )
$$;

-- The statement that inserts those rows n of refresh_rows that meet a condition. In the order of days, so that whoever reads a day
-- later finds its rows together.
create or replace function prop_trading_model.account_symbol_day_insertion(target regclass, condition text) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select format($statement$
        insert into %s as r (
            trade_date, trades, wins, losses, profits, lots_counted, volumes, durations, buys, stop_losses, take_profits,
            account_id, symbol_key, gross_profit, gross_loss, net, profit_squares, profit_max, profit_min, lots,
            lots_squares, volume, duration_us
        )
        select
            trade_date, trades, wins, losses, profits, lots_counted, volumes, durations, buys, stop_losses, take_profits,
            account_id, symbol_key, gross_profit, gross_loss, net, profit_squares, profit_max, profit_min, lots,
            lots_squares, volume, duration_us
        from prop_trading_model.refresh_rows as n
        where %s
        order by trade_date, account_id
    $statement$, target, condition)
$$;

-- Writes refresh_rows into the rollup, where they differ from refresh_before, and removes the rows named in refresh_gone;
-- returns how many. Nobody else writes the rollup: rows that were not there before are inserted without asking once more whether
-- they are.
create or replace function prop_trading_model.write_account_symbol_day() returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    gone bigint;
    added bigint;
    changed bigint;
    rollup constant regclass := 'prop_trading_model.rollup_account_symbol_day';
    was_there constant text := $condition$
        exists (
            select from prop_trading_model.refresh_before as b
            where b.account_id = n.account_id and b.trade_date = n.trade_date and b.symbol_key = n.symbol_key
        )
        $condition$;
begin
    delete from prop_trading_model.rollup_account_symbol_day as r
    using prop_trading_model.refresh_gone as g
    where r.account_id = g.account_id and r.trade_date = g.trade_date and r.symbol_key = g.symbol_key;
    get diagnostics gone = row_count;

    execute prop_trading_model.account_symbol_day_insertion(rollup, 'not ' || was_there);
    get diagnostics added = row_count;

    execute prop_trading_model.account_symbol_day_insertion(rollup, was_there) || $conflict$
        on conflict (account_id, trade_date, symbol_key) do update set
            trades = excluded.trades, wins = excluded.wins, losses = excluded.losses,
            gross_profit = excluded.gross_profit, gross_loss = excluded.gross_loss, net = excluded.net,
            profits = excluded.profits, profit_squares = excluded.profit_squares,
            profit_max = excluded.profit_max, profit_min = excluded.profit_min,
            lots = excluded.lots, lots_counted = excluded.lots_counted, lots_squares = excluded.lots_squares,
            volume = excluded.volume, volumes = excluded.volumes,
            duration_us = excluded.duration_us, durations = excluded.durations,
            buys = excluded.buys, stop_losses = excluded.stop_losses, take_profits = excluded.take_profits
        where r is distinct from excluded
        $conflict$;
    get diagnostics changed = row_count;
    return gone + added + changed;
end
$$;

-- Makes the partition of a month that has none, with what refresh_rows holds: filled bare, then indexed and attached, as a
-- month of trades that is loaded whole. Rows that come day by day go everywhere into the index of a key that begins with the
-- account, and leave its pages three quarters full. Returns the rows written; null, and nothing done, when the month has a
-- partition or is given one in the meantime.
create or replace function prop_trading_model.fill_rollup_month(month date) returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    rollup constant regclass := 'prop_trading_model.rollup_account_symbol_day';
    bare name;
    written bigint;
begin
    if prop_trading_model.has_leaf(rollup, month, (month + interval '1 month')::date) then
        return null;
    end if;
    bare := prop_trading_model.make_bare_table(rollup, prop_trading_model.leaf_name(rollup, month) || '_filled', month);
    execute prop_trading_model.account_symbol_day_insertion(format('prop_trading_model.%I', bare)::regclass, 'true');
    get diagnostics written = row_count;
    if not prop_trading_model.attach_bare_table(rollup, bare, month) then
        execute format('drop table prop_trading_model.%I', bare);
        return null;
    end if;
    return written;
end
$$;

-- Fills refresh_rows with what the account-days of refresh_keys, which lie between these days, are now. Key by key through the
-- index; or, when they are many and most of what lies between, by reading all of that, in pieces that PostgreSQL's workers
-- share. Which of them is decided here, and the planner told: it knows nothing of days that came after the last ANALYZE, and
-- would read them once for each key.
create or replace function prop_trading_model.recompute_keys(first_day date, last_day date) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    keys constant bigint := (select count(*) from prop_trading_model.refresh_keys);
    trades_between constant numeric := (
        select coalesce(sum(trades), 0) from prop_trading_model.rollup_market_day where trade_date between first_day and last_day
    );
    keys_with_login constant text := $source$
        select k.account_id, k.trade_date, a.login
        from (select * from prop_trading_model.refresh_keys where {piece}) as k
        left join prop_trading_model.rollup_account as a on a.account_id = k.account_id
        $source$;
    between_days constant text := format('t.trade_date between %L and %L', first_day, last_day);
begin
    if keys < 5000 or keys * 30 < trades_between then
        execute 'insert into prop_trading_model.refresh_rows ' || prop_trading_model.account_symbol_day_query(
            -- The logins first: how many trades there will be, the planner does not know.
            format('(%s offset 0) as k', replace(keys_with_login, '{piece}', 'true')) || format($source$
                cross join lateral (
                    select * from prop_trading_model.raw_trades_closed as t
                    where t.account_id = k.account_id and t.trade_date = k.trade_date and %s
                    offset 0
                ) as t
                $source$, between_days
            ), same_login => true
        );
        return;
    end if;
    perform prop_trading_model.make_by_hashing(
        'recomputed', prop_trading_model.account_symbol_day_query(
            format('(%s) as k', keys_with_login) || ' join prop_trading_model.raw_trades_closed as t'
            ' on t.account_id = k.account_id and t.trade_date = k.trade_date and ' || between_days, same_login => true
        ),
        prop_trading_model.pieces_by_account('prop_trading_model.refresh_keys', 2)
    );
    insert into prop_trading_model.refresh_rows select * from pg_temp.recomputed;
    drop table pg_temp.recomputed;
end
$$;

-- Brings the account-days of refresh_keys up to date; returns the rows written or removed. The rows go through tables of their
-- own, so that the planner knows how many there are: a guess can be off by a factor of thousands.
-- Leaves in refresh_before the rows as they were, in refresh_rows as they are now, and in refresh_gone the keys of those that
-- are no more.
create or replace function prop_trading_model.refresh_account_symbol_day() returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
set default_statistics_target = 10
as $$
declare
    first_day date;
    last_day date;
begin
    select min(trade_date), max(trade_date) into first_day, last_day from prop_trading_model.refresh_keys;
    perform prop_trading_model.clear_work_table('prop_trading_model.refresh_before');
    perform prop_trading_model.clear_work_table('prop_trading_model.refresh_rows');
    perform prop_trading_model.clear_work_table('prop_trading_model.refresh_gone');
    perform prop_trading_model.recompute_keys(first_day, last_day);
    analyze prop_trading_model.refresh_rows (account_id, trade_date, symbol_key);

    -- Key by key, whatever the planner thinks of days that came after the last ANALYZE.
    insert into prop_trading_model.refresh_before
    select r.*
    from prop_trading_model.refresh_keys as k
    cross join lateral (
        select d.* from prop_trading_model.rollup_account_symbol_day as d
        where d.account_id = k.account_id and d.trade_date = k.trade_date and d.trade_date between first_day and last_day
        offset 0
    ) as r;
    analyze prop_trading_model.refresh_before (account_id, trade_date, symbol_key);
    insert into prop_trading_model.refresh_gone (account_id, trade_date, symbol_key)
    select r.account_id, r.trade_date, r.symbol_key
    from prop_trading_model.refresh_before as r
    where not exists (
        select from prop_trading_model.refresh_rows as f
        where f.account_id = r.account_id and f.trade_date = r.trade_date and f.symbol_key = r.symbol_key
    );
    return prop_trading_model.write_account_symbol_day();
end
$$;
