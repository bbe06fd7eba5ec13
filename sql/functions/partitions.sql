-- Making leaves: months of raw_trades_closed with the rollup leaf of the month, and years of raw_metrics_daily.
-- Invariant: a leaf is built beside its table and attached complete, as leaf_plan.sql says: readers and writers of other
-- months never wait. Every call has a dry run.

-- Whether a leaf covers [lower, upper).
create or replace function prop_trading_model.has_leaf(parent regclass, lower date, upper date) returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select exists (
        select from pg_inherits as i cross join lateral prop_trading_model.leaf_bounds(i.inhrelid) as b
        where i.inhparent = parent and not i.inhdetachpending and b.lower <= has_leaf.lower and b.upper >= has_leaf.upper
    )
$$;

-- Of an earlier version:
drop function if exists
    prop_trading_model.attach_new_leaf(regclass, text, date, date), prop_trading_model.copy_privileges(regclass, regclass);

-- What the leaf that begins on `lower` is called.
create or replace function prop_trading_model.leaf_name(parent regclass, lower date) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select c.relname || '_' || to_char(lower, t.suffix)
    from prop_trading_model.partitioned_tables() as t join pg_class as c on c.oid = t.parent
    where t.parent = leaf_name.parent
$$;

create or replace function prop_trading_model.refuse_taken_name(parent regclass, leaf_name text, lower date, upper date)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    if to_regclass(format('prop_trading_model.%I', leaf_name)) is not null then
        raise exception 'the table % is there already and is no partition of % for % to %', leaf_name, parent, lower, upper
            using errcode = 'duplicate_table', hint = 'Attach it if it holds the rows of that time, else rename or drop it.';
    end if;
end
$$;

-- Makes one leaf unless a leaf covers [lower, upper) already. True when it made one. One session makes leaves at a time;
-- others wait for it as long as it takes, and find the work done; who has a leaf already does not wait.
create or replace function prop_trading_model.create_leaf(parent regclass, leaf_name text, lower date, upper date)
returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if prop_trading_model.has_leaf(parent, lower, upper) then
        return false;
    end if;
    perform pg_advisory_xact_lock(hashtextextended('prop_trading_model.create_leaf', 0));
    if prop_trading_model.has_leaf(parent, lower, upper) then
        return false;
    end if;
    perform prop_trading_model.refuse_taken_name(parent, leaf_name, lower, upper);
    perform prop_trading_model.build_leaf(parent, leaf_name, lower, upper);
    return true;
end
$$;

-- Builds a leaf beside its table and attaches it, with the statements of plan_leaf(). Gives up a lock after 500 ms and tries
-- again after a pause of random length, for about 20 seconds.
create or replace function prop_trading_model.build_leaf(parent regclass, leaf_name text, lower date, upper date)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set lock_timeout = '500ms'
set client_min_messages = warning
as $$
declare
    step record;
begin
    for attempt in 1 .. 20 loop
        begin
            for step in select * from prop_trading_model.plan_leaf(parent, leaf_name, lower, upper) loop
                execute step.statement;
            end loop;
            return;
        exception when lock_not_available then
            perform pg_sleep(0.05 * attempt * (0.5 + random()));
        end;
    end loop;
    raise exception 'the partition % could not be attached: % stayed locked for longer than 20 attempts of 500 ms',
        leaf_name, parent
        using errcode = 'lock_not_available', hint = 'See who holds the lock in pg_locks, then call this again.';
end
$$;

-- Gives a leaf that is there what it lacks of its parent's privileges and triggers.
create or replace function prop_trading_model.dress_leaf(parent regclass, leaf regclass) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    step record;
begin
    for step in
        select * from prop_trading_model.plan_privileges(parent, leaf::text)
        union all
        select * from prop_trading_model.plan_triggers(parent, leaf::text)
    loop
        execute step.statement;
    end loop;
end
$$;

-- Makes the leaf of a month, of its trades and of its rollup, where missing. True when the trades' leaf is new. Raises DPM01
-- for a month in the archive.
create or replace function prop_trading_model.create_month(month date) returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    first_day date := date_trunc('month', month);
    next_month date := first_day + interval '1 month';
    suffix text := to_char(first_day, 'YYYY_MM');
    created boolean;
begin
    perform prop_trading_model.require_hot(first_day);
    created := prop_trading_model.create_leaf(
        'prop_trading_model.raw_trades_closed', 'raw_trades_closed_' || suffix, first_day, next_month);
    if created then
        insert into prop_trading_model.known_leaves
        select leaves.* from prop_trading_model.trade_leaves() as leaves
        where leaves.leaf_name = 'raw_trades_closed_' || suffix
        on conflict (leaf) do nothing;
    end if;
    perform prop_trading_model.create_leaf(
        'prop_trading_model.rollup_account_symbol_day', 'rollup_account_symbol_day_' || suffix, first_day, next_month);
    return created;
end
$$;

-- Makes the leaves of these months where missing; returns the months that it made. For loads and backfills.
create or replace function prop_trading_model.ensure_trade_months(months date[]) returns setof date
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    wanted date;
begin
    for wanted in select distinct date_trunc('month', m)::date from unnest(months) as m order by 1 loop
        if prop_trading_model.create_month(wanted) then
            return next wanted;
        end if;
    end loop;
end
$$;

-- The first days of months (or years, as long as a leaf of this table is) whose rows are in the archive, or on the way: no leaf
-- is made for them, of the table itself or of a rollup of it.
create or replace function prop_trading_model.archived_starts(parent regclass) returns setof date
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select s.lower
    from prop_trading_model.partitioned_tables() as t
    join prop_trading_model.partitioned_tables() as archived on archived.every = t.every
    join pg_class as c on c.oid = archived.parent
    join prop_trading_model.partition_state as s on s.parent_table = c.relname and s.state <> 'hot'
    where t.parent = archived_starts.parent
$$;

-- When the leaves of a table have to begin: the running month (or year), those ahead of it, and those between it and the
-- newest that had begun before, which nobody made because everybody was dead. A gap of more than two years is a clock that
-- jumped, not a rest, and stays as it is; so do months and years whose rows are in the archive.
create or replace function prop_trading_model.starts_to_keep(parent regclass, months_ahead integer) returns setof date
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    with step as (
        select t.every, case when t.every = interval '1 year' then 'year' else 'month' end as unit
        from prop_trading_model.partitioned_tables() as t where t.parent = starts_to_keep.parent
    ),
    reach as (
        select date_trunc(step.unit, prop_trading_model.utc_today()::timestamp) as running,
            date_trunc(step.unit, prop_trading_model.utc_today() + make_interval(months => months_ahead)) as last
        from step
    ),
    begun as (
        select max(begins) as newest
        from reach, (
            select b.lower as begins
            from pg_inherits as i cross join lateral prop_trading_model.leaf_bounds(i.inhrelid) as b
            where i.inhparent = starts_to_keep.parent and isfinite(b.lower)
            union all
            select prop_trading_model.archived_starts(starts_to_keep.parent)
        ) as leaves
        where begins <= reach.running
    )
    select s.start::date
    from reach, begun, step, generate_series(
        case when begun.newest >= reach.running - interval '2 years' then begun.newest::timestamp else reach.running end,
        reach.last, step.every
    ) as s (start)
    where s.start::date not in (select prop_trading_model.archived_starts(starts_to_keep.parent))
$$;

create or replace function prop_trading_model.refuse_months_ahead(months_ahead integer) returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    if months_ahead is null or months_ahead < 0 or months_ahead > 120 then
        raise exception 'months_ahead is %, it must be from 0 to 120', months_ahead
            using errcode = 'invalid_parameter_value';
    end if;
end
$$;

-- What ensure_trade_months() would do for these months, one row a statement.
create or replace function prop_trading_model.plan_trade_months(months date[])
returns table (partition_name text, month date, statement text, locks text)
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
    select * from prop_trading_model.plan_leaves(
        array['prop_trading_model.raw_trades_closed', 'prop_trading_model.rollup_account_symbol_day']::regclass[],
        array(select distinct date_trunc('month', m)::date from unnest(months) as m)
    )
$$;

-- Makes the leaves of the running month, of `months_ahead` months after it, and of months that were missed; returns those that
-- it made. With dry_run it makes nothing and returns a row for each statement, with the locks that it would take.
drop function if exists prop_trading_model.create_monthly_partitions(integer);
create or replace function prop_trading_model.create_monthly_partitions(
    months_ahead integer default 3, dry_run boolean default false
)
returns table (partition_name text, month date, statement text, locks text)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    months date[];
begin
    perform prop_trading_model.refuse_months_ahead(months_ahead);
    months := array(select prop_trading_model.starts_to_keep('prop_trading_model.raw_trades_closed', months_ahead));
    if dry_run then
        return query select * from prop_trading_model.plan_trade_months(months);
    else
        return query
            select 'raw_trades_closed_' || to_char(made, 'YYYY_MM'), made, null::text, null::text
            from prop_trading_model.ensure_trade_months(months) as made;
    end if;
end
$$;

-- Makes the yearly leaves of raw_metrics_daily for these years where missing; returns the years that it made. Raises DPM01 for
-- a year in the archive.
create or replace function prop_trading_model.ensure_metrics_years(years integer[]) returns setof integer
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    wanted integer;
begin
    for wanted in select distinct y from unnest(years) as y order by 1 loop
        perform prop_trading_model.require_hot('prop_trading_model.raw_metrics_daily', make_date(wanted, 1, 1));
        if prop_trading_model.create_leaf(
            'prop_trading_model.raw_metrics_daily', 'raw_metrics_daily_' || to_char(wanted, 'FM0000'),
            make_date(wanted, 1, 1), make_date(wanted + 1, 1, 1)
        ) then
            return next wanted;
        end if;
    end loop;
end
$$;

-- What ensure_metrics_years() would do for these years, one row a statement.
create or replace function prop_trading_model.plan_metrics_years(years integer[])
returns table (partition_name text, year integer, statement text, locks text)
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
    select plan.partition_name, extract(year from plan.starts_on)::integer, plan.statement, plan.locks
    from prop_trading_model.plan_leaves(
        array['prop_trading_model.raw_metrics_daily']::regclass[],
        array(select distinct make_date(y, 1, 1) from unnest(years) as y)
    ) as plan
$$;

-- The same as create_monthly_partitions() for raw_metrics_daily: the running year, the year that `months_ahead` months from
-- now lie in, and years that were missed.
drop function if exists prop_trading_model.create_yearly_partitions(integer);
create or replace function prop_trading_model.create_yearly_partitions(
    months_ahead integer default 3, dry_run boolean default false
)
returns table (partition_name text, year integer, statement text, locks text)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    years integer[];
begin
    perform prop_trading_model.refuse_months_ahead(months_ahead);
    years := array(
        select extract(year from starts)::integer
        from prop_trading_model.starts_to_keep('prop_trading_model.raw_metrics_daily', months_ahead) as starts
    );
    if dry_run then
        return query select * from prop_trading_model.plan_metrics_years(years);
    else
        return query
            select 'raw_metrics_daily_' || to_char(made, 'FM0000'), made, null::text, null::text
            from prop_trading_model.ensure_metrics_years(years) as made;
    end if;
end
$$;
