-- What was written on one side while the other had its copy already, brought over by account-day.
-- Invariant: keys are taken from the log first, and their rows are read in a later snapshot: a writer that commits in between
-- has its keys still in the log. A part is followed by one session at a time, that which holds the part's lock or the whole
-- migration's.

-- The rows `o` of the original that belong to a key k (account_id, day), as a query in brackets.
create or replace function prop_trading_model_migration.rows_of_key(moved text) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select format(
        case when moved = 'raw_trades_closed' then
            '(select * from %1$s as o where o.account_id = k.account_id and o.trade_date = k.day'
            ' union all'
            ' select * from %1$s as o where o.account_id = k.account_id and o.trade_date is null'
            '   and o.close_time::date is not distinct from k.day)'
        else '(select * from %1$s as o where o.account_id = k.account_id and o.date = k.day)' end,
        m.original
    )
    from prop_trading_model_migration.moved_tables as m where m.table_name = moved
$$;

-- Follows up to `bound` account-days of the days in [first_day, next_day) from the original to the successor; returns how many
-- it took.
create or replace function prop_trading_model_migration.follow_original(
    moved text, first_day date, next_day date, bound bigint default 5000
)
returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    m prop_trading_model_migration.moved_tables := (
        select t from prop_trading_model_migration.moved_tables as t where t.table_name = moved
    );
    columns text := prop_trading_model_migration.column_list(moved);
    accounts varchar[];
    days date[];
begin
    with gone as (
        delete from prop_trading_model_migration.changed_originals as c
        where c.ctid = any (array(
            select k.ctid from prop_trading_model_migration.changed_originals as k
            where k.table_name = moved and k.account_id is not null and k.day >= first_day and k.day < next_day
            limit bound
        ))
        returning c.account_id, c.day
    )
    select array_agg(k.account_id), array_agg(k.day) into accounts, days
    from (select distinct account_id, day from gone) as k;
    if accounts is null then
        return 0;
    end if;
    -- A part that was empty when it was attached may be so no longer: the cutover marks it for the refresh with the others.
    update prop_trading_model_migration.parts as p set rows = null
    where p.table_name = moved and p.rows = 0
        and exists (select from unnest(days) as k (day) where k.day >= p.starts and k.day < p.ends);
    delete from prop_trading_model_migration.unmoved_rows as u
    using unnest(accounts, days) as k (account_id, day)
    where u.table_name = moved and u.account_id = k.account_id and u.day = k.day;
    perform prop_trading_model_migration.set_following(true);
    execute format(
        'delete from %s as n using unnest($1, $2) as k (account_id, day) where n.account_id = k.account_id and n.%I = k.day',
        m.successor, m.day_column
    ) using accounts, days;
    execute format(
        'with judged as materialized ('
        '   select t.*, %1$s as refusal from ('
        '     select %2$s, to_jsonb(o) as original_row'
        '     from unnest($1, $2) as k (account_id, day) cross join lateral %3$s as o'
        '   ) as t'
        ' ), placed as materialized ('
        '   select t.*, %4$s as place from judged as t where t.refusal is null'
        ' ), kept as ('
        '   insert into prop_trading_model_migration.unmoved_rows (table_name, id, reason, row, account_id, day)'
        '   select %5$L, t.id, t.refusal, t.original_row, t.account_id, t.%6$I from judged as t where t.refusal is not null'
        '   union all'
        '   select %5$L, t.id, ''an older copy of its key'', t.original_row, t.account_id, t.%6$I from placed as t where t.place > 1'
        ' ) insert into %7$s (%8$s) select %8$s from placed where place = 1',
        prop_trading_model_migration.refusal(moved), prop_trading_model_migration.as_successor(moved),
        prop_trading_model_migration.rows_of_key(moved), prop_trading_model_migration.place_in_key(moved),
        moved, m.day_column, m.successor, columns
    ) using accounts, days;
    perform prop_trading_model_migration.set_following(false);
    return cardinality(accounts);
end
$$;

-- The same for up to `bound` account-days that no part takes: their rows stand in unmoved_rows.
create or replace function prop_trading_model_migration.follow_outside(moved text, bound bigint default 5000) returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    accounts varchar[];
    days date[];
begin
    with gone as (
        delete from prop_trading_model_migration.changed_originals as c
        where c.ctid = any (array(
            select k.ctid from prop_trading_model_migration.changed_originals as k
            where k.table_name = moved and k.account_id is not null and not exists (
                select from prop_trading_model_migration.parts as p
                where p.table_name = moved and k.day >= p.starts and k.day < p.ends
            )
            limit bound
        ))
        returning c.account_id, c.day
    )
    select array_agg(k.account_id), array_agg(k.day) into accounts, days
    from (select distinct account_id, day from gone) as k;
    if accounts is null then
        return 0;
    end if;
    delete from prop_trading_model_migration.unmoved_rows as u
    using unnest(accounts, days) as k (account_id, day)
    where u.table_name = moved and u.account_id = k.account_id and u.day is not distinct from k.day;
    execute format(
        'insert into prop_trading_model_migration.unmoved_rows (table_name, id, reason, row, account_id, day)'
        ' select %L, o.id, ''a day that no partition takes'', to_jsonb(o), k.account_id, k.day'
        ' from unnest($1, $2) as k (account_id, day) cross join lateral %s as o',
        moved, prop_trading_model_migration.rows_of_key(moved)
    ) using accounts, days;
    return cardinality(accounts);
end
$$;

-- Rows that did not move and that programs have done something about since, in the new table: one that was corrected and
-- inserted takes its old self's place, by its id or by the original's key; an older copy goes when the trade itself is deleted or
-- moved, or it would come back with a rollback. `of_keys` is the query of the successor's rows of these account-days.
create or replace function prop_trading_model_migration.give_up_unmoved(
    moved text, of_keys text, accounts varchar[], days date[]
)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    m prop_trading_model_migration.moved_tables := (
        select t from prop_trading_model_migration.moved_tables as t where t.table_name = moved
    );
begin
    execute format(
        'delete from prop_trading_model_migration.unmoved_rows as u using (%s) as t where u.table_name = %L and u.id = t.id',
        of_keys, moved
    ) using accounts, days;
    if moved = 'raw_metrics_daily' then
        execute format(
            'delete from %s as o using (%s) as t where o.account_id = t.account_id and o.date = t.date'
            ' and o.ingestion_timestamp = t.ingestion_timestamp and o.id <> t.id',
            m.original, of_keys
        ) using accounts, days;
    else
        execute format(
            'with gone as ('
            '   delete from prop_trading_model_migration.unmoved_rows as u using unnest($1, $2) as k (account_id, day)'
            '   where u.table_name = %L and u.reason = ''an older copy of its key'' and u.day = k.day'
            '     and (u.account_id = k.account_id or k.account_id is null) and not exists ('
            '       select from %s as n where n.account_id = u.account_id and n.trade_date = u.day'
            '         and n.trade_id = u.row ->> ''trade_id'')'
            '   returning u.id'
            ' ) delete from %s as o using gone where o.id = gone.id',
            moved, m.successor, m.original
        ) using accounts, days;
    end if;
end
$$;

-- Follows up to `bound` keys from the successor to the original, after the cutover; returns how many it took. Rows that the
-- successor never had stay in the original as they are, but for those that programs have replaced or deleted since. A row keeps
-- its id; a trade that moved to another day is found by it.
create or replace function prop_trading_model_migration.follow_successor(moved text, bound bigint default 5000) returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    m prop_trading_model_migration.moved_tables := (
        select t from prop_trading_model_migration.moved_tables as t where t.table_name = moved
    );
    of_keys text;
    of_originals text := 'select o.id from unnest($1, $2) as k (account_id, day) cross join lateral %s as o';
    twice bigint;
    accounts varchar[];
    days date[];
begin
    -- Transactions that bring their own changes over end first, and none begins to: both would write the same rows.
    perform pg_advisory_xact_lock(hashtextextended('prop_trading_model.migration.follow', 0));
    with gone as (
        delete from prop_trading_model_migration.changed_successors as c
        where c.ctid = any (array(
            select k.ctid from prop_trading_model_migration.changed_successors as k where k.table_name = moved limit bound
        ))
        returning c.account_id, c.day
    )
    select array_agg(k.account_id), array_agg(k.day) into accounts, days
    from (select distinct account_id, day from gone) as k;
    if days is null then
        return 0;
    end if;
    of_keys := format(
        'select n.* from unnest($1, $2) as k (account_id, day)'
        ' join %1$s as n on n.account_id = k.account_id and n.%2$I = k.day',
        m.successor, m.day_column
    );
    of_originals := format(of_originals, prop_trading_model_migration.rows_of_key(moved));
    -- Whole days, only when there are some: a planner that has to reckon with days reads the table for a few account-days.
    if array_position(accounts, null) is not null then
        of_keys := of_keys || format(
            ' union all'
            ' select n.* from unnest($1, $2) as k (account_id, day) join %1$s as n on k.account_id is null and n.%2$I = k.day'
            ' where not exists (select from unnest($1, $2) as other (account_id, day)'
            '   where other.account_id = n.account_id and other.day = n.%2$I)',
            m.successor, m.day_column
        );
        of_originals := of_originals || format(
            ' union'
            ' select o.id from unnest($1, $2) as k (account_id, day) cross join lateral %s as o where k.account_id is null',
            replace(replace(prop_trading_model_migration.rows_of_days(moved), '$1', 'k.day'), '$2', '(k.day + 1)')
        );
    end if;
    perform prop_trading_model_migration.set_following(true);
    perform prop_trading_model_migration.give_up_unmoved(moved, of_keys, accounts, days);
    -- One statement, so one snapshot: a trade that moves to one of these account-days meanwhile would be found there, and its id
    -- still in the original. The insert asks for what the delete has done, which is done first then.
    execute format(
        'with taken as materialized (%4$s),'
        ' doomed as (delete from %1$s as o using ('
        '   %2$s'
        '   union'
        '   select t.id from taken as t'
        ' ) as changed where o.id = changed.id and not exists ('
        '   select from prop_trading_model_migration.unmoved_rows as u where u.table_name = %5$L and u.id = o.id)'
        ' returning o.id, o.account_id, %6$s as day),'
        ' given as (insert into %1$s (%8$s) select %9$s from taken as t where (select count(*) from doomed) is not null)'
        ' select min(d.id) from doomed as d'
        -- With its limit it is looked up for each such row, of which there are hardly any; a join would read the whole table.
        ' cross join lateral ('
        '   select from %7$s as n where n.account_id = d.account_id and n.%3$I = d.day and n.id = d.id limit 1'
        ' ) as other'
        ' where not exists (select from unnest($1, $2) as k (account_id, day)'
        '   where k.day = d.day and coalesce(k.account_id, d.account_id) = d.account_id)',
        m.original, of_originals, m.day_column, of_keys, moved, m.day, m.successor,
        prop_trading_model_migration.column_list(moved), prop_trading_model_migration.as_original(moved)
    ) using accounts, days into twice;
    if twice is not null then
        raise exception 'the id % stands at two rows of %, and the original can hold it once', twice, m.successor
            using errcode = 'unique_violation', hint = 'Give one of them another id: update ... set id = default.';
    end if;
    perform prop_trading_model_migration.set_following(false);
    return cardinality(days);
end
$$;
