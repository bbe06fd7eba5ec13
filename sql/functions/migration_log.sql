-- Who writes the logs of the migration: statement triggers with transition tables, on the originals, and on the successors and
-- their leaves. After the cutover those of the successors also bring small changes over to the originals themselves.
-- Invariant: what a transaction changes on one side is on the other when it commits, or in the log; whoever the writer is and
-- whatever its snapshot sees. A key too many costs a copy of an account-day that was equal already, never a row.

-- Whether this transaction is the migration's own, which brings something over: that is not logged to be brought back. Anybody may
-- set the variable; what it has to hold only the migration knows.
create or replace function prop_trading_model_migration.is_following() returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select current_setting('prop_trading_model_migration.following', true) is not distinct from s.secret::text
    from prop_trading_model_migration.state as s
$$;

-- Says so, or no longer, until the end of the transaction.
create or replace function prop_trading_model_migration.set_following(on_or_off boolean) returns void
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
    select set_config('prop_trading_model_migration.following', case when on_or_off then s.secret::text else '' end, true)
    from prop_trading_model_migration.state as s
$$;

-- Arguments: the log, the table's name, the SQL of the day of a row `o`.
create or replace function prop_trading_model_migration.log_change() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    log_rows constant text := format(
        'insert into prop_trading_model_migration.%I (table_name, account_id, day) select %L, ', tg_argv[0], tg_argv[1]
    );
    keys constant text := format('select o.account_id, %s from ', tg_argv[2]);
begin
    if prop_trading_model_migration.is_following() then
        return null;
    elsif tg_op = 'TRUNCATE' then
        execute log_rows || 'null, null';
    elsif tg_op = 'INSERT' then
        execute log_rows || format('account_id, day from (%s new_rows as o group by 1, 2) as k (account_id, day)', keys);
    elsif tg_op = 'DELETE' then
        execute log_rows || format('account_id, day from (%s old_rows as o group by 1, 2) as k (account_id, day)', keys);
    else
        execute log_rows || format(
            'account_id, day from (%1$s old_rows as o union %1$s new_rows as o) as k (account_id, day)', keys
        );
    end if;
    return null;
end
$$;

-- Whether a change may be brought over in its own transaction: after the cutover, when the original has no rule of its own that
-- could refuse a row, nobody brings over what the log names at this moment (a transaction that may not is not kept waiting: it
-- is logged), and a later snapshot is taken for each statement.
create or replace function prop_trading_model_migration.may_follow_at_once() returns boolean
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
    select current_setting('transaction_isolation') = 'read committed'
        and (select s.phase = 'moved' and s.follow_at_once from prop_trading_model_migration.state as s)
        and pg_try_advisory_xact_lock_shared(hashtextextended('prop_trading_model.migration.follow', 0))
$$;

-- Arguments: the table's name, the SQL of the day of a row `o`, the columns, the SQL of these columns of a row `t`. No statement
-- here raises or waits: rows that somebody has locked, and ids that the original holds or cannot hold, are left to the log.
create or replace function prop_trading_model_migration.follow_change() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    log_rows constant text := format(
        'insert into prop_trading_model_migration.changed_successors (table_name, account_id, day) select %L, ', tg_argv[0]
    );
    keys constant text := format('select o.account_id, %s from ', tg_argv[1]);
    original regclass;
    same_day text;
    aside boolean := false;
    wanted bigint := 0;
    followed bigint := 0;
    counted bigint;
begin
    if prop_trading_model_migration.is_following() then
        return null;
    elsif tg_op = 'TRUNCATE' then  -- fires for each leaf too; the parent has no bounds
        execute log_rows || $days$
            null, d::date
            from prop_trading_model.leaf_bounds($1) as b, generate_series(b.lower, b.upper - 1, interval '1 day') as d
            where isfinite(b.lower) and isfinite(b.upper)
        $days$ using tg_relid;
        return null;
    end if;
    if tg_op <> 'DELETE' then
        wanted := (select count(*) from new_rows);
    end if;
    if tg_op <> 'INSERT' then
        wanted := wanted + (select count(*) from old_rows);
    end if;
    if wanted = 0 then
        return null;
    end if;
    -- Where rows did not move, more has to be thought of than the rows of this statement.
    if tg_op <> 'DELETE' then
        aside := exists (
            select from prop_trading_model_migration.unmoved_rows as u join new_rows as r on r.account_id = u.account_id
            where u.table_name = tg_argv[0]
        );
    end if;
    if tg_op <> 'INSERT' and not aside then
        aside := exists (
            select from prop_trading_model_migration.unmoved_rows as u join old_rows as r on r.account_id = u.account_id
            where u.table_name = tg_argv[0]
        );
    end if;
    if wanted <= 1000 and not aside and prop_trading_model_migration.may_follow_at_once() then
        -- The id may stand at another row of the account too, whose copy is not this one's.
        select m.original, format('%s = r.%I', m.day, m.day_column) into original, same_day
        from prop_trading_model_migration.moved_tables as m where m.table_name = tg_argv[0];
        perform prop_trading_model_migration.set_following(true);
        if tg_op <> 'INSERT' then
            execute format(
                'delete from %1$s as o using ('
                ' select o.ctid from old_rows as r join %1$s as o on o.id = r.id and o.account_id = r.account_id and %2$s'
                ' for update of o skip locked'
                ') as found where o.ctid = found.ctid', original, same_day
            );
            get diagnostics followed = row_count;
        end if;
        if tg_op <> 'DELETE' then
            execute format(
                'insert into %s (%s) select %s from new_rows as t'
                ' where t.id between -2147483648 and 2147483647 on conflict do nothing',
                original, tg_argv[2], tg_argv[3]
            );
            get diagnostics counted = row_count;
            followed := followed + counted;
        end if;
        perform prop_trading_model_migration.set_following(false);
    end if;
    if followed < wanted then
        execute log_rows || 'account_id, day from ('
            || concat_ws(' union ',
                case when tg_op <> 'INSERT' then keys || 'old_rows as o' end,
                case when tg_op <> 'DELETE' then keys || 'new_rows as o' end)
            || ') as k (account_id, day)';
    end if;
    return null;
end
$$;

-- What gives a table those triggers; nothing for those that are there and enabled. `call`: the function with its arguments.
create or replace function prop_trading_model_migration.log_trigger_statements(tbl regclass, call text)
returns table (statement text)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select s.statement
    from (values
        ('migration_insert', 'after insert on %s referencing new table as new_rows'),
        ('migration_update', 'after update on %s referencing old table as old_rows new table as new_rows'),
        ('migration_delete', 'after delete on %s referencing old table as old_rows'),
        ('migration_truncate', 'after truncate on %s')
    ) as wanted (name, event)
    cross join lateral unnest(array[
        format(
            'create or replace trigger %I %s for each statement execute function prop_trading_model_migration.%s',
            wanted.name, format(wanted.event, tbl), call
        ),
        format('alter table %s enable always trigger %I', tbl, wanted.name)
    ]) with ordinality as s (statement, place)
    where not exists (
        select from pg_trigger as t where t.tgrelid = tbl and t.tgname = wanted.name and t.tgenabled = 'A'
    )
    order by wanted.name, s.place
$$;

-- Gives an original, a successor, or a leaf of one, the triggers of its log. A writer that is in the table holds a lock that
-- CREATE TRIGGER waits for: when this has been committed, whatever was written without a trigger is visible to every later
-- snapshot.
create or replace function prop_trading_model_migration.log_changes_of(tbl regclass) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    missing text;
begin
    for missing in
        select s.statement
        from prop_trading_model_migration.moved_tables as m
        left join pg_inherits as i on i.inhrelid = tbl and i.inhparent = m.successor
        cross join lateral prop_trading_model_migration.log_trigger_statements(tbl, case
            when tbl = m.original then format('log_change(%L, %L, %L)', 'changed_originals', m.table_name, m.day)
            else format(
                'follow_change(%L, %L, %L, %L)', m.table_name, format('o.%I', m.day_column),
                prop_trading_model_migration.column_list(m.table_name), prop_trading_model_migration.as_original(m.table_name)
            )
        end) as s
        where tbl in (m.original, m.successor) or i.inhrelid is not null
    loop
        execute missing;
    end loop;
end
$$;

-- Leaves of the successors that were made after the cutover and have no log of their own, or whose log has lost a trigger: somebody
-- may have written straight to them, or filled one before he attached it. They get their triggers, and each of their days is logged; returns how many.
create or replace function prop_trading_model_migration.log_new_leaves() returns integer
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    found record;
    adopted integer := 0;
begin
    for found in select l.leaf, l.table_name from prop_trading_model_migration.leaves_without_log() as l loop
        perform prop_trading_model_migration.log_changes_of(found.leaf);
        insert into prop_trading_model_migration.changed_successors (table_name, account_id, day)
        select found.table_name, null, d::date
        from prop_trading_model.leaf_bounds(found.leaf) as b, generate_series(b.lower, b.upper - 1, interval '1 day') as d;
        adopted := adopted + 1;
    end loop;
    return adopted;
end
$$;

create or replace function prop_trading_model_migration.leaves_without_log()
returns table (leaf regclass, table_name text)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select i.inhrelid, m.table_name
    from prop_trading_model_migration.moved_tables as m
    join pg_inherits as i on i.inhparent = m.successor
    where exists (select from prop_trading_model_migration.log_trigger_statements(i.inhrelid, ''))
$$;
