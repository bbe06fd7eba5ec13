-- analyze_partitions(): brings the statistics of every leaf that was written since its last ANALYZE up to date (with
-- collect), and shows the size and state of each: rows as estimated, bytes, dead rows, when it was last looked after.

create or replace function prop_trading_model.analyze_partitions(collect boolean default true)
returns table (
    partition_name text, parent_table text, lower_bound date, upper_bound date, state text, rows_estimated bigint,
    heap_bytes bigint, index_bytes bigint, toast_bytes bigint, dead_rows bigint, last_vacuum timestamptz,
    last_analyze timestamptz, index_scans bigint, pending_keys bigint
)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    written record;
begin
    if collect then
        for written in
            select s.relid::regclass as leaf from pg_stat_all_tables as s join pg_inherits as i on i.inhrelid = s.relid
            where s.schemaname = 'prop_trading_model' and (s.n_mod_since_analyze > 0 or s.last_analyze is null)
                and not i.inhdetachpending
            order by s.relid
        loop
            execute format('analyze %s', written.leaf);
        end loop;
    end if;
    return query
        select
            c.relname::text, p.relname::text, b.lower, b.upper, coalesce(m.state, 'hot'),
            greatest(c.reltuples, 0)::bigint, pg_relation_size(c.oid), pg_indexes_size(c.oid),
            coalesce(pg_total_relation_size(nullif(c.reltoastrelid, 0)), 0), s.n_dead_tup,
            greatest(s.last_vacuum, s.last_autovacuum), greatest(s.last_analyze, s.last_autoanalyze),
            coalesce(s.idx_scan, 0),
            case when p.relname = 'raw_trades_closed' then (
                select count(*) from prop_trading_model.changed_account_days as k
                where k.trade_date >= b.lower and k.trade_date < b.upper
            ) end
        from pg_inherits as i
        join pg_class as c on c.oid = i.inhrelid
        join pg_class as p on p.oid = i.inhparent
        join pg_stat_all_tables as s on s.relid = c.oid
        cross join lateral prop_trading_model.leaf_bounds(c.oid) as b
        left join prop_trading_model.month_state as m on m.month = b.lower and p.relname = 'raw_trades_closed'
        where p.relnamespace = 'prop_trading_model'::regnamespace and p.relkind = 'p'
        order by p.relname, b.lower;
end
$$;
