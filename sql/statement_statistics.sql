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
