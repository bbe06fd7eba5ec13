-- Rows of the original that the checks of a table refuse, told by the checks themselves as the catalogue has them.

-- The names of the checks of `judge` that a row refuses, as an SQL expression over its columns; '' when there is none.
create or replace function pg_temp.refused_by(judge regclass) returns text
language sql stable
as $$
    select 'concat_ws('', '', ' || string_agg(
        format('case when not (%s) then %L end', pg_get_expr(conbin, conrelid), conname), ', ' order by conname
    ) || ')'
    from pg_constraint where conrelid = judge and contype = 'c'
$$;

-- Sets aside the rows of a table that is changed in place, whose checks bind new rows already. How many.
create or replace function pg_temp.set_aside_refused(tbl regclass) returns bigint
language plpgsql
as $$
declare
    unmoved bigint;
begin
    execute format(
        'with gone as (delete from %1$s where %2$s <> '''' returning *)'
        ' insert into prop_trading_model_migration.unmoved_rows (table_name, id, reason, row)'
        ' select %3$L, t.id, %2$s, to_jsonb(t) from gone as t',
        tbl, pg_temp.refused_by(tbl), (select relname from pg_class where oid = tbl)
    );
    get diagnostics unmoved = row_count;
    return unmoved;
end
$$;
