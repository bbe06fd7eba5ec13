-- What a leaf is made of: the columns of its parent, in an order of its own that leaves no room between them. PostgreSQL finds the
-- columns of a partition by their names, so the order of the parent, which programs see, stays what it is.
-- Invariant: a leaf has every column of its parent with the same type, collation, compression, default, generation and NOT NULL,
-- and its checks under the same names. An identity is not among them: ATTACH gives it (from PostgreSQL 17 on) or does without.

-- The columns of a table as they are packed: those of fixed length first, by descending alignment, then those of variable length,
-- whose short values are not aligned; otherwise in the order of the table. `definition` is as in CREATE TABLE.
create or replace function prop_trading_model.packed_columns(parent regclass)
returns table (place bigint, column_name name, definition text)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select
        row_number() over (order by case when a.attlen > 0 then strpos('disc', a.attalign::text) else 5 end, a.attnum),
        a.attname,
        concat_ws(
            ' ', quote_ident(a.attname), format_type(a.atttypid, a.atttypmod),
            case a.attcompression when 'p' then 'compression pglz' when 'l' then 'compression lz4' end,
            case when a.attcollation <> t.typcollation then (
                select format('collate %I.%I', n.nspname, c.collname)
                from pg_collation as c join pg_namespace as n on n.oid = c.collnamespace where c.oid = a.attcollation
            ) end,
            case a.attgenerated
                when 's' then format('generated always as (%s) stored', pg_get_expr(d.adbin, d.adrelid))
                when 'v' then format('generated always as (%s) virtual', pg_get_expr(d.adbin, d.adrelid))
                else 'default ' || pg_get_expr(d.adbin, d.adrelid)
            end,
            -- From PostgreSQL 18 on it has a name.
            case when a.attnotnull then concat('constraint ' || quote_ident(not_null.conname) || ' ', 'not null') end
        )
    from pg_attribute as a
    join pg_type as t on t.oid = a.atttypid
    left join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
    left join pg_constraint as not_null
        on not_null.conrelid = a.attrelid and not_null.contype = 'n' and not_null.conkey = array[a.attnum]
    where a.attrelid = parent and a.attnum > 0 and not a.attisdropped
$$;

-- The columns and checks of a leaf, as they stand between the parentheses of its CREATE TABLE.
create or replace function prop_trading_model.leaf_columns(parent regclass) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select string_agg(piece.text, ', ' order by piece.kind, piece.place)
    from (
        select 1 as kind, place, definition from prop_trading_model.packed_columns(parent)
        union all
        select 2, row_number() over (order by c.conname), format('constraint %I %s', c.conname, pg_get_constraintdef(c.oid))
        from pg_constraint as c where c.conrelid = parent and c.contype = 'c'
    ) as piece (kind, place, text)
$$;

-- The extended statistics of the parent, for a leaf that has none: ATTACH does not make them, as it makes indexes.
create or replace function prop_trading_model.plan_statistics(parent regclass, leaf text)
returns table (statement text, locks text)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select concat_ws(
        ' ', 'create statistics',
        -- PostgreSQL finds a name itself from 16 on; before, one that is taken must not keep the leaf from being made.
        case when current_setting('server_version_num')::integer < 160000 then (
            select format('if not exists %I.%I', part[1], left(part[2] || '_' || s.stxname, 63)) from parse_ident(leaf) as part
        ) end,
        (
            select format('(%s)', string_agg(kind.name, ', '))
            from (values ('d', 'ndistinct'), ('f', 'dependencies'), ('m', 'mcv')) as kind (letter, name)
            where kind.letter::"char" = any (s.stxkind)
        ),
        'on', pg_get_statisticsobjdef_columns(s.oid), 'from', leaf
    ), 'SHARE UPDATE EXCLUSIVE on the new table'
    from pg_statistic_ext as s
    where s.stxrelid = parent
    order by s.oid
$$;
