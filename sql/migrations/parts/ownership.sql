-- What gives the schema and these tables of it to dpm_owner, one row a statement; nothing for those that it owns, and nothing
-- where there is no such role or this login may not act as it (managed services): there the login owns everything.
-- Invariant: a former owner that does not become a member of dpm_owner keeps every privilege that it had, in the same
-- statement, so that its programs go on without an error.

create or replace function pg_temp.ownership_steps(tables text[]) returns table (object_name text, statement text)
language sql stable
as $$
    with owned as (
        select 1 as place, n.oid::regnamespace::text as object_name, 'schema' as kind, n.nspowner as owner
        from pg_namespace as n where n.nspname = 'prop_trading_model'
        union all
        select 2, c.oid::regclass::text, 'table', c.relowner
        from pg_class as c
        where c.relnamespace = to_regnamespace('prop_trading_model') and c.relkind = 'r' and c.relname = any (tables)
    )
    select
        o.object_name,
        format(
            'do $do$ begin alter %1$s %2$s owner to dpm_owner; %3$s end $do$',
            o.kind, o.object_name,
            case when not r.rolsuper and not pg_has_role(r.oid, new.oid, 'usage')
                then format('grant all on %1$s %2$s to %3$I;', o.kind, o.object_name, r.rolname)
                    || coalesce((
                        select string_agg(format(' grant all on sequence %s to %I;', d.objid::regclass, r.rolname), '')
                        from pg_depend as d join pg_class as s on s.oid = d.objid and s.relkind = 'S'
                        where o.kind = 'table' and d.refclassid = 'pg_class'::regclass
                            and d.refobjid = to_regclass(o.object_name) and d.deptype in ('a', 'i')
                    ), '')
                else ''
            end
        )
    from owned as o
    join pg_roles as r on r.oid = o.owner
    join pg_roles as new on new.rolname = 'dpm_owner'
        and pg_has_role(new.oid, case when current_setting('server_version_num')::integer < 160000 then 'member' else 'set' end)
    where o.owner <> new.oid
    order by o.place, o.object_name
$$;
