-- The SQL of rows on their way: how a row of an original reads in its successor, which rows a stretch of days holds, and which
-- of them the successor takes. The copy, the following of changes and the comparison are made of the same text.
-- Invariant: what the comparison expects is what the copy does, since neither has a second rule.

-- The columns that both tables have, in the successor's order.
create or replace function prop_trading_model_migration.shared_columns(moved text)
returns table (place integer, name name, type text, original_type text)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select n.attnum, n.attname, format_type(n.atttypid, n.atttypmod), format_type(o.atttypid, o.atttypmod)
    from prop_trading_model_migration.moved_tables as m
    join pg_attribute as n on n.attrelid = m.successor and n.attnum > 0 and not n.attisdropped
    join pg_attribute as o on o.attrelid = m.original and o.attname = n.attname and o.attnum > 0 and not o.attisdropped
    where m.table_name = moved
    order by n.attnum
$$;

-- `a, b, c`, or with an alias `t.a, t.b, t.c`.
create or replace function prop_trading_model_migration.column_list(moved text, alias text default null) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select string_agg(coalesce(alias || '.', '') || quote_ident(c.name), ', ' order by c.place)
    from prop_trading_model_migration.shared_columns(moved) as c
$$;

-- A row `o` of the original as its successor has it: the list after `select`, each column by its name.
create or replace function prop_trading_model_migration.as_successor(moved text) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select string_agg(
        case
            when c.name = m.day_column then m.day
            when m.corrections ? c.name then m.corrections ->> c.name
            when c.type <> c.original_type then format('o.%I::%s', c.name, c.type)
            else format('o.%I', c.name)
        end || format(' as %I', c.name), ', ' order by c.place
    )
    from prop_trading_model_migration.moved_tables as m
    cross join lateral prop_trading_model_migration.shared_columns(moved) as c
    where m.table_name = moved
$$;

-- A row `t` of the successor as its original has it.
create or replace function prop_trading_model_migration.as_original(moved text) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select string_agg(
        format(case when c.type <> c.original_type then 't.%I::%s' else 't.%I' end, c.name, c.original_type), ', ' order by c.place
    )
    from prop_trading_model_migration.shared_columns(moved) as c
$$;

-- The rows `o` of the original whose day is in [$1, $2), as a query in brackets. Rows that lack the day's own column are found
-- by what stands for it, each kind through its index.
create or replace function prop_trading_model_migration.rows_of_days(moved text, condition text default 'true') returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select format(
        case when moved = 'raw_trades_closed' then
            '(select * from %1$s as o where o.trade_date >= $1 and o.trade_date < $2 and (%2$s)'
            ' union all'
            ' select * from %1$s as o where o.trade_date is null and o.close_time >= $1 and o.close_time < $2 and (%2$s))'
        else '(select * from %1$s as o where o.date >= $1 and o.date < $2 and (%2$s))' end,
        m.original, condition
    )
    from prop_trading_model_migration.moved_tables as m where m.table_name = moved
$$;

-- The names of the checks of the successor that refuse a row `t`, as text; null for a row that it takes.
create or replace function prop_trading_model_migration.refusal(moved text) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select format('nullif(concat_ws('', '', %s), '''')', string_agg(
        format('case when not %s then %L end', substring(pg_get_constraintdef(c.oid) from '^CHECK (.*)$'), c.conname),
        ', ' order by c.conname
    ))
    from prop_trading_model_migration.moved_tables as m
    join pg_constraint as c on c.conrelid = m.successor and c.contype = 'c'
    where m.table_name = moved
$$;

-- The key of the successor.
create or replace function prop_trading_model_migration.key_columns(moved text) returns name[]
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select array(
        select a.attname from unnest(c.conkey) with ordinality as k (attnum, place)
        join pg_attribute as a on a.attrelid = c.conrelid and a.attnum = k.attnum
        order by k.place
    )
    from prop_trading_model_migration.moved_tables as m
    join pg_constraint as c on c.conrelid = m.successor and c.contype in ('p', 'u')
    where m.table_name = moved
    order by c.contype limit 1
$$;

-- The order among rows `t` of one key, by which the first is the one that counts; and whether a row has a whole key.
create or replace function prop_trading_model_migration.place_in_key(moved text) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select format(
        'case when %s then row_number() over (partition by %s order by t.ingestion_timestamp desc nulls last, t.id desc) else 1 end',
        string_agg(format('t.%I is not null', k), ' and '), string_agg(format('t.%I', k), ', ')
    )
    from unnest(prop_trading_model_migration.key_columns(moved)) as k
$$;
