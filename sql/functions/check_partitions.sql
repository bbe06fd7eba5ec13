-- What is wrong with the partitions, or soon will be: check_partitions(), or the view partition_findings. One row a finding,
-- with the remedy: a statement that can be run as it stands (outside a transaction block, as dpm_owner), or where `by_hand`
-- what a person has to decide. `dpm doctor` shows the same rows, the checks of the asset graph too.
-- Invariant: nothing here changes or locks anything; no finding means that rollover, refresh and archive can do their work.

-- Every leaf of every partitioned table, those that are being detached too.
create or replace function prop_trading_model.partition_leaves()
returns table (
    parent regclass, parent_table text, every interval, leaf regclass, leaf_name text, lower date, upper date,
    bound text, detach_pending boolean
)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select t.parent, p.relname::text, t.every, c.oid::regclass, c.relname::text, b.lower, b.upper,
        pg_get_expr(c.relpartbound, c.oid), i.inhdetachpending
    from prop_trading_model.partitioned_tables() as t
    join pg_class as p on p.oid = t.parent
    join pg_inherits as i on i.inhparent = t.parent
    join pg_class as c on c.oid = i.inhrelid
    cross join lateral prop_trading_model.leaf_bounds(c.oid) as b
$$;

-- Months (years) that are not there though they have to be, or lie open between others.
create or replace function prop_trading_model.check_months(months_ahead integer)
returns table (finding text, severity text, parent_table text, object text, detail text, remedy text, by_hand boolean)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    with wanted as (
        select t.parent, t.every, p.relname::text as parent_table, s.start, (s.start + t.every)::date as upper,
            prop_trading_model.leaf_name(t.parent, s.start) as leaf_name
        from prop_trading_model.partitioned_tables() as t
        join pg_class as p on p.oid = t.parent
        cross join lateral prop_trading_model.starts_to_keep(t.parent, months_ahead) as s (start)
    ),
    leaves as (
        select *, lag(l.upper) over (partition by l.parent order by l.lower) as upper_before
        from prop_trading_model.partition_leaves() as l
        where isfinite(l.lower) and isfinite(l.upper) and not l.detach_pending
    )
    select 'partition missing',
        -- The running one and the next: trades are refused now, or within weeks.
        case when w.start <= prop_trading_model.utc_today() + w.every then 'error' else 'warning' end,
        w.parent_table, w.leaf_name,
        format('there is no partition for %s to %s', w.start, w.upper),
        format(
            'select * from prop_trading_model.create_%sly_partitions(%s)',
            case when w.every = interval '1 year' then 'year' else 'month' end, months_ahead
        ), false
    from wanted as w
    where not prop_trading_model.has_leaf(w.parent, w.start, w.upper)
    union all
    -- More than two years apart are two histories, not a gap.
    select 'gap', 'warning', l.parent_table, prop_trading_model.leaf_name(l.parent, missing.starts[1]),
        format('no partition begins on %s, though there are older and newer ones', array_to_string(missing.starts, ', ')),
        case when l.every = interval '1 year'
            then format('select prop_trading_model.ensure_metrics_years(%L)',
                array(select extract(year from start)::integer from unnest(missing.starts) as start))
            else format('select prop_trading_model.ensure_trade_months(%L)', missing.starts)
        end, false
    from leaves as l
    cross join lateral (
        select array_agg(start::date order by start) as starts
        from generate_series(l.upper_before::timestamp, l.lower - l.every, l.every) as start
        where start::date not in (select prop_trading_model.archived_starts(l.parent))
    ) as missing
    where l.parent_table like 'raw\_%'  -- the refresh makes a rollup's when it needs one
        and l.upper_before < l.lower and l.upper_before > l.lower - interval '2 years'
        and l.lower <= prop_trading_model.utc_today()
        and missing.starts is not null
    union all
    select 'far ahead', 'warning', l.parent_table, l.leaf_name,
        format('it begins on %s: a clock was wrong when it was made', l.lower),
        format('drop table %s if it is empty', l.leaf), true
    from leaves as l
    where l.lower > prop_trading_model.utc_today() + interval '121 months'
$$;

-- Two that claim the same time, and bounds that get in the way of a month.
create or replace function prop_trading_model.check_bounds()
returns table (finding text, severity text, parent_table text, object text, detail text, remedy text, by_hand boolean)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select 'detach pending', 'error', l.parent_table, l.leaf_name,
        'a DETACH CONCURRENTLY was interrupted: queries no longer see its rows',
        format('alter table %s detach partition %s finalize', l.parent, l.leaf), false
    from prop_trading_model.partition_leaves() as l
    where l.detach_pending
    union all
    select 'default partition', 'error', l.parent_table, l.leaf_name,
        'rows in it keep their month from being made, and it forbids DETACH CONCURRENTLY',
        format('alter table %s detach partition %s, then load its rows again', l.parent, l.leaf), true
    from prop_trading_model.partition_leaves() as l
    where l.bound = 'DEFAULT'
    union all
    select 'bounds across months', 'error', l.parent_table, l.leaf_name,
        format('it holds %s to %s, which is no whole number of %s', l.lower, l.upper,
            case when l.every = interval '1 year' then 'years' else 'months' end),
        format('alter table %s detach partition %s concurrently, then load its rows again', l.parent, l.leaf), true
    from prop_trading_model.partition_leaves() as l
    cross join lateral (select case when l.every = interval '1 year' then 'year' else 'month' end as unit) as u
    where l.bound <> 'DEFAULT' and not coalesce(
        isfinite(l.lower) and isfinite(l.upper)
            and l.lower = date_trunc(u.unit, l.lower::timestamp) and l.upper = date_trunc(u.unit, l.upper::timestamp),
        false
    )
    union all
    select 'overlap', 'error', p.relname::text, c.relname::text,
        format('a table of this name is no partition of %s: %s', p.relname, case
            when exists (
                select from prop_trading_model.partition_leaves() as l
                where l.parent = t.parent and l.leaf_name <> c.relname and l.lower <= begins.day and l.upper > begins.day
            ) then 'another partition holds its time'
            else 'its time cannot get a partition'
        end),
        format('alter table %s attach partition %s for values from (%L) to (%L), if its rows belong there; else rename or drop it',
            t.parent, c.oid::regclass, begins.day, (begins.day + t.every)::date), true
    from prop_trading_model.partitioned_tables() as t
    join pg_class as p on p.oid = t.parent
    join pg_class as c on c.relnamespace = p.relnamespace and c.relkind in ('r', 'p', 'f', 'v', 'm') and not c.relispartition
        and c.relname ~ format('^%s_%s$', p.relname, replace(replace(t.suffix, 'YYYY', '\d{4}'), 'MM', '(0[1-9]|1[0-2])'))
    cross join lateral (
        select to_date(substr(c.relname, length(p.relname) + 2), t.suffix) as day
    ) as begins
    where begins.day not in (select prop_trading_model.archived_starts(t.parent))
    union all
    select 'overlap', 'error', l.parent_table, l.leaf_name,
        format('the %s %s is in the archive and has a partition too', p.unit, p.called),
        format('restore the %s or drop the partition, after comparing them', p.unit), true
    from prop_trading_model.partition_state as s
    join prop_trading_model.partition_leaves() as l
        on l.parent_table = s.parent_table and l.lower <= s.lower and l.upper > s.lower and not l.detach_pending
    cross join lateral prop_trading_model.part_of(l.parent, s.lower) as p
    where s.state = 'cold'
$$;

-- Triggers of the change log that are missing, disabled or call something else; others that a leaf has disabled.
create or replace function prop_trading_model.check_triggers()
returns table (finding text, severity text, parent_table text, object text, detail text, remedy text, by_hand boolean)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select 'trigger missing', 'error', 'raw_trades_closed', tbl.relname::text,
        format('%s missing or disabled: what was written meanwhile is in no log', string_agg(missing.name, ', ')),
        format('select prop_trading_model.repair_triggers(%L)', tbl.oid::regclass), false
    from (
        select 'prop_trading_model.raw_trades_closed'::regclass as oid
        union all
        select leaf from prop_trading_model.partition_leaves() where parent_table = 'raw_trades_closed' and not detach_pending
    ) as log
    join pg_class as tbl on tbl.oid = log.oid
    cross join lateral (
        select substring(s.statement from 'enable always trigger (\w+)') as name
        from prop_trading_model.change_trigger_statements(log.oid::text) as s
    ) as missing
    where missing.name is not null
    group by tbl.oid, tbl.relname
    union all
    select 'trigger missing', 'error', input.tbl, input.tbl, 'log_input is missing or disabled: views are not refreshed for it',
        format('select prop_trading_model.create_input_trigger(%L, %L)', 'prop_trading_model.' || input.tbl, input.name), false
    from (values ('raw_accounts_data', 'accounts'), ('raw_plans_data', 'plans'), ('raw_regimes_daily', 'regimes'))
        as input (tbl, name)
    where not exists (
        select from pg_trigger as t
        where t.tgrelid = to_regclass('prop_trading_model.' || input.tbl) and t.tgname = 'log_input' and t.tgenabled = 'A'
    )
    union all
    select 'trigger missing', 'warning', l.parent_table, l.leaf_name, format('%s is enabled otherwise than on the parent', t.tgname),
        format('alter table %s %s trigger %I', l.leaf, case of_parent.tgenabled
            when 'A' then 'enable always' when 'R' then 'enable replica' when 'D' then 'disable' else 'enable' end, t.tgname),
        false
    from prop_trading_model.partition_leaves() as l
    join pg_trigger as t on t.tgrelid = l.leaf
    join pg_trigger as of_parent on of_parent.oid = t.tgparentid
    where t.tgenabled <> of_parent.tgenabled
$$;

-- Indexes that cannot be used or are not everywhere; a build that is under way is none.
create or replace function prop_trading_model.check_indexes()
returns table (finding text, severity text, parent_table text, object text, detail text, remedy text, by_hand boolean)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    with building as (
        select relation from pg_locks
        where mode = 'ShareUpdateExclusiveLock' and granted and locktype = 'relation' and pid <> pg_backend_pid()
            and database = (select oid from pg_database where datname = current_database())
    )
    select 'index missing', 'error', l.parent_table, l.leaf_name,
        format('the index %s of %s is not on this partition', c.relname, l.parent_table),
        format('dpm indexes create %s', c.relname), true
    from prop_trading_model.partition_leaves() as l
    join pg_index as x on x.indrelid = l.parent
    join pg_class as c on c.oid = x.indexrelid
    where not l.detach_pending and l.leaf not in (select relation from building)
        and not exists (
            select from pg_inherits as i join pg_index as on_leaf on on_leaf.indexrelid = i.inhrelid
            where i.inhparent = x.indexrelid and on_leaf.indrelid = l.leaf
        )
    union all
    select 'index invalid', 'error', tbl.relname::text, c.relname::text,
        'its build was interrupted: it costs every write and serves no query',
        case
            when c.relkind = 'I' then format('dpm indexes create %s', c.relname)
            when c.relispartition then format('reindex index concurrently %s', c.oid::regclass)
            else format('drop index concurrently %s', c.oid::regclass)
        end, c.relkind = 'I'
    from pg_index as x
    join pg_class as c on c.oid = x.indexrelid
    join pg_class as tbl on tbl.oid = x.indrelid
    where not x.indisvalid and c.relnamespace = 'prop_trading_model'::regnamespace
        and x.indrelid not in (select relation from building)
        -- The parent's is invalid until the last leaf has it, which is a finding already.
        and not (c.relkind = 'I' and exists (
            select from prop_trading_model.partition_leaves() as l
            where l.parent = x.indrelid and not exists (
                select from pg_inherits as i join pg_index as on_leaf on on_leaf.indexrelid = i.inhrelid
                where i.inhparent = x.indexrelid and on_leaf.indrelid = l.leaf
            )
        ))
$$;

-- Leaves that are not as their parent: owner, privileges, persistence, constraints; and those that need a freeze.
create or replace function prop_trading_model.check_ownership()
returns table (finding text, severity text, parent_table text, object text, detail text, remedy text, by_hand boolean)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select 'wrong owner', 'error', l.parent_table, l.leaf_name,
        format('it belongs to %s: partitions and indexes of %s cannot be looked after', pg_get_userbyid(c.relowner),
            pg_get_userbyid(p.relowner)),
        format('alter table %s owner to %I', l.leaf, pg_get_userbyid(p.relowner)),
        not pg_has_role(p.relowner, c.relowner, 'member')
    from prop_trading_model.partition_leaves() as l
    join pg_class as c on c.oid = l.leaf
    join pg_class as p on p.oid = l.parent
    where c.relowner <> p.relowner
    union all
    select 'privileges missing', 'warning', l.parent_table, l.leaf_name, 'it does not grant what its parent grants',
        format('select prop_trading_model.dress_leaf(%L, %L)', l.parent, l.leaf), false
    from prop_trading_model.partition_leaves() as l
    where not l.detach_pending and exists (select from prop_trading_model.plan_privileges(l.parent, l.leaf::text))
    union all
    select 'unlogged', 'error', l.parent_table, l.leaf_name, 'it is unlogged: a crash empties it',
        format('alter table %s set logged', l.leaf), true
    from prop_trading_model.partition_leaves() as l
    join pg_class as c on c.oid = l.leaf
    where c.relpersistence = 'u'
    union all
    select 'constraint not validated', 'warning', l.parent_table, l.leaf_name, format('%s was never validated', k.conname),
        format('alter table %s validate constraint %I', l.leaf, k.conname), false
    from prop_trading_model.partition_leaves() as l
    join pg_constraint as k on k.conrelid = l.leaf and not k.convalidated
    union all
    select 'freeze overdue', 'error', l.parent_table, l.leaf_name,
        format('its oldest transaction id is %s old: at 2 billion the server stops', age(c.relfrozenxid)),
        format('vacuum (freeze) %s', l.leaf), false
    from prop_trading_model.partition_leaves() as l
    join pg_class as c on c.oid = l.leaf
    where c.relkind = 'r' and age(c.relfrozenxid) > 1000000000
$$;

-- All of it; nothing at all when all is well.
create or replace function prop_trading_model.check_partitions(months_ahead integer default 3)
returns table (finding text, severity text, parent_table text, object text, detail text, remedy text, by_hand boolean)
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
    select * from (
        select * from prop_trading_model.check_months(months_ahead)
        union all select * from prop_trading_model.check_bounds()
        union all select * from prop_trading_model.check_triggers()
        union all select * from prop_trading_model.check_indexes()
        union all select * from prop_trading_model.check_ownership()
    ) as found
    order by found.severity, found.finding, found.parent_table, found.object
$$;

create or replace view prop_trading_model.partition_findings as
select * from prop_trading_model.check_partitions();

-- Gives a table of trades the triggers of the change log that it lacks, and marks its months to be recomputed: what was written
-- without them is in no log. Gives up after two seconds of waiting for the table's writers.
create or replace function prop_trading_model.repair_triggers(tbl regclass) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set lock_timeout = '2s'
as $$
begin
    perform prop_trading_model.create_change_triggers(tbl);
    perform prop_trading_model.mark_months(b.lower, b.upper, 'triggers were missing')
    from prop_trading_model.leaf_bounds(tbl) as b;
end
$$;
