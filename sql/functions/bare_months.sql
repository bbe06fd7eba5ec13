-- A month that is loaded whole before it is a partition: bare, without indexes and triggers, then indexed and attached, all in
-- the transaction of the load (or of the restore of an archived month).
-- Invariant: until the load commits nobody sees the table; a load that is killed leaves none. Readers and writers of other
-- months never wait: the parent is locked in SHARE UPDATE EXCLUSIVE, from the attachment to the end of the load.

-- Makes the bare table of a month; returns its name.
create or replace function prop_trading_model.make_bare_table(bare name, first_day date) returns name
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    granting text;
begin
    -- The check proves to ATTACH that it need not read the rows again.
    execute format(
        'create table prop_trading_model.%1$I ('
        ' like prop_trading_model.raw_trades_closed including defaults including constraints including storage,'
        ' constraint within_bounds check (trade_date >= %2$L and trade_date < %3$L))%4$s',
        bare, first_day, (first_day + interval '1 month')::date,
        prop_trading_model.leaf_storage('prop_trading_model.raw_trades_closed')
    );
    for granting in
        select statement from prop_trading_model.plan_privileges(
            'prop_trading_model.raw_trades_closed', format('prop_trading_model.%I', bare)
        )
    loop
        execute granting;
    end loop;
    return bare;
end
$$;

-- Indexes that table, gives it the name of the month's leaf and attaches it as such. False when somebody else has made the
-- leaf, or a table of its name, in the meantime. Raises unique_violation when a key is in it twice. The refresh is told
-- that the leaf is known; whether its month has to be marked is the caller's to say.
create or replace function prop_trading_model.attach_bare_table(bare name, first_day date) returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
set lock_timeout = '500ms'
as $$
declare
    next_month date := first_day + interval '1 month';
    final_name name := 'raw_trades_closed_' || to_char(first_day, 'YYYY_MM');
begin
    execute format('alter table prop_trading_model.%I add primary key (account_id, trade_date, trade_id)', bare);
    -- Without a limit: whoever makes leaves at this moment is soon done.
    set local lock_timeout = 0;
    perform pg_advisory_xact_lock(hashtextextended('prop_trading_model.create_leaf', 0));
    set local lock_timeout = '500ms';
    if prop_trading_model.has_leaf('prop_trading_model.raw_trades_closed', first_day, next_month)
        or to_regclass(format('prop_trading_model.%I', final_name)) is not null
    then
        return false;
    end if;
    execute format('alter table prop_trading_model.%I rename to %I', bare, final_name);
    execute format(
        'alter table prop_trading_model.%I rename constraint %I to %I', final_name, bare || '_pkey', final_name || '_pkey'
    );
    execute format(
        'create index on prop_trading_model.%I using brin (trade_date, close_time, id) with (autosummarize = on)', final_name
    );
    perform prop_trading_model.dress_leaf(
        'prop_trading_model.raw_trades_closed', format('prop_trading_model.%I', final_name)::regclass
    );
    for attempt in 1 .. 20 loop
        begin
            execute format(
                'alter table prop_trading_model.raw_trades_closed attach partition prop_trading_model.%I'
                ' for values from (%L) to (%L)', final_name, first_day, next_month
            );
            exit;
        exception when lock_not_available then
            if attempt = 20 then
                raise;
            end if;
            perform pg_sleep(0.05 * attempt * (0.5 + random()));
        end;
    end loop;
    execute format('alter table prop_trading_model.%I drop constraint within_bounds', final_name);
    insert into prop_trading_model.known_leaves
    select leaves.* from prop_trading_model.trade_leaves() as leaves where leaves.leaf_name = final_name;
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
    of_month record := prop_trading_model.month_leaf(month);
begin
    perform prop_trading_model.require_hot(month);
    if prop_trading_model.has_leaf('prop_trading_model.raw_trades_closed', of_month.first_day, of_month.next_month) then
        return null;
    end if;
    return prop_trading_model.make_bare_table(format('%s_batch_%s', of_month.leaf_name, batch_id), of_month.first_day);
end
$$;

-- Makes the leaf of the month of that table, which is marked to be refreshed whole. False as attach_bare_table has it.
create or replace function prop_trading_model.attach_bare_month(month date, batch_id bigint) returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    of_month record := prop_trading_model.month_leaf(month);
begin
    if not prop_trading_model.attach_bare_table(format('%s_batch_%s', of_month.leaf_name, batch_id), of_month.first_day) then
        return false;
    end if;
    perform prop_trading_model.mark_months(of_month.first_day, of_month.next_month, 'loaded whole');
    return true;
end
$$;
