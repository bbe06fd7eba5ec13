-- The steps of archiving a month or a year, and of taking an archive back; cold_months.sql says in which order and what holds
-- between them.

-- What a month of trades must not be archived with, for its rollups are then all that is left of it in PostgreSQL: a refresh
-- that is under way, or changes that none has taken (asked once nobody can write any more). Metrics are in no rollup.
create or replace function prop_trading_model.refuse_refresh(part record) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if part.holds = 'trades' and not pg_try_advisory_xact_lock(hashtextextended('prop_trading_model.refresh', 0)) then
        raise exception 'a refresh runs, and what it does to % must be whole before the month is archived', part.called
            using errcode = 'lock_not_available', hint = 'Archive the month when the refresh has ended.';
    end if;
end
$$;

create or replace function prop_trading_model.refuse_pending(part record) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if part.holds = 'trades' and prop_trading_model.pending_of_month(part.first_day) > 0 then
        raise exception 'the month % has changes that its rollups do not show yet', part.called
            using errcode = 'object_in_use', hint = 'Run dpm refresh, then archive the month.';
    end if;
end
$$;

-- Locks a leaf against writers until the transaction ends; gives up after 20 attempts of 500 ms.
create or replace function prop_trading_model.lock_out_writers(part record) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set lock_timeout = '500ms'
as $$
begin
    for attempt in 1 .. 20 loop
        begin
            execute format('lock table only prop_trading_model.%I in share row exclusive mode', part.leaf_name);
            return;
        exception when lock_not_available then
            perform pg_sleep(0.05 * attempt * (0.5 + random()));
        end;
    end loop;
    raise exception 'the % % cannot be archived: somebody writes to prop_trading_model.%', part.unit, part.called, part.leaf_name
        using errcode = 'lock_not_available', hint = 'See who in pg_locks; archive it when they are done.';
end
$$;

-- Of an earlier version, which did not know where the file would be:
drop function if exists prop_trading_model.begin_archive(regclass, date);

-- The first step: from here on the rows stay as they are. Returns the name of their table; done before, it notes the place alone.
-- `location` is where the file will be: noted before it is written, so that whoever takes the archive back finds it whenever the
-- archiver was killed.
-- Refused for what refuse_refresh() and refuse_pending() say, while somebody has written to it and not committed, for a month
-- (year) that has not ended or has no leaf of its own, and while the table has a default partition: DETACH CONCURRENTLY, the
-- step after next, would fail for as long as there is one.
-- Locks: SHARE ROW EXCLUSIVE on the leaf, for a moment.
create or replace function prop_trading_model.begin_archive(parent regclass, wanted date, location text default null) returns name
language plpgsql
set search_path = pg_catalog, pg_temp
set lock_timeout = '500ms'
as $$
declare
    part record := prop_trading_model.part_of(parent, wanted);
    leaf text := format('prop_trading_model.%I', part.leaf_name);
    default_leaf regclass := (select nullif(p.partdefid, 0) from pg_partitioned_table as p where p.partrelid = parent);
    refusal text;
begin
    perform prop_trading_model.refuse_refresh(part);
    -- What was recorded of a file stands for nothing from now on: it is written anew. (One that is cold is refused below.)
    delete from prop_trading_model.cold_files where parent_table = part.parent_table and lower = part.first_day;
    update prop_trading_model.partition_state as s set location = coalesce(begin_archive.location, s.location)
    where s.parent_table = part.parent_table and s.lower = part.first_day and s.state = 'archiving';
    if found then
        return part.leaf_name;
    end if;
    perform prop_trading_model.require_hot(parent, wanted);
    if part.next_day > prop_trading_model.utc_today() then
        raise exception 'the % % has not ended: its % are still coming', part.unit, part.called, part.holds
            using errcode = 'object_not_in_prerequisite_state', hint = format('Archive %ss that lie behind.', part.unit);
    end if;
    if prop_trading_model.attachment_of(parent, wanted) is distinct from 'yes' or (
        select (b.lower, b.upper) <> (part.first_day, part.next_day)
        from prop_trading_model.leaf_bounds(leaf::regclass) as b
    ) then
        raise exception 'the % % has no partition %', part.unit, part.called, part.leaf_name
            using errcode = 'object_not_in_prerequisite_state', hint = 'See dpm partitions list.';
    end if;
    if default_leaf is not null then
        raise exception 'the % % cannot be archived while % is the default partition of %',
            part.unit, part.called, default_leaf, part.parent_table
            using errcode = 'object_not_in_prerequisite_state',
                hint = format('Detach it (alter table %s detach partition %s), load its rows again, then archive the %s.',
                    parent, default_leaf, part.unit);
    end if;
    perform prop_trading_model.lock_out_writers(part);
    perform prop_trading_model.refuse_pending(part);
    -- By row: a statement on the parent fires the row triggers of its leaves alone.
    refusal := format('execute function prop_trading_model.refuse_archived_write(%L, %L)', parent, part.first_day);
    execute format(
        'create or replace trigger refuse_write before insert or update or delete on %s for each row %s', leaf, refusal
    );
    execute format('create or replace trigger refuse_truncate before truncate on %s for each statement %s', leaf, refusal);
    execute format('alter table %1$s enable always trigger refuse_write, enable always trigger refuse_truncate', leaf);
    insert into prop_trading_model.partition_state (parent_table, lower, state, location)
    values (part.parent_table, part.first_day, 'archiving', begin_archive.location)
    on conflict (parent_table, lower) do update
        set state = 'archiving', location = excluded.location, changed_at = clock_timestamp();
    return part.leaf_name;
end
$$;

-- The file has been read back and equals the table: it may take its place.
create or replace function prop_trading_model.note_archived(
    parent regclass, wanted date, location text, rows bigint, bytes bigint, columns text[], sums jsonb,
    content_sha256 text, file_sha256 text
) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    part record := prop_trading_model.part_of(parent, wanted);
    leaf regclass := format('prop_trading_model.%I', part.leaf_name)::regclass;
begin
    update prop_trading_model.partition_state set location = note_archived.location, changed_at = clock_timestamp()
    where parent_table = part.parent_table and lower = part.first_day and state = 'archiving';
    if not found then
        raise exception 'the % % is not being archived', part.unit, part.called
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    delete from prop_trading_model.cold_files where parent_table = part.parent_table and lower = part.first_day;
    insert into prop_trading_model.cold_files (
        parent_table, lower, location, rows, bytes, partition_bytes, columns, sums, content_sha256, file_sha256
    )
    values (
        part.parent_table, part.first_day, note_archived.location, note_archived.rows, note_archived.bytes,
        pg_table_size(leaf) + pg_indexes_size(leaf), note_archived.columns, note_archived.sums,
        note_archived.content_sha256, note_archived.file_sha256
    );
    if part.holds = 'trades' then
        perform prop_trading_model.forget_logins(part);
        execute format(
            'insert into prop_trading_model.cold_logins (account_id, trade_date, login)'
            ' select distinct on (account_id) account_id, trade_date, login from %s'
            ' order by account_id, trade_date desc, close_time desc nulls last, id desc, trade_id desc', leaf
        );
    end if;
end
$$;

-- The logins that stand for a month's trades while it is cold.
create or replace function prop_trading_model.forget_logins(part record) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if part.holds = 'trades' then
        delete from prop_trading_model.cold_logins where trade_date >= part.first_day and trade_date < part.next_day;
    end if;
end
$$;

-- The last step, when the table is detached: it is dropped, and the month (year) is cold.
create or replace function prop_trading_model.finish_archive(parent regclass, wanted date) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set lock_timeout = '5s'
as $$
declare
    part record := prop_trading_model.part_of(parent, wanted);
    attached text := prop_trading_model.attachment_of(parent, wanted);
begin
    if attached <> 'no' or not exists (
        select from prop_trading_model.partition_state as s
        join prop_trading_model.cold_files as f using (parent_table, lower)
        where s.parent_table = part.parent_table and s.lower = part.first_day and s.state = 'archiving'
            and s.location = f.location
        for update of s
    ) then
        raise exception 'the % % cannot be made cold: it is attached, or no verified file stands for it',
            part.unit, part.called using errcode = 'object_not_in_prerequisite_state';
    end if;
    delete from prop_trading_model.known_leaves where leaf_name = part.leaf_name;
    execute format('drop table if exists prop_trading_model.%I', part.leaf_name);
    update prop_trading_model.partition_state set state = 'cold', changed_at = clock_timestamp()
    where parent_table = part.parent_table and lower = part.first_day;
end
$$;

-- Takes an archive back that has not made the month (year) cold: its table is attached as it was and can be written to. A
-- detach that is pending has to be finished first.
create or replace function prop_trading_model.abandon_archive(parent regclass, wanted date) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set lock_timeout = '5s'
as $$
declare
    part record := prop_trading_model.part_of(parent, wanted);
    leaf text := format('prop_trading_model.%I', part.leaf_name);
    left_over name;
begin
    perform from prop_trading_model.partition_state
    where parent_table = part.parent_table and lower = part.first_day and state = 'archiving' for update;
    if not found then
        raise exception 'the % % is not being archived', part.unit, part.called
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    if prop_trading_model.attachment_of(parent, wanted) = 'no' then
        execute format(
            'alter table %s attach partition %s for values from (%L) to (%L)', parent, leaf, part.first_day, part.next_day
        );
    end if;
    -- DETACH CONCURRENTLY leaves a check of the bounds.
    for left_over in
        select c.conname from pg_constraint as c
        where c.conrelid = leaf::regclass and c.contype = 'c' and c.conparentid = 0 and c.coninhcount = 0
    loop
        execute format('alter table %s drop constraint %I', leaf, left_over);
    end loop;
    execute format('drop trigger if exists refuse_write on %s', leaf);
    execute format('drop trigger if exists refuse_truncate on %s', leaf);
    perform prop_trading_model.forget_logins(part);
    update prop_trading_model.partition_state set state = 'hot', changed_at = clock_timestamp()
    where parent_table = part.parent_table and lower = part.first_day;
end
$$;
