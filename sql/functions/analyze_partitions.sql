-- analyze_partitions(): brings the statistics of every leaf that was written since its last ANALYZE up to date (with collect),
-- and shows size, use and state of each: rows as estimated (with exact: counted, which reads everything), bytes, dead rows, when
-- it was last looked after. A month (year) in the archive is a row too: it has no leaf, so no bytes here.
-- Invariant: a leaf that somebody else has locked is shown all the same, and its statistics left for the next time; who may only
-- read collects none.

-- What ANALYZE has to look at: leaves that were written since, and tables whose leaves were. The tables have statistics of their
-- own, which autovacuum never collects. Before PostgreSQL 18 collecting them reads every leaf again, so it is done once a week.
create or replace function prop_trading_model.statistics_to_collect()
returns table (relation text, statement text)
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
    with leaves as (
        select l.*, greatest(s.last_analyze, s.last_autoanalyze) as analyzed,
            s.n_mod_since_analyze > 0 or greatest(s.last_analyze, s.last_autoanalyze) is null as stale
        from prop_trading_model.partition_leaves() as l
        join pg_stat_all_tables as s on s.relid = l.leaf
        where not l.detach_pending
    )
    select wanted.relation, wanted.statement from (
        select leaf_name as relation, format('analyze (skip_locked) %s', leaf) as statement, 1 as place
        from leaves
        where stale
        union all
        select l.parent_table,
            format('analyze (skip_locked) %s%s',
                case when current_setting('server_version_num')::integer >= 180000 then 'only ' else '' end, l.parent), 2
        from leaves as l join pg_stat_all_tables as s on s.relid = l.parent
        group by l.parent_table, l.parent, s.last_analyze
        having s.last_analyze is null
            or (bool_or(l.stale or l.analyzed > s.last_analyze) and (
                current_setting('server_version_num')::integer >= 180000 or s.last_analyze < now() - interval '7 days'))
    ) as wanted
    order by wanted.place, wanted.relation
$$;

-- Raises insufficient_privilege for who is neither an owner nor one of those that write. Inside of a function with its
-- owner's rights current_user is that owner: who called it is the role that was taken, or the login.
create or replace function prop_trading_model.refuse_readers() returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    caller constant name := coalesce(nullif(current_setting('role'), 'none'), session_user);
begin
    if not exists (
        select from pg_namespace as n where n.nspname = 'prop_trading_model' and pg_has_role(caller, n.nspowner, 'member')
    ) and not exists (
        select from pg_roles as r where r.rolname in ('dpm_loader', 'dpm_refresher') and pg_has_role(caller, r.oid, 'member')
    ) then
        raise exception '% may only read, and collecting statistics writes', caller
            using errcode = 'insufficient_privilege', hint = 'select * from analyze_partitions(collect => false)';
    end if;
end
$$;

drop function if exists prop_trading_model.analyze_partitions(boolean);
create or replace function prop_trading_model.analyze_partitions(collect boolean default true, exact boolean default false)
returns table (
    partition_name text, parent_table text, lower_bound date, upper_bound date, state text, rows_estimated bigint,
    heap_bytes bigint, index_bytes bigint, toast_bytes bigint, dead_rows bigint, last_vacuum timestamptz,
    last_analyze timestamptz, index_scans bigint, pending_keys bigint, table_scans bigint, rows_exact bigint, location text
)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    step record;
    counted bigint;
    counts jsonb := '{}';
begin
    if collect then
        perform prop_trading_model.refuse_readers();
        for step in select * from prop_trading_model.statistics_to_collect() loop
            execute step.statement;
        end loop;
        -- The counters that were read to find what is stale would be shown again, as they were.
        perform pg_stat_clear_snapshot();
    end if;
    if exact then
        for step in select * from prop_trading_model.partition_leaves() where not detach_pending loop
            execute format('select count(*) from only %s', step.leaf) into counted;
            counts := counts || jsonb_build_object(step.leaf_name, counted);
        end loop;
    end if;
    return query
        with pending as (
            select date_trunc('month', k.trade_date)::date as month, count(*) as keys
            from prop_trading_model.changed_account_days as k
            group by 1
        )
        select
            l.leaf_name, l.parent_table, l.lower, l.upper,
            case when l.detach_pending then 'detach pending' else coalesce(a.state, 'hot') end,
            greatest(c.reltuples, 0)::bigint, pg_relation_size(c.oid), pg_indexes_size(c.oid),
            coalesce(pg_total_relation_size(nullif(c.reltoastrelid, 0)), 0), s.n_dead_tup,
            greatest(s.last_vacuum, s.last_autovacuum), greatest(s.last_analyze, s.last_autoanalyze),
            coalesce(s.idx_scan, 0),
            case when l.parent_table = 'raw_trades_closed' then (
                select coalesce(sum(p.keys), 0)::bigint from pending as p where p.month >= l.lower and p.month < l.upper
            ) end,
            s.seq_scan, (counts ->> l.leaf_name)::bigint, a.location
        from prop_trading_model.partition_leaves() as l
        join pg_class as c on c.oid = l.leaf
        join pg_stat_all_tables as s on s.relid = c.oid
        left join prop_trading_model.partition_state as a on a.lower = l.lower and a.parent_table = l.parent_table
        union all
        select
            part.leaf_name::text, part.parent_table::text, part.first_day, part.next_day, a.state, null, 0, 0, 0, null, null,
            null, null,
            case when part.holds = 'trades' then (select p.keys from pending as p where p.month = a.lower) end,
            null, null, a.location
        from prop_trading_model.partitioned_tables() as t
        join pg_class as c on c.oid = t.parent
        join prop_trading_model.partition_state as a on a.parent_table = c.relname and a.state <> 'hot'
        cross join lateral prop_trading_model.part_of(t.parent, a.lower) as part
        where not exists (
            select from prop_trading_model.partition_leaves() as l
            where l.parent = t.parent and l.lower <= a.lower and l.upper > a.lower
        )
        order by 2, 3;
end
$$;
