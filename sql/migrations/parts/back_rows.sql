-- The rows of the two large tables back into those of the original, with the privileges that others than the warehouse's roles
-- hold on them, and their sequences.
-- Invariant: every row is in the table of the original, or this fails and nothing has changed.

do $$
declare
    name text;
    source text;
    target text;
    columns text;
    step text;
    counted bigint[];
begin
    foreach name in array array['raw_trades_closed', 'raw_metrics_daily'] loop
        source := format('prop_trading_model_new.%I', name);
        target := format('prop_trading_model.%I', name);
        select string_agg(quote_ident(attname), ', ' order by attnum) into columns
        from pg_attribute where attrelid = target::regclass and attnum > 0 and not attisdropped;
        execute format('insert into %s (%s) select %2$s from %s order by id', target, columns, source);
        execute format('select array[(select count(*) from %s), (select count(*) from %s)]', source, target) into counted;
        if counted[1] <> counted[2] then
            raise exception '% of the % rows of % came back: nothing is changed', counted[2], counted[1], name;
        end if;
        execute format('select setval(%L, greatest(last_value, 1), is_called) from %s_id_seq', target || '_id_seq', source);
        for step in
            select format('grant %s on %s to %s', acl.privilege_type,
                case when c.relkind = 'S' then format('sequence %s_id_seq', target) else target end,
                case when acl.grantee = 0 then 'public' else quote_ident(r.rolname) end)
            from pg_class as c cross join lateral aclexplode(c.relacl) as acl left join pg_roles as r on r.oid = acl.grantee
            where c.oid in (source::regclass, (source || '_id_seq')::regclass) and acl.grantee <> c.relowner
                and coalesce(r.rolname, '') not in ('dpm_reader', 'dpm_loader', 'dpm_refresher')
        loop
            execute step;
        end loop;
        execute format('drop table %s', source);
    end loop;
    drop schema prop_trading_model_new;
end
$$;
