-- The copy of a month (year): a bare table is filled bite by bite, then indexed and attached.
-- Invariant: a bite is one transaction with its row in `bites`; a copy that is killed repeats the bite that it was in, and no
-- other. Who works on a part holds its lock, which the session of a killed worker lets go of.

-- The key of the lock of a part.
create or replace function prop_trading_model_migration.part_lock(moved text, starts date) returns bigint
language sql immutable
set search_path = pg_catalog, pg_temp
as $$ select hashtextextended('prop_trading_model.migration.' || moved || starts, 0) $$;

-- Makes the bare table of a part and lists its bites of about `bite_rows` rows.
create or replace function prop_trading_model_migration.begin_part(moved text, starts date, bite_rows bigint default 100000)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set client_min_messages = warning
as $$
declare
    m prop_trading_model_migration.moved_tables := (
        select t from prop_trading_model_migration.moved_tables as t where t.table_name = moved
    );
    part prop_trading_model_migration.parts := (
        select t from prop_trading_model_migration.parts as t where t.table_name = moved and t.starts = begin_part.starts
    );
    step record;
begin
    for step in
        select * from prop_trading_model.plan_leaf_table(
            m.successor, format('prop_trading_model_next.%I', part.leaf), part.starts, part.ends
        )
    loop
        execute step.statement;
    end loop;
    -- Of a migration that was abandoned: what of them still does not move is kept anew.
    delete from prop_trading_model_migration.unmoved_rows as u
    where u.table_name = moved and u.day >= part.starts and u.day < part.ends;
    execute format(
        'insert into prop_trading_model_migration.bites (table_name, starts, first_day, next_day)'
        ' select %1$L, $1, min(day), max(day) + 1 from ('
        '   select day, sum(rows) over (order by day) as before, rows from ('
        '     select %2$s as day, count(*) as rows from %3$s as o group by 1'
        '   ) as days'
        ' ) as summed group by floor((before - 1) / $3) order by 1, 2, 3',
        moved, m.day, prop_trading_model_migration.rows_of_days(moved)
    ) using part.starts, part.ends, bite_rows;
    perform prop_trading_model_migration.split_large_days(moved, starts, bite_rows);
    update prop_trading_model_migration.parts as p set state = 'copying', begun_at = clock_timestamp(), rows = null,
        attached_at = null, verified_at = null
    where p.table_name = moved and p.starts = begin_part.starts;
end
$$;

-- Splits a day of many times `bite_rows` rows by account; the rows of an account on a day stay together.
create or replace function prop_trading_model_migration.split_large_days(moved text, wanted date, bite_rows bigint)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    b record;
    counted bigint;
    cuts varchar[];
begin
    for b in
        select * from prop_trading_model_migration.bites
        where table_name = moved and starts = wanted and next_day = first_day + 1
    loop
        execute format('select count(*) from %s as o', prop_trading_model_migration.rows_of_days(moved))
            using b.first_day, b.next_day into counted;
        continue when counted < 2 * bite_rows;
        execute format(
            'select array_agg(distinct cut order by cut) from unnest(('
            ' select percentile_disc($3) within group (order by o.account_id) from %s as o)) as cut',
            prop_trading_model_migration.rows_of_days(moved)
        ) using b.first_day, b.next_day,
            array(select i::float8 * bite_rows / counted from generate_series(1, counted / bite_rows) as i) into cuts;
        insert into prop_trading_model_migration.bites (table_name, starts, first_day, next_day, account_from, account_before)
        select moved, wanted, b.first_day, b.next_day, f, t
        from unnest(array[null::varchar] || cuts, cuts || null::varchar) as c (f, t);
        delete from prop_trading_model_migration.bites where bite_id = b.bite_id;
    end loop;
end
$$;

-- Copies one bite; returns its rows. Rows that a check refuses are looked for only when there are some.
create or replace function prop_trading_model_migration.copy_bite(wanted bigint) returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    b prop_trading_model_migration.bites := (
        select t from prop_trading_model_migration.bites as t where t.bite_id = wanted and t.copied_at is null for update
    );
    leaf text := (
        select format('prop_trading_model_next.%I', p.leaf) from prop_trading_model_migration.parts as p
        where p.table_name = b.table_name and p.starts = b.starts
    );
    source text := prop_trading_model_migration.rows_of_days(b.table_name, concat_ws(' and ',
        'true', 'o.account_id >= ' || quote_literal(b.account_from), 'o.account_id < ' || quote_literal(b.account_before)));
    columns text := prop_trading_model_migration.column_list(b.table_name);
    cast_rows text := prop_trading_model_migration.as_successor(b.table_name);
    began timestamptz := clock_timestamp();
    copied bigint;
    refused bigint := 0;
begin
    if b.bite_id is null then
        raise exception 'the bite % has been copied already', wanted using errcode = 'object_in_use';
    end if;
    begin
        execute format('insert into %s (%s) select %s from %s as o', leaf, columns, cast_rows, source)
            using b.first_day, b.next_day;
        get diagnostics copied = row_count;
    exception when check_violation or not_null_violation then
        refused := prop_trading_model_migration.set_aside(b.table_name, source, b.first_day, b.next_day);
        execute format(
            'insert into %s (%s) select %2$s from (select %s from %s as o) as t where %s is null',
            leaf, columns, cast_rows, source, prop_trading_model_migration.refusal(b.table_name)
        ) using b.first_day, b.next_day;
        get diagnostics copied = row_count;
    end;
    update prop_trading_model_migration.bites
    set rows = copied, unmoved = refused, copied_at = clock_timestamp(), seconds = extract(epoch from clock_timestamp() - began)
    where bite_id = wanted;
    return copied;
end
$$;

-- Keeps the rows of `source`, a query over [first_day, next_day), that a check of the successor refuses; returns how many.
create or replace function prop_trading_model_migration.set_aside(moved text, source text, first_day date, next_day date)
returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    refused bigint;
begin
    execute format(
        'insert into prop_trading_model_migration.unmoved_rows (table_name, id, reason, row, account_id, day)'
        ' select %L, t.id, %s, t.original_row, t.account_id, t.%I'
        ' from (select %s, to_jsonb(o) as original_row from %s as o) as t where %2$s is not null',
        moved, prop_trading_model_migration.refusal(moved),
        (select day_column from prop_trading_model_migration.moved_tables where table_name = moved),
        prop_trading_model_migration.as_successor(moved), source
    ) using first_day, next_day;
    get diagnostics refused = row_count;
    return refused;
end
$$;

-- Gives the filled table of a part its indexes, privileges and triggers and makes it a partition. Raises object_in_use while a
-- bite remains.
create or replace function prop_trading_model_migration.attach_part(moved text, wanted date) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    m prop_trading_model_migration.moved_tables := (
        select t from prop_trading_model_migration.moved_tables as t where t.table_name = moved
    );
    part prop_trading_model_migration.parts := (
        select t from prop_trading_model_migration.parts as t where t.table_name = moved and t.starts = wanted
    );
    leaf text := format('prop_trading_model_next.%I', part.leaf);
    step record;
begin
    if exists (
        select from prop_trading_model_migration.bites
        where table_name = moved and starts = wanted and copied_at is null
    ) then
        raise exception 'the part % of % is not copied whole', wanted, moved using errcode = 'object_in_use';
    end if;
    begin
        perform prop_trading_model_migration.build_indexes(m.successor, leaf);
    exception when unique_violation then
        perform prop_trading_model_migration.set_aside_copies(moved, leaf);
        perform prop_trading_model_migration.build_indexes(m.successor, leaf);
    end;
    for step in
        select statement from prop_trading_model.plan_statistics(m.successor, leaf)
        union all
        select statement from prop_trading_model.plan_privileges(m.successor, leaf)
        union all
        select s.statement from prop_trading_model.change_trigger_statements(leaf) as s where moved = 'raw_trades_closed'
        union all
        select format(
            'alter table %s attach partition %s for values from (%L) to (%L)', m.successor, leaf, part.starts, part.ends
        )
        union all
        select format('alter table %s drop constraint within_bounds', leaf)
    loop
        execute step.statement;
    end loop;
    perform prop_trading_model_migration.log_changes_of(leaf::regclass);
    update prop_trading_model_migration.parts as p
    set state = 'attached', attached_at = clock_timestamp(), rows = (
        select coalesce(sum(b.rows), 0) from prop_trading_model_migration.bites as b
        where b.table_name = moved and b.starts = wanted
    )
    where p.table_name = moved and p.starts = wanted;
end
$$;

-- The indexes of a successor, on a leaf that has none yet: key first.
create or replace function prop_trading_model_migration.build_indexes(successor regclass, leaf text) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    step text;
begin
    for step in
        select case when c.oid is not null
            then format('alter table %s add %s', leaf, pg_get_constraintdef(c.oid))
            else format('create index on %s%s', leaf, substring(pg_get_indexdef(i.indexrelid) from ' USING .*$'))
        end
        from pg_index as i
        left join pg_constraint as c on c.conindid = i.indexrelid and c.contype in ('p', 'u') and c.conrelid = i.indrelid
        where i.indrelid = successor
        order by c.oid is null, i.indexrelid
    loop
        execute step;
    end loop;
end
$$;

-- Of rows with one key only the one that counts stays in the leaf; the others are kept in unmoved_rows.
create or replace function prop_trading_model_migration.set_aside_copies(moved text, leaf text) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    m prop_trading_model_migration.moved_tables := (
        select t from prop_trading_model_migration.moved_tables as t where t.table_name = moved
    );
begin
    execute format(
        'with placed as (select t.ctid as place_in_leaf, %s as place from %s as t),'
        ' gone as (delete from %2$s as t using placed as p where t.ctid = p.place_in_leaf and p.place > 1 returning t.*)'
        ' insert into prop_trading_model_migration.unmoved_rows (table_name, id, reason, row, account_id, day)'
        ' select %L, g.id, ''an older copy of its key'', to_jsonb(o), g.account_id, g.%I'
        ' from gone as g join %s as o on o.id = g.id',
        prop_trading_model_migration.place_in_key(moved), leaf, moved, m.day_column, m.original
    );
end
$$;
