-- The proof that a part equals its original: count, sums, and a hash of every row that does not depend on their order.
-- Invariant: both sides are read in one statement, so in one snapshot; account-days that wait to be brought
-- over are left out of both. The other log, of what the migration itself wrote, leaves nothing out.

-- Rows, sums and hash of a query `t` of rows as the successor has them, as one jsonb.
create or replace function prop_trading_model_migration.fingerprint(moved text) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select format(
        'jsonb_build_object(''rows'', count(*), %s, ''hash'', coalesce(sum(hash_record_extended(row(%s), 0)), 0)::text)',
        (select string_agg(format('%L, coalesce(sum(t.%1$I), 0)::text', s), ', ') from unnest(m.sums) as s),
        prop_trading_model_migration.column_list(moved, 't')
    )
    from prop_trading_model_migration.moved_tables as m where m.table_name = moved
$$;

-- What the original has of the days of a part, what the successor has of them, and whether they are equal.
create or replace function prop_trading_model_migration.compare_part(
    moved text, wanted date, out original_has jsonb, out successor_has jsonb, out equal boolean
)
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
    settled text := format(
        'not exists (select from pending as k where k.account_id = t.account_id and k.day = t.%1$I)'
        ' and not exists (select from pending as k where k.account_id is null and k.day = t.%1$I)'
        ' and not exists (select from pending as k where k.account_id is null and k.day is null)', m.day_column
    );
begin
    execute format(
        'with pending as materialized ('
        '   select distinct account_id, day from prop_trading_model_migration.%8$I'
        '   where table_name = %1$L and (day >= $1 and day < $2 or account_id is null and day is null)'
        ' ), unmoved as materialized ('
        '   select id from prop_trading_model_migration.unmoved_rows where table_name = %1$L and day >= $1 and day < $2'
        ' ) select'
        ' (select %2$s from (select %3$s from %4$s as o where o.id not in (select id from unmoved)) as t where %5$s),'
        ' (select %2$s from %6$s as t where t.%7$I >= $1 and t.%7$I < $2 and %5$s)',
        moved, prop_trading_model_migration.fingerprint(moved), prop_trading_model_migration.as_successor(moved),
        prop_trading_model_migration.rows_of_days(moved), settled, m.successor, m.day_column,
        (select case phase when 'copying' then 'changed_originals' else 'changed_successors' end
            from prop_trading_model_migration.state)
    ) using part.starts, part.ends into original_has, successor_has;
    equal := original_has = successor_has;
end
$$;

-- Compares a part that is attached; equal: it is verified. Returns what differs, as text; null when nothing does.
create or replace function prop_trading_model_migration.verify_part(moved text, wanted date) returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    found record := prop_trading_model_migration.compare_part(moved, wanted);
begin
    update prop_trading_model_migration.parts as p
    set state = case when found.equal then 'verified' else 'attached' end,
        verified_at = case when found.equal then clock_timestamp() end
    where p.table_name = moved and p.starts = wanted;
    return (
        select string_agg(format('%s %s in the original, %s in its successor', d.key, d.value, found.successor_has ->> d.key), '; ')
        from jsonb_each_text(found.original_has) as d
        where d.value is distinct from found.successor_has ->> d.key
    );
end
$$;
