-- Monthly leaves of raw_trades_closed with the rollup leaf of the month, and yearly leaves of raw_metrics_daily.
-- Invariant: a leaf is built beside its table and attached complete (owner, privileges, indexes, triggers), so that no
-- lock stronger than SHARE UPDATE EXCLUSIVE is taken on the parent: readers and writers of other months never wait.

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

-- Makes one leaf unless a leaf covers [lower, upper) already. True when it made one. One session makes leaves at a time;
-- others wait for it as long as it takes, and find the work done.
create or replace function prop_trading_model.create_leaf(parent regclass, leaf_name text, lower date, upper date)
returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    perform pg_advisory_xact_lock(hashtextextended('prop_trading_model.create_leaf', 0));
    if prop_trading_model.has_leaf(parent, lower, upper) then
        return false;
    end if;
    if to_regclass(format('prop_trading_model.%I', leaf_name)) is not null then
        raise exception 'the table % is there already and is no partition of % for % to %', leaf_name, parent, lower, upper
            using errcode = 'duplicate_table', hint = 'Attach it if it holds the rows of that time, else rename or drop it.';
    end if;
    perform prop_trading_model.attach_new_leaf(parent, format('prop_trading_model.%I', leaf_name), lower, upper);
    return true;
end
$$;

-- Builds a leaf beside its table and attaches it.
-- Locks: SHARE UPDATE EXCLUSIVE on the parent at ATTACH; gives up after lock_timeout and is tried again with a pause.
create or replace function prop_trading_model.attach_new_leaf(parent regclass, leaf text, lower date, upper date) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set lock_timeout = '500ms'
as $$
begin
    for attempt in 1 .. 20 loop
        begin
            execute format('create table %s (like %s including all)', leaf, parent);
            perform prop_trading_model.dress_leaf(parent, leaf::regclass);
            execute format('alter table %s attach partition %s for values from (%L) to (%L)', parent, leaf, lower, upper);
            return;
        exception when lock_not_available then
            perform pg_sleep(0.05 * attempt * (0.5 + random()));
        end;
    end loop;
    raise exception 'the partition % could not be attached: % stayed locked for longer than 20 attempts of 500 ms', leaf, parent
        using errcode = 'lock_not_available', hint = 'See who holds the lock in pg_locks, then call this again.';
end
$$;

-- What every leaf has beside its table's columns and indexes: the parent's owner and privileges, storage settings, and
-- for trades the triggers of the change log.
create or replace function prop_trading_model.dress_leaf(parent regclass, leaf regclass) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    perform prop_trading_model.copy_privileges(parent, leaf);
    if parent = 'prop_trading_model.raw_trades_closed'::regclass then
        perform prop_trading_model.create_change_triggers(leaf);
    end if;
end
$$;

create or replace function prop_trading_model.copy_privileges(parent regclass, leaf regclass) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    grants record;
begin
    for grants in
        select case when acl.grantee = 0 then 'public' else quote_ident(r.rolname) end as grantee,
            string_agg(acl.privilege_type, ', ') as privileges
        from pg_class as c
        cross join lateral aclexplode(c.relacl) as acl
        left join pg_roles as r on r.oid = acl.grantee
        where c.oid = parent and acl.grantee <> c.relowner
        group by 1
    loop
        execute format('grant %s on %s to %s', grants.privileges, leaf, grants.grantee);
    end loop;
end
$$;

-- Makes the leaf of a month, of its trades and of its rollup, where missing. True when the trades' leaf is new.
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

-- Makes the leaves of the running month and of `months_ahead` months after it; returns those that it made.
create or replace function prop_trading_model.create_monthly_partitions(months_ahead integer default 3)
returns table (partition_name text, month date)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    if months_ahead is null or months_ahead < 0 or months_ahead > 120 then
        raise exception 'months_ahead is %, it must be from 0 to 120', months_ahead
            using errcode = 'invalid_parameter_value';
    end if;
    return query
        select 'raw_trades_closed_' || to_char(made, 'YYYY_MM'), made
        from prop_trading_model.ensure_trade_months(array(
            select (date_trunc('month', prop_trading_model.utc_today()) + make_interval(months => n))::date
            from generate_series(0, months_ahead) as n
        )) as made;
end
$$;

-- Makes the yearly leaves of raw_metrics_daily for these years where missing; returns the years that it made.
create or replace function prop_trading_model.ensure_metrics_years(years integer[]) returns setof integer
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    wanted integer;
begin
    for wanted in select distinct y from unnest(years) as y order by 1 loop
        if prop_trading_model.create_leaf(
            'prop_trading_model.raw_metrics_daily', 'raw_metrics_daily_' || to_char(wanted, 'FM0000'),
            make_date(wanted, 1, 1), make_date(wanted + 1, 1, 1)
        ) then
            return next wanted;
        end if;
    end loop;
end
$$;

-- Makes the yearly leaves from this year to the year that `months_ahead` months from now lie in.
create or replace function prop_trading_model.create_yearly_partitions(months_ahead integer default 3)
returns table (partition_name text, year integer)
language sql security definer
set search_path = pg_catalog, pg_temp
as $$
    select 'raw_metrics_daily_' || to_char(made, 'FM0000'), made
    from prop_trading_model.ensure_metrics_years(array(
        select generate_series(
            extract(year from prop_trading_model.utc_today())::integer,
            extract(year from prop_trading_model.utc_today() + make_interval(months => months_ahead))::integer
        )
    )) as made
$$;
