-- The steps of restoring a month; cold_months.sql says in which order and what holds between them.

-- The first step of a restore. The file still counts.
create or replace function prop_trading_model.begin_restore(wanted date) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    of_month record := prop_trading_model.month_leaf(wanted);
begin
    update prop_trading_model.month_state set state = 'restoring', changed_at = clock_timestamp()
    where month = of_month.first_day and state in ('cold', 'restoring');
    if not found then
        raise exception 'the month % is not in the archive', to_char(of_month.first_day, 'YYYY-MM')
            using errcode = 'object_not_in_prerequisite_state';
    end if;
end
$$;

-- The bare table that the file's rows are copied into, in the transaction that attaches it.
create or replace function prop_trading_model.make_restored_month(wanted date) returns name
language sql
set search_path = pg_catalog, pg_temp
as $$
    select prop_trading_model.make_bare_table(m.leaf_name || '_restored', m.first_day)
    from prop_trading_model.month_leaf(wanted) as m
$$;

-- Indexes and attaches that table: the month is hot. Nothing is marked, unless the rollups are not those of the file's sums.
create or replace function prop_trading_model.attach_restored_month(wanted date) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    of_month record := prop_trading_model.month_leaf(wanted);
begin
    perform from prop_trading_model.month_state where month = of_month.first_day and state = 'restoring' for update;
    if not found then
        raise exception 'the month % is not being restored', to_char(of_month.first_day, 'YYYY-MM')
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    if not prop_trading_model.attach_bare_table(of_month.leaf_name || '_restored', of_month.first_day) then
        raise exception 'there is a table % already, or a partition for its month', of_month.leaf_name
            using errcode = 'duplicate_table', hint = 'Find out who made it: the month was in the archive. Detach and rename it.';
    end if;
    delete from prop_trading_model.cold_logins
    where trade_date >= of_month.first_day and trade_date < of_month.next_month;
    update prop_trading_model.month_state set state = 'hot', changed_at = clock_timestamp()
    where month = of_month.first_day;
    if not prop_trading_model.archive_agrees(wanted) then
        perform prop_trading_model.mark_months(of_month.first_day, of_month.next_month, 'rollups differ from the archive');
    end if;
end
$$;
