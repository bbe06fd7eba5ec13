-- Reading pg_stat_statements, wherever it is installed and whichever version it has, and taking the values out of a statement.
-- Invariant: a text that masked_statement() gives holds no value: what it cannot take apart it does not give at all.

-- The schema that the extension is in, as it has to be written; null when it is not there.
create or replace function prop_trading_model.statement_statistics_place() returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select quote_ident(n.nspname) from pg_extension as e join pg_namespace as n on n.oid = e.extnamespace
    where e.extname = 'pg_stat_statements'
$$;

-- What keeps the statistics from being read, with what to do about it; null when nothing does.
create or replace function prop_trading_model.statement_statistics_missing() returns text
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    place constant text := prop_trading_model.statement_statistics_place();
    version constant text := (select extversion from pg_extension where extname = 'pg_stat_statements');
begin
    if place is null and not exists (select from pg_available_extensions where name = 'pg_stat_statements') then
        return 'the server came without pg_stat_statements: install PostgreSQL''s contrib modules, add pg_stat_statements to'
            ' shared_preload_libraries, restart the server, then create extension pg_stat_statements';
    elsif place is null then
        return 'this database has no pg_stat_statements: as an administrator, create extension pg_stat_statements';
    elsif string_to_array(substring(version from '^\d+\.\d+'), '.')::integer[] < array[1, 9] then
        return format('pg_stat_statements is still version %s: as an administrator, alter extension pg_stat_statements update', version);
    end if;
    execute format('select from %s.pg_stat_statements(false) limit 1', place);
    return null;
exception
    when object_not_in_prerequisite_state then
        return 'pg_stat_statements is not loaded: add it to shared_preload_libraries and restart the server';
    when insufficient_privilege then
        return format('%I may not read pg_stat_statements: as an administrator, grant it that (%s)', current_user, sqlerrm);
end
$$;

-- The statistics of this database's statements, since they were last reset. Times are milliseconds. entry_since and
-- extremes_since: since when an entry, and its min and max, have been counted; null before PostgreSQL 17.
create or replace function prop_trading_model.statement_statistics()
returns table (
    userid oid, queryid bigint, toplevel boolean, query text, calls bigint, total_ms double precision,
    min_ms double precision, max_ms double precision, stddev_ms double precision, rows bigint,
    blocks_read bigint, blocks_hit bigint, blocks_dirtied bigint, blocks_written bigint, temp_blocks bigint,
    wal_bytes numeric, entry_since timestamptz, extremes_since timestamptz
)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    place constant text := prop_trading_model.statement_statistics_place();
    since constant text := case
        when exists (
            select from pg_attribute
            where attrelid = to_regclass(place || '.pg_stat_statements') and attname = 'minmax_stats_since'
        ) then 'stats_since, minmax_stats_since'
        else 'null::timestamptz, null::timestamptz'
    end;
begin
    return query execute format(
        $query$
        select userid, queryid, toplevel, query, calls, total_exec_time, min_exec_time, max_exec_time, stddev_exec_time, rows,
            shared_blks_read + local_blks_read, shared_blks_hit + local_blks_hit, shared_blks_dirtied + local_blks_dirtied,
            shared_blks_written + local_blks_written, temp_blks_read + temp_blks_written, wal_bytes, %s
        from %s.pg_stat_statements
        where dbid = (select oid from pg_database where datname = current_database()) and queryid is not null
        $query$, since, place
    );
end
$$;

-- When all statistics were last reset, and how many entries had to make room for others since.
create or replace function prop_trading_model.statement_statistics_reset(out stats_reset timestamptz, out evictions bigint)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    execute format(
        'select stats_reset, dealloc from %s.pg_stat_statements_info', prop_trading_model.statement_statistics_place()
    ) into stats_reset, evictions;
end
$$;

-- A statement with ? for every value and parameter, without comments, in one line; null for one that is no query (utility
-- statements keep their values, ALTER ROLE its password) and for one that holds what is not understood.
-- PostgreSQL has taken the values out of queries, but not out of those that ran across a reset of the statistics, nor out of
-- comments: so all is looked through again.
create or replace function prop_trading_model.masked_statement(query text) returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
    select case
        when masked.line ~* '^[( ]*(select|insert|update|delete|merge|with|values|table)\y'
            -- An open quote, the rest of a nested comment, a value between dollars.
            and masked.line !~ '''|\*/|/\*|\$\w*\$'
            and (length(masked.line) - length(replace(masked.line, '"', ''))) % 2 = 0
        then left(
            regexp_replace(
                regexp_replace(masked.line, '\?( ?, ?\?)+', '?, ...', 'g'),  -- lists of any length are one statement
                '\(\?(, \.\.\.)?\)( ?, ?\(\?(, \.\.\.)?\))+', '(?, ...), ...', 'g'
            ), 10000
        )
    end
    from (
        select btrim(string_agg(
            case when token.found[1] is not null then ' ' when token.found[2] is not null then '?' else token.found[3] end,
            '' order by token.place
        ), ' ;') as line
        from regexp_matches(query,
            '((?:--[^\n]*|/\*(?:[^*]|\*+[^*/])*\*+/|\s)+)'  -- comments and blanks
            '|([eE]''(?:[^''\\]|\\.|'''')*''|''(?:[^'']|'''')*''|\$\d+|\d[\w.]*)'  -- strings, parameters, numbers
            '|("(?:[^"]|"")*"|[[:alpha:]_][\w$]*|.)',  -- names, everything else
            'g'
        ) with ordinality as token (found, place)
    ) as masked
$$;
