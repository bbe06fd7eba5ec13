-- The steps of restoring a month or a year; cold_months.sql says in which order and what holds between them.

-- The first step of a restore. The file still counts.
create or replace function prop_trading_model.begin_restore(parent regclass, wanted date) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    part record := prop_trading_model.part_of(parent, wanted);
begin
    update prop_trading_model.partition_state set state = 'restoring', changed_at = clock_timestamp()
    where parent_table = part.parent_table and lower = part.first_day and state in ('cold', 'restoring');
    if not found then
        raise exception 'the % % is not in the archive', part.unit, part.called
            using errcode = 'object_not_in_prerequisite_state';
    end if;
end
$$;

-- The bare table that the file's rows are copied into, in the transaction that attaches it.
create or replace function prop_trading_model.make_restored(parent regclass, wanted date) returns name
language sql
set search_path = pg_catalog, pg_temp
as $$
    select prop_trading_model.make_bare_table(parent, p.leaf_name || '_restored', p.first_day)
    from prop_trading_model.part_of(parent, wanted) as p
$$;

-- Indexes and attaches that table: the month (year) is hot. Nothing is marked, unless the rollups are not those of the file's
-- sums.
create or replace function prop_trading_model.attach_restored(parent regclass, wanted date) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    part record := prop_trading_model.part_of(parent, wanted);
begin
    perform from prop_trading_model.partition_state
    where parent_table = part.parent_table and lower = part.first_day and state = 'restoring' for update;
    if not found then
        raise exception 'the % % is not being restored', part.unit, part.called
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    if not prop_trading_model.attach_bare_table(parent, part.leaf_name || '_restored', part.first_day) then
        raise exception 'there is a table % already, or a partition for its %', part.leaf_name, part.unit
            using errcode = 'duplicate_table',
                hint = format('Find out who made it: the %s was in the archive. Detach and rename it.', part.unit);
    end if;
    perform prop_trading_model.forget_logins(part);
    update prop_trading_model.partition_state set state = 'hot', changed_at = clock_timestamp()
    where parent_table = part.parent_table and lower = part.first_day;
    if not prop_trading_model.archive_agrees(parent, wanted) then
        perform prop_trading_model.mark_months(part.first_day, part.next_day, 'rollups differ from the archive');
    end if;
end
$$;
