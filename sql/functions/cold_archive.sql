-- The steps of archiving a month, and of taking an archive back; cold_months.sql says in which order and what holds between them.

-- The first step: from here on the trades of the month stay as they are. Returns the name of its table; done before, it
-- changes nothing. Refused while a refresh runs, while the month has changes that no refresh has taken, while somebody has
-- written to it and not committed (after 20 attempts of 500 ms), and for a month that has not ended or has no leaf of its own.
-- Locks: SHARE ROW EXCLUSIVE on the leaf, for a moment.
create or replace function prop_trading_model.begin_archive(wanted date) returns name
language plpgsql
set search_path = pg_catalog, pg_temp
set lock_timeout = '500ms'
as $$
declare
    of_month record := prop_trading_model.month_leaf(wanted);
    name text := to_char(of_month.first_day, 'YYYY-MM');
    leaf text := format('prop_trading_model.%I', of_month.leaf_name);
    found_state text;
begin
    if not pg_try_advisory_xact_lock(hashtextextended('prop_trading_model.refresh', 0)) then
        raise exception 'a refresh runs, and what it does to % must be whole before the month is archived', name
            using errcode = 'lock_not_available', hint = 'Archive the month when the refresh has ended.';
    end if;
    select state into found_state from prop_trading_model.month_state where month = of_month.first_day for update;
    if found_state = 'archiving' then
        return of_month.leaf_name;
    end if;
    perform prop_trading_model.require_hot(wanted);
    if of_month.next_month > prop_trading_model.utc_today() then
        raise exception 'the month % has not ended: its trades are still coming', name
            using errcode = 'object_not_in_prerequisite_state', hint = 'Archive months that lie behind.';
    end if;
    if prop_trading_model.month_attachment(wanted) is distinct from 'yes' or (
        select (b.lower, b.upper) <> (of_month.first_day, of_month.next_month)
        from prop_trading_model.leaf_bounds(leaf::regclass) as b
    ) then
        raise exception 'the month % has no partition %', name, of_month.leaf_name
            using errcode = 'object_not_in_prerequisite_state', hint = 'See dpm partitions list.';
    end if;
    for attempt in 1 .. 20 loop
        begin
            execute format('lock table only %s in share row exclusive mode', leaf);
            exit;
        exception when lock_not_available then
            if attempt = 20 then
                raise exception 'the month % cannot be archived: somebody writes to %', name, leaf
                    using errcode = 'lock_not_available', hint = 'See who in pg_locks; archive it when they are done.';
            end if;
            perform pg_sleep(0.05 * attempt * (0.5 + random()));
        end;
    end loop;
    if prop_trading_model.pending_of_month(wanted) > 0 then
        raise exception 'the month % has changes that its rollups do not show yet', name
            using errcode = 'object_in_use', hint = 'Run dpm refresh, then archive the month.';
    end if;
    -- By row: a statement on the parent fires the row triggers of its leaves alone.
    execute format(
        'create or replace trigger refuse_write before insert or update or delete on %s'
        ' for each row execute function prop_trading_model.refuse_archived_write(%L)', leaf, of_month.first_day
    );
    execute format(
        'create or replace trigger refuse_truncate before truncate on %s'
        ' for each statement execute function prop_trading_model.refuse_archived_write(%L)', leaf, of_month.first_day
    );
    execute format('alter table %1$s enable always trigger refuse_write, enable always trigger refuse_truncate', leaf);
    insert into prop_trading_model.month_state (month, state) values (of_month.first_day, 'archiving')
    on conflict (month) do update set state = 'archiving', location = null, changed_at = clock_timestamp();
    return of_month.leaf_name;
end
$$;

-- The file has been read back and equals the table: it may take its place.
create or replace function prop_trading_model.note_archived(
    wanted date, location text, rows bigint, bytes bigint, columns text[], sums jsonb, content_sha256 text, file_sha256 text
) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    of_month record := prop_trading_model.month_leaf(wanted);
    leaf regclass := format('prop_trading_model.%I', of_month.leaf_name)::regclass;
begin
    update prop_trading_model.month_state set location = note_archived.location, changed_at = clock_timestamp()
    where month = of_month.first_day and state = 'archiving';
    if not found then
        raise exception 'the month % is not being archived', to_char(of_month.first_day, 'YYYY-MM')
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    delete from prop_trading_model.cold_files where month = of_month.first_day;
    insert into prop_trading_model.cold_files (
        month, location, rows, bytes, partition_bytes, columns, sums, content_sha256, file_sha256
    )
    values (
        of_month.first_day, note_archived.location, note_archived.rows, note_archived.bytes,
        pg_table_size(leaf) + pg_indexes_size(leaf), note_archived.columns, note_archived.sums,
        note_archived.content_sha256, note_archived.file_sha256
    );
    delete from prop_trading_model.cold_logins
    where trade_date >= of_month.first_day and trade_date < of_month.next_month;
    execute format(
        'insert into prop_trading_model.cold_logins (account_id, trade_date, login)'
        ' select distinct on (account_id) account_id, trade_date, login from %s'
        ' order by account_id, trade_date desc, close_time desc nulls last, id desc, trade_id desc', leaf
    );
end
$$;

-- The last step, when the table is detached: it is dropped, and the month is cold.
create or replace function prop_trading_model.finish_archive(wanted date) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set lock_timeout = '5s'
as $$
declare
    of_month record := prop_trading_model.month_leaf(wanted);
    attached text := prop_trading_model.month_attachment(wanted);
begin
    if attached <> 'no' or not exists (
        select from prop_trading_model.month_state as s join prop_trading_model.cold_files as f using (month)
        where s.month = of_month.first_day and s.state = 'archiving' and s.location = f.location
        for update of s
    ) then
        raise exception 'the month % cannot be made cold: it is attached, or no verified file stands for it',
            to_char(of_month.first_day, 'YYYY-MM') using errcode = 'object_not_in_prerequisite_state';
    end if;
    delete from prop_trading_model.known_leaves where leaf_name = of_month.leaf_name;
    execute format('drop table if exists prop_trading_model.%I', of_month.leaf_name);
    update prop_trading_model.month_state set state = 'cold', changed_at = clock_timestamp()
    where month = of_month.first_day;
end
$$;

-- Takes an archive back that has not made the month cold: its table is attached as it was and can be written to. A detach
-- that is pending has to be finished first.
create or replace function prop_trading_model.abandon_archive(wanted date) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set lock_timeout = '5s'
as $$
declare
    of_month record := prop_trading_model.month_leaf(wanted);
    leaf text := format('prop_trading_model.%I', of_month.leaf_name);
    left_over name;
begin
    perform from prop_trading_model.month_state where month = of_month.first_day and state = 'archiving' for update;
    if not found then
        raise exception 'the month % is not being archived', to_char(of_month.first_day, 'YYYY-MM')
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    if prop_trading_model.month_attachment(wanted) = 'no' then
        execute format(
            'alter table prop_trading_model.raw_trades_closed attach partition %s for values from (%L) to (%L)',
            leaf, of_month.first_day, of_month.next_month
        );
    end if;
    -- DETACH CONCURRENTLY leaves a check of the month's bounds.
    for left_over in
        select c.conname from pg_constraint as c
        where c.conrelid = leaf::regclass and c.contype = 'c' and c.conparentid = 0 and c.coninhcount = 0
    loop
        execute format('alter table %s drop constraint %I', leaf, left_over);
    end loop;
    execute format('drop trigger if exists refuse_write on %s', leaf);
    execute format('drop trigger if exists refuse_truncate on %s', leaf);
    delete from prop_trading_model.cold_logins
    where trade_date >= of_month.first_day and trade_date < of_month.next_month;
    update prop_trading_model.month_state set state = 'hot', changed_at = clock_timestamp()
    where month = of_month.first_day;
end
$$;
