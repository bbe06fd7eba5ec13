-- Who writes the logs of the migration: statement triggers with transition tables on the originals, and on the successors and
-- their leaves.
-- Invariant: the log is written in the transaction of the change, whoever the writer is and whatever its snapshot sees; a
-- trigger too many costs a copy of an account-day that was equal already, never a row.

-- Arguments: the log, the table's name, the SQL of the day of a row `o`.
create or replace function prop_trading_model_migration.log_change() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    log_rows constant text := format(
        'insert into prop_trading_model_migration.%I (table_name, account_id, day) select %L, ', tg_argv[0], tg_argv[1]
    );
begin
    if tg_op = 'TRUNCATE' and tg_argv[0] = 'changed_originals' then
        execute log_rows || 'null, null';
    elsif tg_op = 'TRUNCATE' then  -- fires for each leaf too; the parent has no bounds
        execute log_rows || $days$
            null, d::date
            from prop_trading_model.leaf_bounds($1) as b, generate_series(b.lower, b.upper - 1, interval '1 day') as d
            where isfinite(b.lower) and isfinite(b.upper)
        $days$ using tg_relid;
    elsif tg_op = 'INSERT' then
        execute log_rows || format('account_id, day from (select distinct o.account_id, %s from new_rows as o) as k (account_id, day)', tg_argv[2]);
    elsif tg_op = 'DELETE' then
        execute log_rows || format('account_id, day from (select distinct o.account_id, %s from old_rows as o) as k (account_id, day)', tg_argv[2]);
    else
        execute log_rows || format(
            'account_id, day from ('
            ' select o.account_id, %1$s from old_rows as o union select o.account_id, %1$s from new_rows as o'
            ') as k (account_id, day)', tg_argv[2]
        );
    end if;
    return null;
end
$$;

-- What gives a table those triggers; nothing for those that are there and enabled.
create or replace function prop_trading_model_migration.log_trigger_statements(tbl regclass, log_name text, moved text, day text)
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
            'create or replace trigger %I %s for each statement execute function prop_trading_model_migration.log_change(%L, %L, %L)',
            wanted.name, format(wanted.event, tbl), log_name, moved, day
        ),
        format('alter table %s enable always trigger %I', tbl, wanted.name)
    ]) with ordinality as s (statement, place)
    where not exists (
        select from pg_trigger as t where t.tgrelid = tbl and t.tgname = wanted.name and t.tgenabled = 'A'
    )
    order by wanted.name, s.place
$$;

-- Gives an original, or a successor, the triggers of its log. A writer that is in the table holds a lock that CREATE TRIGGER
-- waits for: when this has been committed, whatever was written without a trigger is visible to every later snapshot.
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
        cross join lateral prop_trading_model_migration.log_trigger_statements(
            tbl,
            case when tbl = m.original then 'changed_originals' else 'changed_successors' end,
            m.table_name,
            case when tbl = m.original then m.day else format('o.%I', m.day_column) end
        ) as s
        where tbl in (m.original, m.successor) or i.inhrelid is not null
    loop
        execute missing;
    end loop;
end
$$;
