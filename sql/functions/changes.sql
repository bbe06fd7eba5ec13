-- Who writes the change log: statement triggers with transition tables, on raw_trades_closed, on every leaf of it (a
-- statement on a leaf does not fire the parent's), and on the other inputs of the views.
-- Invariant: the log is written in the transaction of the change; the triggers are ENABLE ALWAYS and SECURITY DEFINER, so
-- that no writer needs a privilege on the log or can pass it by; they never NOTIFY (that would forbid PREPARE TRANSACTION).

-- How the account-days are made distinct depends on how many rows the statement wrote, because a session keeps the plan of
-- its first statement. The plan that a bulk COPY gets hashes into a megabyte that is allocated and cleared at each later
-- INSERT of one row, which made that more than twice as slow. A statement of more than 100 rows is therefore planned anew
-- (0.1 ms), those of up to 100 share a plan made for few rows, and the usual INSERT of one row has nothing to sort out.
create or replace function prop_trading_model.log_changed_account_days() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    log_rows constant text := 'insert into prop_trading_model.changed_account_days (account_id, trade_date) ';
    counted integer;
begin
    if tg_op = 'INSERT' then
        counted := (select count(*) from (select from new_rows limit 101) as first_rows);
        if counted <= 1 then
            insert into prop_trading_model.changed_account_days (account_id, trade_date)
            select account_id, trade_date from new_rows;
        elsif counted <= 100 then
            insert into prop_trading_model.changed_account_days (account_id, trade_date)
            select distinct account_id, trade_date from new_rows;
        else
            execute log_rows || 'select distinct account_id, trade_date from new_rows';
        end if;
    elsif tg_op = 'DELETE' then
        if exists (select from old_rows offset 100) then
            execute log_rows || 'select distinct account_id, trade_date from old_rows';
        else
            insert into prop_trading_model.changed_account_days (account_id, trade_date)
            select distinct account_id, trade_date from old_rows;
        end if;
    elsif exists (select from new_rows offset 100) then
        execute log_rows || 'select account_id, trade_date from old_rows union select account_id, trade_date from new_rows';
    else
        insert into prop_trading_model.changed_account_days (account_id, trade_date)
        select account_id, trade_date from old_rows
        union
        select account_id, trade_date from new_rows;
    end if;
    return null;
end
$$;

-- TRUNCATE shows no rows: the months of the table that it emptied are marked whole. On the parent it fires once for the
-- parent and once for each leaf; the leaf's bounds say which month. A leaf that was detached has none, and its rows left with
-- it: attached again, it is one that was rewritten.
create or replace function prop_trading_model.log_truncated_months() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform prop_trading_model.mark_months(bounds.lower, bounds.upper, 'truncate')
    from prop_trading_model.leaf_bounds(tg_relid) as bounds, pg_class as c
    where c.oid = tg_relid and (c.relispartition or c.relkind = 'p');
    return null;
end
$$;

create or replace function prop_trading_model.log_changed_input() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    insert into prop_trading_model.changed_inputs (input) values (tg_argv[0]);
    return null;
end
$$;

-- The days that a table of trades can hold, [lower, upper), read from its partition bound; infinite where the bound is
-- open, and for a table that is no leaf.
create or replace function prop_trading_model.leaf_bounds(leaf oid) returns table (lower date, upper date)
language sql stable
set search_path = pg_catalog, pg_temp
set datestyle = 'ISO, YMD'
as $$
    select
        coalesce(substring(bound from 'FROM \(''([^'']+)''\)')::date, '-infinity'),
        coalesce(substring(bound from 'TO \(''([^'']+)''\)')::date, 'infinity')
    from (select pg_get_expr(relpartbound, oid) as bound from pg_class where oid = leaf) as c
$$;

-- Marks every month of [lower, upper) to be recomputed whole; of an open range, those months that hold rollups or trades.
-- Months in the archive are not marked: what their rollups are made from did not change.
create or replace function prop_trading_model.mark_months(lower date, upper date, reason text) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    cold date[] := array(select month from prop_trading_model.month_state where state <> 'hot');
begin
    if isfinite(lower) and isfinite(upper) then
        insert into prop_trading_model.changed_months (month, reason)
        select m::date, mark_months.reason
        from generate_series(date_trunc('month', lower::timestamp), upper::timestamp - interval '1 day', interval '1 month') as m
        where m::date <> all (cold);
    else
        insert into prop_trading_model.changed_months (month, reason)
        select distinct date_trunc('month', trade_date)::date, mark_months.reason
        from (
            select trade_date from prop_trading_model.rollup_market_day
            union
            select trade_date from prop_trading_model.rollup_account_symbol_day
            union
            select trade_date from prop_trading_model.raw_trades_closed
        ) as days
        where trade_date >= mark_months.lower and trade_date < mark_months.upper
            and date_trunc('month', trade_date)::date <> all (cold);
    end if;
end
$$;

-- What gives a table the four triggers that keep the change log; nothing for those that are there, enabled, and call what
-- they should. A table that is not there yet lacks all four.
create or replace function prop_trading_model.change_trigger_statements(tbl text) returns table (statement text)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select s.statement
    from (values
        ('log_insert', 'after insert on %s referencing new table as new_rows', 'log_changed_account_days'),
        ('log_update', 'after update on %s referencing old table as old_rows new table as new_rows', 'log_changed_account_days'),
        ('log_delete', 'after delete on %s referencing old table as old_rows', 'log_changed_account_days'),
        ('log_truncate', 'after truncate on %s', 'log_truncated_months')
    ) as wanted (name, event, function)
    cross join lateral unnest(array[
        format(
            'create or replace trigger %I %s for each statement execute function prop_trading_model.%I()',
            wanted.name, format(wanted.event, tbl), wanted.function
        ),
        format('alter table %s enable always trigger %I', tbl, wanted.name)
    ]) with ordinality as s (statement, place)
    where not exists (
        select from pg_trigger as t join pg_proc as p on p.oid = t.tgfoid
        where t.tgrelid = to_regclass(tbl) and t.tgname = wanted.name and t.tgenabled = 'A' and p.proname = wanted.function
    )
    order by wanted.name, s.place
$$;

-- Gives a table the triggers of the change log; those that are there and enabled stay untouched.
create or replace function prop_trading_model.create_change_triggers(tbl regclass) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    missing text;
begin
    for missing in select statement from prop_trading_model.change_trigger_statements(tbl::text) loop
        execute missing;
    end loop;
end
$$;

-- The same for an input of the views that is no table of trades: any statement on it raises its generation, and so does a
-- trigger that was missing, since nobody knows what was written meanwhile.
create or replace function prop_trading_model.create_input_trigger(tbl regclass, input text) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if not exists (select from pg_trigger where tgrelid = tbl and tgname = 'log_input' and tgenabled = 'A') then
        execute format(
            'create or replace trigger log_input after insert or update or delete or truncate on %s'
            ' for each statement execute function prop_trading_model.log_changed_input(%L)', tbl, input
        );
        execute format('alter table %s enable always trigger log_input', tbl);
        execute format(
            'insert into prop_trading_model.changed_inputs (input) select %L where exists (select from %s)', input, tbl
        );
    end if;
end
$$;

select prop_trading_model.create_change_triggers('prop_trading_model.raw_trades_closed');
select prop_trading_model.create_input_trigger('prop_trading_model.raw_accounts_data', 'accounts');
select prop_trading_model.create_input_trigger('prop_trading_model.raw_plans_data', 'plans');
select prop_trading_model.create_input_trigger('prop_trading_model.raw_regimes_daily', 'regimes');
