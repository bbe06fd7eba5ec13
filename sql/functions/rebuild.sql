-- Rebuilding: rollups recomputed whole, whatever the log says.
-- Invariant: a recomputation is made beside the rollup and applied as differences, so that readers with an older snapshot
-- keep their rows, and what does not differ is not written.

-- Makes the temporary table `rebuilt` from a query: CREATE TABLE AS, because PostgreSQL then uses parallel workers. An
-- unlogged table could be read in parallel too, but a server that is killed meanwhile refuses its first start.
create or replace function prop_trading_model.make_rebuilt(query text) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set default_statistics_target = 10
as $$
begin
    execute 'create temporary table rebuilt as ' || query;
    analyze pg_temp.rebuilt;
end
$$;

-- Makes a rollup (those rows r of it for which `condition` holds) equal to the table `rebuilt`, and drops that.
-- Returns the rows written or removed.
create or replace function prop_trading_model.apply_rebuilt(rollup regclass, condition text default 'true') returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    same_key text;
    key_columns text;
    all_columns text;
    new_values text;
    gone bigint;
    written bigint;
begin
    select
        string_agg(format('r.%1$I = n.%1$I', a.attname), ' and ') filter (where a.attnum = any (x.indkey)),
        string_agg(quote_ident(a.attname), ', ') filter (where a.attnum = any (x.indkey)),
        string_agg(quote_ident(a.attname), ', ' order by a.attnum),
        string_agg('excluded.' || quote_ident(a.attname), ', ' order by a.attnum)
    into same_key, key_columns, all_columns, new_values
    from pg_index as x join pg_attribute as a on a.attrelid = x.indrelid and a.attnum > 0 and not a.attisdropped
    where x.indrelid = rollup and x.indisprimary;

    execute format(
        'delete from %s as r where %s and not exists (select from pg_temp.rebuilt as n where %s)',
        rollup, condition, same_key
    );
    get diagnostics gone = row_count;
    execute format(
        'insert into %1$s as o select n.* from pg_temp.rebuilt as n'
        ' left join (select * from %1$s as r where %2$s) as r on %3$s where r is distinct from n'
        ' on conflict (%4$s) do update set (%5$s) = row(%6$s)',
        rollup, condition, same_key, key_columns, all_columns, new_values
    );
    get diagnostics written = row_count;
    drop table pg_temp.rebuilt;
    return gone + written;
end
$$;

-- Recomputes a month of rollup_account_symbol_day. Leaves the account-days that differed in refresh_keys, of their rows those
-- that differ in refresh_rows, as they are now, and in refresh_before, as they were, and the keys of those that are no more in
-- refresh_gone; returns the rows written or removed.
create or replace function prop_trading_model.rebuild_account_symbol_day(month date) returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
set work_mem = '128MB'
as $$
declare
    next_month date := month + interval '1 month';
begin
    perform prop_trading_model.clear_work_table('prop_trading_model.refresh_keys');
    perform prop_trading_model.clear_work_table('prop_trading_model.refresh_before');
    perform prop_trading_model.clear_work_table('prop_trading_model.refresh_rows');
    perform prop_trading_model.clear_work_table('prop_trading_model.refresh_gone');
    perform prop_trading_model.make_rebuilt(prop_trading_model.account_symbol_day_query(format(
        'prop_trading_model.raw_trades_closed as t where t.trade_date >= %L and t.trade_date < %L', month, next_month
    )));
    -- One pass over both.
    execute format($statement$
        create temporary table rebuilt_differing as
        select
            coalesce(n.account_id, r.account_id) as account_id, coalesce(n.trade_date, r.trade_date) as trade_date,
            coalesce(n.symbol_key, r.symbol_key) as symbol_key, n.account_id is null as gone,
            r.account_id is not null as was_there
        from (
            select * from prop_trading_model.rollup_account_symbol_day where trade_date >= %L and trade_date < %L
        ) as r
        full join pg_temp.rebuilt as n
            on n.account_id = r.account_id and n.trade_date = r.trade_date and n.symbol_key = r.symbol_key
        where r is distinct from n
        $statement$, month, next_month
    );
    analyze pg_temp.rebuilt_differing;
    insert into prop_trading_model.refresh_gone (account_id, trade_date, symbol_key)
    select account_id, trade_date, symbol_key from pg_temp.rebuilt_differing where gone;
    insert into prop_trading_model.refresh_before
    select r.* from prop_trading_model.rollup_account_symbol_day as r
    join pg_temp.rebuilt_differing as d
        on d.account_id = r.account_id and d.trade_date = r.trade_date and d.symbol_key = r.symbol_key and d.was_there
    where r.trade_date >= month and r.trade_date < next_month;
    analyze prop_trading_model.refresh_before (account_id, trade_date, symbol_key);
    insert into prop_trading_model.refresh_rows
    select n.* from pg_temp.rebuilt as n
    join pg_temp.rebuilt_differing as d
        on d.account_id = n.account_id and d.trade_date = n.trade_date and d.symbol_key = n.symbol_key;
    analyze prop_trading_model.refresh_rows (account_id, trade_date, symbol_key);
    insert into prop_trading_model.refresh_keys (account_id, trade_date)
    select distinct account_id, trade_date from pg_temp.rebuilt_differing;
    analyze prop_trading_model.refresh_keys;
    drop table pg_temp.rebuilt, pg_temp.rebuilt_differing;
    return prop_trading_model.write_account_symbol_day();
end
$$;

-- Recomputes a whole month of every rollup that is kept by month or day, and what spans months for the accounts that
-- differed: for all of the month's accounts with every_account, which a month that was marked needs, because a login is in
-- no rollup but rollup_account. Returns the rows written or removed.
create or replace function prop_trading_model.rebuild_rollups_of_month(wanted date, every_account boolean) returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    next_month date := wanted + interval '1 month';
    of_month text := format('r.trade_date >= %L and r.trade_date < %L', wanted, next_month);
    written bigint;
begin
    perform prop_trading_model.create_rollup_month(wanted);
    if every_account then
        create temporary table accounts_before on commit drop as
        select account_id from prop_trading_model.rollup_account_month where month = wanted;
    end if;
    written := prop_trading_model.rebuild_account_symbol_day(wanted);
    perform prop_trading_model.make_rebuilt(prop_trading_model.symbol_days_query(
        'prop_trading_model.rollup_account_symbol_day as r where ' || of_month
    ));
    written := written + prop_trading_model.apply_rebuilt('prop_trading_model.rollup_symbol_day', of_month);
    perform prop_trading_model.make_rebuilt(
        'select r.trade_date, sum(r.net) as net, r.account_id from prop_trading_model.rollup_account_symbol_day as r'
        ' where ' || of_month || ' group by r.trade_date, r.account_id'
    );
    written := written + prop_trading_model.apply_rebuilt('prop_trading_model.rollup_account_day_net', of_month);
    perform prop_trading_model.make_rebuilt(prop_trading_model.market_day_query(
        'prop_trading_model.rollup_account_symbol_day as r where ' || of_month,
        'prop_trading_model.rollup_symbol_day as r where ' || of_month
    ));
    written := written + prop_trading_model.apply_rebuilt('prop_trading_model.rollup_market_day', of_month);
    perform prop_trading_model.make_rebuilt(prop_trading_model.account_month_query(
        'prop_trading_model.rollup_account_symbol_day as r where ' || of_month
    ));
    written := written + prop_trading_model.apply_rebuilt(
        'prop_trading_model.rollup_account_month', format('r.month = %L', wanted)
    );
    if exists (select from prop_trading_model.refresh_keys) then
        perform prop_trading_model.note_accounts(may_append => false);
        written := written + prop_trading_model.move_account_symbol() + prop_trading_model.refresh_account_recent();
    end if;
    if every_account then
        insert into prop_trading_model.refresh_keys (account_id, trade_date)
        select account_id, wanted from prop_trading_model.rollup_account_month where month = wanted
        union select account_id, wanted from pg_temp.accounts_before;
        drop table pg_temp.accounts_before;
        analyze prop_trading_model.refresh_keys;
    end if;
    perform prop_trading_model.note_accounts(may_append => false);
    return written + prop_trading_model.refresh_account();
end
$$;

-- Recomputes a month of every rollup from the raw trades, whatever the log says; DPM01 for a cold month. With a run_key
-- the month is noted as done for that run. Returns the rows that differed.
create or replace function prop_trading_model.rebuild_month(wanted date, run_key text default null) returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    first_day date := date_trunc('month', wanted);
    began timestamptz;
    marked boolean;
    taken bigint;
    written bigint;
begin
    perform prop_trading_model.lock_refresh();
    began := clock_timestamp();
    perform prop_trading_model.require_hot(first_day);
    perform prop_trading_model.compare_leaves();
    delete from prop_trading_model.changed_months where month = first_day;
    marked := found;
    taken := prop_trading_model.take_keys(9223372036854775807, array[first_day]);
    written := prop_trading_model.rebuild_rollups_of_month(first_day, marked or taken > 0);
    if written > 0 then
        perform prop_trading_model.advance_input('trades');
    end if;
    insert into prop_trading_model.refresh_log (kind, month, keys_taken, months, rows_written, run_key, started_at)
    values ('month', first_day, taken, array[first_day], written, rebuild_month.run_key, began);
    return written;
end
$$;

-- Recomputes what spans months (rollup_account, rollup_account_symbol, rollup_account_recent) for every account: the last
-- step of a rebuild. Returns the rows written or removed.
create or replace function prop_trading_model.rebuild_totals(run_key text default null) returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    began timestamptz;
    written bigint;
begin
    perform prop_trading_model.lock_refresh();
    began := clock_timestamp();
    perform prop_trading_model.clear_work_table('prop_trading_model.refresh_keys');
    insert into prop_trading_model.refresh_keys (account_id, trade_date)
    select account_id, date '2000-01-01' from prop_trading_model.rollup_account_month
    union select account_id, date '2000-01-01' from prop_trading_model.rollup_account;
    perform prop_trading_model.note_accounts(may_append => false);
    written := prop_trading_model.refresh_account();
    perform prop_trading_model.make_rebuilt(
        'select account_id, symbol_key, max(trade_date) as last_trade_date'
        ' from prop_trading_model.rollup_account_symbol_day group by account_id, symbol_key'
    );
    written := written + prop_trading_model.apply_rebuilt('prop_trading_model.rollup_account_symbol')
        + prop_trading_model.remake_recent_window(prop_trading_model.as_of_date());
    update prop_trading_model.recent_window set last_day = prop_trading_model.as_of_date();
    if written > 0 then
        perform prop_trading_model.advance_input('trades');
    end if;
    insert into prop_trading_model.refresh_log (kind, rows_written, run_key, started_at)
    values ('totals', written, rebuild_totals.run_key, began);
    return written;
end
$$;
