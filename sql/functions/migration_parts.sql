-- Which months (years) there are, and what no month takes.
-- Invariant: a day that a part covers is copied or followed in that part; every other row of an original is in unmoved_rows.

-- The days that parts may cover: from the first month (its year) on, to before the end of the last month (year) ahead.
create or replace function prop_trading_model_migration.days_to_cover(every interval, first_month date, months_ahead integer)
returns daterange
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select daterange(
        date_trunc(u.unit, first_month::timestamp)::date,
        (date_trunc(u.unit, (now() at time zone 'utc') + make_interval(months => months_ahead)) + every)::date
    )
    from (select case when every = interval '1 year' then 'year' else 'month' end) as u (unit)
$$;

-- Whether originals hold what only a copy brings over: a day that a part could cover and none does, or what was written since a
-- TRUNCATE.
create or replace function prop_trading_model_migration.needs_copy(first_month date, months_ahead integer) returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select exists (
        select from prop_trading_model_migration.changed_originals as c where c.account_id is null and c.day is null
    ) or exists (
        select from prop_trading_model_migration.unmoved_rows as u
        join prop_trading_model_migration.moved_tables as m on m.table_name = u.table_name
        where u.reason = 'a day that no partition takes'
            and u.day <@ prop_trading_model_migration.days_to_cover(m.every, first_month, months_ahead)
    )
$$;

-- Lists the parts that the originals' rows need, from `first_month` on, those between them, and those ahead, where they are
-- missing; returns how many are new. Days beyond the last month ahead are left out: nobody has traded then. A part whose leaf
-- was made after an earlier cutover is attached already; one whose leaf was dropped then is copied anew.
create or replace function prop_trading_model_migration.list_parts(first_month date, months_ahead integer) returns integer
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    m prop_trading_model_migration.moved_tables;
    unit text;
    today date := (now() at time zone 'utc')::date;
    beyond date;
    day date;
    found date[];
    listed integer := 0;
    added integer;
begin
    for m in select * from prop_trading_model_migration.moved_tables order by table_name loop
        unit := case when m.every = interval '1 year' then 'year' else 'month' end;
        beyond := upper(prop_trading_model_migration.days_to_cover(m.every, first_month, months_ahead));
        found := array[]::date[];
        day := lower(prop_trading_model_migration.days_to_cover(m.every, first_month, months_ahead));
        loop  -- from start to start, each found through an index
            execute format(
                'select min(day) from (select min(o.%1$I) as day from %2$s as o where o.%1$I >= $1 and o.%1$I < $2%3$s) as days',
                m.day_column, m.original, case when m.table_name = 'raw_trades_closed' then format(
                    ' union all (select o.close_time::date from %1$s as o where o.%2$I is null and o.close_time >= $1'
                    ' and o.close_time < $2 order by o.close_time limit 1)', m.original, m.day_column) end
            ) using day, beyond into day;
            exit when day is null;
            found := found || date_trunc(unit, day::timestamp)::date;
            day := found[cardinality(found)] + m.every;
        end loop;
        -- Of the months between two that are found those are made too, unless they are two years apart.
        insert into prop_trading_model_migration.parts (table_name, starts, ends, leaf, state)
        select m.table_name, s.start, s.start + m.every, m.table_name || '_' || to_char(s.start, m.suffix),
            case when prop_trading_model.has_leaf(m.successor, s.start, (s.start + m.every)::date) then 'attached' else 'waiting' end
        from (
            select f.start
            from unnest(found) as f (start)
            union
            select g::date
            from (
                select start, lead(start, 1, date_trunc(unit, today::timestamp)::date) over (order by start) as next
                from unnest(found) as f (start)
            ) as gaps, generate_series(gaps.start::timestamp, gaps.next, m.every) as g
            where gaps.next < gaps.start + interval '2 years'
            union
            select g::date from generate_series(date_trunc(unit, today::timestamp), beyond - m.every, m.every) as g
        ) as s
        on conflict do nothing;
        get diagnostics added = row_count;
        listed := listed + added;
        perform prop_trading_model_migration.reset_part(p.table_name, p.starts)
        from prop_trading_model_migration.parts as p
        where p.table_name = m.table_name and p.state in ('attached', 'verified')
            and not prop_trading_model.has_leaf(m.successor, p.starts, p.ends);
    end loop;
    return listed;
end
$$;

-- The condition of a row `o` that no part takes: it has no day, or one that no part covers.
create or replace function prop_trading_model_migration.outside(moved text) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    with holes as (
        select unnest('{(,)}'::datemultirange - coalesce(range_agg(daterange(p.starts, p.ends)), '{}')) as hole
        from prop_trading_model_migration.parts as p where p.table_name = moved
    )
    select string_agg(c.condition, ' or ')
    from prop_trading_model_migration.moved_tables as m
    cross join lateral (
        select format('%s is null', m.day) as condition
        union all
        select format('(%s)', concat_ws(' and ',
            case when lower_inf(h.hole) then null else format('%s >= %L', m.day, lower(h.hole)) end,
            case when upper_inf(h.hole) then null else format('%s < %L', m.day, upper(h.hole)) end))
        from holes as h
    ) as c
    where m.table_name = moved
$$;

-- Keeps the rows that no part takes; once, when the parts are listed. What is written later is followed by account-day.
create or replace function prop_trading_model_migration.set_aside_outside(moved text) returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    m prop_trading_model_migration.moved_tables := (
        select t from prop_trading_model_migration.moved_tables as t where t.table_name = moved
    );
    kept bigint;
begin
    delete from prop_trading_model_migration.unmoved_rows as u
    where u.table_name = moved and u.reason = 'a day that no partition takes';
    execute format(
        'insert into prop_trading_model_migration.unmoved_rows (table_name, id, reason, row, account_id, day)'
        ' select %L, o.id, ''a day that no partition takes'', to_jsonb(o), o.account_id, %s from %s as o where %s',
        moved, m.day, m.original, prop_trading_model_migration.outside(moved)
    );
    get diagnostics kept = row_count;
    return kept;
end
$$;

-- Empties a part, which will be copied anew.
create or replace function prop_trading_model_migration.reset_part(moved text, wanted date) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    part prop_trading_model_migration.parts := (
        select t from prop_trading_model_migration.parts as t where t.table_name = moved and t.starts = wanted
    );
begin
    execute format('drop table if exists prop_trading_model_next.%I', part.leaf);
    delete from prop_trading_model_migration.bites as b where b.table_name = moved and b.starts = wanted;
    delete from prop_trading_model_migration.unmoved_rows as u
    where u.table_name = moved and u.day >= part.starts and u.day < part.ends;
    update prop_trading_model_migration.parts as p set state = 'waiting' where p.table_name = moved and p.starts = wanted;
end
$$;

-- Empties all parts of the originals that somebody emptied with TRUNCATE, and forgets that log entry; returns how many.
create or replace function prop_trading_model_migration.reset_truncated() returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    emptied text[];
begin
    with gone as (
        delete from prop_trading_model_migration.changed_originals as c
        where c.account_id is null and c.day is null returning c.table_name
    )
    select array_agg(distinct table_name) into emptied from gone;
    perform prop_trading_model_migration.reset_part(p.table_name, p.starts)
    from prop_trading_model_migration.parts as p where p.table_name = any (emptied);
    delete from prop_trading_model_migration.unmoved_rows as u where u.table_name = any (emptied);
    perform prop_trading_model_migration.set_aside_outside(t) from unnest(emptied) as t;
    return coalesce(cardinality(emptied), 0);
end
$$;
