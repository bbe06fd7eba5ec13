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
