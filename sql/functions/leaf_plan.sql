-- The statements that make a leaf, each with the locks that it takes. They are what is executed, and what a dry run shows:
-- there is no second text that could say something else.
-- Invariant: whatever a leaf has comes from its parent (columns, defaults, checks, indexes, statistics, privileges, triggers,
-- tablespace) or from leaf_settings; the parent is locked in SHARE UPDATE EXCLUSIVE at most, which no reader or writer waits for.

-- The partitioned tables of the warehouse, how long a leaf's time is, and how the name of a leaf ends.
create or replace function prop_trading_model.partitioned_tables()
returns table (parent regclass, every interval, suffix text)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    values
        ('prop_trading_model.raw_trades_closed'::regclass, interval '1 month', 'YYYY_MM'),
        ('prop_trading_model.rollup_account_symbol_day'::regclass, interval '1 month', 'YYYY_MM'),
        ('prop_trading_model.raw_metrics_daily'::regclass, interval '1 year', 'YYYY')
$$;

-- The privileges that the parent grants and the leaf does not, on the table and on its columns.
create or replace function prop_trading_model.plan_privileges(parent regclass, leaf text)
returns table (statement text, locks text)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    with granted as (
        select c.oid as relation, null::name as column_name, acl.grantee, acl.privilege_type, acl.is_grantable
        from pg_class as c cross join lateral aclexplode(c.relacl) as acl
        where c.oid in (parent, to_regclass(leaf)) and acl.grantee <> c.relowner
        union all
        select a.attrelid, a.attname, acl.grantee, acl.privilege_type, acl.is_grantable
        from pg_attribute as a cross join lateral aclexplode(a.attacl) as acl
        where a.attrelid in (parent, to_regclass(leaf))
    )
    select format(
        'grant %s on %s to %s%s',
        string_agg(g.privilege_type || coalesce(' (' || quote_ident(g.column_name) || ')', ''), ', ' order by g.column_name, g.privilege_type),
        leaf,
        case when g.grantee = 0 then 'public' else quote_ident(r.rolname) end,
        case when g.is_grantable then ' with grant option' else '' end
    ), 'none that a reader or writer waits for'
    from granted as g left join pg_roles as r on r.oid = g.grantee
    where g.relation = parent and not exists (
        select from granted as has
        where has.relation = to_regclass(leaf) and has.grantee = g.grantee and has.privilege_type = g.privilege_type
            and has.column_name is not distinct from g.column_name and has.is_grantable >= g.is_grantable
    )
    group by g.grantee, r.rolname, g.is_grantable
    order by 1
$$;

-- The statement triggers that the leaf lacks: those of the change log for trades, and whatever else stands on the parent, but not
-- those of an online migration: a leaf without them is brought over whole on the way back, as one that was filled unseen has to be.
-- Row triggers are not among them: PostgreSQL itself gives them to a leaf that is attached.
create or replace function prop_trading_model.plan_triggers(parent regclass, leaf text)
returns table (statement text, locks text)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select wanted.statement, 'SHARE ROW EXCLUSIVE on the leaf: its writers wait, its readers do not'
    from (
        select log.statement, 1 as place
        from prop_trading_model.change_trigger_statements(leaf) as log
        where parent = 'prop_trading_model.raw_trades_closed'::regclass
        union all
        select unnest(array[
            replace(pg_get_triggerdef(t.oid), format(' ON %s ', parent), format(' ON %s ', leaf)),
            case t.tgenabled
                when 'A' then format('alter table %s enable always trigger %I', leaf, t.tgname)
                when 'R' then format('alter table %s enable replica trigger %I', leaf, t.tgname)
                when 'D' then format('alter table %s disable trigger %I', leaf, t.tgname)
            end
        ]), 2
        from pg_trigger as t join pg_proc as p on p.oid = t.tgfoid
        where t.tgrelid = parent and not t.tgisinternal and t.tgtype & 1 = 0
            and p.proname not in ('log_changed_account_days', 'log_truncated_months')
            and p.pronamespace is distinct from to_regnamespace('prop_trading_model_migration')::oid
            and not exists (select from pg_trigger as has where has.tgrelid = to_regclass(leaf) and has.tgname = t.tgname)
    ) as wanted
    where wanted.statement is not null
    order by wanted.place
$$;

-- Settings of columns that `like` does not copy: statistics targets and options such as n_distinct.
create or replace function prop_trading_model.plan_column_settings(parent regclass, leaf text)
returns table (statement text, locks text)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select s.statement, 'SHARE UPDATE EXCLUSIVE on the new table'
    from pg_attribute as a
    cross join lateral (values
        (case when a.attstattarget >= 0
            then format('alter table %s alter column %I set statistics %s', leaf, a.attname, a.attstattarget) end),
        (case when a.attoptions is not null
            then format('alter table %s alter column %I set (%s)', leaf, a.attname, array_to_string(a.attoptions, ', ')) end)
    ) as s (statement)
    where a.attrelid = parent and a.attnum > 0 and not a.attisdropped and s.statement is not null
$$;

-- Where and how a new leaf is stored, as the end of its CREATE TABLE: access method and tablespace of the parent, settings
-- of leaf_settings.
create or replace function prop_trading_model.leaf_storage(parent regclass) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(' using ' || quote_ident(m.amname), '')
        || coalesce(' with (' || array_to_string(s.settings, ', ') || ')', '')
        || coalesce(' tablespace ' || quote_ident(t.spcname), '')
    from pg_class as c
    left join pg_am as m on m.oid = c.relam
    left join pg_tablespace as t on t.oid = c.reltablespace
    left join prop_trading_model.leaf_settings as s on s.parent_table = c.relname
    where c.oid = parent
$$;

-- What makes the table of a leaf of [lower, upper), without indexes and statistics. It takes the order of its columns from one
-- table and all else from another, both of which go again. The check proves to ATTACH that it need not read the leaf.
create or replace function prop_trading_model.plan_leaf_table(parent regclass, leaf text, lower date, upper date)
returns table (statement text, locks text)
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    part text[] := parse_ident(leaf);
    in_order text := format('%I.%I', part[1], part[2] || '_order');
    columns text := format('%I.%I', part[1], part[2] || '_columns');
    first_columns text := prop_trading_model.leading_columns(parent);
    copied text := format('like %s including all excluding comments excluding identity excluding indexes excluding statistics', parent);
    storage text := prop_trading_model.leaf_storage(parent);
    unseen constant text := 'ACCESS EXCLUSIVE on the new table, which nobody sees yet';
    copying text := format('ACCESS SHARE on %s; %s', parent, unseen);
    within_bounds text := (
        select format('constraint within_bounds check (%I >= %L and %1$I < %3$L)', k.attname, lower, upper)
        from pg_partitioned_table as p
        join pg_attribute as k on k.attrelid = p.partrelid and k.attnum = p.partattrs[0]
        where p.partrelid = parent
    );
begin
    if first_columns is null then
        return query values (format('create table %s (%s, %s)%s', leaf, copied, within_bounds, storage), copying);
    else
        return query values
            (format('create table %s (%s)', in_order, first_columns), unseen),
            (format('create table %s (%s)', columns, copied), copying),
            (format('create table %s (%s) inherits (%s, %s)%s', leaf, within_bounds, in_order, columns, storage), unseen),
            (format('alter table %s no inherit %s, no inherit %s', leaf, in_order, columns), unseen),
            (format('drop table %s, %s', in_order, columns), unseen);
    end if;
    return query select * from prop_trading_model.plan_column_settings(parent, leaf);
end
$$;

-- Everything that makes the leaf of [lower, upper): built beside the parent, complete but for its indexes, which ATTACH makes of
-- an empty table in no time, then attached. The check of the bounds goes when the bounds themselves say the same.
create or replace function prop_trading_model.plan_leaf(parent regclass, leaf_name text, lower date, upper date)
returns table (statement text, locks text)
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    leaf text := format('prop_trading_model.%I', leaf_name);
    unseen constant text := 'ACCESS EXCLUSIVE on the new table, which nobody sees yet';
begin
    return query select * from prop_trading_model.plan_leaf_table(parent, leaf, lower, upper);
    return query select * from prop_trading_model.plan_statistics(parent, leaf);
    return query
        select format('alter table %s owner to %I', leaf, pg_get_userbyid(relowner)), unseen
        from pg_class where oid = parent and relowner <> current_user::regrole;
    return query select * from prop_trading_model.plan_privileges(parent, leaf);
    return query select p.statement, unseen from prop_trading_model.plan_triggers(parent, leaf) as p;
    return query values
        (
            format('alter table %s attach partition %s for values from (%L) to (%L)', parent, leaf, lower, upper),
            format('SHARE UPDATE EXCLUSIVE on %s until the commit: no reader or writer waits; %s', parent, unseen)
        ),
        (format('alter table %s drop constraint within_bounds', leaf), unseen);
end
$$;

-- What a month or a year would take, one row a statement; nothing for a leaf that is there. Raises what making it would raise.
create or replace function prop_trading_model.plan_leaves(parents regclass[], starts date[])
returns table (partition_name text, starts_on date, statement text, locks text)
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    wanted record;
begin
    for wanted in
        select p.parent, s.lower, (s.lower + p.every)::date as upper, prop_trading_model.leaf_name(p.parent, s.lower) as leaf
        from unnest(starts) as s (lower)
        join prop_trading_model.partitioned_tables() as p on p.parent = any (parents)
        order by s.lower, array_position(parents, p.parent)
    loop
        if not prop_trading_model.has_leaf(wanted.parent, wanted.lower, wanted.upper) then
            perform prop_trading_model.refuse_taken_name(wanted.parent, wanted.leaf, wanted.lower, wanted.upper);
            return query
                select wanted.leaf, wanted.lower, plan.statement, plan.locks
                from prop_trading_model.plan_leaf(wanted.parent, wanted.leaf, wanted.lower, wanted.upper) as plan;
        end if;
    end loop;
end
$$;
