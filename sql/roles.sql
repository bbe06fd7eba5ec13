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

\ir session_defaults.sql
\ir statement_statistics.sql

select set_config('role', r.rolname::text, false)
from pg_roles as r join pg_namespace as n on n.nspname = 'prop_trading_model' and n.nspowner = r.oid
where pg_has_role(r.oid, 'member') and r.rolname <> current_user;
