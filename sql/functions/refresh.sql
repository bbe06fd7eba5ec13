-- The refresh: takes what changed, recomputes exactly that, refreshes the views whose inputs moved.
-- Invariant: the refresh lock is held before any snapshot that a recomputation uses; keys are taken (deleted) before the
-- raw rows are read, in the same transaction, under READ COMMITTED. A writer that commits in between still has its keys in
-- the log, so they are recomputed once more and never missed, at any interleaving and after any kill.

-- The refresh lock, to the end of the transaction. Refuses the isolation levels whose snapshot may be older than the lock.
create or replace function prop_trading_model.lock_refresh() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
        raise exception 'a refresh cannot run at isolation level %: its snapshot could be older than the refresh lock',
            upper(current_setting('transaction_isolation'))
            using errcode = 'active_sql_transaction', hint = 'Call it under READ COMMITTED.';
    end if;
    perform pg_advisory_xact_lock(hashtextextended('prop_trading_model.refresh', 0));
end
$$;

-- Empties a table that the refresh works on. TRUNCATE would wait for whoever reads all tables (a dump, for hours), and they
-- for us, so rows are deleted; only when that has left much behind, and nobody looks, is the file cut.
create or replace function prop_trading_model.clear_work_table(work_table regclass) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if pg_relation_size(work_table) > 32 * 1024 * 1024 then
        begin
            execute format('lock table %s in access exclusive mode nowait', work_table);
            execute format('truncate %s', work_table);
            return;
        exception when lock_not_available then
            null;
        end;
    end if;
    execute format('delete from %s', work_table);
end
$$;

-- Takes up to max_keys changed account-days into refresh_keys (of these months only, if given); returns how many rows of
-- the log it took, and since when the oldest of them has waited. What lies in cold months stays in the log.
do $$
begin
    if (
        select prorettype = 'bigint'::regtype from pg_proc
        where oid = to_regprocedure('prop_trading_model.take_keys(bigint, date[])')
    ) then
        drop function prop_trading_model.take_keys(bigint, date[]);
    end if;
end
$$;
create or replace function prop_trading_model.take_keys(
    max_keys bigint, only_months date[] default null, out taken bigint, out since timestamptz
)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    perform prop_trading_model.clear_work_table('prop_trading_model.refresh_keys');
    with chosen as (
        select ctid from prop_trading_model.changed_account_days as c
        where (only_months is null or date_trunc('month', c.trade_date)::date = any (only_months))
            and not exists (
                select from prop_trading_model.month_state as s
                where s.state <> 'hot' and s.month = date_trunc('month', c.trade_date)::date
            )
        limit max_keys
    ),
    taken_rows as (
        delete from prop_trading_model.changed_account_days as c
        using chosen where c.ctid = chosen.ctid
        returning c.account_id, c.trade_date, c.changed_at
    ),
    kept as (
        insert into prop_trading_model.refresh_keys (account_id, trade_date)
        select distinct account_id, trade_date from taken_rows
    )
    select count(*), min(changed_at) into taken, since from taken_rows;
    analyze prop_trading_model.refresh_keys;
end
$$;

-- Counts one more generation of an input: whatever view was made from an earlier one is stale, since the change was made that
-- the rollups show from now on. A view that was stale before has waited for longer, and that is what is remembered.
drop function if exists prop_trading_model.advance_input(text);
create or replace function prop_trading_model.advance_input(moved text, since timestamptz) returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
    update prop_trading_model.input_generations as g
    set generation = g.generation + 1,
        changed_at = case
            when exists (
                select from prop_trading_model.view_inputs as v
                where v.input = g.input and coalesce(v.made_from, 0) <> g.generation
            ) then least(g.changed_at, since)
            else since
        end
    where g.input = moved
$$;

-- Brings every rollup up to date for the account-days in refresh_keys; returns the rows written or removed.
create or replace function prop_trading_model.refresh_rollups_of_keys() returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    written bigint;
    touched date;
begin
    for touched in select distinct date_trunc('month', trade_date::timestamp)::date from prop_trading_model.refresh_keys loop
        perform prop_trading_model.create_rollup_month(touched);
    end loop;
    written := prop_trading_model.refresh_account_symbol_day();
    perform prop_trading_model.note_accounts(may_append => true);
    if written > 0 then
        perform prop_trading_model.note_differences();
        written := written
            + prop_trading_model.move_symbol_day()
            + prop_trading_model.move_market_day()
            + prop_trading_model.refresh_account_month()
            + prop_trading_model.append_account_month()
            + prop_trading_model.append_account()
            + prop_trading_model.move_account_symbol()
            + prop_trading_model.move_account_recent();
    end if;
    -- A login is in no other rollup: it may have changed alone.
    return written + prop_trading_model.refresh_account();
end
$$;

-- Makes the rollup leaf of a month that has none: of a month whose trades' leaf somebody else made.
create or replace function prop_trading_model.create_rollup_month(wanted date) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if to_regclass('prop_trading_model.rollup_account_symbol_day_' || to_char(wanted, 'YYYY_MM')) is null then
        perform prop_trading_model.create_leaf(
            'prop_trading_model.rollup_account_symbol_day', 'rollup_account_symbol_day_' || to_char(wanted, 'YYYY_MM'),
            wanted, (wanted + interval '1 month')::date
        );
    end if;
end
$$;

-- One bite of what is pending: a marked month, or else up to max_keys account-days (of these months only, if given).
-- Returns what it took; 0 and 0 when nothing is left. One bite is one transaction's worth of work. A refresh of several
-- bites compares the leaves in the first alone: a leaf that cannot get its triggers yet is marked at each comparison.
create or replace function prop_trading_model.refresh_bite(
    max_keys bigint default 200000, only_months date[] default null, run_key text default null,
    compare boolean default true,
    out keys_taken bigint, out months_taken bigint, out months date[], out rows_written bigint
)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    marked date;
    began timestamptz;
    since timestamptz;
begin
    perform prop_trading_model.lock_refresh();
    began := clock_timestamp();
    keys_taken := 0;
    months_taken := 0;
    months := '{}';
    rows_written := 0;
    if compare then
        perform prop_trading_model.compare_leaves();
    end if;
    select month into marked from prop_trading_model.changed_months as m
    where (only_months is null or m.month = any (only_months))
        and not exists (select from prop_trading_model.month_state as s where s.state <> 'hot' and s.month = m.month)
    order by month limit 1;
    if found then
        with taken as (delete from prop_trading_model.changed_months where month = marked returning changed_at)
        select min(changed_at) into since from taken;
        months_taken := 1;
        months := array[marked];
        rows_written := prop_trading_model.rebuild_rollups_of_month(marked, true);
    else
        select t.taken, t.since into keys_taken, since from prop_trading_model.take_keys(max_keys, only_months) as t;
        if keys_taken = 0 then
            return;
        end if;
        months := array(
            select distinct date_trunc('month', trade_date)::date from prop_trading_model.refresh_keys order by 1
        );
        rows_written := prop_trading_model.refresh_rollups_of_keys();
    end if;
    if rows_written > 0 then
        perform prop_trading_model.advance_input('trades', since);
    end if;
    insert into prop_trading_model.refresh_log (kind, month, keys_taken, months, rows_written, run_key, started_at)
    values (
        case when months_taken > 0 then 'month' else 'keys' end, marked, refresh_bite.keys_taken, refresh_bite.months,
        refresh_bite.rows_written, refresh_bite.run_key, began
    );
end
$$;
