-- Indexes of partitioned tables: declared once, built partition by partition without holding up a writer, then attached.
-- Invariant: the declaration is the index of the partitioned table itself (CREATE INDEX ON ONLY), invalid until every partition
-- has its part. So a build that was killed is known from the catalogue, and running the same again goes on with it; a partition
-- made meanwhile has its part from the start.
--
-- From psql alone, as dpm_owner and outside a transaction block (\gexec runs each row of the query before it as a statement):
--   select declare_partition_index('trades_login', 'raw_trades_closed', '(login)');      -- for a moment SHARE on the table
--   select statement from partition_index_steps('trades_login') \gexec                   -- build, or go on with it
--   select statement from partition_index_rebuild_steps('trades_login') \gexec           -- REINDEX, part by part
--   select drop_partition_index('trades_login');                                         -- for a moment ACCESS EXCLUSIVE
--   select * from partition_index_usage;                                                 -- size and use, part by part
--   select * from check_partition_indexes();                                             -- missing, invalid, unused, duplicate
-- Leave the word statement away and nothing is run: that is the dry run, with the locks. `dpm indexes` drives the same rows, and
-- tries again where a lock is refused. No function can build an index CONCURRENTLY, as no function can leave its transaction.

-- Every index of the partitioned tables, a row for each partition: the part that belongs to the table's index, or its lack.
create or replace view prop_trading_model.partition_index_usage as
select
    l.parent_table,
    of_table.relname::text as index_name,
    l.leaf_name as partition_name,
    part.relname::text as part_name,
    coalesce(x.indisvalid, false) as valid,
    declared.indisunique as unique_index,
    exists (select from pg_constraint as k where k.conindid = declared.indexrelid) as of_constraint,
    pg_relation_size(part.oid) as bytes,
    coalesce(s.idx_scan, 0) as scans,
    coalesce(s.idx_tup_read, 0) as entries_read,
    pg_get_indexdef(declared.indexrelid) as definition
from prop_trading_model.partition_leaves() as l
join pg_index as declared on declared.indrelid = l.parent
join pg_class as of_table on of_table.oid = declared.indexrelid
left join (
    pg_inherits as i
    join pg_index as x on x.indexrelid = i.inhrelid
    join pg_class as part on part.oid = x.indexrelid
    left join pg_stat_all_indexes as s on s.indexrelid = x.indexrelid
) on i.inhparent = declared.indexrelid and x.indrelid = l.leaf
where not l.detach_pending;

-- What the part of an index on one partition is called, so that a build that was killed is found again.
create or replace function prop_trading_model.partition_index_name(leaf_name text, index_name text) returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
    select case when length(whole) <= 63 then whole else left(whole, 54) || '_' || left(md5(whole), 8) end
    from (select leaf_name || '_' || index_name as whole) as named
$$;

-- The index of a partitioned table, by name. Raises when there is none.
create or replace function prop_trading_model.partition_index(index_name text) returns regclass
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    found regclass := (
        select c.oid from pg_class as c
        where c.relname = index_name and c.relkind = 'I' and c.relnamespace = 'prop_trading_model'::regnamespace
    );
begin
    if found is null then
        raise exception 'there is no index % of a partitioned table', index_name using errcode = 'undefined_object',
            hint = 'select declare_partition_index(name, table, ''(columns)'') declares one.';
    end if;
    return found;
end
$$;

-- Declares an index. Nothing is built; partition_index_steps() says what remains. `definition` is what CREATE INDEX takes after
-- the table: '(login)', 'using brin (close_time)', '(symbol) where profit < 0'. With dry_run the statement is only returned.
create or replace function prop_trading_model.declare_partition_index(
    index_name text, partitioned regclass, definition text, unique_index boolean default false, dry_run boolean default false
)
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
set lock_timeout = '40ms'
as $$
declare
    statement text := format(
        'create %sindex %I on only %s %s', case when unique_index then 'unique ' else '' end, index_name, partitioned, definition
    );
begin
    if (select relkind from pg_class where oid = partitioned) <> 'p' then
        raise exception '% is no partitioned table', partitioned
            using errcode = 'wrong_object_type', hint = 'CREATE INDEX CONCURRENTLY does for it.';
    end if;
    if not dry_run then
        perform prop_trading_model.execute_patiently(statement);
    end if;
    return statement;
end
$$;

-- Drops an index of a partitioned table with all its parts. PostgreSQL cannot do this CONCURRENTLY: for a moment the table and
-- its partitions are locked in ACCESS EXCLUSIVE, and given up where that is not to be had at once.
create or replace function prop_trading_model.drop_partition_index(index_name text, dry_run boolean default false) returns text
language plpgsql
set search_path = pg_catalog, pg_temp
set lock_timeout = '40ms'
as $$
declare
    statement text := format('drop index %s', prop_trading_model.partition_index(index_name));
begin
    if not dry_run then
        perform prop_trading_model.execute_patiently(statement);
    end if;
    return statement;
end
$$;

-- Runs a statement under the lock_timeout of its caller, again and again after pauses of random length, for about a minute.
create or replace function prop_trading_model.execute_patiently(statement text) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    for attempt in 1 .. 100 loop
        begin
            execute statement;
            return;
        exception when lock_not_available or deadlock_detected then
            perform pg_sleep(least(0.02 * attempt, 1) * (0.5 + random()));
        end;
    end loop;
    raise exception 'the lock was refused 100 times for: %', statement
        using errcode = 'lock_not_available', hint = 'See who holds it in pg_locks, then call this again.';
end
$$;

-- What remains to be done until every partition has its part of an index, in order; nothing when it is complete.
create or replace function prop_trading_model.partition_index_steps(index_name text)
returns table (partition_name text, statement text, locks text)
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    declared regclass := prop_trading_model.partition_index(index_name);
begin
    return query
        with part as (
            select l.leaf, l.leaf_name, l.lower, x.indisunique,
                -- After 'CREATE INDEX name ON ONLY table ', whatever it is.
                substr(pg_get_indexdef(declared), length(format(
                    'CREATE %sINDEX %I ON ONLY %s ', case when x.indisunique then 'UNIQUE ' else '' end, index_name, l.parent
                )) + 1) as definition,
                prop_trading_model.partition_index_name(l.leaf_name, index_name) as part_name
            from pg_index as x join prop_trading_model.partition_leaves() as l on l.parent = x.indrelid
            where x.indexrelid = declared and not l.detach_pending
        ),
        state as (
            select p.*, attached.indexrelid::regclass as attached, attached.indisvalid as attached_valid,
                loose.indexrelid::regclass as loose, loose.indisvalid as loose_valid
            from part as p
            left join (pg_inherits as i join pg_index as attached on attached.indexrelid = i.inhrelid)
                on i.inhparent = declared and attached.indrelid = p.leaf
            left join pg_index as loose
                on loose.indexrelid = to_regclass(format('prop_trading_model.%I', p.part_name)) and loose.indrelid = p.leaf
        )
        select s.leaf_name, step.statement, step.locks
        from state as s
        cross join lateral (values
            (1, s.attached is null and not s.loose_valid, format('drop index concurrently %s', s.loose),
                format('SHARE UPDATE EXCLUSIVE on %s: nobody waits for it', s.leaf)),
            (2, s.attached is null and s.loose_valid is not true,
                format('create %sindex concurrently %I on %s %s', case when s.indisunique then 'unique ' else '' end,
                    s.part_name, s.leaf, s.definition),
                format('SHARE UPDATE EXCLUSIVE on %s: it waits for older transactions, nobody waits for it', s.leaf)),
            (3, s.attached is null, format('alter index %s attach partition prop_trading_model.%I', declared, s.part_name),
                format('ACCESS EXCLUSIVE on the new index for a moment; ACCESS SHARE on %s', s.leaf)),
            (4, not s.attached_valid, format('reindex index concurrently %s', s.attached),
                format('SHARE UPDATE EXCLUSIVE on %s: it waits for older transactions, nobody waits for it', s.leaf))
        ) as step (place, needed, statement, locks)
        where step.needed
        order by s.lower, step.place;
end
$$;

-- Building every part of an index anew, for bloat or after corruption; leftovers of an earlier try go first.
create or replace function prop_trading_model.partition_index_rebuild_steps(index_name text)
returns table (partition_name text, statement text, locks text)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select * from (
        select t.relname::text as partition_name, format('drop index concurrently %s', c.oid::regclass) as statement,
            format('SHARE UPDATE EXCLUSIVE on %s: nobody waits for it', x.indrelid::regclass) as locks
        from pg_inherits as i
        join pg_class as part on part.oid = i.inhrelid
        join pg_index as of_part on of_part.indexrelid = part.oid
        join pg_index as x on x.indrelid = of_part.indrelid and not x.indisvalid
        join pg_class as c on c.oid = x.indexrelid and c.relname ~ '_cc(new|old)\d*$'
            and starts_with(c.relname, left(part.relname, 50))
        join pg_class as t on t.oid = x.indrelid
        where i.inhparent = prop_trading_model.partition_index(index_name)
        union all
        select t.relname, format('reindex index concurrently %s', i.inhrelid::regclass),
            format('SHARE UPDATE EXCLUSIVE on %s: it waits for older transactions, nobody waits for it', x.indrelid::regclass)
        from pg_inherits as i
        join pg_index as x on x.indexrelid = i.inhrelid
        join pg_class as t on t.oid = x.indrelid
        where i.inhparent = prop_trading_model.partition_index(index_name)
    ) as steps
    order by partition_name, statement
$$;

-- Indexes that do no good: missing somewhere, invalid, never used since the statistics were last reset, or covered by another.
create or replace function prop_trading_model.check_partition_indexes()
returns table (finding text, parent_table text, index_name text, detail text, bytes bigint)
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
    with of_table as (
        select parent_table, index_name, bool_or(unique_index or of_constraint) as needed, sum(bytes)::bigint as bytes,
            sum(scans) as scans, count(*) filter (where part_name is null) as missing,
            count(*) filter (where part_name is not null and not valid) as invalid, count(*) as parts
        from prop_trading_model.partition_index_usage
        group by parent_table, index_name
    ),
    shape as (
        select t.relname::text as parent_table, c.relname::text as index_name, x.*, c.relam,
            (select array_agg(k order by n) from unnest(x.indkey::smallint[]) with ordinality as keys (k, n)
            where n <= x.indnkeyatts) as key_columns
        from pg_index as x
        join pg_class as c on c.oid = x.indexrelid
        join pg_class as t on t.oid = x.indrelid
        where x.indrelid in (select parent from prop_trading_model.partitioned_tables())
    )
    select 'missing', parent_table, index_name, format('%s of %s partitions lack it: dpm indexes create %s', missing, parts, index_name),
        bytes
    from of_table where missing > 0
    union all
    select 'invalid', parent_table, index_name, format('%s of %s parts are invalid: dpm indexes create %s', invalid, parts, index_name),
        bytes
    from of_table where invalid > 0
    union all
    select 'unused', parent_table, index_name,
        format('no scan since %s: dpm indexes drop %s', coalesce(
            (select stats_reset from pg_stat_database where datname = current_database())::text, 'the server began'), index_name),
        bytes
    from of_table where scans = 0 and not needed and bytes > 0
    union all
    select 'duplicate', a.parent_table, a.index_name, format('%s serves the same queries: dpm indexes drop %s', b.index_name, a.index_name),
        (select o.bytes from of_table as o where o.parent_table = a.parent_table and o.index_name = a.index_name)
    from shape as a
    join shape as b on b.indrelid = a.indrelid and b.indexrelid <> a.indexrelid and b.relam = a.relam
    join pg_am as am on am.oid = a.relam
    where not a.indisunique and a.indexprs is null and b.indexprs is null
        and a.indpred::text is not distinct from b.indpred::text
        and (
            -- The same keys in the same order; of two alike the newer one is named.
            a.key_columns = b.key_columns and a.indclass::text = b.indclass::text and a.indoption::text = b.indoption::text
                and a.indcollation::text = b.indcollation::text and (b.indisunique or a.indexrelid > b.indexrelid)
            or am.amname = 'btree' and a.indoption::smallint[] <@ '{0}' and b.indoption::smallint[] <@ '{0}'
                and b.key_columns[1:array_length(a.key_columns, 1)] = a.key_columns
                and array_length(b.key_columns, 1) > array_length(a.key_columns, 1)
        )
    order by 1, 2, 3
$$;
