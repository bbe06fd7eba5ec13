-- A month that is loaded whole before it is a partition: bare, without indexes and triggers, then indexed and attached, all in
-- the transaction of the load.
-- Invariant: until the load commits nobody sees the table; a load that is killed leaves none. Readers and writers of other
-- months never wait: the parent is locked in SHARE UPDATE EXCLUSIVE, from the attachment to the end of the load.

-- Makes the table of a month that has no leaf, for one batch; returns its name, null when there is a leaf.
create or replace function prop_trading_model.make_bare_month(month date, batch_id bigint) returns name
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    first_day date := date_trunc('month', month::timestamp);
    next_month date := first_day + interval '1 month';
    bare name := format('raw_trades_closed_%s_batch_%s', to_char(first_day, 'YYYY_MM'), batch_id);
    granting text;
begin
    if prop_trading_model.has_leaf('prop_trading_model.raw_trades_closed', first_day, next_month) then
        return null;
    end if;
    -- The check proves to ATTACH that it need not read the rows again.
    execute format(
        'create table prop_trading_model.%1$I ('
        ' like prop_trading_model.raw_trades_closed including defaults including constraints including storage,'
        ' constraint within_bounds check (trade_date >= %2$L and trade_date < %3$L))%4$s',
        bare, first_day, next_month, prop_trading_model.leaf_storage('prop_trading_model.raw_trades_closed')
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

-- Indexes that table and attaches it as the leaf of its month, which is marked to be refreshed whole. False when somebody
-- else has made the leaf, or a table of its name, in the meantime. Raises unique_violation when a key is in it twice.
create or replace function prop_trading_model.attach_bare_month(month date, batch_id bigint) returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '500ms'
as $$
declare
    first_day date := date_trunc('month', month::timestamp);
    next_month date := first_day + interval '1 month';
    final_name name := 'raw_trades_closed_' || to_char(first_day, 'YYYY_MM');
begin
    execute format(
        'alter table prop_trading_model.%I add primary key (account_id, trade_date, trade_id)',
        format('%s_batch_%s', final_name, batch_id)
    );
    -- Without a limit: whoever makes leaves at this moment is soon done.
    set local lock_timeout = 0;
    perform pg_advisory_xact_lock(hashtextextended('prop_trading_model.create_leaf', 0));
    set local lock_timeout = '500ms';
    if prop_trading_model.has_leaf('prop_trading_model.raw_trades_closed', first_day, next_month)
        or to_regclass(format('prop_trading_model.%I', final_name)) is not null
    then
        return false;
    end if;
    execute format('alter table prop_trading_model.%I rename to %I', format('%s_batch_%s', final_name, batch_id), final_name);
    execute format(
        'alter table prop_trading_model.%I rename constraint %I to %I',
        final_name, format('%s_batch_%s_pkey', final_name, batch_id), final_name || '_pkey'
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
    perform prop_trading_model.mark_months(first_day, next_month, 'loaded whole');
    return true;
end
$$;
