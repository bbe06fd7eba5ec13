-- The rows of the two large tables, into their months and years. A missing trade_date is the date of close_time; a stop loss or
-- take profit of 0 is NULL. Of trades with one key, that which was taken in last stays (of several at once, that with the
-- highest id). The others, and rows that a check refuses, that have no date, or one before the first month (2020-01, or
-- `set dpm.first_month`) or after the three months ahead, stand in unmoved_rows.
-- Invariant: every row of the old table is in the new one or in unmoved_rows, or this fails and nothing has changed.

-- The rows of prop_trading_model_old.<name> that cannot move, with the reason, into refused_ids. `selected`: the old columns as
-- they will be; `dated`: the partition key, and `days` those that it may have; `unique_by`: the key that no two rows may share, or
-- null.
create or replace function pg_temp.judge_rows(name text, selected text, dated text, days daterange, unique_by text) returns void
language plpgsql
as $$
declare
    source constant text := format('prop_trading_model_old.%I', name);
    refused_by constant text := pg_temp.refused_by(format('prop_trading_model.%I', name)::regclass);
begin
    execute format(
        'insert into refused_ids'
        ' select id, case when %1$I is null then ''no date'' when not %1$I <@ %5$L::daterange then %6$L else %2$s end'
        ' from (select %3$s from %4$s as t) as t'
        ' where %1$I is null or not %1$I <@ %5$L::daterange or %2$s <> ''''',
        dated, refused_by, selected, source, days, format('a date outside %s to %s', lower(days), upper(days) - 1)
    );
    analyze refused_ids;
    if unique_by is not null then
        execute format(
            'insert into refused_ids select id, ''an older copy of '' || kept from ('
            '  select id, first_value(id) over same_key as kept, row_number() over same_key as place'
            '  from (select %2$s from %3$s as t where not exists (select from refused_ids as r where r.id = t.id)) as good'
            '  window same_key as (partition by %1$s order by ingestion_timestamp desc nulls last, id desc)'
            ') as ranked where place > 1',
            unique_by, selected, source
        );
        analyze refused_ids;
    end if;
end
$$;

-- Moves all rows of a large table; its privileges and the place of its sequence go along.
create or replace function pg_temp.move_rows(name text, corrected jsonb, dated text, unit text, unique_by text) returns void
language plpgsql
as $$
declare
    first_month constant date := coalesce(nullif(current_setting('dpm.first_month', true), ''), '2020-01-01');
    last_month constant timestamp := date_trunc('month', now() at time zone 'utc') + interval '3 months';
    days constant daterange := daterange(
        date_trunc(unit, first_month::timestamp)::date, (date_trunc(unit, last_month) + ('1 ' || unit)::interval)::date
    );
    source constant text := format('prop_trading_model_old.%I', name);
    target constant text := format('prop_trading_model.%I', name);
    columns text;
    selected text;
    good text;
    starts date[];
    step text;
    counted bigint[];
begin
    select
        string_agg(quote_ident(attname), ', ' order by attnum),
        string_agg(coalesce(corrected ->> attname::text || ' as ', '') || quote_ident(attname), ', ' order by attnum)
    into columns, selected
    from pg_attribute where attrelid = source::regclass and attnum > 0 and not attisdropped;
    good := format('(select %s from %s as t where not exists (select from refused_ids as r where r.id = t.id))', selected, source);

    create temporary table refused_ids (id bigint not null, reason text not null) on commit drop;
    perform pg_temp.judge_rows(name, selected, dated, days, unique_by);
    execute format(
        'insert into prop_trading_model_migration.unmoved_rows (table_name, id, reason, row)'
        ' select %L, t.id, r.reason, to_jsonb(t) from %s as t join refused_ids as r on r.id = t.id', name, source
    );
    for step in
        select statement from prop_trading_model.plan_privileges(source::regclass, target)
        union all
        select format('grant %s on sequence %s_id_seq to %s', acl.privilege_type, target,
            case when acl.grantee = 0 then 'public' else quote_ident(r.rolname) end)
        from pg_class as s cross join lateral aclexplode(s.relacl) as acl left join pg_roles as r on r.oid = acl.grantee
        where s.oid = (source || '_id_seq')::regclass and acl.grantee <> s.relowner
    loop
        execute step;
    end loop;

    execute format('select array_agg(distinct date_trunc(''month'', %I)::date) from %s as good', dated, good) into starts;
    if name = 'raw_trades_closed' then
        perform prop_trading_model.ensure_trade_months(starts);
    else
        perform prop_trading_model.ensure_metrics_years(array(select extract(year from s)::integer from unnest(starts) as s));
    end if;
    execute format('insert into %s (%s) select %2$s from %s as good', target, columns, good);
    execute format('select array[(select count(*) from %s), (select count(*) from %s), (select count(*) from refused_ids)]',
        source, target) into counted;
    if counted[1] <> counted[2] + counted[3] then
        raise exception '% of the % rows of % moved and % were set aside: nothing is changed', counted[2], counted[1], name,
            counted[3];
    end if;
    execute format('select setval(%L, greatest(last_value, 1), is_called) from %s_id_seq', target || '_id_seq', source);
    execute format('drop table %s', source);
    drop table refused_ids;
    raise info '% rows of % moved, % were set aside', counted[2], name, counted[3];
end
$$;

do $$
begin
    if to_regclass('prop_trading_model_old.raw_trades_closed') is null then
        return;  -- this file has been applied
    end if;
    perform pg_temp.move_rows(
        'raw_trades_closed',
        '{"trade_date": "coalesce(trade_date, close_time::date)", "stop_loss": "nullif(stop_loss, 0)",
          "take_profit": "nullif(take_profit, 0)"}',
        'trade_date', 'month', 'account_id, trade_date, trade_id'
    );
    perform pg_temp.move_rows('raw_metrics_daily', '{}', 'date', 'year', null);
    drop schema prop_trading_model_old;
    -- A month whose trades are all new is recomputed whole; that takes less than each of its account-days.
    delete from prop_trading_model.changed_account_days;
    perform prop_trading_model.mark_months(b.lower, b.upper, 'migration')
    from prop_trading_model.trade_leaves() as t cross join lateral prop_trading_model.leaf_bounds(t.leaf) as b;
end
$$;
