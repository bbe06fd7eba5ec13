-- Where a rollup differs from its recomputation.
-- Invariant: the pieces of a rollup do not overlap and leave nothing out, so that a row is in exactly one of them.
-- PostgreSQL's parallel workers aggregate a table together and have one process merge what they found, which for exact
-- numbers costs as much as it saves; they share pieces that are whole in themselves without any merging.

-- A month as conditions on trade_date: so many stretches of days.
create or replace function prop_trading_model.pieces_by_day(month date, pieces integer) returns text[]
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
    select array_agg(format(
        'trade_date >= %L and trade_date < %L', month + days * piece / pieces, month + days * (piece + 1) / pieces
    ))
    from (select (month + interval '1 month')::date - month as days) as m, generate_series(0, pieces - 1) as piece
$$;

-- All accounts as conditions on account_id: so many stretches of about the same number of rows, by a sample of what `source`
-- gives (everything in one when the sample is empty).
create or replace function prop_trading_model.pieces_by_account(source text, pieces integer) returns text[]
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    bounds text[];
begin
    execute format(
        'select percentile_disc(array(select piece::float8 / %1$s from generate_series(1, %1$s - 1) as piece))'
        ' within group (order by account_id) from %2$s',
        pieces, source
    ) into bounds;
    return array(
        select concat_ws(
            ' and ', 'true', 'account_id >= ' || quote_literal(bounds[piece - 1]),
            'account_id < ' || quote_literal(bounds[piece])
        )
        from generate_series(1, coalesce(cardinality(bounds), 0) + 1) as piece
    );
end
$$;

-- Makes a temporary table of what a query gives, in which {piece} stands for each of `pieces` in turn.
create or replace function prop_trading_model.make_in_pieces(made text, query text, pieces text[]) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set parallel_setup_cost = 3000
set parallel_tuple_cost = 0
as $$
begin
    execute format('create temporary table %I as ', made)
        || (select string_agg(format('(%s)', replace(query, '{piece}', piece)), ' union all ') from unnest(pieces) as piece);
end
$$;

-- The same of a query that has to read its tables whole, once, whatever the planner expects to find in them.
create or replace function prop_trading_model.make_by_hashing(made text, query text, pieces text[]) returns void
language sql
set search_path = pg_catalog, pg_temp
set enable_nestloop = off
as $$ select prop_trading_model.make_in_pieces(made, query, pieces) $$;

-- Makes the temporary table `rebuilt` of the rows of a rollup that differ from those of `query`, in which {piece} stands for
-- each of `pieces` in turn: as they have to be, with `gone` for those that the query does not give (the key alone is filled)
-- and `was_there` for those that the rollup has. With only_rows, it is compared with those rows of the rollup alone. A temporary table: a server that is killed while an unlogged one is written refuses its
-- first start.
create or replace function prop_trading_model.find_differences(
    rollup regclass, query text, pieces text[], only_rows text default 'true'
) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set default_statistics_target = 10
set work_mem = '128MB'
-- So dear that no piece is worth workers of its own, and all of them together are.
set parallel_setup_cost = 30000
set parallel_tuple_cost = 0
as $$
declare
    columns text;
    made text;
    same_key text;
    a_key text;
begin
    select
        string_agg(quote_ident(a.attname), ', ' order by a.attnum),
        string_agg(
            format(case when a.attnum = any (x.indkey) then 'coalesce(n.%1$I, r.%1$I) as %1$I' else 'n.%1$I' end, a.attname),
            ', ' order by a.attnum
        ),
        string_agg(format('r.%1$I = n.%1$I', a.attname), ' and ') filter (where a.attnum = any (x.indkey)),
        min(quote_ident(a.attname)) filter (where a.attnum = any (x.indkey))
    into columns, made, same_key, a_key
    from pg_index as x join pg_attribute as a on a.attrelid = x.indrelid and a.attnum > 0 and not a.attisdropped
    where x.indrelid = rollup and x.indisprimary;
    execute 'create temporary table rebuilt as ' || (
        select string_agg(
            format(
                'select %1$s, n.%2$s is null as gone, r.%2$s is not null as was_there'
                ' from (%3$s) as n (%4$s) full join (select * from %5$s where %8$s and %6$s) as r on %7$s'
                ' where r is distinct from n',
                made, a_key, replace(query, '{piece}', piece), columns, rollup, piece, same_key, only_rows
            ), ' union all '
        )
        from unnest(pieces) as piece
    );
    analyze pg_temp.rebuilt;
end
$$;

-- Makes a rollup equal to its recomputation, and drops the table `rebuilt`. Returns the rows written or removed.
create or replace function prop_trading_model.apply_differences(rollup regclass) returns bigint
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

    execute format('delete from %s as r using pg_temp.rebuilt as n where n.gone and %s', rollup, same_key);
    get diagnostics gone = row_count;
    execute format(
        'insert into %1$s (%2$s) select %2$s from pg_temp.rebuilt where not gone'
        ' on conflict (%3$s) do update set (%2$s) = row(%4$s)',
        rollup, all_columns, key_columns, new_values
    );
    get diagnostics written = row_count;
    drop table pg_temp.rebuilt;
    return gone + written;
end
$$;
