-- The refresh, the materialized views and the live views, beside the partitioned tables of 001_add_partitioning.sql:
--   psql -v ON_ERROR_STOP=1 -f 002_add_materialized_views.sql
-- The views are filled by the first refresh: call prop_trading_model.refresh_warehouse().
-- Invariant: one transaction; applied again it changes nothing.
-- Written by python -m dpm_assets.schema.frozen.
-- It runs offline, in one transaction; what it indexes and constrains is empty or locked:
-- squawk-ignore-file require-lock-timeout, require-statement-timeout, prefer-robust-stmts, require-concurrent-index-creation
-- squawk-ignore-file adding-foreign-key-constraint, constraint-missing-not-valid, ban-drop-constraint, ban-drop-function

begin;
set local client_min_messages = warning;
set local search_path = pg_catalog, pg_temp;

-- What has to hold before anything is changed: the trades are partitioned.

do $$
begin
    if not exists (
        select from pg_class where oid = to_regclass('prop_trading_model.raw_trades_closed') and relkind = 'p'
    ) or to_regclass('prop_trading_model.rollup_account_symbol_day') is null then
        raise exception '002_add_materialized_views needs the partitioned tables: apply 001_add_partitioning.sql first.';
    end if;
end
$$;

-- The schema and the roles that work on it. From here on everything is made as dpm_owner.
-- Invariant: dpm_owner owns all and cannot log in; nobody is a superuser. Where the login may not create roles (managed
-- services), the roles are left out and the login itself owns everything.

do $$
declare
    wanted text;
    to_act_as constant text := case when current_setting('server_version_num')::integer < 160000 then 'member' else 'set' end;
begin
    foreach wanted in array array['dpm_owner', 'dpm_loader', 'dpm_refresher', 'dpm_reader'] loop
        if not exists (select from pg_roles where rolname = wanted)
            and (select rolcreaterole or rolsuper from pg_roles where rolname = current_user)
        then
            begin
                execute format('create role %I nologin', wanted);
            exception when duplicate_object or unique_violation then
                null;  -- another database of this server was set up at the same moment
            end;
        end if;
    end loop;
    -- Since PostgreSQL 16 a login that creates a role administers it, and may act as it only once it has granted it to itself.
    foreach wanted in array array['dpm_owner', 'dpm_loader', 'dpm_refresher', 'dpm_reader'] loop
        if exists (select from pg_roles where rolname = wanted and not pg_has_role(oid, to_act_as)) then
            begin
                execute format('grant %I to %I', wanted, current_user);
            exception when insufficient_privilege then
                raise notice 'this login may not act as %: it does that work as %', wanted, current_user;
            end;
        end if;
    end loop;
end
$$;

do $$
begin
    if not exists (select from pg_namespace where nspname = 'prop_trading_model') then
        create schema prop_trading_model;
        if exists (
            select from pg_roles where rolname = 'dpm_owner'
                and pg_has_role(oid, case when current_setting('server_version_num')::integer < 160000 then 'member' else 'set' end)
        ) then
            alter schema prop_trading_model owner to dpm_owner;
        end if;
    end if;
end
$$;

-- What every new session of the database begins with: unqualified names and naive times mean the same, whoever opens it.
-- Invariant: naive times are UTC.

do $$
begin
    execute format('alter database %I set search_path = prop_trading_model, public', current_database());
    execute format('alter database %I set timezone = ''UTC''', current_database());
exception when insufficient_privilege then
    raise notice 'the database belongs to somebody else: ask them to set its search_path to prop_trading_model, public'
        ' and its timezone to UTC';
end
$$;

set timezone = 'UTC';
-- pg_stat_statements, where this login may make it, and the right of the schema's owner to see everybody's statements in it.
-- Invariant: nothing else needs it. Where the server came without it or the login may not, the warehouse works all the same, and
-- log_query_performance() says what is missing. A downgrade leaves it: it belongs to the database.

do $$
declare
    owner constant name := coalesce((
        select rolname from pg_roles
        where rolname = 'dpm_owner'
            and pg_has_role(oid, case when current_setting('server_version_num')::integer < 160000 then 'member' else 'set' end)
    ), current_user);
begin
    if not exists (select from pg_extension where extname = 'pg_stat_statements')
        and exists (select from pg_available_extensions where name = 'pg_stat_statements')
    then
        begin
            create extension pg_stat_statements schema public;
        exception
            when insufficient_privilege or invalid_schema_name or feature_not_supported or undefined_file
                or duplicate_object or unique_violation then
                raise notice 'pg_stat_statements was not made: %', sqlerrm;
        end;
    end if;
    if not pg_has_role(owner, 'pg_read_all_stats', 'usage') then
        begin
            execute format('grant pg_read_all_stats to %I', owner);
        exception when insufficient_privilege or unique_violation then
            raise notice '% sees the statistics of its own statements only: %', owner, sqlerrm;
        end;
    end if;
end
$$;

select set_config('role', r.rolname::text, false)
from pg_roles as r join pg_namespace as n on n.nspname = 'prop_trading_model' and n.nspowner = r.oid
where pg_has_role(r.oid, 'member') and r.rolname <> current_user;

-- What the running refresh works on. Only the holder of the refresh lock touches these tables; they hold nothing that has to
-- survive a crash. They are tables so that the planner knows how many rows there are: a guess can be off by thousands.
-- Invariant: outside a refresh nobody reads them.

-- The account-days that are recomputed,
create unlogged table if not exists prop_trading_model.refresh_keys (
    account_id varchar(255) not null,
    trade_date date not null
);

-- and their accounts. Of one that is appended to, all its account-days lie after its last day so far and in one month, and
-- every trade has the login that it has.
create unlogged table if not exists prop_trading_model.refresh_accounts (
    account_id varchar(255) not null,
    appended boolean not null
);

-- Their rows of rollup_account_symbol_day as they were before,
create unlogged table if not exists prop_trading_model.refresh_before (
    like prop_trading_model.rollup_account_symbol_day
);

-- as they are now, and whether all trades of one have the login that the account had; and the keys of those that are no more.
create unlogged table if not exists prop_trading_model.refresh_rows (
    like prop_trading_model.rollup_account_symbol_day,
    same_login boolean
);
create unlogged table if not exists prop_trading_model.refresh_gone (
    account_id varchar(255) not null,
    trade_date date not null,
    symbol_key varchar(50) not null
);

-- Their sums by day and symbol, before (sign -1) and after (sign 1),
create unlogged table if not exists prop_trading_model.refresh_symbol_days (
    sign integer not null,
    like prop_trading_model.rollup_symbol_day
);

-- and by account and day, before and after.
create unlogged table if not exists prop_trading_model.refresh_account_days (
    sign integer not null,
    account_id varchar(255) not null,
    trade_date date not null,
    trades bigint not null,
    wins bigint not null,
    losses bigint not null,
    gross_profit numeric not null,
    gross_loss numeric not null,
    net numeric not null
);

-- The account-months that are appended to: of the new days alone.
create unlogged table if not exists prop_trading_model.refresh_appended (
    like prop_trading_model.rollup_account_month
);

-- Accounts whose rows of rollup_account_recent move, and by how much, favorite_trades by the symbol that is the favorite so far; or
-- that are recomputed, without a sum.
create unlogged table if not exists prop_trading_model.refresh_recent (
    account_id varchar(255) not null,
    trades bigint,
    wins bigint,
    net numeric,
    days bigint,
    trades_7d bigint,
    wins_7d bigint,
    net_7d numeric,
    lots numeric,
    lots_counted bigint,
    lots_squares numeric,
    volume numeric,
    volumes bigint,
    buys bigint,
    stop_losses bigint,
    take_profits bigint,
    favorite_trades bigint
);

-- Formulas that several views share. Each gives the digits that PostgreSQL's own aggregate over the same values gives.
-- Invariant: they mean the same whoever calls them. A search_path of their own would keep them from being inlined; instead
-- their bodies are written with RETURN, whose names and operators are bound once, when the function is made.

-- 100 x part / whole, rounded to 6 places; null when there is nothing to divide by.
create or replace function prop_trading_model.rate(part numeric, whole numeric) returns numeric
language sql immutable parallel safe
return round(100 * part / nullif(whole, 0), 6);

-- Sample standard deviation from count, sum and sum of squares: what stddev_samp(numeric) computes, digit for digit
-- (it divides n x squares - sum x sum by n x (n - 1), and takes the root with the scale of that quotient).
-- Null for fewer than two values. One expression, although the quotient is computed twice: with a subquery it could not be
-- inlined, and a call costs five times as much.
create or replace function prop_trading_model.sample_stddev(n bigint, total numeric, squares numeric) returns numeric
language sql immutable parallel safe
return case
    when n > 1 then round(
        sqrt((n * squares - total * total) / (n::numeric * (n - 1))),
        scale((n * squares - total * total) / (n::numeric * (n - 1)))
    )
end;

-- The quantile of values that are sorted, by linear interpolation as percentile_cont does, but in numeric.
create or replace function prop_trading_model.quantile(sorted numeric[], fraction numeric) returns numeric
language sql immutable parallel safe
return (
    select sorted[below + 1] + (sorted[least(below + 2, n)] - sorted[below + 1]) * (place - below)
    from (select cardinality(sorted), fraction * (cardinality(sorted) - 1)) as at (n, place)
    cross join lateral (select floor(place)::integer) as floored (below)
);

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

-- What the account-days of refresh_keys had before and have after, summed in the ways that the other rollups move by, and which
-- accounts they are of.
-- Invariant: refresh_before and refresh_rows hold all rows of these account-days.

create or replace function prop_trading_model.note_differences() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set default_statistics_target = 10
as $$
begin
    perform prop_trading_model.clear_work_table('prop_trading_model.refresh_symbol_days');
    perform prop_trading_model.clear_work_table('prop_trading_model.refresh_account_days');
    perform prop_trading_model.note_sums('prop_trading_model.refresh_before', -1);
    perform prop_trading_model.note_sums('prop_trading_model.refresh_rows', 1);
    analyze prop_trading_model.refresh_symbol_days (sign, trade_date, symbol_key);
    analyze prop_trading_model.refresh_account_days (sign, account_id, trade_date, net);
end
$$;

-- Adds what the rows of a work table sum up to, with this sign.
create or replace function prop_trading_model.note_sums(work_table regclass, sign integer) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    execute format($statement$
        insert into prop_trading_model.refresh_symbol_days
        select
            $1, trade_date, symbol_key,
            $1 * sum(trades), $1 * sum(wins), $1 * sum(losses), $1 * sum(gross_profit), $1 * sum(gross_loss), $1 * sum(net),
            $1 * sum(profits), $1 * sum(profit_squares), max(profit_max), min(profit_min),
            $1 * sum(volume), $1 * sum(lots), $1 * sum(duration_us), $1 * sum(durations)
        from %s
        group by trade_date, symbol_key
        $statement$, work_table
    ) using sign;
    execute format($statement$
        insert into prop_trading_model.refresh_account_days
        select
            $1, account_id, trade_date, sum(trades), sum(wins), sum(losses),
            sum(gross_profit), sum(gross_loss), sum(net)
        from %s
        group by account_id, trade_date
        $statement$, work_table
    ) using sign;
end
$$;

-- Fills refresh_accounts. Without may_append, for account-days that were not compared, none counts as appended to.
create or replace function prop_trading_model.note_accounts(may_append boolean) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set default_statistics_target = 10
as $$
begin
    perform prop_trading_model.clear_work_table('prop_trading_model.refresh_accounts');
    if may_append then
        insert into prop_trading_model.refresh_accounts (account_id, appended)
        select
            k.account_id,
            coalesce(
                a.last_trade_date < k.first_day and r.same_login
                and date_trunc('month', k.first_day::timestamp) = date_trunc('month', k.last_day::timestamp), false
            )
        from (
            select account_id, min(trade_date) as first_day, max(trade_date) as last_day
            from prop_trading_model.refresh_keys group by account_id
        ) as k
        left join prop_trading_model.rollup_account as a on a.account_id = k.account_id
        left join (
            select account_id, bool_and(same_login) as same_login from prop_trading_model.refresh_rows group by account_id
        ) as r on r.account_id = k.account_id;
    else
        insert into prop_trading_model.refresh_accounts (account_id, appended)
        select distinct account_id, false from prop_trading_model.refresh_keys;
    end if;
    analyze prop_trading_model.refresh_accounts;
end
$$;

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

-- rollup_account_symbol: moved by the rows of rollup_account_symbol_day that came and went.

-- How the rows of rollup_account_symbol_day become those of rollup_account_symbol; `source` gives all rows r of some accounts.
create or replace function prop_trading_model.account_symbol_query(source text) returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
    select format(
        'select r.account_id, r.symbol_key, max(r.trade_date) as last_trade_date from %s group by r.account_id, r.symbol_key',
        source
    )
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

-- What the live views are made of: text of queries, put together once when the schema is applied, and the live as_of.
-- A live view has to look up pending keys in several places, and PostgreSQL carries a condition on an account into the
-- parts of one query: so the parts are text, and a view is one plain query.

-- The account-days that have changed. A function for the sake of its estimate: the statistics of a log that is emptied all the time
-- say that it holds nothing, whatever it holds, and who believes that reads it once for every row of the rollups.
create or replace function prop_trading_model.pending_keys() returns table (account_id varchar, trade_date date)
language plpgsql stable rows 2000
set search_path = pg_catalog, pg_temp
as $$
begin
    return query select k.account_id, k.trade_date from prop_trading_model.pending_account_days as k;
end
$$;

-- The first two common tables of every live query: `marked`, stretches of months that are read from the raw trades whole,
-- and `pending`, the account-days elsewhere that have changed. Both are small and are made once a query.
create or replace function prop_trading_model.live_sources() returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
    select $query$
        marked as materialized (
            select lower, upper from prop_trading_model.pending_stretches
        ),
        pending as materialized (
            select k.account_id, k.trade_date
            from prop_trading_model.pending_keys() as k
            where not exists (select from marked as m where k.trade_date >= m.lower and k.trade_date < m.upper)
        )
    $query$
$$;

-- That a row r with an account and a day is as the rollups have it. NOT IN, of columns that are never null: it is looked up by
-- hashing, where a planner that expects one row r would go through all that is pending for each.
create or replace function prop_trading_model.settled_condition() returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
    select $condition$
        (r.account_id, r.trade_date) not in (select p.account_id, p.trade_date from pending as p)
        and not exists (select from marked as m where r.trade_date >= m.lower and r.trade_date < m.upper)
    $condition$
$$;

-- Lookups by account. Each is a function of its own for the sake of its plan: it is made once a session and not for every
-- query, which would plan each of the months anew in every place that looks something up; it goes through the key's index, in
-- the months concerned alone, whatever a planner who knows nothing of the log would think of; and so the cost of a live view
-- grows with the number of pending account-days and with nothing else.

-- The rows of rollup_account_symbol_day that an account-day makes now, from the raw trades.
do $$
begin
    execute format($function$
        create or replace function prop_trading_model.fresh_account_day(account varchar, day date)
        returns setof prop_trading_model.rollup_account_symbol_day
        language plpgsql stable rows 2
        set search_path = pg_catalog, pg_temp
        set plan_cache_mode = force_generic_plan
        as $body$
        #variable_conflict use_column
        begin
            return query %s;
        end
        $body$
        $function$, prop_trading_model.account_symbol_day_query(
            -- In full: a firm may have columns of its own that are called account or day.
            'prop_trading_model.raw_trades_closed as t'
            ' where t.account_id = fresh_account_day.account and t.trade_date = fresh_account_day.day'
        )
    );
end
$$;

-- The rows of an account from `first_day` to before `next_day`, as rollup_account_symbol_day has them.
create or replace function prop_trading_model.settled_account_days(account varchar, first_day date, next_day date)
returns setof prop_trading_model.rollup_account_symbol_day
language plpgsql stable rows 30
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
begin
    return query
        select r.* from prop_trading_model.rollup_account_symbol_day as r
        where r.account_id = account and r.trade_date >= first_day and r.trade_date < next_day;
end
$$;

-- The login of an account's newest trade, which is of this day; of a day in the archive, as it was kept.
create or replace function prop_trading_model.newest_login(account varchar, day date) returns varchar
language plpgsql stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
begin
    return coalesce(
        (
            select t.login from prop_trading_model.raw_trades_closed as t
            where t.account_id = newest_login.account and t.trade_date = newest_login.day
            order by t.close_time desc nulls last, t.id desc, t.trade_id desc
            limit 1
        ),
        (
            select c.login from prop_trading_model.cold_logins as c
            where c.account_id = newest_login.account and c.trade_date = newest_login.day
        )
    );
end
$$;

-- The rows of rollup_account_symbol_day that all account-days which are not settled make now. `lookup` gives those of a
-- pending account-day k: 'prop_trading_model.fresh_account_day(k.account_id, k.trade_date)', or the text of that lookup, which
-- takes longer to plan and a fourth of the time for each account-day.
create or replace function prop_trading_model.fresh_query(lookup text) returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
    select format($query$
        select f.*
        from pending as k
        join lateral %s as f on f.account_id = k.account_id
        union all
        select f.*
        from marked as m
        cross join lateral (%s) as f
        $query$,
        lookup,
        prop_trading_model.account_symbol_day_query(
            'prop_trading_model.raw_trades_closed as t where t.trade_date >= m.lower and t.trade_date < m.upper'
        )
    )
$$;

-- The day that the trailing windows end with as the raw trades are now, where as_of_date() is that of the rollups.
create or replace function prop_trading_model.live_as_of_date() returns date
language plpgsql stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
    today date := prop_trading_model.utc_today();
    marked datemultirange;
    newest date;
    accounts bigint;
    accounts_settled boolean;
    found_day date;
begin
    select coalesce(range_agg(daterange(m.lower, m.upper)), '{}') into marked from prop_trading_model.pending_stretches as m;
    -- The newest day with an account-day that no change is pending for: usually the newest of all, where fewer rows of the log
    -- than account-days are of that day;
    select d.trade_date, d.accounts into newest, accounts
    from prop_trading_model.rollup_market_day as d
    where d.trade_date <= today and not d.trade_date <@ marked
    order by d.trade_date desc limit 1;
    accounts_settled := accounts > (
        select count(*) from prop_trading_model.changed_account_days as c where c.trade_date = newest
    );
    if accounts_settled is not true then
        select max(d.trade_date) into newest
        from prop_trading_model.rollup_market_day as d
        where d.trade_date <= today and not d.trade_date <@ marked
            and not exists (select from prop_trading_model.pending_account_days as k where k.trade_date = d.trade_date);
    end if;
    newest := coalesce(newest, '-infinity');
    -- a newer day with trades in an account-day that has changed;
    select k.trade_date into found_day
    from (
        select account_id, trade_date from prop_trading_model.pending_account_days
        where trade_date > newest and trade_date <= today
        order by trade_date desc
    ) as k
    cross join lateral (
        select from prop_trading_model.raw_trades_closed as t
        where t.account_id = k.account_id and t.trade_date = k.trade_date
        limit 1
    ) as t
    limit 1;
    newest := greatest(newest, found_day);
    -- or in another account-day of a day that has changed;
    if accounts_settled is not true then
        select max(d.trade_date) into found_day
        from prop_trading_model.rollup_market_day as d
        where d.trade_date > newest and d.trade_date <= today and not d.trade_date <@ marked
            and d.accounts > (
                select count(*) from prop_trading_model.pending_account_days as k
                where k.trade_date = d.trade_date
                    and exists (
                        select from prop_trading_model.rollup_account_symbol_day as r
                        where r.account_id = k.account_id and r.trade_date = k.trade_date
                    )
            );
        newest := greatest(newest, found_day);
    end if;
    -- or of a month that is read whole.
    if marked && daterange(newest, today, '(]') then
        select max(t.trade_date) into found_day
        from prop_trading_model.raw_trades_closed as t
        where t.trade_date > newest and t.trade_date <= today and t.trade_date <@ marked;
        newest := greatest(newest, found_day);
    end if;
    return nullif(newest, '-infinity');
end
$$;

-- Makes live_X beside the materialized view mv_X: its own query, over the live forms of the rollups and of as_of_date().
create or replace function prop_trading_model.create_live_view(materialized_view regclass) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    query text := pg_get_viewdef(materialized_view);
    view_name text;
begin
    select 'live_' || substring(relname from 'mv_(.*)') into strict view_name from pg_class where oid = materialized_view;
    query := regexp_replace(query, '\mrollup_', 'live_', 'g');
    query := regexp_replace(query, '\mas_of_date\M', 'live_as_of_date', 'g');
    execute format('create or replace view prop_trading_model.%I as %s', view_name, query);
end
$$;

-- The refresh: takes what changed, recomputes exactly that, refreshes the views whose inputs moved.
-- Invariant: the refresh lock is held before any snapshot that a recomputation uses; keys are taken (deleted) before the
-- raw rows are read, in the same transaction, under READ COMMITTED. A writer that commits in between still has its keys in
-- the log, so they are recomputed once more and never missed, at any interleaving and after any kill.

-- The refresh lock, to the end of the transaction. Refuses the isolation levels whose snapshot may be older than the lock.
create or replace function prop_trading_model.lock_refresh() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
        raise exception 'a refresh cannot run at isolation level %: its snapshot could be older than the refresh lock',
            upper(current_setting('transaction_isolation'))
            using errcode = 'active_sql_transaction', hint = 'Call it under READ COMMITTED.';
    end if;
    perform pg_advisory_xact_lock(hashtextextended('prop_trading_model.refresh', 0));
end
$$;

-- Empties a table that the refresh works on. TRUNCATE would wait for whoever reads all tables (a dump, for hours), and they
-- for us, so rows are deleted; only when that has left much behind, and nobody looks, is the file cut.
create or replace function prop_trading_model.clear_work_table(work_table regclass) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if pg_relation_size(work_table) > 32 * 1024 * 1024 then
        begin
            execute format('lock table %s in access exclusive mode nowait', work_table);
            execute format('truncate %s', work_table);
            return;
        exception when lock_not_available then
            null;
        end;
    end if;
    execute format('delete from %s', work_table);
end
$$;

-- Takes up to max_keys changed account-days into refresh_keys (of these months only, if given); returns how many rows of
-- the log it took, and since when the oldest of them has waited. What lies in cold months stays in the log.
do $$
begin
    if (
        select prorettype = 'bigint'::regtype from pg_proc
        where oid = to_regprocedure('prop_trading_model.take_keys(bigint, date[])')
    ) then
        drop function prop_trading_model.take_keys(bigint, date[]);
    end if;
end
$$;
create or replace function prop_trading_model.take_keys(
    max_keys bigint, only_months date[] default null, out taken bigint, out since timestamptz
)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    perform prop_trading_model.clear_work_table('prop_trading_model.refresh_keys');
    with chosen as (
        select ctid from prop_trading_model.changed_account_days as c
        where (only_months is null or date_trunc('month', c.trade_date)::date = any (only_months))
            and not exists (
                select from prop_trading_model.month_state as s
                where s.state <> 'hot' and s.month = date_trunc('month', c.trade_date)::date
            )
        limit max_keys
    ),
    taken_rows as (
        delete from prop_trading_model.changed_account_days as c
        using chosen where c.ctid = chosen.ctid
        returning c.account_id, c.trade_date, c.changed_at
    ),
    kept as (
        insert into prop_trading_model.refresh_keys (account_id, trade_date)
        select distinct account_id, trade_date from taken_rows
    )
    select count(*), min(changed_at) into taken, since from taken_rows;
    analyze prop_trading_model.refresh_keys;
end
$$;

-- Counts one more generation of an input: whatever view was made from an earlier one is stale, since the change was made that
-- the rollups show from now on. A view that was stale before has waited for longer, and that is what is remembered.
drop function if exists prop_trading_model.advance_input(text);
create or replace function prop_trading_model.advance_input(moved text, since timestamptz) returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
    update prop_trading_model.input_generations as g
    set generation = g.generation + 1,
        changed_at = case
            when exists (
                select from prop_trading_model.view_inputs as v
                where v.input = g.input and coalesce(v.made_from, 0) <> g.generation
            ) then least(g.changed_at, since)
            else since
        end
    where g.input = moved
$$;

-- Brings every rollup up to date for the account-days in refresh_keys; returns the rows written or removed.
create or replace function prop_trading_model.refresh_rollups_of_keys() returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    written bigint;
    touched date;
begin
    for touched in select distinct date_trunc('month', trade_date::timestamp)::date from prop_trading_model.refresh_keys loop
        perform prop_trading_model.create_rollup_month(touched);
    end loop;
    written := prop_trading_model.refresh_account_symbol_day();
    perform prop_trading_model.note_accounts(may_append => true);
    if written > 0 then
        perform prop_trading_model.note_differences();
        written := written
            + prop_trading_model.move_symbol_day()
            + prop_trading_model.move_market_day()
            + prop_trading_model.refresh_account_month()
            + prop_trading_model.append_account_month()
            + prop_trading_model.append_account()
            + prop_trading_model.move_account_symbol()
            + prop_trading_model.move_account_recent();
    end if;
    -- A login is in no other rollup: it may have changed alone.
    return written + prop_trading_model.refresh_account();
end
$$;

-- Makes the rollup leaf of a month that has none: of a month whose trades' leaf somebody else made.
create or replace function prop_trading_model.create_rollup_month(wanted date) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if to_regclass('prop_trading_model.rollup_account_symbol_day_' || to_char(wanted, 'YYYY_MM')) is null then
        perform prop_trading_model.create_leaf(
            'prop_trading_model.rollup_account_symbol_day', 'rollup_account_symbol_day_' || to_char(wanted, 'YYYY_MM'),
            wanted, (wanted + interval '1 month')::date
        );
    end if;
end
$$;

-- One bite of what is pending: a marked month, or else up to max_keys account-days (of these months only, if given).
-- Returns what it took; 0 and 0 when nothing is left. One bite is one transaction's worth of work. A refresh of several
-- bites compares the leaves in the first alone: a leaf that cannot get its triggers yet is marked at each comparison.
create or replace function prop_trading_model.refresh_bite(
    max_keys bigint default 200000, only_months date[] default null, run_key text default null,
    compare boolean default true,
    out keys_taken bigint, out months_taken bigint, out months date[], out rows_written bigint
)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    marked date;
    began timestamptz;
    since timestamptz;
begin
    perform prop_trading_model.lock_refresh();
    began := clock_timestamp();
    keys_taken := 0;
    months_taken := 0;
    months := '{}';
    rows_written := 0;
    if compare then
        perform prop_trading_model.compare_leaves();
    end if;
    select month into marked from prop_trading_model.changed_months as m
    where (only_months is null or m.month = any (only_months))
        and not exists (select from prop_trading_model.month_state as s where s.state <> 'hot' and s.month = m.month)
    order by month limit 1;
    if found then
        with taken as (delete from prop_trading_model.changed_months where month = marked returning changed_at)
        select min(changed_at) into since from taken;
        months_taken := 1;
        months := array[marked];
        rows_written := prop_trading_model.rebuild_rollups_of_month(marked, true);
    else
        select t.taken, t.since into keys_taken, since from prop_trading_model.take_keys(max_keys, only_months) as t;
        if keys_taken = 0 then
            return;
        end if;
        months := array(
            select distinct date_trunc('month', trade_date)::date from prop_trading_model.refresh_keys order by 1
        );
        rows_written := prop_trading_model.refresh_rollups_of_keys();
    end if;
    if rows_written > 0 then
        perform prop_trading_model.advance_input('trades', since);
    end if;
    insert into prop_trading_model.refresh_log (kind, month, keys_taken, months, rows_written, run_key, started_at)
    values (
        case when months_taken > 0 then 'month' else 'keys' end, marked, refresh_bite.keys_taken, refresh_bite.months,
        refresh_bite.rows_written, refresh_bite.run_key, began
    );
end
$$;

-- Where a rollup differs from its recomputation.
-- Invariant: the pieces of a rollup do not overlap and leave nothing out, so that a row is in exactly one of them.
-- PostgreSQL's parallel workers aggregate a table together and have one process merge what they found, which for exact
-- numbers costs as much as it saves; they share pieces that are whole in themselves without any merging.

-- A month as conditions on trade_date: so many stretches of days.
create or replace function prop_trading_model.pieces_by_day(month date, pieces integer) returns text[]
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
    select array_agg(format(
        'trade_date >= %L and trade_date < %L', month + days * piece / pieces, month + days * (piece + 1) / pieces
    ))
    from (select (month + interval '1 month')::date - month as days) as m, generate_series(0, pieces - 1) as piece
$$;

-- All accounts as conditions on account_id: so many stretches of about the same number of rows, by a sample of what `source`
-- gives (everything in one when the sample is empty).
create or replace function prop_trading_model.pieces_by_account(source text, pieces integer) returns text[]
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    bounds text[];
begin
    execute format(
        'select percentile_disc(array(select piece::float8 / %1$s from generate_series(1, %1$s - 1) as piece))'
        ' within group (order by account_id) from %2$s',
        pieces, source
    ) into bounds;
    return array(
        select concat_ws(
            ' and ', 'true', 'account_id >= ' || quote_literal(bounds[piece - 1]),
            'account_id < ' || quote_literal(bounds[piece])
        )
        from generate_series(1, coalesce(cardinality(bounds), 0) + 1) as piece
    );
end
$$;

-- Makes a temporary table of what a query gives, in which {piece} stands for each of `pieces` in turn.
create or replace function prop_trading_model.make_in_pieces(made text, query text, pieces text[]) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set parallel_setup_cost = 3000
set parallel_tuple_cost = 0
as $$
begin
    execute format('create temporary table %I as ', made)
        || (select string_agg(format('(%s)', replace(query, '{piece}', piece)), ' union all ') from unnest(pieces) as piece);
end
$$;

-- The same of a query that has to read its tables whole, once, whatever the planner expects to find in them.
create or replace function prop_trading_model.make_by_hashing(made text, query text, pieces text[]) returns void
language sql
set search_path = pg_catalog, pg_temp
set enable_nestloop = off
as $$ select prop_trading_model.make_in_pieces(made, query, pieces) $$;

-- Makes the temporary table `rebuilt` of the rows of a rollup that differ from those of `query`, in which {piece} stands for
-- each of `pieces` in turn: as they have to be, with `gone` for those that the query does not give (the key alone is filled)
-- and `was_there` for those that the rollup has. With only_rows, it is compared with those rows of the rollup alone. A temporary table: a server that is killed while an unlogged one is written refuses its
-- first start.
create or replace function prop_trading_model.find_differences(
    rollup regclass, query text, pieces text[], only_rows text default 'true'
) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set default_statistics_target = 10
set work_mem = '128MB'
-- So dear that no piece is worth workers of its own, and all of them together are.
set parallel_setup_cost = 30000
set parallel_tuple_cost = 0
as $$
declare
    columns text;
    made text;
    same_key text;
    a_key text;
begin
    select
        string_agg(quote_ident(a.attname), ', ' order by a.attnum),
        string_agg(
            format(case when a.attnum = any (x.indkey) then 'coalesce(n.%1$I, r.%1$I) as %1$I' else 'n.%1$I' end, a.attname),
            ', ' order by a.attnum
        ),
        string_agg(format('r.%1$I = n.%1$I', a.attname), ' and ') filter (where a.attnum = any (x.indkey)),
        min(quote_ident(a.attname)) filter (where a.attnum = any (x.indkey))
    into columns, made, same_key, a_key
    from pg_index as x join pg_attribute as a on a.attrelid = x.indrelid and a.attnum > 0 and not a.attisdropped
    where x.indrelid = rollup and x.indisprimary;
    execute 'create temporary table rebuilt as ' || (
        select string_agg(
            format(
                'select %1$s, n.%2$s is null as gone, r.%2$s is not null as was_there'
                ' from (%3$s) as n (%4$s) full join (select * from %5$s where %8$s and %6$s) as r on %7$s'
                ' where r is distinct from n',
                made, a_key, replace(query, '{piece}', piece), columns, rollup, piece, same_key, only_rows
            ), ' union all '
        )
        from unnest(pieces) as piece
    );
    analyze pg_temp.rebuilt;
end
$$;

-- Makes a rollup equal to its recomputation, and drops the table `rebuilt`. Returns the rows written or removed.
create or replace function prop_trading_model.apply_differences(rollup regclass) returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    same_key text;
    key_columns text;
    all_columns text;
    new_values text;
    gone bigint;
    written bigint;
begin
    select
        string_agg(format('r.%1$I = n.%1$I', a.attname), ' and ') filter (where a.attnum = any (x.indkey)),
        string_agg(quote_ident(a.attname), ', ') filter (where a.attnum = any (x.indkey)),
        string_agg(quote_ident(a.attname), ', ' order by a.attnum),
        string_agg('excluded.' || quote_ident(a.attname), ', ' order by a.attnum)
    into same_key, key_columns, all_columns, new_values
    from pg_index as x join pg_attribute as a on a.attrelid = x.indrelid and a.attnum > 0 and not a.attisdropped
    where x.indrelid = rollup and x.indisprimary;

    execute format('delete from %s as r using pg_temp.rebuilt as n where n.gone and %s', rollup, same_key);
    get diagnostics gone = row_count;
    execute format(
        'insert into %1$s (%2$s) select %2$s from pg_temp.rebuilt where not gone'
        ' on conflict (%3$s) do update set (%2$s) = row(%4$s)',
        rollup, all_columns, key_columns, new_values
    );
    get diagnostics written = row_count;
    drop table pg_temp.rebuilt;
    return gone + written;
end
$$;

-- rollup_latest_account: the newest snapshot of each account, as latest_accounts shows it.
-- Invariant: made anew whenever raw_accounts_data has moved, by a few lookups an account: years of daily snapshots are not
-- read.

-- Returns the rows written or removed.
create or replace function prop_trading_model.refresh_latest_account() returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    perform prop_trading_model.find_differences('prop_trading_model.rollup_latest_account', $query$
        with recursive accounts as (
            (select account_id from prop_trading_model.raw_accounts_data order by account_id limit 1)
            union all
            select (
                select s.account_id from prop_trading_model.raw_accounts_data as s
                where s.account_id > a.account_id order by s.account_id limit 1
            )
            from accounts as a
            where a.account_id is not null
        )
        select
            s.account_id, s.login, s.trader_id, s.plan_id, s.phase, s.status, s.starting_balance, s.current_balance,
            s.current_equity, s.profit_target_pct, s.max_drawdown_pct
        from accounts as a
        cross join lateral (
            select max(ingestion_timestamp) as ingestion_timestamp
            from prop_trading_model.raw_accounts_data where account_id = a.account_id
        ) as newest
        cross join lateral (
            select * from prop_trading_model.raw_accounts_data as t
            where t.account_id = a.account_id and t.ingestion_timestamp = newest.ingestion_timestamp
            union all
            -- Snapshots without a time count when there are no others.
            select * from prop_trading_model.raw_accounts_data as t
            where t.account_id = a.account_id and t.ingestion_timestamp is null and newest.ingestion_timestamp is null
            order by id desc
            limit 1
        ) as s
        $query$, array['true']);
    return prop_trading_model.apply_differences('prop_trading_model.rollup_latest_account');
end
$$;

-- Rebuilding: rollups recomputed whole, whatever the log says.
-- Invariant: a recomputation is made beside the rollup and applied as differences, so that readers with an older snapshot
-- keep their rows, and what does not differ is not written.

-- Recomputes a month of rollup_account_symbol_day. Leaves the account-days that differed in refresh_keys, of their rows those
-- that differ in refresh_rows, as they are now, and in refresh_before, as they were, and the keys of those that are no more in
-- refresh_gone; returns the rows written or removed.
create or replace function prop_trading_model.rebuild_account_symbol_day(month date) returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
set default_statistics_target = 10
as $$
declare
    next_month date := month + interval '1 month';
begin
    perform prop_trading_model.clear_work_table('prop_trading_model.refresh_keys');
    perform prop_trading_model.clear_work_table('prop_trading_model.refresh_before');
    perform prop_trading_model.clear_work_table('prop_trading_model.refresh_rows');
    perform prop_trading_model.clear_work_table('prop_trading_model.refresh_gone');
    perform prop_trading_model.find_differences(
        'prop_trading_model.rollup_account_symbol_day',
        prop_trading_model.account_symbol_day_query('prop_trading_model.raw_trades_closed as t where {piece}'),
        prop_trading_model.pieces_by_day(month, 8)
    );
    insert into prop_trading_model.refresh_gone (account_id, trade_date, symbol_key)
    select account_id, trade_date, symbol_key from pg_temp.rebuilt where gone;
    insert into prop_trading_model.refresh_before
    select r.* from prop_trading_model.rollup_account_symbol_day as r
    join pg_temp.rebuilt as d
        on d.account_id = r.account_id and d.trade_date = r.trade_date and d.symbol_key = r.symbol_key and d.was_there
    where r.trade_date >= month and r.trade_date < next_month;
    analyze prop_trading_model.refresh_before (account_id, trade_date, symbol_key);
    insert into prop_trading_model.refresh_rows (
        trade_date, trades, wins, losses, profits, lots_counted, volumes, durations, buys, stop_losses, take_profits,
        account_id, symbol_key, gross_profit, gross_loss, net, profit_squares, profit_max, profit_min, lots,
        lots_squares, volume, duration_us
    )
    select
        trade_date, trades, wins, losses, profits, lots_counted, volumes, durations, buys, stop_losses, take_profits,
        account_id, symbol_key, gross_profit, gross_loss, net, profit_squares, profit_max, profit_min, lots,
        lots_squares, volume, duration_us
    from pg_temp.rebuilt where not gone;
    analyze prop_trading_model.refresh_rows (account_id, trade_date, symbol_key);
    insert into prop_trading_model.refresh_keys (account_id, trade_date)
    select distinct account_id, trade_date from pg_temp.rebuilt;
    analyze prop_trading_model.refresh_keys;
    drop table pg_temp.rebuilt;
    return coalesce(prop_trading_model.fill_rollup_month(month), prop_trading_model.write_account_symbol_day());
end
$$;

-- Recomputes a month of rollup_account_month; returns the rows written or removed.
create or replace function prop_trading_model.rebuild_account_month(wanted date) returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    of_month text := format('trade_date >= %L and trade_date < %L', wanted, (wanted + interval '1 month')::date);
begin
    perform prop_trading_model.find_differences(
        'prop_trading_model.rollup_account_month',
        prop_trading_model.account_month_query(format(
            '(select * from prop_trading_model.rollup_account_symbol_day where %s and {piece}) as r', of_month
        )),
        prop_trading_model.pieces_by_account(format(
            'prop_trading_model.rollup_account_symbol_day tablesample system (1) repeatable (0) where %s', of_month
        ), 4),
        format('month = %L', wanted)
    );
    return prop_trading_model.apply_differences('prop_trading_model.rollup_account_month');
end
$$;

-- Recomputes a whole month of every rollup that is kept by month or day, and what spans months for the accounts that
-- differed: for all of the month's accounts with every_account, which a month that was marked needs, because a login is in
-- no rollup but rollup_account. Returns the rows written or removed.
create or replace function prop_trading_model.rebuild_rollups_of_month(wanted date, every_account boolean) returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    next_month date := wanted + interval '1 month';
    days text[] := prop_trading_model.pieces_by_day(wanted, 4);
    day_rows constant text := 'prop_trading_model.rollup_account_symbol_day as r where {piece}';
    written bigint;
begin
    if every_account then
        create temporary table accounts_before on commit drop as
        select account_id from prop_trading_model.rollup_account_month where month = wanted;
    end if;
    written := prop_trading_model.rebuild_account_symbol_day(wanted);
    perform prop_trading_model.find_differences(
        'prop_trading_model.rollup_symbol_day', prop_trading_model.symbol_days_query(day_rows), days
    );
    written := written + prop_trading_model.apply_differences('prop_trading_model.rollup_symbol_day');
    perform prop_trading_model.find_differences(
        'prop_trading_model.rollup_market_day',
        prop_trading_model.market_day_query(day_rows, 'prop_trading_model.rollup_symbol_day as r where {piece}'), days
    );
    written := written + prop_trading_model.apply_differences('prop_trading_model.rollup_market_day');
    written := written + prop_trading_model.rebuild_account_month(wanted);
    if exists (select from prop_trading_model.refresh_keys) then
        perform prop_trading_model.note_accounts(may_append => false);
        written := written + prop_trading_model.move_account_symbol() + prop_trading_model.refresh_account_recent();
    end if;
    if every_account then
        insert into prop_trading_model.refresh_keys (account_id, trade_date)
        select account_id, wanted from prop_trading_model.rollup_account_month where month = wanted
        union select account_id, wanted from pg_temp.accounts_before;
        drop table pg_temp.accounts_before;
        analyze prop_trading_model.refresh_keys;
    end if;
    perform prop_trading_model.note_accounts(may_append => false);
    return written + prop_trading_model.refresh_account();
end
$$;

-- Recomputes a month of every rollup from the raw trades, whatever the log says; DPM01 for a cold month. With a run_key
-- the month is noted as done for that run. Returns the rows that differed.
create or replace function prop_trading_model.rebuild_month(wanted date, run_key text default null) returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    first_day date := date_trunc('month', wanted);
    began timestamptz;
    marked timestamptz;
    since timestamptz;
    taken bigint;
    written bigint;
begin
    perform prop_trading_model.lock_refresh();
    began := clock_timestamp();
    perform prop_trading_model.require_hot(first_day);
    perform prop_trading_model.compare_leaves();
    with unmarked as (delete from prop_trading_model.changed_months where month = first_day returning changed_at)
    select min(changed_at) into marked from unmarked;
    select t.taken, t.since into taken, since
    from prop_trading_model.take_keys(9223372036854775807, array[first_day]) as t;
    written := prop_trading_model.rebuild_rollups_of_month(first_day, marked is not null or taken > 0);
    if written > 0 then
        perform prop_trading_model.advance_input('trades', coalesce(least(marked, since), began));
    end if;
    insert into prop_trading_model.refresh_log (kind, month, keys_taken, months, rows_written, run_key, started_at)
    values ('month', first_day, taken, array[first_day], written, rebuild_month.run_key, began);
    return written;
end
$$;

-- Recomputes what spans months (rollup_account, rollup_account_symbol, rollup_account_recent, rollup_latest_account) for
-- every account: the last step of a rebuild. Returns the rows written or removed. Without a run's key, which means that somebody
-- recomputes by hand, the views also read their other inputs anew: a change of these may have come past the triggers too.
create or replace function prop_trading_model.rebuild_totals(run_key text default null) returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    began timestamptz;
    written bigint;
begin
    perform prop_trading_model.lock_refresh();
    began := clock_timestamp();
    perform prop_trading_model.clear_work_table('prop_trading_model.refresh_keys');
    insert into prop_trading_model.refresh_keys (account_id, trade_date)
    select account_id, date '2000-01-01' from prop_trading_model.rollup_account_month
    union select account_id, date '2000-01-01' from prop_trading_model.rollup_account;
    perform prop_trading_model.note_accounts(may_append => false);
    written := prop_trading_model.refresh_account() + prop_trading_model.refresh_latest_account();
    perform prop_trading_model.find_differences(
        'prop_trading_model.rollup_account_symbol',
        prop_trading_model.account_symbol_query('prop_trading_model.rollup_account_symbol_day as r where {piece}'),
        prop_trading_model.pieces_by_account('prop_trading_model.rollup_account', 8)
    );
    written := written + prop_trading_model.apply_differences('prop_trading_model.rollup_account_symbol')
        + prop_trading_model.remake_recent_window(prop_trading_model.as_of_date());
    update prop_trading_model.recent_window set last_day = prop_trading_model.as_of_date();
    if written > 0 then
        perform prop_trading_model.advance_input('trades', began);
    end if;
    insert into prop_trading_model.changed_inputs (input)
    select unnest(array['accounts', 'plans', 'regimes']) where rebuild_totals.run_key is null;
    insert into prop_trading_model.refresh_log (kind, rows_written, run_key, started_at)
    values ('totals', written, rebuild_totals.run_key, began);
    return written;
end
$$;

-- The views' part of the refresh, and the calls that people make.

-- The generation that each input has now. The trailing windows' end counts as an input: it moves at midnight.
create or replace function prop_trading_model.current_generations() returns table (input text, generation bigint)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select input, generation from prop_trading_model.input_generations
    union all
    select 'as_of', coalesce(prop_trading_model.as_of_date() - date '2000-01-01', -1)::bigint
$$;

-- The views that were made from an older generation of one of their inputs than there is now.
create or replace function prop_trading_model.stale_views() returns setof text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select distinct v.view_name
    from prop_trading_model.view_inputs as v join prop_trading_model.current_generations() as g using (input)
    where v.made_from is distinct from g.generation
    order by 1
$$;

-- Refreshes those of the stale views that are asked for (null: all), CONCURRENTLY, so that no reader waits; returns them.
create or replace function prop_trading_model.refresh_views(only_views text[] default null, run_key text default null)
returns text[]
language plpgsql security definer
set search_path = pg_catalog, pg_temp
-- A concurrent refresh analyzes the whole new content: with fewer samples that costs a tenth.
set default_statistics_target = 10
-- The queries of the views are short, but for their arithmetic, which workers can share.
set parallel_setup_cost = 500
set parallel_tuple_cost = 0.001
set min_parallel_table_scan_size = '256kB'
as $$
declare
    last_day date;
    stale text;
    refreshed text[] := '{}';
    began timestamptz;
    moved text;
    since timestamptz;
    accounts_moved boolean := false;
begin
    perform prop_trading_model.lock_refresh();
    began := clock_timestamp();
    for moved, since in
        with taken as (delete from prop_trading_model.changed_inputs returning input, changed_at)
        select input, min(changed_at) from taken group by input
    loop
        perform prop_trading_model.advance_input(moved, since);
        accounts_moved := accounts_moved or moved = 'accounts';
    end loop;
    -- Accounts that were there before the log was are found by there being none here.
    if accounts_moved or not exists (select from prop_trading_model.rollup_latest_account) then
        perform prop_trading_model.refresh_latest_account();
    end if;
    last_day := prop_trading_model.as_of_date();
    if prop_trading_model.recent_day() is distinct from last_day then
        perform prop_trading_model.move_recent_window(last_day);
    end if;
    for stale in select prop_trading_model.stale_views() loop
        continue when only_views is not null and stale <> all (only_views);
        execute format('refresh materialized view concurrently prop_trading_model.%I', stale);
        update prop_trading_model.view_inputs as v set made_from = g.generation
        from prop_trading_model.current_generations() as g
        where v.view_name = stale and g.input = v.input;
        refreshed := refreshed || stale;
    end loop;
    if cardinality(refreshed) > 0 then
        insert into prop_trading_model.refresh_log (kind, views, run_key, started_at)
        values ('views', refreshed, refresh_views.run_key, began);
    end if;
    return refreshed;
end
$$;

-- What has not been refreshed yet: account-days, months, other inputs that moved, views that are stale, and since when.
-- What lies in archived months waits for nobody: their rollups stay as they are.
create or replace function prop_trading_model.pending_changes(
    out keys bigint, out months date[], out inputs text[], out views text[], out oldest timestamptz, out age_seconds numeric
)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    cold date[] := array(select month from prop_trading_model.month_state where state <> 'hot');
begin
    select count(*), coalesce(array_agg(distinct date_trunc('month', trade_date)::date), '{}'), min(changed_at)
    into keys, months, oldest
    from (
        select c.account_id, c.trade_date, min(c.changed_at) as changed_at
        from prop_trading_model.changed_account_days as c
        where date_trunc('month', c.trade_date::timestamp)::date <> all (cold)
        group by c.account_id, c.trade_date
    ) as distinct_keys;
    select coalesce(array_agg(distinct m order by m), '{}') into months from (
        select unnest(months) union select month from prop_trading_model.changed_months where month <> all (cold)
        union
        select date_trunc('month', leaves.lower)::date from prop_trading_model.changed_leaves() as leaves
        where isfinite(leaves.lower)
    ) as all_months (m);
    select coalesce(array_agg(distinct input), '{}'), least(oldest, min(changed_at)) into inputs, oldest
    from prop_trading_model.changed_inputs;
    select least(oldest, min(changed_at)) into oldest from prop_trading_model.changed_months where month <> all (cold);
    views := array(
        select prop_trading_model.stale_views()
        union
        select v.view_name from prop_trading_model.view_inputs as v
        where v.input = any (inputs) or (v.input = 'trades' and cardinality(months) > 0)
        order by 1
    );
    -- What the rollups show and some view does not yet; or, with nothing else that waits, views that were never made.
    select least(oldest, min(g.changed_at)) into oldest
    from prop_trading_model.input_generations as g join prop_trading_model.view_inputs as v using (input)
    where v.made_from is distinct from g.generation and (g.generation > 0 or oldest is null);
    age_seconds := round(extract(epoch from clock_timestamp() - oldest), 3);
end
$$;

-- Writes what a refresh did into the log that people read, unless it found nothing to do.
create or replace function prop_trading_model.note_refresh(began timestamptz, rows_written bigint, details jsonb) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if rows_written > 0 or jsonb_array_length(details -> 'views') > 0 then
        insert into prop_trading_model.pipeline_execution_log (
            pipeline_stage, execution_date, start_time, end_time, status, records_processed, execution_details
        )
        values (
            'refresh_materialized_views', prop_trading_model.utc_today(), began at time zone 'utc',
            clock_timestamp() at time zone 'utc', 'success', least(rows_written, 2147483647), details
        );
    end if;
end
$$;

-- Brings rollups and views up to date in one transaction: up to max_keys rows of the log (a day's load is one call).
-- Returns what it did and how much remains; call it again, or call refresh_warehouse(), while something does.
create or replace function prop_trading_model.refresh_materialized_views(
    max_keys bigint default 1000000, only_months date[] default null, only_views text[] default null,
    out keys_taken bigint, out months date[], out rows_written bigint, out views text[], out keys_remaining bigint,
    out seconds numeric
)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    began timestamptz;
    bite record;
    most bigint;
    first boolean := true;
begin
    perform prop_trading_model.lock_refresh();
    began := clock_timestamp();
    keys_taken := 0;
    months := '{}';
    rows_written := 0;
    loop
        most := greatest(max_keys - keys_taken, 0);
        bite := prop_trading_model.refresh_bite(most, only_months, compare => first);
        first := false;
        keys_taken := keys_taken + bite.keys_taken;
        rows_written := rows_written + bite.rows_written;
        months := array(select distinct m from unnest(months || bite.months) as m order by m);
        -- Less than it might have taken: it saw no more. What came since is for the next refresh, or whoever writes all the
        -- time would keep this one from the views for ever.
        exit when bite.months_taken = 0 and (bite.keys_taken = 0 or bite.keys_taken < most);
    end loop;
    views := prop_trading_model.refresh_views(only_views);
    select count(*) into keys_remaining from prop_trading_model.changed_account_days as c
    where not exists (
        select from prop_trading_model.month_state as s
        where s.state <> 'hot' and s.month = date_trunc('month', c.trade_date::timestamp)::date
    );
    seconds := round(extract(epoch from clock_timestamp() - began), 3);
    perform prop_trading_model.note_refresh(
        began, rows_written, jsonb_build_object(
            'keys_taken', keys_taken, 'months', months, 'views', views, 'keys_remaining', keys_remaining
        )
    );
end
$$;

-- The same, committing between bites until nothing is left of what was pending, so that memory and transactions stay bounded
-- whatever the backlog. Call it outside a transaction block. A procedure that commits cannot have SET or SECURITY DEFINER: it names
-- everything in full, and what it calls does the work.
create or replace procedure prop_trading_model.refresh_warehouse(max_keys bigint default 200000)
language plpgsql
as $$
declare
    began timestamptz := pg_catalog.clock_timestamp();
    bite record;
    first boolean := true;
    keys_taken bigint := 0;
    rows_written bigint := 0;
    views text[];
begin
    loop
        bite := prop_trading_model.refresh_bite(max_keys, compare => first);
        commit;
        first := false;
        keys_taken := keys_taken operator(pg_catalog.+) bite.keys_taken;
        rows_written := rows_written operator(pg_catalog.+) bite.rows_written;
        -- As in refresh_materialized_views().
        exit when bite.months_taken operator(pg_catalog.=) 0
            and (bite.keys_taken operator(pg_catalog.=) 0 or bite.keys_taken operator(pg_catalog.<) max_keys);
    end loop;
    views := prop_trading_model.refresh_views();
    perform prop_trading_model.note_refresh(
        began, rows_written, pg_catalog.jsonb_build_object('keys_taken', keys_taken, 'views', views)
    );
    commit;
end
$$;

-- Reading pg_stat_statements, wherever it is installed and whichever version it has, and taking the values out of a statement.
-- Invariant: a text that masked_statement() gives holds no value: what it cannot take apart it does not give at all.

-- The schema that the extension is in, as it has to be written; null when it is not there.
create or replace function prop_trading_model.statement_statistics_place() returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select quote_ident(n.nspname) from pg_extension as e join pg_namespace as n on n.oid = e.extnamespace
    where e.extname = 'pg_stat_statements'
$$;

-- What keeps the statistics from being read, with what to do about it; null when nothing does.
create or replace function prop_trading_model.statement_statistics_missing() returns text
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    place constant text := prop_trading_model.statement_statistics_place();
    version constant text := (select extversion from pg_extension where extname = 'pg_stat_statements');
begin
    if place is null and not exists (select from pg_available_extensions where name = 'pg_stat_statements') then
        return 'the server came without pg_stat_statements: install PostgreSQL''s contrib modules, add pg_stat_statements to'
            ' shared_preload_libraries, restart the server, then create extension pg_stat_statements';
    elsif place is null then
        return 'this database has no pg_stat_statements: as an administrator, create extension pg_stat_statements';
    elsif string_to_array(substring(version from '^\d+\.\d+'), '.')::integer[] < array[1, 9] then
        return format('pg_stat_statements is still version %s: as an administrator, alter extension pg_stat_statements update', version);
    end if;
    execute format('select from %s.pg_stat_statements(false) limit 1', place);
    return null;
exception
    when object_not_in_prerequisite_state then
        return 'pg_stat_statements is not loaded: add it to shared_preload_libraries and restart the server';
    when insufficient_privilege then
        return format('%I may not read pg_stat_statements: as an administrator, grant it that (%s)', current_user, sqlerrm);
end
$$;

-- The statistics of this database's statements, since they were last reset. Times are milliseconds. entry_since and
-- extremes_since: since when an entry, and its min and max, have been counted; null before PostgreSQL 17.
create or replace function prop_trading_model.statement_statistics()
returns table (
    userid oid, queryid bigint, toplevel boolean, query text, calls bigint, total_ms double precision,
    min_ms double precision, max_ms double precision, stddev_ms double precision, rows bigint,
    blocks_read bigint, blocks_hit bigint, blocks_dirtied bigint, blocks_written bigint, temp_blocks bigint,
    wal_bytes numeric, entry_since timestamptz, extremes_since timestamptz
)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    place constant text := prop_trading_model.statement_statistics_place();
    since constant text := case
        when exists (
            select from pg_attribute
            where attrelid = to_regclass(place || '.pg_stat_statements') and attname = 'minmax_stats_since'
        ) then 'stats_since, minmax_stats_since'
        else 'null::timestamptz, null::timestamptz'
    end;
begin
    return query execute format(
        $query$
        select userid, queryid, toplevel, query, calls, total_exec_time, min_exec_time, max_exec_time, stddev_exec_time, rows,
            shared_blks_read + local_blks_read, shared_blks_hit + local_blks_hit, shared_blks_dirtied + local_blks_dirtied,
            shared_blks_written + local_blks_written, temp_blks_read + temp_blks_written, wal_bytes, %s
        from %s.pg_stat_statements
        where dbid = (select oid from pg_database where datname = current_database()) and queryid is not null
        $query$, since, place
    );
end
$$;

-- When all statistics were last reset, and how many entries had to make room for others since.
create or replace function prop_trading_model.statement_statistics_reset(out stats_reset timestamptz, out evictions bigint)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    execute format(
        'select stats_reset, dealloc from %s.pg_stat_statements_info', prop_trading_model.statement_statistics_place()
    ) into stats_reset, evictions;
end
$$;

-- A statement with ? for every value and parameter, without comments, in one line; null for one that is no query (utility
-- statements keep their values, ALTER ROLE its password) and for one that holds what is not understood.
-- PostgreSQL has taken the values out of queries, but not out of those that ran across a reset of the statistics, nor out of
-- comments: so all is looked through again.
create or replace function prop_trading_model.masked_statement(query text) returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
    select case
        when masked.line ~* '^[( ]*(select|insert|update|delete|merge|with|values|table)\y'
            -- An open quote, the rest of a nested comment, a value between dollars.
            and masked.line !~ '''|\*/|/\*|\$\w*\$'
            and (length(masked.line) - length(replace(masked.line, '"', ''))) % 2 = 0
        then left(
            regexp_replace(
                regexp_replace(masked.line, '\?( ?, ?\?)+', '?, ...', 'g'),  -- lists of any length are one statement
                '\(\?(, \.\.\.)?\)( ?, ?\(\?(, \.\.\.)?\))+', '(?, ...), ...', 'g'
            ), 10000
        )
    end
    from (
        select btrim(string_agg(
            case when token.found[1] is not null then ' ' when token.found[2] is not null then '?' else token.found[3] end,
            '' order by token.place
        ), ' ;') as line
        from regexp_matches(query,
            '((?:--[^\n]*|/\*(?:[^*]|\*+[^*/])*\*+/|\s)+)'  -- comments and blanks
            '|([eE]''(?:[^''\\]|\\.|'''')*''|''(?:[^'']|'''')*''|\$\d+|\d[\w.]*)'  -- strings, parameters, numbers
            '|("(?:[^"]|"")*"|[[:alpha:]_][\w$]*|.)',  -- names, everything else
            'g'
        ) with ordinality as token (found, place)
    ) as masked
$$;

-- log_query_performance(): a snapshot of pg_stat_statements into query_performance_log, with what was counted since the one before.
-- Invariant: a call that pg_stat_statements has counted is in one snapshot at most, whoever takes snapshots at once; what was
-- counted before a reset is never taken off what was counted after it.

-- Keeps those `most` statements that took the most time, and forgets snapshots older than `keep`. `statements` and `calls` are of
-- all statements that ran; `note` says what is missing or was lost, null when nothing was.
--
-- Of an entry, what is new are the differences to the last snapshot; the squares about the mean (n x stddev^2) of two sets of
-- calls add up to those of all, and (difference of the means)^2 x n1 x n2 / n. The extremes of what is new are those of all calls
-- if they moved; if not, none lies further from the mean than stddev x sqrt(n - 1), which for one and two calls is where they are.
-- An entry counts from zero again if the statistics were reset, if it began later (PostgreSQL 17), or if any counter fell.
create or replace function prop_trading_model.log_query_performance(
    most integer default 100, keep interval default interval '14 days',
    out captured_at timestamp, out statements integer, out logged integer, out calls bigint, out removed bigint, out note text
)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    last_snapshot record;
    info record;
    was_reset boolean;
begin
    statements := 0;
    logged := 0;
    calls := 0;
    removed := 0;
    note := prop_trading_model.statement_statistics_missing();
    if note is not null then
        return;
    end if;
    -- One snapshot at a time; under an isolation level whose snapshot is older than the lock, writing what was seen fails.
    perform pg_advisory_xact_lock(hashtextextended('prop_trading_model.query_performance', 0));
    captured_at := clock_timestamp() at time zone 'utc';
    select * into last_snapshot from prop_trading_model.query_snapshots order by captured_at desc limit 1;
    info := prop_trading_model.statement_statistics_reset();
    was_reset := last_snapshot.captured_at is null or last_snapshot.stats_reset is distinct from info.stats_reset;

    with current as materialized (
        select * from prop_trading_model.statement_statistics()
    ),
    moved as materialized (
        select
            prop_trading_model.masked_statement(c.query) as query,
            c.calls - coalesce(p.calls, 0) as n,
            greatest(c.total_ms - coalesce(p.total_ms, 0), 0) as total_ms,
            c.rows - coalesce(p.rows, 0) as rows,
            c.blocks_read - coalesce(p.blocks_read, 0) as blocks_read,
            c.blocks_hit - coalesce(p.blocks_hit, 0) as blocks_hit,
            c.blocks_dirtied - coalesce(p.blocks_dirtied, 0) as blocks_dirtied,
            c.blocks_written - coalesce(p.blocks_written, 0) as blocks_written,
            c.temp_blocks - coalesce(p.temp_blocks, 0) as temp_blocks,
            c.wal_bytes - coalesce(p.wal_bytes, 0) as wal_bytes,
            c.calls * c.stddev_ms ^ 2 as all_squares, coalesce(p.calls * p.stddev_ms ^ 2, 0) as old_squares,
            coalesce(p.calls, 0) as old_calls, coalesce(p.total_ms / p.calls, 0) as old_mean,
            c.min_ms, c.max_ms,
            -- Whether min_ms and max_ms are of all that the entry has counted, and whether what is new moved them.
            case when p.calls is null
                then c.extremes_since is not distinct from c.entry_since
                else c.extremes_since is not distinct from p.extremes_since
            end as extremes_hold,
            p.calls is null or c.min_ms < p.min_ms as min_moved,
            p.calls is null or c.max_ms > p.max_ms as max_moved,
            case
                when p.calls is not null then last_snapshot.captured_at
                when was_reset then coalesce(c.entry_since, info.stats_reset) at time zone 'utc'
                else greatest(c.entry_since at time zone 'utc', last_snapshot.captured_at)
            end as counted_from
        from current as c
        left join prop_trading_model.query_statistics_seen as p
            on p.userid = c.userid and p.queryid = c.queryid and p.toplevel = c.toplevel
            and not was_reset and p.entry_since is not distinct from c.entry_since
            and p.calls <= c.calls and p.total_ms <= c.total_ms and p.rows <= c.rows and p.blocks_read <= c.blocks_read
            and p.blocks_hit <= c.blocks_hit and p.blocks_dirtied <= c.blocks_dirtied and p.blocks_written <= c.blocks_written
            and p.temp_blocks <= c.temp_blocks and p.wal_bytes <= c.wal_bytes
        where c.calls > coalesce(p.calls, 0)
    ),
    spread as (
        select *, greatest(
            all_squares - old_squares - (total_ms / n - old_mean) ^ 2 * n * old_calls / (n + old_calls), 0
        ) as squares
        from moved where query is not null
    ),
    bounded as (
        select *, total_ms / n + sqrt(squares * (n - 1) / n) as furthest_up,
            total_ms / n - sqrt(squares * (n - 1) / n) as furthest_down
        from spread
    ),
    by_text as (
        select
            query, min(counted_from) as counted_from, sum(n)::bigint as calls, sum(total_ms) as total_ms,
            min(case when extremes_hold and min_moved then min_ms
                when extremes_hold then greatest(min_ms, furthest_down) else greatest(furthest_down, 0) end) as min_ms,
            max(case when extremes_hold and max_moved then max_ms
                when extremes_hold then least(max_ms, furthest_up) else furthest_up end) as max_ms,
            bool_and(n <= 2 or (extremes_hold and min_moved and max_moved)) as extremes_exact,
            greatest(sum(squares + total_ms ^ 2 / n) - sum(total_ms) ^ 2 / sum(n)::double precision, 0) as squares,
            sum(rows) as rows, sum(blocks_read) as blocks_read, sum(blocks_hit) as blocks_hit,
            sum(blocks_dirtied) as blocks_dirtied, sum(blocks_written) as blocks_written, sum(temp_blocks) as temp_blocks,
            sum(wal_bytes) as wal_bytes
        from bounded
        group by query
    ),
    written as (
        insert into prop_trading_model.query_performance_log (
            captured_at, fingerprint, query, calls, mean_ms, min_ms, max_ms, stddev_ms, rows, blocks_read, blocks_hit,
            counted_from, extremes_exact, blocks_dirtied, blocks_written, temp_blocks, wal_bytes
        )
        select
            log_query_performance.captured_at, md5(query), query, calls, round((total_ms / calls)::numeric, 6),
            round(min_ms::numeric, 6), round(max_ms::numeric, 6), round(sqrt(squares / calls)::numeric, 6), rows, blocks_read,
            blocks_hit, counted_from, extremes_exact, blocks_dirtied, blocks_written, temp_blocks, wal_bytes
        from by_text
        order by total_ms desc, query
        limit most
        returning 1
    ),
    gone as (
        delete from prop_trading_model.query_statistics_seen as p
        where not exists (
            select from current as c where c.userid = p.userid and c.queryid = p.queryid and c.toplevel = p.toplevel
        )
    ),
    seen as (
        insert into prop_trading_model.query_statistics_seen as p
        select userid, queryid, toplevel, calls, total_ms, min_ms, max_ms, stddev_ms, rows, blocks_read, blocks_hit,
            blocks_dirtied, blocks_written, temp_blocks, wal_bytes, entry_since, extremes_since
        from current
        on conflict (userid, queryid, toplevel) do update set (
            calls, total_ms, min_ms, max_ms, stddev_ms, rows, blocks_read, blocks_hit, blocks_dirtied, blocks_written,
            temp_blocks, wal_bytes, entry_since, extremes_since
        ) = row (
            excluded.calls, excluded.total_ms, excluded.min_ms, excluded.max_ms, excluded.stddev_ms, excluded.rows,
            excluded.blocks_read, excluded.blocks_hit, excluded.blocks_dirtied, excluded.blocks_written,
            excluded.temp_blocks, excluded.wal_bytes, excluded.entry_since, excluded.extremes_since
        )
        where p.* is distinct from excluded.*
    )
    select (select count(*) from by_text), (select coalesce(sum(calls), 0) from by_text), (select count(*) from written)
    into statements, calls, logged;
    if info.stats_reset is distinct from (select r.stats_reset from prop_trading_model.statement_statistics_reset() as r) then
        raise exception 'the statistics were reset while they were read: take the snapshot again'
            using errcode = 'serialization_failure';
    end if;

    note := nullif(concat_ws('; ',
        case when not pg_has_role(current_user, 'pg_read_all_stats', 'usage') then format(
            'only the statements of %I are seen: as an administrator, grant pg_read_all_stats to %1$I', current_user) end,
        case when was_reset and last_snapshot.captured_at is not null then format(
            'the statistics were reset at %s: what ran between the snapshot before and then is in none', info.stats_reset) end,
        case when info.evictions > last_snapshot.evictions and not was_reset then format(
            '%s statements were evicted since the snapshot before: raise pg_stat_statements.max',
            info.evictions - last_snapshot.evictions) end
    ), '');
    delete from prop_trading_model.query_performance_log as l where l.captured_at < log_query_performance.captured_at - keep;
    get diagnostics removed = row_count;
    delete from prop_trading_model.query_snapshots as s where s.captured_at < log_query_performance.captured_at - keep;
    insert into prop_trading_model.query_snapshots (captured_at, stats_reset, evictions, statements, logged, calls, note)
    select log_query_performance.captured_at, info.stats_reset, info.evictions, log_query_performance.statements,
        log_query_performance.logged, log_query_performance.calls, log_query_performance.note;
end
$$;

-- mv_daily_trading_stats: one row a date with trades. Averages, deviation, quantiles and extremes are over account-day net.

create materialized view if not exists prop_trading_model.mv_daily_trading_stats
with (autovacuum_vacuum_threshold = 50, autovacuum_vacuum_scale_factor = 0.1) as
select
    trade_date as date,
    accounts as active_accounts,
    profitable_accounts,
    losing_accounts,
    trades as total_trades,
    wins as winning_trades,
    losses as losing_trades,
    prop_trading_model.rate(wins, trades) as win_rate,
    net as total_profit,
    gross_profit,
    gross_loss,
    round(gross_profit / nullif(abs(gross_loss), 0), 6) as profit_factor,
    round(net / accounts, 6) as avg_profit,
    round(prop_trading_model.sample_stddev(accounts, net, net_squares), 6) as profit_stddev,
    round(net_median, 6) as median_profit,
    round(net_q1, 6) as profit_q1,
    round(net_q3, 6) as profit_q3,
    net_max as max_profit,
    net_min as min_profit,
    volume as total_volume,
    lots as total_lots
from prop_trading_model.rollup_market_day;

create unique index if not exists mv_daily_trading_stats_key on prop_trading_model.mv_daily_trading_stats (date);

-- mv_symbol_performance: one row a symbol. Averages, deviation and extremes are over single trades' profit.

create materialized view if not exists prop_trading_model.mv_symbol_performance
with (autovacuum_vacuum_threshold = 50, autovacuum_vacuum_scale_factor = 0.1) as
with as_of as materialized (
    select prop_trading_model.as_of_date() as last_day, prop_trading_model.as_of_date() - 89 as first_day
),
symbols as (
    select
        d.symbol_key,
        sum(d.trades) as trades, sum(d.wins) as wins, sum(d.losses) as losses,
        sum(d.gross_profit) as gross_profit, sum(d.gross_loss) as gross_loss, sum(d.net) as net,
        sum(d.profits) as profits, sum(d.profit_squares) as profit_squares,
        max(d.profit_max) as profit_max, min(d.profit_min) as profit_min,
        sum(d.volume) as volume, sum(d.lots) as lots, sum(d.duration_us) as duration_us, sum(d.durations) as durations,
        min(d.trade_date) as first_trade_date, max(d.trade_date) as last_trade_date,
        coalesce(sum(d.trades) filter (where d.trade_date between a.first_day and a.last_day), 0) as trades_90d,
        coalesce(sum(d.wins) filter (where d.trade_date between a.first_day and a.last_day), 0) as wins_90d,
        coalesce(sum(d.net) filter (where d.trade_date between a.first_day and a.last_day), 0) as net_90d
    from prop_trading_model.rollup_symbol_day as d
    cross join as_of as a
    where d.symbol_key <> ''
    group by d.symbol_key
),
-- An account traded a symbol within the window if its last day lies in it. Its ends are looked up first, so that workers can
-- share the counting.
traders as materialized (
    select
        symbol_key,
        count(*) as traders,
        count(*) filter (
            where last_trade_date between (select first_day from as_of) and (select last_day from as_of)
        ) as traders_90d,
        max(last_trade_date) as last_trade_date
    from prop_trading_model.rollup_account_symbol
    group by symbol_key
),
-- Where the last day lies after the window (a trade dated in the future), its days are looked at.
later_traders as (
    select s.symbol_key, count(*) as traders_90d
    from prop_trading_model.rollup_account_symbol as s
    cross join as_of as a
    where (select max(t.last_trade_date) from traders as t) > (select w.last_day from as_of as w)
        and s.last_trade_date > a.last_day
        and exists (
            select from prop_trading_model.rollup_account_symbol_day as d
            where d.account_id = s.account_id and d.symbol_key = s.symbol_key
                and d.trade_date between a.first_day and a.last_day
        )
    group by s.symbol_key
)
select
    s.symbol_key as std_symbol,
    coalesce(t.traders, 0) as traders_count,
    s.trades::bigint as total_trades,
    s.wins::bigint as winning_trades,
    s.losses::bigint as losing_trades,
    prop_trading_model.rate(s.wins, s.trades) as win_rate,
    s.net as total_profit,
    s.gross_profit,
    s.gross_loss,
    round(s.gross_profit / nullif(abs(s.gross_loss), 0), 6) as profit_factor,
    round((s.gross_profit + s.gross_loss) / nullif(s.profits, 0), 6) as avg_profit,
    round(prop_trading_model.sample_stddev(s.profits::bigint, s.gross_profit + s.gross_loss, s.profit_squares), 6)
        as profit_stddev,
    s.profit_max as max_profit,
    s.profit_min as min_profit,
    s.volume as total_volume,
    s.lots as total_lots,
    round(s.duration_us / nullif(s.durations, 0) / 3600000000, 6) as avg_trade_duration_hours,
    s.first_trade_date,
    s.last_trade_date,
    s.trades_90d::bigint as trades_last_90d,
    s.net_90d as profit_last_90d,
    prop_trading_model.rate(s.wins_90d, s.trades_90d) as win_rate_last_90d,
    coalesce(t.traders_90d, 0) + coalesce(l.traders_90d, 0) as traders_last_90d
from symbols as s
left join traders as t using (symbol_key)
left join later_traders as l using (symbol_key);

create unique index if not exists mv_symbol_performance_key on prop_trading_model.mv_symbol_performance (std_symbol);

-- mv_account_performance_summary: one row an account that is in the accounts or in the trades.
-- unchecked is always NULL: a concurrent refresh looks for duplicates among rows without a NULL, for a fourth of its time, and the
-- rollups' keys rule them out.

create materialized view if not exists prop_trading_model.mv_account_performance_summary
with (autovacuum_vacuum_threshold = 50, autovacuum_vacuum_scale_factor = 0.1) as
select
    coalesce(a.account_id::text, r.account_id::text)::varchar as account_id,
    coalesce(a.login, r.login) as login,
    a.trader_id,
    a.plan_id,
    p.plan_name,
    a.phase,
    a.status,
    a.starting_balance,
    a.current_balance,
    a.current_equity,
    a.profit_target_pct,
    a.max_drawdown_pct,
    coalesce(r.trades, 0) as lifetime_trades,
    coalesce(r.net, 0) as lifetime_profit,
    coalesce(r.gross_profit, 0) as lifetime_gross_profit,
    coalesce(r.gross_loss, 0) as lifetime_gross_loss,
    prop_trading_model.rate(r.wins, r.trades) as lifetime_win_rate,
    round(r.gross_profit / nullif(abs(r.gross_loss), 0), 6) as lifetime_profit_factor,
    round(
        (r.net / r.active_days)
        / nullif(prop_trading_model.sample_stddev(r.active_days, r.net, r.net_squares), 0), 6
    ) as lifetime_sharpe_ratio,
    r.max_drawdown as lifetime_max_drawdown,
    coalesce(r.active_days, 0) as active_days,
    r.first_trade_date,
    r.last_trade_date,
    coalesce(t.trades, 0) as trades_last_30d,
    coalesce(t.net, 0) as profit_last_30d,
    prop_trading_model.rate(t.wins, t.trades) as win_rate_last_30d,
    coalesce(t.days, 0) as trading_days_last_30d,
    coalesce(t.trades_7d, 0) as trades_last_7d,
    coalesce(t.net_7d, 0) as profit_last_7d,
    prop_trading_model.rate(t.wins_7d, t.trades_7d) as win_rate_last_7d,
    round(100 * (a.current_balance - a.starting_balance) / nullif(a.starting_balance, 0), 6) as total_return_pct,
    round(
        100 * (
            1 - 100 * (a.current_balance - a.starting_balance) / nullif(a.starting_balance, 0)
            / nullif(a.profit_target_pct, 0)
        ), 6
    ) as distance_to_target_pct,
    null::boolean as unchecked
from prop_trading_model.rollup_latest_account as a
full join prop_trading_model.rollup_account as r on a.account_id = r.account_id
left join prop_trading_model.latest_plans as p on p.plan_id = a.plan_id
left join prop_trading_model.rollup_account_recent as t
    on t.account_id = coalesce(a.account_id::text, r.account_id::text)::varchar;

create unique index if not exists mv_account_performance_summary_key
    on prop_trading_model.mv_account_performance_summary (account_id);

-- mv_account_trading_patterns: one row an account with trades in the trailing 30 days.
-- unchecked is always NULL: a concurrent refresh looks for duplicates among rows without a NULL, for a fourth of its time, and the
-- rollups' keys rule them out.

create materialized view if not exists prop_trading_model.mv_account_trading_patterns
with (autovacuum_vacuum_threshold = 50, autovacuum_vacuum_scale_factor = 0.1) as
select
    t.account_id,
    coalesce(a.login, r.login) as login,
    t.trades as trades_last_30d,
    t.symbols as unique_symbols,
    t.favorite_symbol,
    prop_trading_model.rate(t.favorite_trades, t.trades) as top_symbol_concentration_pct,
    round(t.lots / nullif(t.lots_counted, 0), 6) as avg_lots,
    round(prop_trading_model.sample_stddev(t.lots_counted, t.lots, t.lots_squares), 6) as lots_stddev,
    round(t.volume / nullif(t.volumes, 0), 6) as avg_volume,
    prop_trading_model.rate(t.buys, t.trades) as buy_ratio,
    prop_trading_model.rate(t.stop_losses, t.trades) as stop_loss_usage_rate,
    prop_trading_model.rate(t.take_profits, t.trades) as take_profit_usage_rate,
    null::boolean as unchecked
from prop_trading_model.rollup_account_recent as t
left join prop_trading_model.rollup_latest_account as a on a.account_id = t.account_id
left join prop_trading_model.rollup_account as r on r.account_id = t.account_id;

create unique index if not exists mv_account_trading_patterns_key
    on prop_trading_model.mv_account_trading_patterns (account_id);

-- mv_market_regime_performance: one row a date with a regime, with trades or without.

create materialized view if not exists prop_trading_model.mv_market_regime_performance
with (autovacuum_vacuum_threshold = 50, autovacuum_vacuum_scale_factor = 0.1) as
select
    g.date,
    g.summary ->> 'market_sentiment' as market_sentiment,
    g.summary ->> 'volatility_regime' as volatility_regime,
    g.summary ->> 'liquidity_state' as liquidity_state,
    coalesce(d.accounts, 0) as active_accounts,
    coalesce(d.trades, 0) as total_trades,
    coalesce(d.net, 0) as total_profit,
    round(d.net / d.accounts, 6) as avg_profit,
    round(prop_trading_model.sample_stddev(d.accounts, d.net, d.net_squares), 6) as profit_stddev,
    prop_trading_model.rate(d.wins, d.trades) as win_rate,
    coalesce(d.volume, 0) as total_volume,
    round(d.net_median, 6) as median_profit,
    coalesce(d.profitable_accounts, 0) as profitable_accounts
from prop_trading_model.latest_regimes_daily as g
left join prop_trading_model.rollup_market_day as d on d.trade_date = g.date;

create unique index if not exists mv_market_regime_performance_key
    on prop_trading_model.mv_market_regime_performance (date);

-- What the rollups do not show yet: the account-days in the log, and whole months to be read from the raw trades.
-- Invariant: whatever was committed and differs from the rollups lies in one of the two. Months in an archive are in
-- neither: their rollups stay as they are.

create or replace view prop_trading_model.pending_account_days as
select distinct c.account_id, c.trade_date
from prop_trading_model.changed_account_days as c
where not exists (
    select from prop_trading_model.month_state as s
    where s.state <> 'hot' and s.month = date_trunc('month', c.trade_date::timestamp)::date
);

-- Marked months, and those of leaves that no refresh has seen, as stretches [lower, upper) of whole months that do not
-- overlap; infinite where a leaf's bound is open.
create or replace view prop_trading_model.pending_stretches as
select lower(stretch) as lower, upper(stretch) as upper
from (
    select unnest(
        range_agg(daterange(
            date_trunc('month', marked.lower::timestamp)::date,
            (date_trunc('month', marked.upper::timestamp - interval '1 day') + interval '1 month')::date
        ))
        - coalesce((
            select range_agg(daterange(s.month, (s.month + interval '1 month')::date))
            from prop_trading_model.month_state as s where s.state <> 'hot'
        ), '{}')
    ) as stretch
    from (
        select m.month as lower, (m.month + interval '1 month')::date as upper from prop_trading_model.changed_months as m
        union all
        select c.lower, c.upper from prop_trading_model.changed_leaves() as c
    ) as marked
) as stretches;

-- Account-days on which the newest daily metrics of the API and the trades disagree, with both figures.
-- Invariant: one row an account-day with at least one figure that differs, to the cent, and none else. The trades' figures
-- are those of this moment: of the rollup, and of the raw rows for what no refresh has taken yet. No trade means 0; a figure
-- that the metrics leave empty claims nothing and is not compared. only_in says which side alone has the account-day; of
-- metrics without trades that is told only if they claim something other than 0.
-- Days of a year whose metrics are in the archive, or on the way, are left out: one of the two sides is not there. Months of
-- trades that are in the archive are compared like the others, as the rollup keeps them.
-- A condition on account_id or date reaches the tables under it: both are keys of every grouping here.

create or replace view prop_trading_model.v_metrics_reconciliation as
with days as (
    select m.account_id, m.date, true as of_metrics, m.net_profit, m.gross_profit, m.gross_loss,
        m.total_trades::bigint as trades, m.winning_trades::bigint as wins, m.losing_trades::bigint as losses,
        m.lots_traded as lots, m.volume_traded as volume
    from prop_trading_model.latest_metrics_daily as m
    union all
    select r.account_id, r.trade_date, false, sum(r.net), sum(r.gross_profit), sum(r.gross_loss),
        sum(r.trades)::bigint, sum(r.wins)::bigint, sum(r.losses)::bigint, sum(r.lots), sum(r.volume)
    from prop_trading_model.rollup_account_symbol_day as r
    where not exists (
            select from prop_trading_model.pending_account_days as k
            where k.account_id = r.account_id and k.trade_date = r.trade_date
        )
        and not exists (
            select from prop_trading_model.pending_stretches as p where r.trade_date >= p.lower and r.trade_date < p.upper
        )
    group by r.account_id, r.trade_date
    union all
    select t.account_id, t.trade_date, false,
        sum(coalesce(t.profit, 0) + coalesce(t.commission, 0) + coalesce(t.swap, 0)),
        coalesce(sum(t.profit) filter (where t.profit > 0), 0), coalesce(sum(t.profit) filter (where t.profit < 0), 0),
        count(*), count(*) filter (where t.profit > 0), count(*) filter (where t.profit < 0),
        coalesce(sum(t.lots), 0), coalesce(sum(t.volume_usd), 0)
    from (
        select k.account_id, k.trade_date from prop_trading_model.pending_account_days as k
        where not exists (
            select from prop_trading_model.pending_stretches as p where k.trade_date >= p.lower and k.trade_date < p.upper
        )
    ) as waiting
    join prop_trading_model.raw_trades_closed as t
        on t.account_id = waiting.account_id and t.trade_date = waiting.trade_date
    group by t.account_id, t.trade_date
    union all
    select t.account_id, t.trade_date, false,
        sum(coalesce(t.profit, 0) + coalesce(t.commission, 0) + coalesce(t.swap, 0)),
        coalesce(sum(t.profit) filter (where t.profit > 0), 0), coalesce(sum(t.profit) filter (where t.profit < 0), 0),
        count(*), count(*) filter (where t.profit > 0), count(*) filter (where t.profit < 0),
        coalesce(sum(t.lots), 0), coalesce(sum(t.volume_usd), 0)
    from prop_trading_model.pending_stretches as waiting
    join prop_trading_model.raw_trades_closed as t on t.trade_date >= waiting.lower and t.trade_date < waiting.upper
    group by t.account_id, t.trade_date
),
figures as (
    select d.account_id, d.date,
        case when not bool_or(d.of_metrics) then 'trades' when bool_and(d.of_metrics) then 'metrics' end as only_in,
        max(d.net_profit) filter (where d.of_metrics) as metrics_net_profit,
        coalesce(max(d.net_profit) filter (where not d.of_metrics), 0) as trades_net_profit,
        max(d.gross_profit) filter (where d.of_metrics) as metrics_gross_profit,
        coalesce(max(d.gross_profit) filter (where not d.of_metrics), 0) as trades_gross_profit,
        max(d.gross_loss) filter (where d.of_metrics) as metrics_gross_loss,
        coalesce(max(d.gross_loss) filter (where not d.of_metrics), 0) as trades_gross_loss,
        max(d.trades) filter (where d.of_metrics) as metrics_total_trades,
        coalesce(max(d.trades) filter (where not d.of_metrics), 0) as trades_total_trades,
        max(d.wins) filter (where d.of_metrics) as metrics_winning_trades,
        coalesce(max(d.wins) filter (where not d.of_metrics), 0) as trades_winning_trades,
        max(d.losses) filter (where d.of_metrics) as metrics_losing_trades,
        coalesce(max(d.losses) filter (where not d.of_metrics), 0) as trades_losing_trades,
        max(d.lots) filter (where d.of_metrics) as metrics_lots_traded,
        coalesce(max(d.lots) filter (where not d.of_metrics), 0) as trades_lots_traded,
        max(d.volume) filter (where d.of_metrics) as metrics_volume_traded,
        coalesce(max(d.volume) filter (where not d.of_metrics), 0) as trades_volume_traded
    from days as d
    group by d.account_id, d.date
)
select f.account_id, f.date, f.only_in, compared.differs,
    f.metrics_net_profit, f.trades_net_profit, f.metrics_gross_profit, f.trades_gross_profit,
    f.metrics_gross_loss, f.trades_gross_loss, f.metrics_total_trades, f.trades_total_trades,
    f.metrics_winning_trades, f.trades_winning_trades, f.metrics_losing_trades, f.trades_losing_trades,
    f.metrics_lots_traded, f.trades_lots_traded, f.metrics_volume_traded, f.trades_volume_traded
from figures as f
cross join lateral (
    select array_remove(array[
        case when f.metrics_net_profit <> f.trades_net_profit then 'net_profit' end,
        case when f.metrics_gross_profit <> f.trades_gross_profit then 'gross_profit' end,
        case when f.metrics_gross_loss <> f.trades_gross_loss then 'gross_loss' end,
        case when f.metrics_total_trades <> f.trades_total_trades then 'total_trades' end,
        case when f.metrics_winning_trades <> f.trades_winning_trades then 'winning_trades' end,
        case when f.metrics_losing_trades <> f.trades_losing_trades then 'losing_trades' end,
        case when f.metrics_lots_traded <> f.trades_lots_traded then 'lots_traded' end,
        case when f.metrics_volume_traded <> f.trades_volume_traded then 'volume_traded' end
    ], null) as differs
) as compared
where (f.only_in is not distinct from 'trades' or compared.differs <> '{}')
    and not exists (
        select from prop_trading_model.partition_state as s
        where s.parent_table = 'raw_metrics_daily' and s.state <> 'hot'
            and s.lower = date_trunc('year', f.date::timestamp)::date
    );

-- What the snapshots of query_performance_log say to whoever is on call: the slowest statements, those that grow, those that
-- have become slow. Invariant: "now" is the newest snapshot, so that they say the same until there is another.

-- The last day's statements, the slowest first.
create or replace view prop_trading_model.slowest_queries as
select
    l.fingerprint, min(l.query) as query, sum(l.calls)::bigint as calls,
    round(sum(l.calls * l.mean_ms) / sum(l.calls), 3) as mean_ms, max(l.max_ms) as max_ms, sum(l.calls * l.mean_ms) as total_ms,
    round(100 * sum(l.calls * l.mean_ms) / nullif(sum(sum(l.calls * l.mean_ms)) over (), 0), 2) as share_pct,
    sum(l.rows)::bigint as rows, sum(l.blocks_read)::bigint as blocks_read, sum(l.blocks_hit)::bigint as blocks_hit,
    max(l.captured_at) as last_seen
from prop_trading_model.query_performance_log as l
where l.captured_at > (select max(captured_at) from prop_trading_model.query_snapshots) - interval '1 day'
group by l.fingerprint
order by mean_ms desc;

-- Each statement of the last hour beside the seven days before it; before_* is null for one that did not run then.
create or replace view prop_trading_model.query_changes as
with newest as (
    select max(captured_at) as at from prop_trading_model.query_snapshots
),
halves as (
    select
        l.fingerprint, min(l.query) as query,
        sum(l.calls) filter (where l.captured_at > n.at - interval '1 hour') as calls,
        sum(l.calls * l.mean_ms) filter (where l.captured_at > n.at - interval '1 hour') as total_ms,
        sum(l.calls) filter (where l.captured_at <= n.at - interval '1 hour') as before_calls,
        sum(l.calls * l.mean_ms) filter (where l.captured_at <= n.at - interval '1 hour') as before_total_ms
    from prop_trading_model.query_performance_log as l cross join newest as n
    where l.captured_at > n.at - interval '7 days 1 hour'
    group by l.fingerprint
)
select
    fingerprint, query, calls::bigint, round(total_ms / calls, 3) as mean_ms, total_ms,
    before_calls::bigint, round(before_total_ms / before_calls, 3) as before_mean_ms,
    round((total_ms / calls) / nullif(before_total_ms / before_calls, 0), 2) as times_as_slow,
    round(total_ms - calls * (before_total_ms / before_calls), 3) as extra_ms
from halves
where calls > 0;

-- Those that take longer a call than before, the most additional time first; of a few calls nothing is said.
create or replace view prop_trading_model.growing_queries as
select * from prop_trading_model.query_changes
where before_calls >= 5 and calls >= 2 and times_as_slow > 1
order by extra_ms desc;

-- Those of at least 100 ms a call that did not run before, or took a third of it: nothing until there is something before.
create or replace view prop_trading_model.newly_slow_queries as
select * from prop_trading_model.query_changes
where mean_ms >= 100 and (before_calls is null or times_as_slow >= 3)
    and exists (
        select from prop_trading_model.query_snapshots
        where captured_at <= (select max(captured_at) from prop_trading_model.query_snapshots) - interval '1 hour'
    )
order by mean_ms desc;

-- The live forms of rollup_account_symbol_day, rollup_symbol_day and rollup_market_day: what these would hold after a refresh
-- that took all that is pending.
-- Invariant: the same columns as the rollup; settled rows come from the rollup, all others from the raw trades. A day with
-- a pending account-day is put together anew, from its settled rows and the fresh ones.

do $$
declare
    fresh text := prop_trading_model.fresh_query(format('(%s)', prop_trading_model.account_symbol_day_query(
        'prop_trading_model.raw_trades_closed as t where t.account_id = k.account_id and t.trade_date = k.trade_date'
    )));
    -- All rows of the days that are put together anew.
    day_rows text := format($query$
        day_rows as materialized (
            select r.*
            from (select distinct trade_date from pending) as d
            cross join lateral (
                select r.* from prop_trading_model.rollup_account_symbol_day as r
                where r.trade_date = d.trade_date and r.trade_date + 0 = d.trade_date
                offset 0
            ) as r
            where %s
            union all
            %s
        )
        $query$, prop_trading_model.settled_condition(), fresh);
    other_days text := $condition$
        not exists (select from pending as p where p.trade_date = r.trade_date)
        and not exists (select from marked as m where r.trade_date >= m.lower and r.trade_date < m.upper)
        $condition$;
begin
    execute format(
        'create or replace view prop_trading_model.live_account_symbol_day as with %s'
        ' select r.* from prop_trading_model.rollup_account_symbol_day as r where %s union all %s',
        prop_trading_model.live_sources(), prop_trading_model.settled_condition(), fresh
    );
    execute format(
        'create or replace view prop_trading_model.live_symbol_day as with %s, %s'
        ' select r.* from prop_trading_model.rollup_symbol_day as r where %s union all %s',
        prop_trading_model.live_sources(), day_rows, other_days, prop_trading_model.symbol_days_query('day_rows as r')
    );
    execute format(
        'create or replace view prop_trading_model.live_market_day as with %s, %s'
        ' select r.* from prop_trading_model.rollup_market_day as r where %s union all %s',
        prop_trading_model.live_sources(), day_rows, other_days,
        prop_trading_model.market_day_query('day_rows as r', 'day_rows as r')
    );
end
$$;

-- The live forms of rollup_latest_account, rollup_account, rollup_account_symbol and rollup_account_recent: what these would
-- hold after a refresh that took all that is pending, today.
-- Invariant: the same columns as the rollup; an account without a pending account-day comes from the rollup, unless whole
-- months are pending: then every account is put together anew. A condition on the account reaches every part.

create or replace view prop_trading_model.live_latest_account as
select
    account_id, login, trader_id, plan_id, phase, status, starting_balance, current_balance, current_equity,
    profit_target_pct, max_drawdown_pct
from prop_trading_model.latest_accounts;

do $$
declare
    sources text := prop_trading_model.live_sources();
    settled text := prop_trading_model.settled_condition();
    fresh text := prop_trading_model.fresh_query(
        'prop_trading_model.fresh_account_day(k.account_id, k.trade_date)'
    );
    other_accounts text := $condition$
        not exists (select from marked)
        and not exists (select from pending as p where p.account_id = r.account_id)
        $condition$;
begin
    -- Lives are merged from months: those that have no pending account-day, and the others anew from their days.
    execute format($view$
        create or replace view prop_trading_model.live_account as
        with %1$s,
        pending_months as (
            select distinct account_id, date_trunc('month', trade_date::timestamp)::date as month from pending
        )
        select r.* from prop_trading_model.rollup_account as r where %2$s
        union all
        select
            l.account_id, prop_trading_model.newest_login(l.account_id, l.last_trade_date)::varchar(255), l.trades, l.wins, l.losses, l.gross_profit, l.gross_loss, l.net, l.net_squares,
            l.active_days, l.max_drawdown, l.peak, l.first_trade_date, l.last_trade_date
        from (%3$s) as l
        $view$,
        sources, other_accounts,
        prop_trading_model.account_life_query(format($months$
            (
                select r.* from prop_trading_model.rollup_account_month as r
                where exists (select from marked)
                    and not exists (select from marked as m where r.month >= m.lower and r.month < m.upper)
                    and not exists (
                        select from pending_months as k where k.account_id = r.account_id and k.month = r.month
                    )
                union all
                select r.*
                from (select distinct account_id from pending) as k
                join prop_trading_model.rollup_account_month as r on r.account_id = k.account_id
                where not exists (select from marked)
                    and not exists (
                        select from pending_months as k where k.account_id = r.account_id and k.month = r.month
                    )
                union all
                %s
            ) as m
            $months$,
            prop_trading_model.account_month_query(format($days$
                (
                    select r.account_id, r.trade_date, r.trades, r.wins, r.losses, r.gross_profit, r.gross_loss, r.net
                    from pending_months as k
                    join lateral prop_trading_model.settled_account_days(
                        k.account_id, k.month, (k.month + interval '1 month')::date
                    ) as r on r.account_id = k.account_id
                    where %s
                    union all
                    select account_id, trade_date, trades, wins, losses, gross_profit, gross_loss, net from (%s) as f
                ) as r
                $days$, settled, fresh
            ))
        ))
    );

    execute format($view$
        create or replace view prop_trading_model.live_account_symbol as
        with %1$s
        select r.* from prop_trading_model.rollup_account_symbol as r where %2$s
        union all
        select account_id, symbol_key, max(trade_date) as last_trade_date
        from (
            select r.account_id, r.symbol_key, r.trade_date
            from prop_trading_model.rollup_account_symbol_day as r
            where exists (select from marked) and %3$s
            union all
            select r.account_id, r.symbol_key, r.trade_date
            from (select distinct account_id from pending) as k
            join lateral prop_trading_model.settled_account_days(k.account_id, '-infinity', 'infinity') as r
                on r.account_id = k.account_id
            where not exists (select from marked) and %3$s
            union all
            select account_id, symbol_key, trade_date from (%4$s) as f
        ) as days
        group by account_id, symbol_key
        $view$, sources, other_accounts, settled, fresh);

    -- The rollup's windows hold while they end with the live as_of; otherwise those of every account are computed.
    execute format($view$
        create or replace view prop_trading_model.live_account_recent as
        with %1$s,
        as_of as materialized (
            select prop_trading_model.live_as_of_date() as last_day
        )
        select r.* from prop_trading_model.rollup_account_recent as r
        where prop_trading_model.recent_day() is not distinct from (select last_day from as_of) and %2$s
        union all
        %3$s
        $view$,
        sources, other_accounts,
        prop_trading_model.account_recent_query(format($source$
            (
                select r.* from prop_trading_model.rollup_account_symbol_day as r
                where (
                        exists (select from marked)
                        or prop_trading_model.recent_day() is distinct from (select last_day from as_of)
                    )
                    and r.trade_date between (select last_day - 29 from as_of) and (select last_day from as_of)
                    and %1$s
                union all
                select r.*
                from (select distinct account_id from pending) as k
                join lateral prop_trading_model.settled_account_days(
                    k.account_id, (select last_day - 29 from as_of), (select last_day + 1 from as_of)
                ) as r on r.account_id = k.account_id
                where not exists (select from marked)
                    and prop_trading_model.recent_day() is not distinct from (select last_day from as_of)
                    and %1$s
                union all
                %2$s
            ) as r
            $source$, settled, fresh
        ), '(select last_day from as_of)')
    );
end
$$;

-- The live views: beside each mv_* a live_* with the same columns, that equals a recomputation at the moment of reading.

select prop_trading_model.create_live_view('prop_trading_model.mv_daily_trading_stats');
select prop_trading_model.create_live_view('prop_trading_model.mv_symbol_performance');
select prop_trading_model.create_live_view('prop_trading_model.mv_account_performance_summary');
select prop_trading_model.create_live_view('prop_trading_model.mv_account_trading_patterns');
select prop_trading_model.create_live_view('prop_trading_model.mv_market_regime_performance');

-- What the tables hold that a running refresh works on; most of their columns are those of the rollups.
-- Invariant: every column has a comment.

call prop_trading_model.describe(array[
    ['prop_trading_model.refresh_keys', 'The account-days that the running refresh recomputes.'],
    ['prop_trading_model.refresh_accounts', 'Their accounts.'],
    ['prop_trading_model.refresh_before', 'Their rows of rollup_account_symbol_day as they were.'],
    ['prop_trading_model.refresh_rows', 'Their rows of rollup_account_symbol_day as they are now.'],
    ['prop_trading_model.refresh_gone', 'The keys of their rows that are no more.'],
    ['prop_trading_model.refresh_symbol_days', 'Their sums by day and symbol, before and after.'],
    ['prop_trading_model.refresh_account_days', 'Their sums by account and day, before and after.'],
    ['prop_trading_model.refresh_appended', 'The account-months that are appended to: of the new days alone.'],
    ['prop_trading_model.refresh_recent', 'Accounts whose trailing windows move, and by how much.']
]);

call prop_trading_model.describe_columns(
    array[
        'prop_trading_model.refresh_accounts', 'prop_trading_model.refresh_rows', 'prop_trading_model.refresh_symbol_days',
        'prop_trading_model.refresh_account_days'
    ]::regclass[],
    array[
        ['appended', 'Whether all its account-days lie after its last day so far, in one month, with the login that it has.'],
        ['same_login', 'Whether all trades of the row have the login that the account had.'],
        ['sign', '-1: as it was before; 1: as it is now.']
    ]
);

call prop_trading_model.describe_columns_like(
    'prop_trading_model.rollup_account_symbol_day',
    array[
        'prop_trading_model.refresh_keys', 'prop_trading_model.refresh_accounts', 'prop_trading_model.refresh_before',
        'prop_trading_model.refresh_rows', 'prop_trading_model.refresh_gone', 'prop_trading_model.refresh_account_days'
    ]::regclass[]
);
call prop_trading_model.describe_columns_like(
    'prop_trading_model.rollup_symbol_day', array['prop_trading_model.refresh_symbol_days']::regclass[]
);
call prop_trading_model.describe_columns_like(
    'prop_trading_model.rollup_account_month', array['prop_trading_model.refresh_appended']::regclass[]
);
call prop_trading_model.describe_columns_like(
    'prop_trading_model.rollup_account_recent', array['prop_trading_model.refresh_recent']::regclass[]
);

-- What the materialized views, the live views and the views of what is pending show.
-- net = profit + commission + swap, missing ones 0. A win has profit > 0, a loss profit < 0. Averages, deviations, ratios and
-- rates are rounded to 6 places; sums and extremes are exact. Rates are 0 to 100. as_of is as_of_date().
-- Invariant: every column has a comment, a live view's that of its materialized view.

call prop_trading_model.describe(array[
    ['prop_trading_model.mv_daily_trading_stats', 'The whole market, one row a date with trades.'],
    ['prop_trading_model.mv_symbol_performance', 'One row a symbol: its whole life and the 90 days that end with as_of_date().'],
    ['prop_trading_model.mv_account_performance_summary', 'One row an account that is in the accounts or in the trades: balances, whole life, the trailing 30 and 7 days that end with as_of_date(), targets.'],
    ['prop_trading_model.mv_account_trading_patterns', 'One row an account with trades in the 30 days that end with as_of_date(): what and how it trades.'],
    ['prop_trading_model.mv_market_regime_performance', 'One row a date with a market regime, with trades or without: the regime beside the day''s results.'],
    ['prop_trading_model.live_daily_trading_stats', 'mv_daily_trading_stats at the moment of reading: what is pending is in it.'],
    ['prop_trading_model.live_symbol_performance', 'mv_symbol_performance at the moment of reading: what is pending is in it.'],
    ['prop_trading_model.live_account_performance_summary', 'mv_account_performance_summary at the moment of reading: what is pending is in it.'],
    ['prop_trading_model.live_account_trading_patterns', 'mv_account_trading_patterns at the moment of reading: what is pending is in it.'],
    ['prop_trading_model.live_market_regime_performance', 'mv_market_regime_performance at the moment of reading: what is pending is in it.'],
    ['prop_trading_model.live_account', 'rollup_account as a refresh would make it at the moment of reading.'],
    ['prop_trading_model.live_account_symbol', 'rollup_account_symbol as a refresh would make it at the moment of reading.'],
    ['prop_trading_model.live_account_recent', 'rollup_account_recent as a refresh would make it at the moment of reading.'],
    ['prop_trading_model.live_latest_account', 'rollup_latest_account as a refresh would make it at the moment of reading.'],
    ['prop_trading_model.live_account_symbol_day', 'rollup_account_symbol_day as a refresh would make it at the moment of reading.'],
    ['prop_trading_model.live_symbol_day', 'rollup_symbol_day as a refresh would make it at the moment of reading.'],
    ['prop_trading_model.live_market_day', 'rollup_market_day as a refresh would make it at the moment of reading.'],
    ['prop_trading_model.pending_account_days', 'The account-days in the change log that the rollups do not show yet.'],
    ['prop_trading_model.pending_stretches', 'The stretches of whole months that the rollups do not show yet.'],
    ['prop_trading_model.v_metrics_reconciliation', 'Account-days on which the newest daily metrics of the API and the trades disagree, to the cent, with both figures.'],
    ['prop_trading_model.slowest_queries', 'The last day''s statements, the slowest first.'],
    ['prop_trading_model.query_changes', 'Each statement of the last hour beside the seven days before it.'],
    ['prop_trading_model.growing_queries', 'Statements that take longer a call than before, the most additional time first; of a few calls nothing is said.'],
    ['prop_trading_model.newly_slow_queries', 'Statements of at least 100 ms a call that did not run before, or took a third of it.']
]);

call prop_trading_model.describe_columns(
    array[
        'prop_trading_model.mv_daily_trading_stats', 'prop_trading_model.mv_symbol_performance',
        'prop_trading_model.mv_market_regime_performance'
    ]::regclass[],
    array[
        ['date', 'The trading day.'],
        ['active_accounts', 'Accounts with trades on the day.'],
        ['profitable_accounts', 'Accounts whose net of the day is above 0.'],
        ['losing_accounts', 'Accounts whose net of the day is below 0.'],
        ['total_trades', 'Trades.'],
        ['winning_trades', 'Trades with profit > 0.'],
        ['losing_trades', 'Trades with profit < 0.'],
        ['win_rate', '100 x winning_trades / total_trades, percent; null without trades.'],
        ['total_profit', 'Sum of net, money.'],
        ['gross_profit', 'Sum of profit over wins, money; 0 when there is none.'],
        ['gross_loss', 'Sum of profit over losses, money, 0 or less.'],
        ['profit_factor', 'gross_profit / |gross_loss|; null without a loss.'],
        ['total_volume', 'Sum of volume_usd, USD.'],
        ['total_lots', 'Sum of lots.'],
        ['market_sentiment', 'summary ->> ''market_sentiment'' of the date''s newest regime.'],
        ['volatility_regime', 'summary ->> ''volatility_regime'' of the date''s newest regime.'],
        ['liquidity_state', 'summary ->> ''liquidity_state'' of the date''s newest regime.']
    ]
);

call prop_trading_model.describe_columns(
    array['prop_trading_model.mv_daily_trading_stats', 'prop_trading_model.mv_market_regime_performance']::regclass[],
    array[
        ['avg_profit', 'Mean net of an account-day: total_profit / active_accounts, money.'],
        ['profit_stddev', 'Sample standard deviation of the net of account-days, money; null for one.'],
        ['median_profit', 'Median of the net of account-days, by linear interpolation, money.']
    ]
);

call prop_trading_model.describe_columns(array['prop_trading_model.mv_daily_trading_stats']::regclass[], array[
    ['profit_q1', 'First quartile of the net of account-days, by linear interpolation, money.'],
    ['profit_q3', 'Third quartile of the net of account-days, by linear interpolation, money.'],
    ['max_profit', 'Largest net of an account-day, money.'],
    ['min_profit', 'Least net of an account-day, money.']
]);

call prop_trading_model.describe_columns(array['prop_trading_model.mv_symbol_performance']::regclass[], array[
    ['std_symbol', 'The symbol: std_symbol of its trades, or symbol where that is missing.'],
    ['traders_count', 'Accounts that have ever traded it.'],
    ['avg_profit', 'Mean profit of a trade that has one, money.'],
    ['profit_stddev', 'Sample standard deviation of the profit of trades, money; null for one.'],
    ['max_profit', 'Largest profit of a trade, money.'],
    ['min_profit', 'Least profit of a trade, money.'],
    ['avg_trade_duration_hours', 'Mean of close_time - open_time, hours.'],
    ['first_trade_date', 'Day of the first trade.'],
    ['last_trade_date', 'Day of the last trade.'],
    ['trades_last_90d', 'Trades from as_of - 89 days to as_of.'],
    ['profit_last_90d', 'Sum of net from as_of - 89 days to as_of, money.'],
    ['win_rate_last_90d', '100 x wins / trades from as_of - 89 days to as_of, percent; null without trades.'],
    ['traders_last_90d', 'Accounts that traded it from as_of - 89 days to as_of.']
]);

call prop_trading_model.describe_columns(
    array['prop_trading_model.mv_account_performance_summary', 'prop_trading_model.mv_account_trading_patterns']::regclass[],
    array[
        ['account_id', 'The account.'],
        ['login', 'The newest snapshot''s, else the newest trade''s.'],
        ['trades_last_30d', 'Trades from as_of - 29 days to as_of.'],
        ['unchecked', 'Always null: it spares a concurrent refresh its search for duplicates, which the rollups'' keys rule out.']
    ]
);

call prop_trading_model.describe_columns(array['prop_trading_model.mv_account_performance_summary']::regclass[], array[
    ['trader_id', 'The person who trades the account.'],
    ['plan_id', 'The plan that the account trades under.'],
    ['plan_name', 'The plan''s name, of its newest snapshot.'],
    ['phase', 'Phase 1, Phase 2, Funded or Demo.'],
    ['status', 'Active, Inactive, Breached or Passed.'],
    ['starting_balance', 'Balance that the account began with, money.'],
    ['current_balance', 'Balance of the newest snapshot, money.'],
    ['current_equity', 'Balance and open positions of the newest snapshot, money.'],
    ['profit_target_pct', 'Profit to be reached, percent of the starting balance.'],
    ['max_drawdown_pct', 'Largest loss allowed over the account''s life, percent.'],
    ['lifetime_trades', 'Trades.'],
    ['lifetime_profit', 'Sum of net, money.'],
    ['lifetime_gross_profit', 'Sum of profit over wins, money; 0 when there is none.'],
    ['lifetime_gross_loss', 'Sum of profit over losses, money, 0 or less.'],
    ['lifetime_win_rate', '100 x wins / trades, percent; null without trades.'],
    ['lifetime_profit_factor', 'lifetime_gross_profit / |lifetime_gross_loss|; null without a loss.'],
    ['lifetime_sharpe_ratio', 'Mean / sample standard deviation of daily net, over days with trades; null for one day, or when all are equal.'],
    ['lifetime_max_drawdown', 'Largest fall of cumulative daily net from its running peak, which starts at 0, money; null without trades.'],
    ['active_days', 'Days with trades.'],
    ['first_trade_date', 'Day of the first trade.'],
    ['last_trade_date', 'Day of the last trade.'],
    ['profit_last_30d', 'Sum of net from as_of - 29 days to as_of, money.'],
    ['win_rate_last_30d', '100 x wins / trades from as_of - 29 days to as_of, percent; null without trades.'],
    ['trading_days_last_30d', 'Days with trades from as_of - 29 days to as_of.'],
    ['trades_last_7d', 'Trades from as_of - 6 days to as_of.'],
    ['profit_last_7d', 'Sum of net from as_of - 6 days to as_of, money.'],
    ['win_rate_last_7d', '100 x wins / trades from as_of - 6 days to as_of, percent; null without trades.'],
    ['total_return_pct', '100 x (current_balance - starting_balance) / starting_balance, percent.'],
    ['distance_to_target_pct', '100 x (1 - total_return_pct / profit_target_pct), percent of the target that is missing.']
]);

call prop_trading_model.describe_columns(array['prop_trading_model.mv_account_trading_patterns']::regclass[], array[
    ['unique_symbols', 'Symbols traded; trades without a symbol are left out.'],
    ['favorite_symbol', 'The symbol with most trades, ties by name; trades without a symbol are left out.'],
    ['top_symbol_concentration_pct', '100 x trades of favorite_symbol / trades, percent.'],
    ['avg_lots', 'Mean lots of a trade that has them.'],
    ['lots_stddev', 'Sample standard deviation of lots; null for one trade.'],
    ['avg_volume', 'Mean volume_usd of a trade that has it, USD.'],
    ['buy_ratio', '100 x trades with side buy / trades, percent.'],
    ['stop_loss_usage_rate', '100 x trades with a stop loss / trades, percent.'],
    ['take_profit_usage_rate', '100 x trades with a take profit / trades, percent.']
]);

call prop_trading_model.describe_columns(
    array[
        'prop_trading_model.pending_account_days', 'prop_trading_model.pending_stretches',
        'prop_trading_model.v_metrics_reconciliation'
    ]::regclass[],
    array[
        ['account_id', 'The account.'],
        ['trade_date', 'The trading day.'],
        ['lower', 'First day of the stretch; infinite where a partition''s bound is open.'],
        ['upper', 'The day after its last.'],
        ['date', 'The trading day.'],
        ['only_in', 'metrics or trades: the one side that has the account-day; null: both have.'],
        ['differs', 'The figures that do not agree, by name.'],
        ['metrics_net_profit', 'Net profit as the metrics say, money; null: they do not say.'],
        ['trades_net_profit', 'Net of the trades, money.'],
        ['metrics_gross_profit', 'Gross profit as the metrics say, money.'],
        ['trades_gross_profit', 'Sum of the profit of wins, money.'],
        ['metrics_gross_loss', 'Gross loss as the metrics say, money.'],
        ['trades_gross_loss', 'Sum of the profit of losses, money.'],
        ['metrics_total_trades', 'Trades as the metrics say.'],
        ['trades_total_trades', 'Trades there are.'],
        ['metrics_winning_trades', 'Winning trades as the metrics say.'],
        ['trades_winning_trades', 'Trades with profit > 0.'],
        ['metrics_losing_trades', 'Losing trades as the metrics say.'],
        ['trades_losing_trades', 'Trades with profit < 0.'],
        ['metrics_lots_traded', 'Lots as the metrics say.'],
        ['trades_lots_traded', 'Lots of the trades.'],
        ['metrics_volume_traded', 'Volume as the metrics say, USD.'],
        ['trades_volume_traded', 'Volume of the trades, USD.']
    ]
);

call prop_trading_model.describe_columns(
    array[
        'prop_trading_model.slowest_queries', 'prop_trading_model.query_changes', 'prop_trading_model.growing_queries',
        'prop_trading_model.newly_slow_queries'
    ]::regclass[],
    array[
        ['fingerprint', 'What the statement is known by in query_performance_log.'],
        ['query', 'The statement, with ? for every value.'],
        ['calls', 'Calls of the day, or of the last hour.'],
        ['mean_ms', 'Mean time of these calls, milliseconds.'],
        ['max_ms', 'Longest time of a call, milliseconds.'],
        ['total_ms', 'Time of these calls, milliseconds.'],
        ['share_pct', '100 x total_ms / that of all statements, percent.'],
        ['rows', 'Rows that these calls returned or wrote.'],
        ['blocks_read', 'Blocks (8 KiB) read from outside of PostgreSQL''s memory.'],
        ['blocks_hit', 'Blocks (8 KiB) found in PostgreSQL''s memory.'],
        ['last_seen', 'The newest snapshot that has it, UTC.'],
        ['before_calls', 'Calls of the seven days before; null: it did not run then.'],
        ['before_mean_ms', 'Mean time of those calls, milliseconds.'],
        ['times_as_slow', 'mean_ms / before_mean_ms.'],
        ['extra_ms', 'total_ms - calls x before_mean_ms: the additional time, milliseconds.']
    ]
);

-- A live view has the columns of what it stands beside.
do $$
declare
    beside record;
begin
    for beside in
        select source.oid::regclass as pattern, live.oid::regclass as relation
        from pg_class as live
        join pg_class as source on source.relnamespace = live.relnamespace
            and source.relname in (replace(live.relname, 'live_', 'mv_'), replace(live.relname, 'live_', 'rollup_'))
        where live.relnamespace = 'prop_trading_model'::regnamespace and live.relkind = 'v' and live.relname like 'live\_%'
    loop
        call prop_trading_model.describe_columns_like(beside.pattern, array[beside.relation]);
    end loop;
end
$$;

-- What the functions of the refresh and of the live views do, in a sentence each; why they do it so, their own files say.
-- Invariant: every function has a comment.

comment on function prop_trading_model.rate is
    '100 x part / whole, rounded to 6 places; null when there is nothing to divide by.';
comment on function prop_trading_model.sample_stddev is
    'Sample standard deviation from count, sum and sum of squares, digit for digit what stddev_samp(numeric) computes.';
comment on function prop_trading_model.quantile is
    'The quantile of values that are sorted, by linear interpolation as percentile_cont has it, in numeric.';

comment on function prop_trading_model.account_symbol_day_query is
    'The one place that says how trades become a row of rollup_account_symbol_day.';
comment on function prop_trading_model.account_symbol_day_insertion is
    'The statement that inserts refresh_rows into rollup_account_symbol_day, or into a partition of it, in the order of days.';
comment on function prop_trading_model.fill_rollup_month is
    'Makes the partition of rollup_account_symbol_day of a month that has none, filled with refresh_rows. Returns how many rows; null for a month that has one.';
comment on function prop_trading_model.write_account_symbol_day is
    'Writes refresh_rows into rollup_account_symbol_day where they differ from what was there. Returns how many rows.';
comment on function prop_trading_model.recompute_keys is
    'Fills refresh_rows with what the account-days of refresh_keys are now.';
comment on function prop_trading_model.refresh_account_symbol_day is
    'Brings the account-days of refresh_keys up to date. Returns the rows written or removed.';

comment on function prop_trading_model.move_symbol_day is
    'Moves rollup_symbol_day by what refresh_symbol_days holds; returns the rows written or removed.';
comment on function prop_trading_model.symbol_days_query is
    'How the rows of rollup_account_symbol_day become those of rollup_symbol_day.';
comment on function prop_trading_model.market_day_query is
    'How the rows of rollup_account_symbol_day become those of rollup_market_day.';
comment on function prop_trading_model.exchange_values is
    'Values in order, without those that go and with those that come, one for one.';
comment on function prop_trading_model.move_market_day is
    'Moves rollup_market_day by what refresh_account_days holds, and takes its sums from rollup_symbol_day; returns the rows written or removed.';

comment on function prop_trading_model.note_differences is
    'Fills refresh_symbol_days and refresh_account_days with what the account-days of refresh_keys had before and have after.';
comment on function prop_trading_model.note_sums is
    'Adds what the rows of a work table sum up to, by day and symbol and by account and day, with this sign.';
comment on function prop_trading_model.note_accounts is 'Fills refresh_accounts with the accounts of refresh_keys.';

comment on function prop_trading_model.account_month_query is
    'How the rows of rollup_account_symbol_day become those of rollup_account_month.';
comment on function prop_trading_model.refresh_account_month is
    'Recomputes the account-months of refresh_keys, but for accounts that are appended to; returns the rows written or removed.';
comment on function prop_trading_model.append_account_month is
    'Appends the new days of refresh_account_days to the months of their accounts. Returns the rows written.';

comment on function prop_trading_model.account_life_query is
    'How the rows of rollup_account_month become whole lives, without the login.';
comment on function prop_trading_model.account_query is
    'How the rows of rollup_account_month become those of rollup_account, with the login of the newest trade.';
comment on function prop_trading_model.refresh_account is
    'Recomputes the accounts of refresh_accounts from their months, but for those that are appended to; returns the rows written or removed.';
comment on function prop_trading_model.append_account is
    'Appends what refresh_appended holds to the lives of its accounts. Returns the rows written.';

comment on function prop_trading_model.account_symbol_query is
    'How the rows of rollup_account_symbol_day become those of rollup_account_symbol.';
comment on function prop_trading_model.move_account_symbol is
    'Moves rollup_account_symbol by the rows in refresh_rows and refresh_gone. Returns the rows written or removed.';

comment on function prop_trading_model.favorite_measures is 'How an account''s symbols and their trades become three measures.';
comment on function prop_trading_model.account_recent_query is
    'How the rows of rollup_account_symbol_day become those of rollup_account_recent.';
comment on function prop_trading_model.recent_day is
    'The day that the windows of rollup_account_recent end with; null while there is no trade.';
comment on function prop_trading_model.refresh_account_recent is
    'Recomputes the accounts of refresh_keys that changed within the window, whatever there is; returns the rows written or removed.';
comment on function prop_trading_model.recompute_recent is
    'Recomputes the accounts of refresh_recent for the window that ends with this day; returns the rows written.';
comment on function prop_trading_model.move_account_recent is
    'Moves the accounts of refresh_keys by their differences within the window; returns the rows written or removed.';
comment on function prop_trading_model.settle_recent is
    'Adds the sums of refresh_recent to its accounts and recomputes those whose favorite may be another; returns the rows written or removed.';
comment on function prop_trading_model.move_recent_window is
    'Makes rollup_account_recent hold for the window that ends with this day.';
comment on function prop_trading_model.remake_recent_window is
    'Makes rollup_account_recent anew for the window that ends with this day. Returns the rows written or removed.';
comment on function prop_trading_model.shift_recent_window is
    'Moves rollup_account_recent from one window to another that overlaps it. Returns the rows written or removed.';

comment on function prop_trading_model.pending_keys is 'The account-days that have changed and wait for a refresh, with a fixed estimate of how many they are.';
comment on function prop_trading_model.live_sources is
    'The first two common tables of every live query: marked, the stretches of months, and pending, the account-days, that are read from the raw trades.';
comment on function prop_trading_model.settled_condition is
    'The condition that a row r with an account and a day is as the rollups have it.';
comment on function prop_trading_model.settled_account_days is
    'The rows of an account from `first_day` to before `next_day`, as rollup_account_symbol_day has them.';
comment on function prop_trading_model.newest_login is 'The login of an account''s newest trade, which is of this day.';
comment on function prop_trading_model.fresh_query is
    'The rows of rollup_account_symbol_day that all account-days which are not settled make now.';
comment on function prop_trading_model.fresh_account_day is 'The rows of rollup_account_symbol_day that an account-day makes now.';
comment on function prop_trading_model.live_as_of_date is
    'The day that the trailing windows end with as the raw trades are now, where as_of_date() is that of the rollups.';
comment on function prop_trading_model.create_live_view is
    'Makes live_X beside the materialized view mv_X: its own query, over the live forms of the rollups and of as_of_date().';

comment on function prop_trading_model.lock_refresh is
    'Takes the refresh lock, to the end of the transaction; refuses isolation levels whose snapshot may be older than the lock.';
comment on function prop_trading_model.clear_work_table is 'Empties a table that the refresh works on.';
comment on function prop_trading_model.take_keys is
    'Takes up to max_keys changed account-days into refresh_keys. Returns how many rows of the log it took, and since when the oldest of them has waited.';
comment on function prop_trading_model.advance_input is
    'Counts one more generation of an input: views made from an earlier one are stale, since then or for longer.';
comment on function prop_trading_model.refresh_rollups_of_keys is
    'Brings every rollup up to date for the account-days in refresh_keys; returns the rows written or removed.';
comment on function prop_trading_model.create_rollup_month is
    'Makes the rollup leaf of a month that has none: of a month whose trades'' leaf somebody else made.';
comment on function prop_trading_model.refresh_bite is
    'Takes one bite of what is pending: a marked month, or else up to max_keys account-days. Returns what it took; 0 and 0 when nothing is left.';

comment on function prop_trading_model.pieces_by_day is 'A month as conditions on trade_date: so many stretches of days.';
comment on function prop_trading_model.pieces_by_account is
    'All accounts as conditions on account_id: so many stretches of about the same number of rows.';
comment on function prop_trading_model.make_in_pieces is
    'Makes a temporary table of what a query gives, in which {piece} stands for each of `pieces` in turn.';
comment on function prop_trading_model.make_by_hashing is
    'make_in_pieces() of a query that has to read its tables whole, once.';
comment on function prop_trading_model.find_differences is
    'Makes the temporary table rebuilt of the rows of a rollup that differ from those of a query.';
comment on function prop_trading_model.apply_differences is
    'Makes a rollup equal to its recomputation, and drops the table `rebuilt`.';

comment on function prop_trading_model.refresh_latest_account is
    'Makes rollup_latest_account equal to the newest snapshots. Returns the rows written or removed.';

comment on function prop_trading_model.rebuild_account_symbol_day is
    'Recomputes a month of rollup_account_symbol_day. Returns the rows written or removed.';
comment on function prop_trading_model.rebuild_account_month is
    'Recomputes a month of rollup_account_month; returns the rows written or removed.';
comment on function prop_trading_model.rebuild_rollups_of_month is
    'Recomputes a month of every rollup, and what spans months for the accounts that differed. Returns the rows written or removed.';
comment on function prop_trading_model.rebuild_month is
    'Recomputes a month of every rollup from the raw trades, whatever the log says. Returns the rows that differed.';
comment on function prop_trading_model.rebuild_totals is
    'Recomputes what spans months for every account: the last step of a rebuild. Returns the rows written or removed.';

comment on function prop_trading_model.current_generations is 'The generation that each input of the views has now.';
comment on function prop_trading_model.stale_views is
    'The views that were made from an older generation of one of their inputs than there is now.';
comment on function prop_trading_model.refresh_views is
    'Refreshes those of the stale views that are asked for (null: all), CONCURRENTLY. Returns them.';
comment on function prop_trading_model.pending_changes is 'What has not been refreshed yet, and since when.';
comment on function prop_trading_model.note_refresh is
    'Writes what a refresh did into pipeline_execution_log, unless it found nothing to do.';
comment on function prop_trading_model.refresh_materialized_views is
    'Brings rollups and views up to date in one transaction, up to max_keys rows of the change log. Returns what it did and how much remains.';
comment on procedure prop_trading_model.refresh_warehouse is
    'Brings rollups and views up to date, committing between bites until nothing is left of what was pending. Call it outside a transaction block.';

comment on function prop_trading_model.statement_statistics_place is
    'The schema that pg_stat_statements is in, as it has to be written; null when it is not there.';
comment on function prop_trading_model.statement_statistics_missing is
    'What keeps the statistics of statements from being read, with what to do about it; null when nothing does.';
comment on function prop_trading_model.statement_statistics is
    'The statistics of this database''s statements since they were last reset; times are milliseconds.';
comment on function prop_trading_model.statement_statistics_reset is
    'When all statistics of statements were last reset, and how many entries had to make room for others since.';
comment on function prop_trading_model.masked_statement is
    'A statement with ? for every value and parameter; null for one that is no query or holds what is not understood.';
comment on function prop_trading_model.log_query_performance is
    'Takes a snapshot of pg_stat_statements into query_performance_log, with what was counted since the one before.';

-- Who may do what. Invariant: the loader writes raw rows and cannot change a table; the refresher only calls the refresh;
-- the reader only reads; PUBLIC may call what people call by hand and nothing else.

revoke execute on all routines in schema prop_trading_model from public;

do $$
declare
    -- Formulas and dates: harmless, and needed by whoever reads a view.
    for_readers text[] := array[
        'utc_today()', 'as_of_date()', 'rate(numeric, numeric)', 'sample_stddev(bigint, numeric, numeric)',
        'quantile(numeric[], numeric)', 'pending_changes()', 'stale_views()', 'current_generations()',
        'analyze_partitions(boolean, boolean)', 'statistics_to_collect()', 'leaf_bounds(oid)', 'recent_day()', 'live_as_of_date()',
        'pending_keys()', 'fresh_account_day(varchar, date)', 'settled_account_days(varchar, date, date)', 'newest_login(varchar, date)',
        'trade_leaves()', 'changed_leaves()', 'partitioned_tables()', 'starts_to_keep(regclass, integer)',
        'check_partitions(integer)', 'partition_leaves()', 'check_partition_indexes()',
        'require_hot(date)', 'require_hot(regclass, date)', 'part_of(regclass, date)', 'attachment_of(regclass, date)', 'archived_starts(regclass)',
        'statement_statistics_missing()'
    ];
    for_loaders text[] := array[
        'create_monthly_partitions(integer, boolean)', 'create_yearly_partitions(integer, boolean)',
        'plan_trade_months(date[])', 'plan_metrics_years(integer[])', 'ensure_trade_months(date[])',
        'ensure_metrics_years(integer[])', 'make_bare_month(date, bigint)', 'attach_bare_month(date, bigint)'
    ];
    for_refreshers text[] := array[
        'refresh_bite(bigint, date[], text, boolean)', 'rebuild_month(date, text)', 'rebuild_totals(text)',
        'refresh_views(text[], text)', 'note_refresh(timestamptz, bigint, jsonb)', 'refresh_materialized_views(bigint, date[], text[])', 'refresh_warehouse(bigint)',
        'log_query_performance(integer, interval)'
    ];
    wanted text;
begin
    if not exists (select from pg_roles where rolname = 'dpm_reader') then
        return;
    end if;
    grant usage on schema prop_trading_model to dpm_reader, dpm_loader, dpm_refresher;
    grant select on all tables in schema prop_trading_model to dpm_reader, dpm_loader, dpm_refresher;
    grant insert, update, delete on
        prop_trading_model.raw_trades_closed, prop_trading_model.raw_trades_open, prop_trading_model.raw_metrics_daily,
        prop_trading_model.raw_metrics_hourly, prop_trading_model.raw_metrics_alltime, prop_trading_model.raw_accounts_data,
        prop_trading_model.raw_plans_data, prop_trading_model.raw_regimes_daily,
        prop_trading_model.load_batches, prop_trading_model.load_rejects, prop_trading_model.load_corrections,
        prop_trading_model.pipeline_execution_log, prop_trading_model.query_performance_log
        to dpm_loader;
    -- Numbers for the rows of those tables, and of no other.
    for wanted in
        select format(
            case when has_table_privilege('dpm_loader', d.refobjid, 'insert')
                then 'grant usage on sequence %s to dpm_loader' else 'revoke all on sequence %s from dpm_loader' end,
            s.oid::regclass
        )
        from pg_class as s
        join pg_depend as d on d.classid = 'pg_class'::regclass and d.objid = s.oid and d.refclassid = d.classid
        where s.relkind = 'S' and s.relnamespace = 'prop_trading_model'::regnamespace and d.deptype in ('a', 'i')
    loop
        execute wanted;
    end loop;
    grant insert on prop_trading_model.pipeline_execution_log, prop_trading_model.query_performance_log to dpm_refresher;
    grant usage on sequence prop_trading_model.pipeline_execution_log_id_seq to dpm_refresher;
    grant insert, update, delete on prop_trading_model.alert_incidents, prop_trading_model.alert_messages to dpm_refresher;
    foreach wanted in array for_readers || for_loaders || for_refreshers loop
        if to_regprocedure('prop_trading_model.' || wanted) is null then
            continue;  -- of 002_add_materialized_views.sql, while 001_add_partitioning.sql is applied
        elsif wanted = any (for_readers) then
            execute format('grant execute on routine prop_trading_model.%s to dpm_reader, dpm_loader, dpm_refresher', wanted);
        elsif wanted = any (for_loaders) then
            execute format('grant execute on routine prop_trading_model.%s to dpm_loader', wanted);
        else
            execute format('grant execute on routine prop_trading_model.%s to dpm_refresher', wanted);
        end if;
    end loop;
end
$$;

reset role;
reset search_path;
commit;
