-- log_query_performance(): a snapshot of pg_stat_statements into query_performance_log, with what was counted since the one before.
-- Invariant: a call that pg_stat_statements has counted is in one snapshot at most, whoever takes snapshots at once; what was
-- counted before a reset is never taken off what was counted after it.

-- Keeps those `most` statements that took the most time, and forgets snapshots older than `keep`. `statements` and `calls` are of
-- all statements that ran; `note` says what is missing or was lost, null when nothing was.
--
-- Of an entry, what is new are the differences to the last snapshot; the squares about the mean (n x stddev^2) of two sets of
-- calls add up to those of all, and (difference of the means)^2 x n1 x n2 / n. The extremes of what is new are those of all calls
-- if they moved; if not, none lies further from the mean than stddev x sqrt(n - 1), which for one and two calls is where they are.
-- An entry counts from zero again if the statistics were reset, if it began later (PostgreSQL 17), or if any counter fell.
create or replace function prop_trading_model.log_query_performance(
    most integer default 100, keep interval default interval '14 days',
    out captured_at timestamp, out statements integer, out logged integer, out calls bigint, out removed bigint, out note text
)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    last_snapshot record;
    info record;
    was_reset boolean;
begin
    statements := 0;
    logged := 0;
    calls := 0;
    removed := 0;
    note := prop_trading_model.statement_statistics_missing();
    if note is not null then
        return;
    end if;
    -- One snapshot at a time; under an isolation level whose snapshot is older than the lock, writing what was seen fails.
    perform pg_advisory_xact_lock(hashtextextended('prop_trading_model.query_performance', 0));
    captured_at := clock_timestamp() at time zone 'utc';
    select * into last_snapshot from prop_trading_model.query_snapshots order by captured_at desc limit 1;
    info := prop_trading_model.statement_statistics_reset();
    was_reset := last_snapshot.captured_at is null or last_snapshot.stats_reset is distinct from info.stats_reset;

    with current as materialized (
        select * from prop_trading_model.statement_statistics()
    ),
    moved as materialized (
        select
            prop_trading_model.masked_statement(c.query) as query,
            c.calls - coalesce(p.calls, 0) as n,
            greatest(c.total_ms - coalesce(p.total_ms, 0), 0) as total_ms,
            c.rows - coalesce(p.rows, 0) as rows,
            c.blocks_read - coalesce(p.blocks_read, 0) as blocks_read,
            c.blocks_hit - coalesce(p.blocks_hit, 0) as blocks_hit,
            c.blocks_dirtied - coalesce(p.blocks_dirtied, 0) as blocks_dirtied,
            c.blocks_written - coalesce(p.blocks_written, 0) as blocks_written,
            c.temp_blocks - coalesce(p.temp_blocks, 0) as temp_blocks,
            c.wal_bytes - coalesce(p.wal_bytes, 0) as wal_bytes,
            c.calls * c.stddev_ms ^ 2 as all_squares, coalesce(p.calls * p.stddev_ms ^ 2, 0) as old_squares,
            coalesce(p.calls, 0) as old_calls, coalesce(p.total_ms / p.calls, 0) as old_mean,
            c.min_ms, c.max_ms,
            -- Whether min_ms and max_ms are of all that the entry has counted, and whether what is new moved them.
            case when p.calls is null
                then c.extremes_since is not distinct from c.entry_since
                else c.extremes_since is not distinct from p.extremes_since
            end as extremes_hold,
            p.calls is null or c.min_ms < p.min_ms as min_moved,
            p.calls is null or c.max_ms > p.max_ms as max_moved,
            case
                when p.calls is not null then last_snapshot.captured_at
                when was_reset then coalesce(c.entry_since, info.stats_reset) at time zone 'utc'
                else greatest(c.entry_since at time zone 'utc', last_snapshot.captured_at)
            end as counted_from
        from current as c
        left join prop_trading_model.query_statistics_seen as p
            on p.userid = c.userid and p.queryid = c.queryid and p.toplevel = c.toplevel
            and not was_reset and p.entry_since is not distinct from c.entry_since
            and p.calls <= c.calls and p.total_ms <= c.total_ms and p.rows <= c.rows and p.blocks_read <= c.blocks_read
            and p.blocks_hit <= c.blocks_hit and p.blocks_dirtied <= c.blocks_dirtied and p.blocks_written <= c.blocks_written
            and p.temp_blocks <= c.temp_blocks and p.wal_bytes <= c.wal_bytes
        where c.calls > coalesce(p.calls, 0)
    ),
    spread as (
        select *, greatest(
            all_squares - old_squares - (total_ms / n - old_mean) ^ 2 * n * old_calls / (n + old_calls), 0
        ) as squares
        from moved where query is not null
    ),
    bounded as (
        select *, total_ms / n + sqrt(squares * (n - 1) / n) as furthest_up,
            total_ms / n - sqrt(squares * (n - 1) / n) as furthest_down
        from spread
    ),
    by_text as (
        select
            query, min(counted_from) as counted_from, sum(n)::bigint as calls, sum(total_ms) as total_ms,
            min(case when extremes_hold and min_moved then min_ms
                when extremes_hold then greatest(min_ms, furthest_down) else greatest(furthest_down, 0) end) as min_ms,
            max(case when extremes_hold and max_moved then max_ms
                when extremes_hold then least(max_ms, furthest_up) else furthest_up end) as max_ms,
            bool_and(n <= 2 or (extremes_hold and min_moved and max_moved)) as extremes_exact,
            greatest(sum(squares + total_ms ^ 2 / n) - sum(total_ms) ^ 2 / sum(n)::double precision, 0) as squares,
            sum(rows) as rows, sum(blocks_read) as blocks_read, sum(blocks_hit) as blocks_hit,
            sum(blocks_dirtied) as blocks_dirtied, sum(blocks_written) as blocks_written, sum(temp_blocks) as temp_blocks,
            sum(wal_bytes) as wal_bytes
        from bounded
        group by query
    ),
    written as (
        insert into prop_trading_model.query_performance_log (
            captured_at, fingerprint, query, calls, mean_ms, min_ms, max_ms, stddev_ms, rows, blocks_read, blocks_hit,
            counted_from, extremes_exact, blocks_dirtied, blocks_written, temp_blocks, wal_bytes
        )
        select
            log_query_performance.captured_at, md5(query), query, calls, round((total_ms / calls)::numeric, 6),
            round(min_ms::numeric, 6), round(max_ms::numeric, 6), round(sqrt(squares / calls)::numeric, 6), rows, blocks_read,
            blocks_hit, counted_from, extremes_exact, blocks_dirtied, blocks_written, temp_blocks, wal_bytes
        from by_text
        order by total_ms desc, query
        limit most
        returning 1
    ),
    gone as (
        delete from prop_trading_model.query_statistics_seen as p
        where not exists (
            select from current as c where c.userid = p.userid and c.queryid = p.queryid and c.toplevel = p.toplevel
        )
    ),
    seen as (
        insert into prop_trading_model.query_statistics_seen as p
        select userid, queryid, toplevel, calls, total_ms, min_ms, max_ms, stddev_ms, rows, blocks_read, blocks_hit,
            blocks_dirtied, blocks_written, temp_blocks, wal_bytes, entry_since, extremes_since
        from current
        on conflict (userid, queryid, toplevel) do update set (
            calls, total_ms, min_ms, max_ms, stddev_ms, rows, blocks_read, blocks_hit, blocks_dirtied, blocks_written,
            temp_blocks, wal_bytes, entry_since, extremes_since
        ) = row (
            excluded.calls, excluded.total_ms, excluded.min_ms, excluded.max_ms, excluded.stddev_ms, excluded.rows,
            excluded.blocks_read, excluded.blocks_hit, excluded.blocks_dirtied, excluded.blocks_written,
            excluded.temp_blocks, excluded.wal_bytes, excluded.entry_since, excluded.extremes_since
        )
        where p.* is distinct from excluded.*
    )
    select (select count(*) from by_text), (select coalesce(sum(calls), 0) from by_text), (select count(*) from written)
    into statements, calls, logged;
    if info.stats_reset is distinct from (select r.stats_reset from prop_trading_model.statement_statistics_reset() as r) then
        raise exception 'the statistics were reset while they were read: take the snapshot again'
            using errcode = 'serialization_failure';
    end if;

    note := nullif(concat_ws('; ',
        case when not pg_has_role(current_user, 'pg_read_all_stats', 'usage') then format(
            'only the statements of %I are seen: as an administrator, grant pg_read_all_stats to %1$I', current_user) end,
        case when was_reset and last_snapshot.captured_at is not null then format(
            'the statistics were reset at %s: what ran between the snapshot before and then is in none', info.stats_reset) end,
        case when info.evictions > last_snapshot.evictions and not was_reset then format(
            '%s statements were evicted since the snapshot before: raise pg_stat_statements.max',
            info.evictions - last_snapshot.evictions) end
    ), '');
    delete from prop_trading_model.query_performance_log as l where l.captured_at < log_query_performance.captured_at - keep;
    get diagnostics removed = row_count;
    delete from prop_trading_model.query_snapshots as s where s.captured_at < log_query_performance.captured_at - keep;
    insert into prop_trading_model.query_snapshots (captured_at, stats_reset, evictions, statements, logged, calls, note)
    select log_query_performance.captured_at, info.stats_reset, info.evictions, log_query_performance.statements,
        log_query_performance.logged, log_query_performance.calls, log_query_performance.note;
end
$$;
