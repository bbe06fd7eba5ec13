-- Rebuilding: rollups recomputed whole, whatever the log says.
-- Invariant: a recomputation is made beside the rollup and applied as differences, so that readers with an older snapshot
-- keep their rows, and what does not differ is not written.

-- Recomputes a month of rollup_account_symbol_day. Leaves the account-days that differed in refresh_keys, of their rows those
-- that differ in refresh_rows, as they are now, and in refresh_before, as they were, and the keys of those that are no more in
-- refresh_gone; returns the rows written or removed.
create or replace function prop_trading_model.rebuild_account_symbol_day(month date) returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
set default_statistics_target = 10
as $$
declare
    next_month date := month + interval '1 month';
begin
    perform prop_trading_model.clear_work_table('prop_trading_model.refresh_keys');
    perform prop_trading_model.clear_work_table('prop_trading_model.refresh_before');
    perform prop_trading_model.clear_work_table('prop_trading_model.refresh_rows');
    perform prop_trading_model.clear_work_table('prop_trading_model.refresh_gone');
    perform prop_trading_model.find_differences(
        'prop_trading_model.rollup_account_symbol_day',
        prop_trading_model.account_symbol_day_query('prop_trading_model.raw_trades_closed as t where {piece}'),
        prop_trading_model.pieces_by_day(month, 8)
    );
    insert into prop_trading_model.refresh_gone (account_id, trade_date, symbol_key)
    select account_id, trade_date, symbol_key from pg_temp.rebuilt where gone;
    insert into prop_trading_model.refresh_before
    select r.* from prop_trading_model.rollup_account_symbol_day as r
    join pg_temp.rebuilt as d
        on d.account_id = r.account_id and d.trade_date = r.trade_date and d.symbol_key = r.symbol_key and d.was_there
    where r.trade_date >= month and r.trade_date < next_month;
    analyze prop_trading_model.refresh_before (account_id, trade_date, symbol_key);
    insert into prop_trading_model.refresh_rows (
        trade_date, trades, wins, losses, profits, lots_counted, volumes, durations, buys, stop_losses, take_profits,
        account_id, symbol_key, gross_profit, gross_loss, net, profit_squares, profit_max, profit_min, lots,
        lots_squares, volume, duration_us
    )
    select
        trade_date, trades, wins, losses, profits, lots_counted, volumes, durations, buys, stop_losses, take_profits,
        account_id, symbol_key, gross_profit, gross_loss, net, profit_squares, profit_max, profit_min, lots,
        lots_squares, volume, duration_us
    from pg_temp.rebuilt where not gone;
    analyze prop_trading_model.refresh_rows (account_id, trade_date, symbol_key);
    insert into prop_trading_model.refresh_keys (account_id, trade_date)
    select distinct account_id, trade_date from pg_temp.rebuilt;
    analyze prop_trading_model.refresh_keys;
    drop table pg_temp.rebuilt;
    return coalesce(prop_trading_model.fill_rollup_month(month), prop_trading_model.write_account_symbol_day());
end
$$;

-- Recomputes a month of rollup_account_month; returns the rows written or removed.
create or replace function prop_trading_model.rebuild_account_month(wanted date) returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    of_month text := format('trade_date >= %L and trade_date < %L', wanted, (wanted + interval '1 month')::date);
begin
    perform prop_trading_model.find_differences(
        'prop_trading_model.rollup_account_month',
        prop_trading_model.account_month_query(format(
            '(select * from prop_trading_model.rollup_account_symbol_day where %s and {piece}) as r', of_month
        )),
        prop_trading_model.pieces_by_account(format(
            'prop_trading_model.rollup_account_symbol_day tablesample system (1) repeatable (0) where %s', of_month
        ), 4),
        format('month = %L', wanted)
    );
    return prop_trading_model.apply_differences('prop_trading_model.rollup_account_month');
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
    days text[] := prop_trading_model.pieces_by_day(wanted, 4);
    day_rows constant text := 'prop_trading_model.rollup_account_symbol_day as r where {piece}';
    written bigint;
begin
    if every_account then
        create temporary table accounts_before on commit drop as
        select account_id from prop_trading_model.rollup_account_month where month = wanted;
    end if;
    written := prop_trading_model.rebuild_account_symbol_day(wanted);
    perform prop_trading_model.find_differences(
        'prop_trading_model.rollup_symbol_day', prop_trading_model.symbol_days_query(day_rows), days
    );
    written := written + prop_trading_model.apply_differences('prop_trading_model.rollup_symbol_day');
    perform prop_trading_model.find_differences(
        'prop_trading_model.rollup_market_day',
        prop_trading_model.market_day_query(day_rows, 'prop_trading_model.rollup_symbol_day as r where {piece}'), days
    );
    written := written + prop_trading_model.apply_differences('prop_trading_model.rollup_market_day');
    written := written + prop_trading_model.rebuild_account_month(wanted);
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
    marked timestamptz;
    since timestamptz;
    taken bigint;
    written bigint;
begin
    perform prop_trading_model.lock_refresh();
    began := clock_timestamp();
    perform prop_trading_model.require_hot(first_day);
    perform prop_trading_model.compare_leaves();
    with unmarked as (delete from prop_trading_model.changed_months where month = first_day returning changed_at)
    select min(changed_at) into marked from unmarked;
    select t.taken, t.since into taken, since
    from prop_trading_model.take_keys(9223372036854775807, array[first_day]) as t;
    written := prop_trading_model.rebuild_rollups_of_month(first_day, marked is not null or taken > 0);
    if written > 0 then
        perform prop_trading_model.advance_input('trades', coalesce(least(marked, since), began));
    end if;
    insert into prop_trading_model.refresh_log (kind, month, keys_taken, months, rows_written, run_key, started_at)
    values ('month', first_day, taken, array[first_day], written, rebuild_month.run_key, began);
    return written;
end
$$;

-- Recomputes what spans months (rollup_account, rollup_account_symbol, rollup_account_recent, rollup_latest_account) for
-- every account: the last step of a rebuild. Returns the rows written or removed. Without a run's key, which means that somebody
-- recomputes by hand, the views also read their other inputs anew: a change of these may have come past the triggers too.
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
    written := prop_trading_model.refresh_account() + prop_trading_model.refresh_latest_account();
    perform prop_trading_model.find_differences(
        'prop_trading_model.rollup_account_symbol',
        prop_trading_model.account_symbol_query('prop_trading_model.rollup_account_symbol_day as r where {piece}'),
        prop_trading_model.pieces_by_account('prop_trading_model.rollup_account', 8)
    );
    written := written + prop_trading_model.apply_differences('prop_trading_model.rollup_account_symbol')
        + prop_trading_model.remake_recent_window(prop_trading_model.as_of_date());
    update prop_trading_model.recent_window set last_day = prop_trading_model.as_of_date();
    if written > 0 then
        perform prop_trading_model.advance_input('trades', began);
    end if;
    insert into prop_trading_model.changed_inputs (input)
    select unnest(array['accounts', 'plans', 'regimes']) where rebuild_totals.run_key is null;
    insert into prop_trading_model.refresh_log (kind, rows_written, run_key, started_at)
    values ('totals', written, rebuild_totals.run_key, began);
    return written;
end
$$;
