-- Comments of tables, views and their columns, as psql's \d+ and the reference pages show them.
-- Invariant: a comment that is as it should be is not written again, so that no lock is taken for it; a name that is not
-- there is an error.

-- Comments on relations, each given with its text.
create or replace procedure prop_trading_model.describe(relations text[])
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    wanted record;
begin
    for wanted in
        select c.oid::regclass as relation, relations[n][2] as said,
            case c.relkind when 'v' then 'view' when 'm' then 'materialized view' else 'table' end as kind
        from generate_series(1, array_length(relations, 1)) as n
        join pg_class as c on c.oid = relations[n][1]::regclass
        where obj_description(c.oid, 'pg_class') is distinct from relations[n][2]
    loop
        execute format('comment on %s %s is %L', wanted.kind, wanted.relation, wanted.said);
    end loop;
end
$$;

-- Comments on columns, each given with its text: of a name, in whichever of the relations has it.
create or replace procedure prop_trading_model.describe_columns(relations regclass[], columns text[])
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    wanted record;
begin
    for wanted in
        select columns[n][1] as name, columns[n][2] as said, a.attrelid::regclass as relation,
            col_description(a.attrelid, a.attnum) as now
        from generate_series(1, array_length(columns, 1)) as n
        left join pg_attribute as a
            on a.attrelid = any (relations) and a.attname = columns[n][1] and a.attnum > 0 and not a.attisdropped
    loop
        if wanted.relation is null then
            raise exception 'none of % has a column %', relations, wanted.name using errcode = 'undefined_column';
        elsif wanted.now is distinct from wanted.said then
            execute format('comment on column %s.%I is %L', wanted.relation, wanted.name, wanted.said);
        end if;
    end loop;
end
$$;

-- Gives the columns of the relations the comments that those of the same name have in another.
create or replace procedure prop_trading_model.describe_columns_like(pattern regclass, relations regclass[])
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    described text[];
begin
    select array_agg(array[a.attname::text, col_description(pattern, a.attnum)])
    from pg_attribute as a
    where a.attrelid = pattern and col_description(pattern, a.attnum) is not null
        and exists (select from pg_attribute as h where h.attrelid = any (relations) and h.attname = a.attname)
    into described;
    call prop_trading_model.describe_columns(relations, described);
end
$$;
