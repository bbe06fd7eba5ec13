-- The cutover and the way back: which of the two families has the names that programs use.
-- Invariant: the caller's transaction holds ACCESS EXCLUSIVE on the originals and the successors, and no log names a key that
-- has not been brought over: then both hold the same rows, and the logs are forgotten.

-- Brings over up to `bound` keys of each table from the originals; returns how many it took.
create or replace function prop_trading_model_migration.follow_originals(bound bigint) returns bigint
language sql
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(sum(
        prop_trading_model_migration.follow_outside(m.table_name, bound)
        + prop_trading_model_migration.follow_original(m.table_name, '-infinity', 'infinity', bound)
    ), 0)::bigint
    from prop_trading_model_migration.moved_tables as m
$$;

-- The same from the successors.
create or replace function prop_trading_model_migration.follow_successors(bound bigint) returns bigint
language sql
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(sum(prop_trading_model_migration.follow_successor(m.table_name, bound)), 0)::bigint
    from prop_trading_model_migration.moved_tables as m
$$;

-- The keys that wait in either log, counted up to `bound`.
create or replace function prop_trading_model_migration.keys_waiting(log_name text, bound bigint) returns bigint
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    counted bigint;
begin
    execute format('select count(*) from (select from prop_trading_model_migration.%I limit $1) as k', log_name)
        using bound into counted;
    return counted;
end
$$;

-- Both sequences of a table go on after the higher of the two, as far as they can count.
create or replace function prop_trading_model_migration.align_sequences(original regclass, successor regclass) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    sequences regclass[] := array[pg_get_serial_sequence(original::text, 'id'), pg_get_serial_sequence(successor::text, 'id')]::regclass[];
    highest bigint;
begin
    select max(coalesce(pg_sequence_last_value(s), 0)) into highest from unnest(sequences) as s;
    perform setval(s, least(highest, q.seqmax))
    from unnest(sequences) as s join pg_sequence as q on q.seqrelid = s
    where highest > 0;
end
$$;

-- Whether nothing on the originals can refuse a row that the successors took, beside their keys.
create or replace function prop_trading_model_migration.originals_take_any_row() returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select not exists (
        select from prop_trading_model_migration.moved_tables as m
        where exists (select from pg_constraint as c where c.conrelid = m.original and c.contype in ('c', 'x', 'f'))
            or exists (
                select from pg_attribute as o
                left join pg_attribute as n on n.attrelid = m.successor and n.attname = o.attname
                where o.attrelid = m.original and o.attnum > 0 and o.attnotnull and not coalesce(n.attnotnull, false)
                    and o.attname <> 'id'
            )
            or exists (
                select from pg_trigger as t join pg_proc as p on p.oid = t.tgfoid
                where t.tgrelid = m.original and not t.tgisinternal
                    and p.pronamespace <> 'prop_trading_model_migration'::regnamespace
            )
    )
$$;

-- Gives the names to the successors (forward) or back to the originals. Leaves move with their table, sequences by themselves.
create or replace function prop_trading_model_migration.swap(forward boolean) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    m prop_trading_model_migration.moved_tables;
    tbl regclass;
begin
    if exists (
        select from prop_trading_model_migration.state as s where s.phase = case when forward then 'moved' else 'copying' end
    ) then
        raise exception 'the tables have been swapped already' using errcode = 'object_in_use';
    end if;
    for m in select * from prop_trading_model_migration.moved_tables loop
        perform prop_trading_model_migration.align_sequences(m.original, m.successor);
        if forward then
            execute format('alter table %s set schema prop_trading_model_old', m.original);
        end if;
        for tbl in
            select m.successor union all select i.inhrelid::regclass from pg_inherits as i where i.inhparent = m.successor
        loop
            execute format('alter table %s set schema %I', tbl, case when forward then 'prop_trading_model' else 'prop_trading_model_next' end);
        end loop;
        if not forward then
            execute format('alter table %s set schema prop_trading_model', m.original);
        end if;
    end loop;
    truncate prop_trading_model_migration.changed_originals, prop_trading_model_migration.changed_successors;
    update prop_trading_model_migration.state
    set phase = case when forward then 'moved' else 'copying' end, changed_at = clock_timestamp(),
        follow_at_once = prop_trading_model_migration.originals_take_any_row();
    if forward then
        -- The refresh makes the rollups of every month; it knows the leaves.
        insert into prop_trading_model.changed_months (month, reason)
        select p.starts, 'migrated' from prop_trading_model_migration.parts as p
        where p.table_name = 'raw_trades_closed' and p.rows is distinct from 0;
        insert into prop_trading_model.known_leaves
        select * from prop_trading_model.trade_leaves() on conflict (leaf) do nothing;
    else
        delete from prop_trading_model.known_leaves;
    end if;
end
$$;
