-- A month (or year) that is loaded whole before it is a partition: bare, without indexes and triggers, then indexed and attached,
-- all in the transaction of the load (or of the restore from the archive, or of the rebuild of a rollup's month).
-- Invariant: until the load commits nobody sees the table; a load that is killed leaves none. Readers and writers of other
-- partitions never wait: the parent is locked in SHARE UPDATE EXCLUSIVE, from the attachment to the end of the load.

-- Makes the bare table of the month (year) of a day; returns its name.
create or replace function prop_trading_model.make_bare_table(parent regclass, bare name, wanted date) returns name
language plpgsql
set search_path = pg_catalog, pg_temp
set client_min_messages = warning
as $$
declare
    part record := prop_trading_model.part_of(parent, wanted);
    leaf text := format('prop_trading_model.%I', bare);
    step record;
begin
    for step in
        select * from prop_trading_model.plan_leaf_table(parent, leaf, part.first_day, part.next_day)
        union all
        select * from prop_trading_model.plan_privileges(parent, leaf)
    loop
        execute step.statement;
    end loop;
    return bare;
end
$$;

-- Gives a bare table the keys of its table to be, under names of its own: the long work, done before any lock is taken.
create or replace function prop_trading_model.index_bare_table(parent regclass, bare name) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    key record;
begin
    for key in select c.conname, pg_get_constraintdef(c.oid) as definition from pg_constraint as c
        where c.conrelid = parent and c.contype in ('p', 'u')
    loop
        execute format('alter table prop_trading_model.%I add constraint %I %s',
            bare, prop_trading_model.key_of_leaf(parent, bare, key.conname), key.definition);
    end loop;
end
$$;

-- What a key of the table is called on a leaf.
create or replace function prop_trading_model.key_of_leaf(parent regclass, leaf_name name, conname name) returns name
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select leaf_name || replace(conname, c.relname, '') from pg_class as c where c.oid = parent
$$;

-- Indexes that table, gives it the name of the leaf and attaches it as such. False when somebody else has made the leaf, or
-- a table of its name, in the meantime. Raises unique_violation when a key is in it twice. The refresh is told
-- that the leaf is known; whether its month has to be marked is the caller's to say.
create or replace function prop_trading_model.attach_bare_table(parent regclass, bare name, wanted date) returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
set lock_timeout = '500ms'
as $$
declare
    part record := prop_trading_model.part_of(parent, wanted);
    statement text;
begin
    perform prop_trading_model.index_bare_table(parent, bare);
    -- Without a limit: whoever makes leaves at this moment is soon done.
    set local lock_timeout = 0;
    perform pg_advisory_xact_lock(hashtextextended('prop_trading_model.create_leaf', 0));
    set local lock_timeout = '500ms';
    if prop_trading_model.has_leaf(parent, part.first_day, part.next_day)
        or to_regclass(format('prop_trading_model.%I', part.leaf_name)) is not null
    then
        return false;
    end if;
    execute format('alter table prop_trading_model.%I rename to %I', bare, part.leaf_name);
    for statement in
        select format('alter table prop_trading_model.%I rename constraint %I to %I', part.leaf_name,
            prop_trading_model.key_of_leaf(parent, bare, c.conname),
            prop_trading_model.key_of_leaf(parent, part.leaf_name, c.conname))
        from pg_constraint as c where c.conrelid = parent and c.contype in ('p', 'u')
        union all
        -- The others; what is left unnamed PostgreSQL names as on any leaf.
        select regexp_replace(pg_get_indexdef(x.indexrelid), '^(CREATE.* INDEX) .* ON ONLY .* USING ',
            format('\1 on prop_trading_model.%I using ', part.leaf_name))
        from pg_index as x
        where x.indrelid = parent and not exists (select from pg_constraint as c where c.conindid = x.indexrelid)
        union all
        select s.statement
        from prop_trading_model.plan_statistics(parent, format('prop_trading_model.%I', part.leaf_name)) as s
    loop
        execute statement;
    end loop;
    perform prop_trading_model.dress_leaf(parent, format('prop_trading_model.%I', part.leaf_name)::regclass);
    for attempt in 1 .. 20 loop
        begin
            execute format(
                'alter table %s attach partition prop_trading_model.%I for values from (%L) to (%L)',
                parent, part.leaf_name, part.first_day, part.next_day
            );
            exit;
        exception when lock_not_available then
            if attempt = 20 then
                raise;
            end if;
            perform pg_sleep(0.05 * attempt * (0.5 + random()));
        end;
    end loop;
    execute format('alter table prop_trading_model.%I drop constraint within_bounds', part.leaf_name);
    insert into prop_trading_model.known_leaves
    select leaves.* from prop_trading_model.trade_leaves() as leaves where leaves.leaf_name = part.leaf_name;
    return true;
end
$$;

-- Makes the table of a month that has no leaf, for one batch; returns its name, null when there is a leaf. Raises DPM01 for a
-- month that is not hot.
create or replace function prop_trading_model.make_bare_month(month date, batch_id bigint) returns name
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    trades constant regclass := 'prop_trading_model.raw_trades_closed';
    part record := prop_trading_model.part_of(trades, month);
begin
    perform prop_trading_model.require_hot(month);
    if prop_trading_model.has_leaf(trades, part.first_day, part.next_day) then
        return null;
    end if;
    return prop_trading_model.make_bare_table(trades, format('%s_batch_%s', part.leaf_name, batch_id), part.first_day);
end
$$;

-- Makes the leaf of the month of that table, which is marked to be refreshed whole. False as attach_bare_table has it.
create or replace function prop_trading_model.attach_bare_month(month date, batch_id bigint) returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    trades constant regclass := 'prop_trading_model.raw_trades_closed';
    part record := prop_trading_model.part_of(trades, month);
begin
    if not prop_trading_model.attach_bare_table(trades, format('%s_batch_%s', part.leaf_name, batch_id), part.first_day) then
        return false;
    end if;
    perform prop_trading_model.mark_months(part.first_day, part.next_day, 'loaded whole');
    return true;
end
$$;
