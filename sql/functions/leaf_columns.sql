-- The order in which a leaf stores its columns: one that leaves no room between them. PostgreSQL finds the columns of a partition
-- by their names, so the order of the parent, which programs see, stays what it is.
-- Invariant: nothing but the order is a leaf's own. Columns and checks are copied by LIKE, as PostgreSQL has parsed them: a check
-- that is written out and parsed again may come out as another, and ATTACH refuses it.

-- The columns that come first in a leaf, as in CREATE TABLE: those of fixed length, by descending alignment. Behind them stand
-- those of variable length, whose short values are not aligned. Otherwise the order is that of the parent. Generated columns
-- stay among the latter: of those there must not be two definitions. Null when the parent itself has that order.
create or replace function prop_trading_model.leading_columns(parent regclass) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select case when bool_or(c.place <> c.place_in_parent) then
        string_agg(concat_ws(' ', quote_ident(c.attname), c.type_name, c.collation), ', ' order by c.place) filter (where c.leads)
    end
    from (
        select
            a.attname, f.leads, format_type(a.atttypid, a.atttypmod) as type_name, a.attnum as place_in_parent,
            case when a.attcollation <> t.typcollation then format('collate %s', a.attcollation::regcollation) end as collation,
            row_number() over (order by case when f.leads then strpos('disc', a.attalign::text) else 5 end, a.attnum) as place
        from (
            select attname, atttypid, atttypmod, attcollation, attlen, attalign, attgenerated, row_number() over (order by attnum)
            from pg_attribute where attrelid = parent and attnum > 0 and not attisdropped
        ) as a (attname, atttypid, atttypmod, attcollation, attlen, attalign, attgenerated, attnum)
        join pg_type as t on t.oid = a.atttypid
        cross join lateral (select a.attlen > 0 and a.attgenerated = '') as f (leads)
    ) as c
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
            select '(' || string_agg(kind.name, ', ') || ')'
            from (values ('d', 'ndistinct'), ('f', 'dependencies'), ('m', 'mcv')) as kind (letter, name)
            where kind.letter::"char" = any (s.stxkind)
        ),
        'on', pg_get_statisticsobjdef_columns(s.oid), 'from', leaf
    ), 'SHARE UPDATE EXCLUSIVE on the new table'
    from pg_statistic_ext as s
    where s.stxrelid = parent
    order by s.oid
$$;
