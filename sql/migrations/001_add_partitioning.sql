-- From the original to partitioned tables, offline, for databases that are small enough to stand still for a while:
--   psql -v ON_ERROR_STOP=1 -f 001_add_partitioning.sql
-- It makes the partitioned raw_trades_closed and raw_metrics_daily from the rows of the original, brings the other tables to
-- production's form, and adds the ledger, the change log and the functions that make partitions. While programs go on
-- working: dpm migrate plan. For an empty database: schema.sql.
-- Invariant: one transaction; no row is lost (those that cannot move are kept in unmoved_rows); applied again it changes nothing.
-- Written by python -m dpm_assets.schema.frozen.
-- It runs offline, in one transaction; what it indexes and constrains is empty or locked:
-- squawk-ignore-file require-lock-timeout, require-statement-timeout, prefer-robust-stmts, require-concurrent-index-creation
-- squawk-ignore-file adding-foreign-key-constraint, constraint-missing-not-valid, ban-drop-constraint, ban-drop-function

begin;
set local client_min_messages = warning;
set local search_path = pg_catalog, pg_temp;

-- What has to hold before anything is changed: the original is there, nobody works on it, and nothing hangs on its two large
-- tables that would be lost with them.

do $$
declare
    large constant regclass[] := array[
        to_regclass('prop_trading_model.raw_trades_closed'), to_regclass('prop_trading_model.raw_metrics_daily')];
    found text;
begin
    if current_setting('server_version_num')::integer < 150000 then
        raise exception '001_add_partitioning needs PostgreSQL 15 or newer, this is %', current_setting('server_version');
    end if;
    select string_agg(name, ', ') into found
    from unnest(array[
        'raw_trades_closed', 'raw_metrics_daily', 'raw_metrics_hourly', 'raw_metrics_alltime', 'raw_trades_open',
        'raw_accounts_data', 'raw_plans_data', 'raw_regimes_daily', 'stg_accounts_daily_snapshots',
        'feature_store_account_daily', 'model_training_input', 'model_predictions', 'model_registry', 'pipeline_execution_log'
    ]) as name
    where to_regclass('prop_trading_model.' || name) is null;
    if found is not null then
        raise exception '001_add_partitioning needs the original tables, and these are not there: %. For an empty database, run'
            ' schema.sql instead; else schema_baseline.sql makes what is missing.', found;
    end if;
    if (select relkind from pg_class where oid = large[1]) = 'p' then
        return;  -- this file has been applied
    end if;

    begin
        set local lock_timeout = '5s';
        lock table prop_trading_model.raw_trades_closed, prop_trading_model.raw_metrics_daily,
            prop_trading_model.raw_metrics_hourly, prop_trading_model.raw_metrics_alltime, prop_trading_model.raw_trades_open,
            prop_trading_model.raw_accounts_data, prop_trading_model.raw_plans_data, prop_trading_model.raw_regimes_daily,
            prop_trading_model.stg_accounts_daily_snapshots, prop_trading_model.feature_store_account_daily,
            prop_trading_model.model_training_input, prop_trading_model.model_predictions, prop_trading_model.model_registry,
            prop_trading_model.pipeline_execution_log in access exclusive mode;
        set local lock_timeout = 0;
    exception when lock_not_available then
        raise exception '001_add_partitioning changes tables offline, and somebody uses them. Stop the programs, or migrate'
            ' while they run: dpm migrate plan.';
    end;

    select string_agg(what, '; ' order by what) into found
    from (
        select format('the column %s of %s', a.attname, t.relation) as what
        from unnest(large) as t (relation)
        join pg_attribute as a on a.attrelid = t.relation and a.attnum > 0 and not a.attisdropped
        where a.attname not in (
            'id', 'trade_id', 'account_id', 'login', 'symbol', 'std_symbol', 'side', 'open_time', 'close_time', 'trade_date',
            'open_price', 'close_price', 'stop_loss', 'take_profit', 'lots', 'volume_usd', 'profit', 'commission', 'swap',
            'ingestion_timestamp', 'source_api_endpoint', 'date', 'net_profit', 'gross_profit', 'gross_loss', 'total_trades',
            'winning_trades', 'losing_trades', 'win_rate', 'profit_factor', 'lots_traded', 'volume_traded', 'balance_start',
            'balance_end', 'equity_start', 'equity_end')
        union
        select format('the index %s', indexrelid::regclass)
        from pg_index join pg_class as i on i.oid = indexrelid
        where indrelid = any (large) and i.relname not in (
            'raw_trades_closed_pkey', 'idx_raw_trades_closed_account_id', 'idx_raw_trades_closed_account_id_trade_date',
            'idx_raw_trades_closed_close_time', 'idx_raw_trades_closed_trade_date', 'raw_metrics_daily_pkey',
            'raw_metrics_daily_account_id_date_ingestion_timestamp_key', 'idx_raw_metrics_daily_account_id',
            'idx_raw_metrics_daily_account_id_date', 'idx_raw_metrics_daily_date')
        union
        select format('%s that reads %s', pg_describe_object('pg_class'::regclass, r.ev_class, 0), d.refobjid::regclass)
        from pg_depend as d join pg_rewrite as r on d.classid = 'pg_rewrite'::regclass and r.oid = d.objid
        where d.refclassid = 'pg_class'::regclass and d.refobjid = any (large) and r.ev_class <> d.refobjid
        union
        select format('%s of %s', pg_describe_object('pg_proc'::regclass, d.objid, 0), d.refobjid::regclass)
        from pg_depend as d
        where d.classid = 'pg_proc'::regclass and d.refclassid = 'pg_class'::regclass and d.refobjid = any (large)
        union
        select pg_describe_object('pg_constraint'::regclass, oid, 0)
        from pg_constraint where contype in ('f', 'c', 'x') and (conrelid = any (large) or confrelid = any (large))
        union
        select pg_describe_object('pg_trigger'::regclass, oid, 0) from pg_trigger where tgrelid = any (large) and not tgisinternal
        union
        select pg_describe_object('pg_policy'::regclass, oid, 0) from pg_policy where polrelid = any (large)
        union
        select format('the publication of %s', prrelid::regclass) from pg_publication_rel where prrelid = any (large)
        union
        select format('%s, a child of %s', inhrelid::regclass, inhparent::regclass)
        from pg_inherits where inhparent = any (large) or inhrelid = any (large)
    ) as dependents;
    if found is not null then
        raise exception '001_add_partitioning makes raw_trades_closed and raw_metrics_daily anew, and these would be lost: %.'
            ' Drop them, run this again, and make them again after it.', found;
    end if;
end
$$;

-- The schema and the roles that work on it. From here on everything is made as dpm_owner.
-- Invariant: dpm_owner owns all and cannot log in; nobody is a superuser. Where the login may not create roles (managed
-- services), the roles are left out and the login itself owns everything.

do $$
declare
    wanted text;
    to_act_as constant text := case when current_setting('server_version_num')::integer < 160000 then 'member' else 'set' end;
begin
    foreach wanted in array array['dpm_owner', 'dpm_loader', 'dpm_refresher', 'dpm_reader'] loop
        if not exists (select from pg_roles where rolname = wanted)
            and (select rolcreaterole or rolsuper from pg_roles where rolname = current_user)
        then
            begin
                execute format('create role %I nologin', wanted);
            exception when duplicate_object or unique_violation then
                null;  -- another database of this server was set up at the same moment
            end;
        end if;
    end loop;
    -- Since PostgreSQL 16 a login that creates a role administers it, and may act as it only once it has granted it to itself.
    foreach wanted in array array['dpm_owner', 'dpm_loader', 'dpm_refresher', 'dpm_reader'] loop
        if exists (select from pg_roles where rolname = wanted and not pg_has_role(oid, to_act_as)) then
            begin
                execute format('grant %I to %I', wanted, current_user);
            exception when insufficient_privilege then
                raise notice 'this login may not act as %: it does that work as %', wanted, current_user;
            end;
        end if;
    end loop;
end
$$;

do $$
begin
    if not exists (select from pg_namespace where nspname = 'prop_trading_model') then
        create schema prop_trading_model;
        if exists (
            select from pg_roles where rolname = 'dpm_owner'
                and pg_has_role(oid, case when current_setting('server_version_num')::integer < 160000 then 'member' else 'set' end)
        ) then
            alter schema prop_trading_model owner to dpm_owner;
        end if;
    end if;
end
$$;

-- What every new session of the database begins with: unqualified names and naive times mean the same, whoever opens it.
-- Invariant: naive times are UTC.

do $$
begin
    execute format('alter database %I set search_path = prop_trading_model, public', current_database());
    execute format('alter database %I set timezone = ''UTC''', current_database());
exception when insufficient_privilege then
    raise notice 'the database belongs to somebody else: ask them to set its search_path to prop_trading_model, public'
        ' and its timezone to UTC';
end
$$;

set timezone = 'UTC';
-- pg_stat_statements, where this login may make it, and the right of the schema's owner to see everybody's statements in it.
-- Invariant: nothing else needs it. Where the server came without it or the login may not, the warehouse works all the same, and
-- log_query_performance() says what is missing. A downgrade leaves it: it belongs to the database.

do $$
declare
    owner constant name := coalesce((
        select rolname from pg_roles
        where rolname = 'dpm_owner'
            and pg_has_role(oid, case when current_setting('server_version_num')::integer < 160000 then 'member' else 'set' end)
    ), current_user);
begin
    if not exists (select from pg_extension where extname = 'pg_stat_statements')
        and exists (select from pg_available_extensions where name = 'pg_stat_statements')
    then
        begin
            create extension pg_stat_statements schema public;
        exception
            when insufficient_privilege or invalid_schema_name or feature_not_supported or undefined_file
                or duplicate_object or unique_violation then
                raise notice 'pg_stat_statements was not made: %', sqlerrm;
        end;
    end if;
    if not pg_has_role(owner, 'pg_read_all_stats', 'usage') then
        begin
            execute format('grant pg_read_all_stats to %I', owner);
        exception when insufficient_privilege or unique_violation then
            raise notice '% sees the statistics of its own statements only: %', owner, sqlerrm;
        end;
    end if;
end
$$;

select set_config('role', r.rolname::text, false)
from pg_roles as r join pg_namespace as n on n.nspname = 'prop_trading_model' and n.nspowner = r.oid
where pg_has_role(r.oid, 'member') and r.rolname <> current_user;

reset role;  -- dpm_owner may make no schemas

-- Where rows of the original stand that production's checks and keys refuse: whole, with the reason, until somebody has looked.
-- Invariant: a row is written here in the transaction that takes it out of its table.

create schema if not exists prop_trading_model_migration;

create table if not exists prop_trading_model_migration.unmoved_rows (
    table_name text not null,
    id bigint not null,
    reason text not null,
    row jsonb not null,
    unmoved_at timestamptz not null default clock_timestamp()
);

do $$
begin
    if exists (
        select from pg_roles where rolname = 'dpm_owner'
            and pg_has_role(oid, case when current_setting('server_version_num')::integer < 160000 then 'member' else 'set' end)
    ) then
        alter schema prop_trading_model_migration owner to dpm_owner;
        alter table prop_trading_model_migration.unmoved_rows owner to dpm_owner;
    end if;
end
$$;

-- What gives the schema and these tables of it to dpm_owner, one row a statement; nothing for those that it owns, and nothing
-- where there is no such role or this login may not act as it (managed services): there the login owns everything.
-- Invariant: a former owner that does not become a member of dpm_owner keeps every privilege that it had, in the same
-- statement, so that its programs go on without an error.

create or replace function pg_temp.ownership_steps(tables text[]) returns table (object_name text, statement text)
language sql stable
as $$
    with owned as (
        select 1 as place, n.oid::regnamespace::text as object_name, 'schema' as kind, n.nspowner as owner
        from pg_namespace as n where n.nspname = 'prop_trading_model'
        union all
        select 2, c.oid::regclass::text, 'table', c.relowner
        from pg_class as c
        where c.relnamespace = to_regnamespace('prop_trading_model') and c.relkind = 'r' and c.relname = any (tables)
    )
    select
        o.object_name,
        format(
            'do $do$ begin alter %1$s %2$s owner to dpm_owner; %3$s end $do$',
            o.kind, o.object_name,
            case when not r.rolsuper and not pg_has_role(r.oid, new.oid, 'usage')
                then format('grant all on %1$s %2$s to %3$I;', o.kind, o.object_name, r.rolname)
                    || coalesce((
                        select string_agg(format(' grant all on sequence %s to %I;', d.objid::regclass, r.rolname), '')
                        from pg_depend as d join pg_class as s on s.oid = d.objid and s.relkind = 'S'
                        where o.kind = 'table' and d.refclassid = 'pg_class'::regclass
                            and d.refobjid = to_regclass(o.object_name) and d.deptype in ('a', 'i')
                    ), '')
                else ''
            end
        )
    from owned as o
    join pg_roles as r on r.oid = o.owner
    join pg_roles as new on new.rolname = 'dpm_owner'
        and pg_has_role(new.oid, case when current_setting('server_version_num')::integer < 160000 then 'member' else 'set' end)
    where o.owner <> new.oid
    order by o.place, o.object_name
$$;

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

-- Everything of the original goes to dpm_owner, and its two large tables out of the way, with their sequences and indexes.

do $$
declare
    step record;
begin
    for step in
        select * from pg_temp.ownership_steps(array[
            'raw_trades_closed', 'raw_metrics_daily', 'raw_metrics_alltime', 'raw_metrics_hourly', 'raw_trades_open',
            'raw_accounts_data', 'raw_plans_data', 'raw_regimes_daily', 'stg_accounts_daily_snapshots',
            'feature_store_account_daily', 'model_training_input', 'model_predictions', 'model_registry',
            'pipeline_execution_log', 'alembic_version'])
    loop
        execute step.statement;
    end loop;
    if (select relkind from pg_class where oid = 'prop_trading_model.raw_trades_closed'::regclass) = 'r' then
        create schema prop_trading_model_old;
        execute format(
            'alter schema prop_trading_model_old owner to %I',
            (select pg_get_userbyid(nspowner) from pg_namespace where nspname = 'prop_trading_model')
        );
        alter table prop_trading_model.raw_trades_closed set schema prop_trading_model_old;
        alter table prop_trading_model.raw_metrics_daily set schema prop_trading_model_old;
    end if;
    perform set_config('role', r.rolname::text, false)
    from pg_roles as r join pg_namespace as n on n.nspname = 'prop_trading_model' and n.nspowner = r.oid
    where pg_has_role(r.oid, 'member') and r.rolname <> current_user;
end
$$;

-- The tables that stay unpartitioned, in place.

do $$
begin
    if to_regclass('prop_trading_model_old.raw_trades_closed') is not null then
        update prop_trading_model.raw_trades_open set "stop_loss" = nullif("stop_loss", 0), "take_profit" = nullif("take_profit", 0) where "stop_loss" = 0 or "take_profit" = 0;
        alter table prop_trading_model.raw_metrics_alltime
            add column if not exists load_batch_id bigint,
            alter column ingestion_timestamp set default (now() at time zone 'utc'),
            add constraint trades_add_up check (winning_trades + losing_trades <= total_trades) not valid,
            add constraint total_trades_not_negative check (total_trades >= 0) not valid,
            add constraint winning_trades_not_negative check (winning_trades >= 0) not valid,
            add constraint losing_trades_not_negative check (losing_trades >= 0) not valid,
            add constraint gross_signs check (gross_profit >= 0 and gross_loss <= 0) not valid,
            add constraint win_rate_range check (win_rate between 0 and 100) not valid,
            add constraint max_drawdown_pct_range check (max_drawdown_pct between 0 and 100) not valid,
            add constraint numbers_finite check (not ('NaN' in (
                net_profit, gross_profit, gross_loss, win_rate, profit_factor, average_win, average_loss,
                average_rrr, expectancy, sharpe_ratio, sortino_ratio, max_drawdown, max_drawdown_pct))) not valid,
            add constraint times_finite check (isfinite(ingestion_timestamp)) not valid;
        perform pg_temp.set_aside_refused('prop_trading_model.raw_metrics_alltime');
        alter table prop_trading_model.raw_metrics_alltime
            validate constraint trades_add_up,
            validate constraint total_trades_not_negative,
            validate constraint winning_trades_not_negative,
            validate constraint losing_trades_not_negative,
            validate constraint gross_signs,
            validate constraint win_rate_range,
            validate constraint max_drawdown_pct_range,
            validate constraint numbers_finite,
            validate constraint times_finite;
        alter table prop_trading_model.raw_metrics_hourly
            add column if not exists load_batch_id bigint,
            alter column ingestion_timestamp set default (now() at time zone 'utc'),
            add constraint hour_range check (hour between 0 and 23) not valid,
            add constraint trades_add_up check (winning_trades + losing_trades <= total_trades) not valid,
            add constraint total_trades_not_negative check (total_trades >= 0) not valid,
            add constraint winning_trades_not_negative check (winning_trades >= 0) not valid,
            add constraint losing_trades_not_negative check (losing_trades >= 0) not valid,
            add constraint gross_signs check (gross_profit >= 0 and gross_loss <= 0) not valid,
            add constraint win_rate_range check (win_rate between 0 and 100) not valid,
            add constraint numbers_finite check (not ('NaN' in (
                net_profit, gross_profit, gross_loss, win_rate, lots_traded, volume_traded))) not valid,
            add constraint times_finite check (isfinite(date) and isfinite(ingestion_timestamp)) not valid,
            drop constraint if exists raw_metrics_hourly_hour_check;
        perform pg_temp.set_aside_refused('prop_trading_model.raw_metrics_hourly');
        alter table prop_trading_model.raw_metrics_hourly
            validate constraint hour_range,
            validate constraint trades_add_up,
            validate constraint total_trades_not_negative,
            validate constraint winning_trades_not_negative,
            validate constraint losing_trades_not_negative,
            validate constraint gross_signs,
            validate constraint win_rate_range,
            validate constraint numbers_finite,
            validate constraint times_finite;
        alter table prop_trading_model.raw_trades_open
            add column if not exists load_batch_id bigint,
            alter column ingestion_timestamp set default (now() at time zone 'utc'),
            add constraint side_known check (lower(side) in ('buy', 'sell')) not valid,
            add constraint prices_positive check (open_price > 0 and current_price > 0 and stop_loss > 0 and take_profit > 0) not valid,
            add constraint lots_positive check (lots > 0) not valid,
            add constraint volume_not_negative check (volume_usd >= 0) not valid,
            add constraint numbers_finite check (not ('NaN' in (
                open_price, current_price, stop_loss, take_profit, lots, volume_usd,
                unrealized_pnl, commission, swap))) not valid,
            add constraint times_finite check (isfinite(open_time) and isfinite(trade_date) and isfinite(ingestion_timestamp))
                not valid;
        perform pg_temp.set_aside_refused('prop_trading_model.raw_trades_open');
        alter table prop_trading_model.raw_trades_open
            validate constraint side_known,
            validate constraint prices_positive,
            validate constraint lots_positive,
            validate constraint volume_not_negative,
            validate constraint numbers_finite,
            validate constraint times_finite;
        with gone as (delete from prop_trading_model.raw_trades_open as t
            where t.id in (select id from (select id, row_number() over (partition by account_id, trade_id order by ingestion_timestamp desc nulls last, id desc) as place from prop_trading_model.raw_trades_open) as placed where place > 1) returning t.*)
        insert into "prop_trading_model_migration"."unmoved_rows" (table_name, id, reason, row)
        select 'raw_trades_open', t.id, 'raw_trades_open_account_id_trade_id_key', to_jsonb(t) from gone as t;
        create unique index if not exists raw_trades_open_account_id_trade_id_key
            on prop_trading_model.raw_trades_open (account_id, trade_id);
        alter table prop_trading_model.raw_trades_open
            add constraint raw_trades_open_account_id_trade_id_key
            unique using index raw_trades_open_account_id_trade_id_key;
        alter table prop_trading_model.raw_accounts_data
            add column if not exists load_batch_id bigint,
            alter column ingestion_timestamp set default (now() at time zone 'utc'),
            add constraint phase_known check (phase in ('Phase 1', 'Phase 2', 'Funded', 'Demo')) not valid,
            add constraint status_known check (status in ('Active', 'Inactive', 'Breached', 'Passed')) not valid,
            add constraint profit_target_pct_range check (profit_target_pct between 0 and 100) not valid,
            add constraint max_daily_drawdown_pct_range check (max_daily_drawdown_pct between 0 and 100) not valid,
            add constraint max_drawdown_pct_range check (max_drawdown_pct between 0 and 100) not valid,
            add constraint numbers_finite check (not ('NaN' in (
                starting_balance, current_balance, current_equity, profit_target_pct,
                max_daily_drawdown_pct, max_drawdown_pct, max_leverage))) not valid,
            add constraint times_finite check (isfinite(created_at) and isfinite(updated_at) and isfinite(ingestion_timestamp))
                not valid;
        perform pg_temp.set_aside_refused('prop_trading_model.raw_accounts_data');
        alter table prop_trading_model.raw_accounts_data
            validate constraint phase_known,
            validate constraint status_known,
            validate constraint profit_target_pct_range,
            validate constraint max_daily_drawdown_pct_range,
            validate constraint max_drawdown_pct_range,
            validate constraint numbers_finite,
            validate constraint times_finite;
        alter table prop_trading_model.raw_plans_data
            add column if not exists load_batch_id bigint,
            alter column ingestion_timestamp set default (now() at time zone 'utc'),
            add constraint profit_target_pct_range check (profit_target_pct between 0 and 100) not valid,
            add constraint max_drawdown_pct_range check (max_drawdown_pct between 0 and 100) not valid,
            add constraint max_daily_drawdown_pct_range check (max_daily_drawdown_pct between 0 and 100) not valid,
            add constraint profit_split_pct_range check (profit_split_pct between 0 and 100) not valid,
            add constraint min_trading_days_not_negative check (min_trading_days >= 0) not valid,
            add constraint max_trading_days_not_negative check (max_trading_days >= 0) not valid,
            add constraint numbers_finite check (not ('NaN' in (
                starting_balance, profit_target, profit_target_pct, max_drawdown, max_drawdown_pct,
                max_daily_drawdown, max_daily_drawdown_pct, max_leverage, profit_split_pct))) not valid,
            add constraint times_finite check (isfinite(ingestion_timestamp)) not valid;
        perform pg_temp.set_aside_refused('prop_trading_model.raw_plans_data');
        alter table prop_trading_model.raw_plans_data
            validate constraint profit_target_pct_range,
            validate constraint max_drawdown_pct_range,
            validate constraint max_daily_drawdown_pct_range,
            validate constraint profit_split_pct_range,
            validate constraint min_trading_days_not_negative,
            validate constraint max_trading_days_not_negative,
            validate constraint numbers_finite,
            validate constraint times_finite;
        alter table prop_trading_model.raw_regimes_daily
            add column if not exists load_batch_id bigint,
            alter column ingestion_timestamp set default (now() at time zone 'utc'),
            add constraint times_finite check (isfinite(date) and isfinite(created_at) and isfinite(updated_at) and
                isfinite(ingestion_timestamp)) not valid;
        perform pg_temp.set_aside_refused('prop_trading_model.raw_regimes_daily');
        alter table prop_trading_model.raw_regimes_daily
            validate constraint times_finite;
        alter table prop_trading_model.stg_accounts_daily_snapshots
            alter column created_at set default (now() at time zone 'utc'),
            add constraint phase_known check (phase in ('Phase 1', 'Phase 2', 'Funded', 'Demo')) not valid,
            add constraint status_known check (status in ('Active', 'Inactive', 'Breached', 'Passed')) not valid,
            add constraint profit_target_pct_range check (profit_target_pct between 0 and 100) not valid,
            add constraint max_daily_drawdown_pct_range check (max_daily_drawdown_pct between 0 and 100) not valid,
            add constraint max_drawdown_pct_range check (max_drawdown_pct between 0 and 100) not valid,
            add constraint days_since_first_trade_not_negative check (days_since_first_trade >= 0) not valid,
            add constraint active_trading_days_count_not_negative check (active_trading_days_count >= 0) not valid,
            add constraint numbers_finite check (not ('NaN' in (
                starting_balance, current_balance, current_equity, profit_target_pct,
                max_daily_drawdown_pct, max_drawdown_pct, max_leverage, distance_to_profit_target,
                distance_to_max_drawdown))) not valid,
            add constraint times_finite check (isfinite(date) and isfinite(created_at)) not valid;
        perform pg_temp.set_aside_refused('prop_trading_model.stg_accounts_daily_snapshots');
        alter table prop_trading_model.stg_accounts_daily_snapshots
            validate constraint phase_known,
            validate constraint status_known,
            validate constraint profit_target_pct_range,
            validate constraint max_daily_drawdown_pct_range,
            validate constraint max_drawdown_pct_range,
            validate constraint days_since_first_trade_not_negative,
            validate constraint active_trading_days_count_not_negative,
            validate constraint numbers_finite,
            validate constraint times_finite;
        alter table prop_trading_model.feature_store_account_daily
            alter column created_at set default (now() at time zone 'utc');
        alter table prop_trading_model.model_training_input
            alter column created_at set default (now() at time zone 'utc');
        alter table prop_trading_model.model_predictions
            alter column created_at set default (now() at time zone 'utc');
        alter table prop_trading_model.model_registry
            alter column created_at set default (now() at time zone 'utc'),
            alter column updated_at set default (now() at time zone 'utc');
        alter table prop_trading_model.pipeline_execution_log
            alter column created_at set default (now() at time zone 'utc');
        drop index if exists prop_trading_model.idx_raw_metrics_alltime_account_id;
        drop index if exists prop_trading_model.idx_raw_metrics_hourly_account_id;
        drop index if exists prop_trading_model.idx_raw_trades_open_account_id;
        drop index if exists prop_trading_model.idx_raw_accounts_data_account_id;
        drop index if exists prop_trading_model.idx_raw_regimes_daily_date;
        drop index if exists prop_trading_model.idx_stg_accounts_daily_snapshots_account_id;
        drop index if exists prop_trading_model.idx_stg_accounts_daily_snapshots_account_id_date;
        drop index if exists prop_trading_model.idx_feature_store_account_daily_account_id;
        drop index if exists prop_trading_model.idx_feature_store_account_daily_account_id_feature_date;
        drop index if exists prop_trading_model.idx_model_training_input_login;
        drop index if exists prop_trading_model.idx_model_predictions_login;
        drop index if exists prop_trading_model.idx_model_predictions_login_prediction_date;
    end if;
end
$$;

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

-- The closed trades, one row a trade, partitioned by month of trade_date.
-- Invariant: (account_id, trade_date, trade_id) is unique; every row passes the checks; every write leaves its
-- account-days in changed_account_days (triggers in functions/changes.sql, on the parent and on every leaf).
-- There is no DEFAULT partition: a row outside the months that exist is refused and nothing is lost.

create sequence if not exists prop_trading_model.raw_trades_closed_id_seq as bigint;

create table if not exists prop_trading_model.raw_trades_closed (
    id bigint not null default nextval('prop_trading_model.raw_trades_closed_id_seq'),
    trade_id varchar(255) not null,
    account_id varchar(255) not null,
    login varchar(255) not null,
    symbol varchar(50),
    std_symbol varchar(50),
    side varchar(10),
    open_time timestamp,
    close_time timestamp,
    trade_date date not null,
    open_price numeric(18,6),
    close_price numeric(18,6),
    stop_loss numeric(18,6),
    take_profit numeric(18,6),
    lots numeric(18,4),
    volume_usd numeric(18,2),
    profit numeric(18,2),
    commission numeric(18,2),
    swap numeric(18,2),
    ingestion_timestamp timestamp default (now() at time zone 'utc'),
    source_api_endpoint varchar(500),
    load_batch_id bigint,
    primary key (account_id, trade_date, trade_id),
    constraint side_known check (lower(side) in ('buy', 'sell')),
    constraint times_in_order check (close_time >= open_time),
    constraint prices_positive check (open_price > 0 and close_price > 0 and stop_loss > 0 and take_profit > 0),
    constraint lots_positive check (lots > 0),
    constraint volume_not_negative check (volume_usd >= 0),
    constraint numbers_finite check (not ('NaN' in (
        open_price, close_price, stop_loss, take_profit, lots, volume_usd,
        profit, commission, swap))),
    constraint times_finite check (isfinite(open_time) and isfinite(close_time) and isfinite(trade_date) and
        isfinite(ingestion_timestamp))
) partition by range (trade_date);

alter sequence prop_trading_model.raw_trades_closed_id_seq owned by prop_trading_model.raw_trades_closed.id;

-- Beside the key, one BRIN: day and time ranges, and ids, which grow with time. It has to be summarized after loads.
create index if not exists raw_trades_closed_brin
    on prop_trading_model.raw_trades_closed using brin (trade_date, close_time, id) with (autosummarize = on);

-- The open positions, one row a position as last seen.
-- Invariant: (account_id, trade_id) is unique.

create table if not exists prop_trading_model.raw_trades_open (
    id serial primary key,
    trade_id varchar(255) not null,
    account_id varchar(255) not null,
    login varchar(255) not null,
    symbol varchar(50),
    std_symbol varchar(50),
    side varchar(10),
    open_time timestamp,
    trade_date date,
    open_price numeric(18,6),
    current_price numeric(18,6),
    stop_loss numeric(18,6),
    take_profit numeric(18,6),
    lots numeric(18,4),
    volume_usd numeric(18,2),
    unrealized_pnl numeric(18,2),
    commission numeric(18,2),
    swap numeric(18,2),
    ingestion_timestamp timestamp default (now() at time zone 'utc'),
    source_api_endpoint varchar(500),
    load_batch_id bigint,
    unique (account_id, trade_id),
    constraint side_known check (lower(side) in ('buy', 'sell')),
    constraint prices_positive check (open_price > 0 and current_price > 0 and stop_loss > 0 and take_profit > 0),
    constraint lots_positive check (lots > 0),
    constraint volume_not_negative check (volume_usd >= 0),
    constraint numbers_finite check (not ('NaN' in (
        open_price, current_price, stop_loss, take_profit, lots, volume_usd,
        unrealized_pnl, commission, swap))),
    constraint times_finite check (isfinite(open_time) and isfinite(trade_date) and isfinite(ingestion_timestamp))
);

create index if not exists idx_raw_trades_open_trade_date
    on prop_trading_model.raw_trades_open (trade_date);

-- The metrics that the trading API computes itself: by account-day (partitioned by year), by hour, for all time.
-- Invariant: history is kept, one row for each account, period and ingestion_timestamp.

create sequence if not exists prop_trading_model.raw_metrics_daily_id_seq as bigint;

create table if not exists prop_trading_model.raw_metrics_daily (
    id bigint not null default nextval('prop_trading_model.raw_metrics_daily_id_seq'),
    account_id varchar(255) not null,
    login varchar(255) not null,
    date date not null,
    net_profit numeric(18,2),
    gross_profit numeric(18,2),
    gross_loss numeric(18,2),
    total_trades integer,
    winning_trades integer,
    losing_trades integer,
    win_rate numeric(5,2),
    profit_factor numeric(10,2),
    lots_traded numeric(18,4),
    volume_traded numeric(18,2),
    commission numeric(18,2),
    swap numeric(18,2),
    balance_start numeric(18,2),
    balance_end numeric(18,2),
    equity_start numeric(18,2),
    equity_end numeric(18,2),
    ingestion_timestamp timestamp default (now() at time zone 'utc'),
    source_api_endpoint varchar(500),
    load_batch_id bigint,
    unique (account_id, date, ingestion_timestamp),
    constraint trades_add_up check (winning_trades + losing_trades <= total_trades),
    constraint total_trades_not_negative check (total_trades >= 0),
    constraint winning_trades_not_negative check (winning_trades >= 0),
    constraint losing_trades_not_negative check (losing_trades >= 0),
    constraint gross_signs check (gross_profit >= 0 and gross_loss <= 0),
    constraint win_rate_range check (win_rate between 0 and 100),
    constraint numbers_finite check (not ('NaN' in (
        net_profit, gross_profit, gross_loss, win_rate, profit_factor, lots_traded, volume_traded,
        commission, swap, balance_start, balance_end, equity_start, equity_end))),
    constraint times_finite check (isfinite(date) and isfinite(ingestion_timestamp))
) partition by range (date);

alter sequence prop_trading_model.raw_metrics_daily_id_seq owned by prop_trading_model.raw_metrics_daily.id;

create index if not exists raw_metrics_daily_brin
    on prop_trading_model.raw_metrics_daily using brin (date, id) with (autosummarize = on);

create table if not exists prop_trading_model.raw_metrics_hourly (
    id serial primary key,
    account_id varchar(255) not null,
    login varchar(255) not null,
    date date not null,
    hour integer not null,
    net_profit numeric(18,2),
    gross_profit numeric(18,2),
    gross_loss numeric(18,2),
    total_trades integer,
    winning_trades integer,
    losing_trades integer,
    win_rate numeric(5,2),
    lots_traded numeric(18,4),
    volume_traded numeric(18,2),
    ingestion_timestamp timestamp default (now() at time zone 'utc'),
    source_api_endpoint varchar(500),
    load_batch_id bigint,
    unique (account_id, date, hour, ingestion_timestamp),
    constraint hour_range check (hour between 0 and 23),
    constraint trades_add_up check (winning_trades + losing_trades <= total_trades),
    constraint total_trades_not_negative check (total_trades >= 0),
    constraint winning_trades_not_negative check (winning_trades >= 0),
    constraint losing_trades_not_negative check (losing_trades >= 0),
    constraint gross_signs check (gross_profit >= 0 and gross_loss <= 0),
    constraint win_rate_range check (win_rate between 0 and 100),
    constraint numbers_finite check (not ('NaN' in (
        net_profit, gross_profit, gross_loss, win_rate, lots_traded, volume_traded))),
    constraint times_finite check (isfinite(date) and isfinite(ingestion_timestamp))
);

create index if not exists idx_raw_metrics_hourly_date_hour
    on prop_trading_model.raw_metrics_hourly (date, hour);

create table if not exists prop_trading_model.raw_metrics_alltime (
    id serial primary key,
    account_id varchar(255) not null,
    login varchar(255) not null,
    net_profit numeric(18,2),
    gross_profit numeric(18,2),
    gross_loss numeric(18,2),
    total_trades integer,
    winning_trades integer,
    losing_trades integer,
    win_rate numeric(5,2),
    profit_factor numeric(10,2),
    average_win numeric(18,2),
    average_loss numeric(18,2),
    average_rrr numeric(10,2),
    expectancy numeric(18,2),
    sharpe_ratio numeric(10,2),
    sortino_ratio numeric(10,2),
    max_drawdown numeric(18,2),
    max_drawdown_pct numeric(5,2),
    ingestion_timestamp timestamp default (now() at time zone 'utc'),
    source_api_endpoint varchar(500),
    load_batch_id bigint,
    unique (account_id, ingestion_timestamp),
    constraint trades_add_up check (winning_trades + losing_trades <= total_trades),
    constraint total_trades_not_negative check (total_trades >= 0),
    constraint winning_trades_not_negative check (winning_trades >= 0),
    constraint losing_trades_not_negative check (losing_trades >= 0),
    constraint gross_signs check (gross_profit >= 0 and gross_loss <= 0),
    constraint win_rate_range check (win_rate between 0 and 100),
    constraint max_drawdown_pct_range check (max_drawdown_pct between 0 and 100),
    constraint numbers_finite check (not ('NaN' in (
        net_profit, gross_profit, gross_loss, win_rate, profit_factor, average_win, average_loss,
        average_rrr, expectancy, sharpe_ratio, sortino_ratio, max_drawdown, max_drawdown_pct))),
    constraint times_finite check (isfinite(ingestion_timestamp))
);

create index if not exists idx_raw_metrics_alltime_login
    on prop_trading_model.raw_metrics_alltime (login);

-- Snapshots of accounts and plans: history is kept, latest_accounts and latest_plans show the newest.
-- Invariant: one row for each account (or plan) and ingestion_timestamp.

create table if not exists prop_trading_model.raw_accounts_data (
    id serial primary key,
    account_id varchar(255) not null,
    login varchar(255) not null,
    trader_id varchar(255),
    plan_id varchar(255),
    starting_balance numeric(18,2),
    current_balance numeric(18,2),
    current_equity numeric(18,2),
    profit_target_pct numeric(5,2),
    max_daily_drawdown_pct numeric(5,2),
    max_drawdown_pct numeric(5,2),
    max_leverage numeric(10,2),
    is_drawdown_relative boolean,
    breached integer default 0,
    is_upgraded integer default 0,
    phase varchar(50),
    status varchar(50),
    created_at timestamp,
    updated_at timestamp,
    ingestion_timestamp timestamp default (now() at time zone 'utc'),
    source_api_endpoint varchar(500),
    load_batch_id bigint,
    unique (account_id, ingestion_timestamp),
    constraint phase_known check (phase in ('Phase 1', 'Phase 2', 'Funded', 'Demo')),
    constraint status_known check (status in ('Active', 'Inactive', 'Breached', 'Passed')),
    constraint profit_target_pct_range check (profit_target_pct between 0 and 100),
    constraint max_daily_drawdown_pct_range check (max_daily_drawdown_pct between 0 and 100),
    constraint max_drawdown_pct_range check (max_drawdown_pct between 0 and 100),
    constraint numbers_finite check (not ('NaN' in (
        starting_balance, current_balance, current_equity, profit_target_pct,
        max_daily_drawdown_pct, max_drawdown_pct, max_leverage))),
    constraint times_finite check (isfinite(created_at) and isfinite(updated_at) and isfinite(ingestion_timestamp))
);

create index if not exists idx_raw_accounts_data_ingestion_timestamp
    on prop_trading_model.raw_accounts_data (ingestion_timestamp);
create index if not exists idx_raw_accounts_data_login
    on prop_trading_model.raw_accounts_data (login);

create table if not exists prop_trading_model.raw_plans_data (
    id serial primary key,
    plan_id varchar(255) not null,
    plan_name varchar(255),
    plan_type varchar(100),
    starting_balance numeric(18,2),
    profit_target numeric(18,2),
    profit_target_pct numeric(5,2),
    max_drawdown numeric(18,2),
    max_drawdown_pct numeric(5,2),
    max_daily_drawdown numeric(18,2),
    max_daily_drawdown_pct numeric(5,2),
    max_leverage numeric(10,2),
    is_drawdown_relative boolean,
    min_trading_days integer,
    max_trading_days integer,
    profit_split_pct numeric(5,2),
    ingestion_timestamp timestamp default (now() at time zone 'utc'),
    load_batch_id bigint,
    unique (plan_id, ingestion_timestamp),
    constraint profit_target_pct_range check (profit_target_pct between 0 and 100),
    constraint max_drawdown_pct_range check (max_drawdown_pct between 0 and 100),
    constraint max_daily_drawdown_pct_range check (max_daily_drawdown_pct between 0 and 100),
    constraint profit_split_pct_range check (profit_split_pct between 0 and 100),
    constraint min_trading_days_not_negative check (min_trading_days >= 0),
    constraint max_trading_days_not_negative check (max_trading_days >= 0),
    constraint numbers_finite check (not ('NaN' in (
        starting_balance, profit_target, profit_target_pct, max_drawdown, max_drawdown_pct,
        max_daily_drawdown, max_daily_drawdown_pct, max_leverage, profit_split_pct))),
    constraint times_finite check (isfinite(ingestion_timestamp))
);

-- Market regimes by date, as jsonb; of several for a date the newest counts.
-- Invariant: one row for each date and ingestion_timestamp.

create table if not exists prop_trading_model.raw_regimes_daily (
    id serial primary key,
    date date not null,
    market_news jsonb,
    instruments jsonb,
    country_economic_indicators jsonb,
    news_analysis jsonb,
    summary jsonb,
    vector_daily_regime double precision[],
    created_at timestamp,
    updated_at timestamp,
    ingestion_timestamp timestamp default (now() at time zone 'utc'),
    load_batch_id bigint,
    unique (date, ingestion_timestamp),
    constraint times_finite check (isfinite(date) and isfinite(created_at) and isfinite(updated_at) and
        isfinite(ingestion_timestamp))
);

create index if not exists idx_raw_regimes_daily_ingestion_timestamp
    on prop_trading_model.raw_regimes_daily (ingestion_timestamp);

-- What the models downstream read and write: account snapshots, features, training input, predictions, registry.
-- Invariant: the keys of the baseline.

create table if not exists prop_trading_model.stg_accounts_daily_snapshots (
    id serial primary key,
    account_id varchar(255) not null,
    login varchar(255) not null,
    date date not null,
    trader_id varchar(255),
    plan_id varchar(255),
    phase varchar(50),
    status varchar(50),
    starting_balance numeric(18,2),
    current_balance numeric(18,2),
    current_equity numeric(18,2),
    profit_target_pct numeric(5,2),
    max_daily_drawdown_pct numeric(5,2),
    max_drawdown_pct numeric(5,2),
    max_leverage numeric(10,2),
    is_drawdown_relative boolean,
    days_since_first_trade integer,
    active_trading_days_count integer,
    distance_to_profit_target numeric(18,2),
    distance_to_max_drawdown numeric(18,2),
    created_at timestamp default (now() at time zone 'utc'),
    unique (account_id, date),
    constraint phase_known check (phase in ('Phase 1', 'Phase 2', 'Funded', 'Demo')),
    constraint status_known check (status in ('Active', 'Inactive', 'Breached', 'Passed')),
    constraint profit_target_pct_range check (profit_target_pct between 0 and 100),
    constraint max_daily_drawdown_pct_range check (max_daily_drawdown_pct between 0 and 100),
    constraint max_drawdown_pct_range check (max_drawdown_pct between 0 and 100),
    constraint days_since_first_trade_not_negative check (days_since_first_trade >= 0),
    constraint active_trading_days_count_not_negative check (active_trading_days_count >= 0),
    constraint numbers_finite check (not ('NaN' in (
        starting_balance, current_balance, current_equity, profit_target_pct,
        max_daily_drawdown_pct, max_drawdown_pct, max_leverage, distance_to_profit_target,
        distance_to_max_drawdown))),
    constraint times_finite check (isfinite(date) and isfinite(created_at))
);

create index if not exists idx_stg_accounts_daily_snapshots_date
    on prop_trading_model.stg_accounts_daily_snapshots (date);

create table if not exists prop_trading_model.feature_store_account_daily (
    id serial primary key,
    account_id varchar(255) not null,
    login varchar(255) not null,
    feature_date date not null,
    starting_balance numeric(18,2),
    max_daily_drawdown_pct numeric(5,2),
    max_drawdown_pct numeric(5,2),
    profit_target_pct numeric(5,2),
    max_leverage numeric(10,2),
    is_drawdown_relative integer,
    current_balance numeric(18,2),
    current_equity numeric(18,2),
    days_since_first_trade integer,
    active_trading_days_count integer,
    distance_to_profit_target numeric(18,2),
    distance_to_max_drawdown numeric(18,2),
    open_pnl numeric(18,2),
    open_positions_volume numeric(18,2),
    rolling_pnl_sum_1d numeric(18,2),
    rolling_pnl_avg_1d numeric(18,2),
    rolling_pnl_std_1d numeric(18,2),
    rolling_pnl_sum_3d numeric(18,2),
    rolling_pnl_avg_3d numeric(18,2),
    rolling_pnl_std_3d numeric(18,2),
    rolling_pnl_min_3d numeric(18,2),
    rolling_pnl_max_3d numeric(18,2),
    win_rate_3d numeric(5,2),
    rolling_pnl_sum_5d numeric(18,2),
    rolling_pnl_avg_5d numeric(18,2),
    rolling_pnl_std_5d numeric(18,2),
    rolling_pnl_min_5d numeric(18,2),
    rolling_pnl_max_5d numeric(18,2),
    win_rate_5d numeric(5,2),
    profit_factor_5d numeric(10,2),
    sharpe_ratio_5d numeric(10,2),
    rolling_pnl_sum_10d numeric(18,2),
    rolling_pnl_avg_10d numeric(18,2),
    rolling_pnl_std_10d numeric(18,2),
    rolling_pnl_min_10d numeric(18,2),
    rolling_pnl_max_10d numeric(18,2),
    win_rate_10d numeric(5,2),
    profit_factor_10d numeric(10,2),
    sharpe_ratio_10d numeric(10,2),
    rolling_pnl_sum_20d numeric(18,2),
    rolling_pnl_avg_20d numeric(18,2),
    rolling_pnl_std_20d numeric(18,2),
    win_rate_20d numeric(5,2),
    profit_factor_20d numeric(10,2),
    sharpe_ratio_20d numeric(10,2),
    trades_count_5d integer,
    avg_trade_duration_5d numeric(10,2),
    avg_lots_per_trade_5d numeric(18,4),
    avg_volume_per_trade_5d numeric(18,2),
    stop_loss_usage_rate_5d numeric(5,2),
    take_profit_usage_rate_5d numeric(5,2),
    buy_sell_ratio_5d numeric(5,2),
    top_symbol_concentration_5d numeric(5,2),
    market_sentiment_score numeric(10,4),
    market_volatility_regime varchar(50),
    market_liquidity_state varchar(50),
    vix_level numeric(10,2),
    dxy_level numeric(10,2),
    sp500_daily_return numeric(10,4),
    btc_volatility_90d numeric(10,4),
    fed_funds_rate numeric(10,4),
    day_of_week integer,
    week_of_month integer,
    month integer,
    quarter integer,
    day_of_year integer,
    is_month_start boolean,
    is_month_end boolean,
    is_quarter_start boolean,
    is_quarter_end boolean,
    created_at timestamp default (now() at time zone 'utc'),
    unique (account_id, feature_date)
);

create index if not exists idx_feature_store_account_daily_feature_date
    on prop_trading_model.feature_store_account_daily (feature_date);

create table if not exists prop_trading_model.model_training_input (
    id serial primary key,
    login varchar(255) not null,
    prediction_date date not null,
    feature_date date not null,
    starting_balance numeric(18,2),
    max_daily_drawdown_pct numeric(5,2),
    max_drawdown_pct numeric(5,2),
    profit_target_pct numeric(5,2),
    max_leverage numeric(10,2),
    is_drawdown_relative integer,
    current_balance numeric(18,2),
    current_equity numeric(18,2),
    days_since_first_trade integer,
    active_trading_days_count integer,
    distance_to_profit_target numeric(18,2),
    distance_to_max_drawdown numeric(18,2),
    open_pnl numeric(18,2),
    open_positions_volume numeric(18,2),
    rolling_pnl_sum_1d numeric(18,2),
    rolling_pnl_avg_1d numeric(18,2),
    rolling_pnl_std_1d numeric(18,2),
    rolling_pnl_sum_3d numeric(18,2),
    rolling_pnl_avg_3d numeric(18,2),
    rolling_pnl_std_3d numeric(18,2),
    rolling_pnl_min_3d numeric(18,2),
    rolling_pnl_max_3d numeric(18,2),
    win_rate_3d numeric(5,2),
    rolling_pnl_sum_5d numeric(18,2),
    rolling_pnl_avg_5d numeric(18,2),
    rolling_pnl_std_5d numeric(18,2),
    rolling_pnl_min_5d numeric(18,2),
    rolling_pnl_max_5d numeric(18,2),
    win_rate_5d numeric(5,2),
    profit_factor_5d numeric(10,2),
    sharpe_ratio_5d numeric(10,2),
    rolling_pnl_sum_10d numeric(18,2),
    rolling_pnl_avg_10d numeric(18,2),
    rolling_pnl_std_10d numeric(18,2),
    rolling_pnl_min_10d numeric(18,2),
    rolling_pnl_max_10d numeric(18,2),
    win_rate_10d numeric(5,2),
    profit_factor_10d numeric(10,2),
    sharpe_ratio_10d numeric(10,2),
    rolling_pnl_sum_20d numeric(18,2),
    rolling_pnl_avg_20d numeric(18,2),
    rolling_pnl_std_20d numeric(18,2),
    win_rate_20d numeric(5,2),
    profit_factor_20d numeric(10,2),
    sharpe_ratio_20d numeric(10,2),
    trades_count_5d integer,
    avg_trade_duration_5d numeric(10,2),
    avg_lots_per_trade_5d numeric(18,4),
    avg_volume_per_trade_5d numeric(18,2),
    stop_loss_usage_rate_5d numeric(5,2),
    take_profit_usage_rate_5d numeric(5,2),
    buy_sell_ratio_5d numeric(5,2),
    top_symbol_concentration_5d numeric(5,2),
    market_sentiment_score numeric(10,4),
    market_volatility_regime varchar(50),
    market_liquidity_state varchar(50),
    vix_level numeric(10,2),
    dxy_level numeric(10,2),
    sp500_daily_return numeric(10,4),
    btc_volatility_90d numeric(10,4),
    fed_funds_rate numeric(10,4),
    day_of_week integer,
    week_of_month integer,
    month integer,
    quarter integer,
    day_of_year integer,
    is_month_start boolean,
    is_month_end boolean,
    is_quarter_start boolean,
    is_quarter_end boolean,
    target_net_profit numeric(18,2),
    created_at timestamp default (now() at time zone 'utc'),
    unique (login, prediction_date)
);

create index if not exists idx_model_training_input_feature_date
    on prop_trading_model.model_training_input (feature_date);
create index if not exists idx_model_training_input_prediction_date
    on prop_trading_model.model_training_input (prediction_date);

create table if not exists prop_trading_model.model_predictions (
    id serial primary key,
    login varchar(255) not null,
    prediction_date date not null,
    feature_date date not null,
    predicted_net_profit numeric(18,2),
    prediction_confidence numeric(5,2),
    model_version varchar(50),
    shap_values jsonb,
    top_positive_features jsonb,
    top_negative_features jsonb,
    actual_net_profit numeric(18,2),
    prediction_error numeric(18,2),
    created_at timestamp default (now() at time zone 'utc'),
    unique (login, prediction_date, model_version)
);

create index if not exists idx_model_predictions_prediction_date
    on prop_trading_model.model_predictions (prediction_date);

create table if not exists prop_trading_model.model_registry (
    id serial primary key,
    model_version varchar(50) not null,
    model_type varchar(50) default 'LightGBM',
    training_start_date date,
    training_end_date date,
    validation_start_date date,
    validation_end_date date,
    test_start_date date,
    test_end_date date,
    train_mae numeric(18,4),
    train_rmse numeric(18,4),
    train_r2 numeric(5,4),
    val_mae numeric(18,4),
    val_rmse numeric(18,4),
    val_r2 numeric(5,4),
    test_mae numeric(18,4),
    test_rmse numeric(18,4),
    test_r2 numeric(5,4),
    hyperparameters jsonb,
    feature_list jsonb,
    feature_importance jsonb,
    model_file_path varchar(500),
    scaler_file_path varchar(500),
    is_active boolean default false,
    created_at timestamp default (now() at time zone 'utc'),
    updated_at timestamp default (now() at time zone 'utc'),
    unique (model_version)
);

-- The logs that people read: what each stage of the pipeline did, and what each statement cost.

create table if not exists prop_trading_model.pipeline_execution_log (
    id serial primary key,
    pipeline_stage varchar(100) not null,
    execution_date date not null,
    start_time timestamp not null,
    end_time timestamp,
    status varchar(50) not null,
    records_processed integer,
    error_message text,
    execution_details jsonb,
    created_at timestamp default (now() at time zone 'utc')
);

create index if not exists idx_pipeline_execution_log_execution_date
    on prop_trading_model.pipeline_execution_log (execution_date);
create index if not exists idx_pipeline_execution_log_pipeline_stage
    on prop_trading_model.pipeline_execution_log (pipeline_stage);
create index if not exists idx_pipeline_execution_log_status
    on prop_trading_model.pipeline_execution_log (status);

-- What pg_stat_statements counted for each statement since the snapshot before; log_query_performance() writes it.
-- Invariant: no value that anybody wrote into a statement stands in `query`.
create table if not exists prop_trading_model.query_performance_log (
    id bigint generated always as identity primary key,
    captured_at timestamp not null default (now() at time zone 'utc'),
    fingerprint text not null,
    query text not null,
    calls bigint not null,
    mean_ms numeric not null,
    min_ms numeric not null,
    max_ms numeric not null,
    stddev_ms numeric not null,
    rows bigint not null,
    blocks_read bigint not null,
    blocks_hit bigint not null
);
create index if not exists idx_query_performance_log_captured_at on prop_trading_model.query_performance_log (captured_at);

alter table prop_trading_model.query_performance_log
    add column if not exists counted_from timestamp,
    add column if not exists extremes_exact boolean not null default true,
    add column if not exists blocks_dirtied bigint not null default 0,
    add column if not exists blocks_written bigint not null default 0,
    add column if not exists temp_blocks bigint not null default 0,
    add column if not exists wal_bytes numeric not null default 0;

comment on column prop_trading_model.query_performance_log.captured_at is 'when the snapshot was taken; all of its rows have the same';
comment on column prop_trading_model.query_performance_log.fingerprint is
    'md5 of `query`: the same after an upgrade or a restore, whatever the tables'' oids are';
comment on column prop_trading_model.query_performance_log.query is 'the statement, with ? for every value';
comment on column prop_trading_model.query_performance_log.counted_from is
    'the calls are those between then and captured_at: the snapshot before, or a reset of the statistics';
comment on column prop_trading_model.query_performance_log.stddev_ms is 'of all calls, as pg_stat_statements has it: not the sample''s';
comment on column prop_trading_model.query_performance_log.extremes_exact is
    'false: no call was faster than min_ms or slower than max_ms, and none may have been quite that';
comment on column prop_trading_model.query_performance_log.temp_blocks is 'blocks of temporary files, read and written';

-- The snapshots themselves, with what tells a reset of the statistics and a loss of statements.
create table if not exists prop_trading_model.query_snapshots (
    captured_at timestamp primary key,
    stats_reset timestamptz,
    evictions bigint not null,
    statements integer not null,
    logged integer not null,
    calls bigint not null,
    note text
);

-- What pg_stat_statements had counted for each of its entries at the last snapshot, to be taken off at the next.
create table if not exists prop_trading_model.query_statistics_seen (
    userid oid not null,
    queryid bigint not null,
    toplevel boolean not null,
    calls bigint not null,
    total_ms double precision not null,
    min_ms double precision not null,
    max_ms double precision not null,
    stddev_ms double precision not null,
    rows bigint not null,
    blocks_read bigint not null,
    blocks_hit bigint not null,
    blocks_dirtied bigint not null,
    blocks_written bigint not null,
    temp_blocks bigint not null,
    wal_bytes numeric not null,
    entry_since timestamptz,
    extremes_since timestamptz,
    primary key (userid, queryid, toplevel)
);

-- The ledger of loads, the quarantine of rejected rows, and the images of rows as they were before a load changed them.
-- Invariant: a file's content stands at most once in a feed (load_batches_loaded_once: a batch that was undone may be
-- loaded again), and the row that says so is committed together with the rows that it counts:
-- rows_read = inserted + updated + duplicate + rejected. Rows removed were in the table and not in the file: trades that
-- were busted, positions that were closed.

create sequence if not exists prop_trading_model.load_batches_batch_id_seq as bigint;

create table if not exists prop_trading_model.load_batches (
    batch_id bigint primary key default nextval('prop_trading_model.load_batches_batch_id_seq'),
    file text not null,
    sha256 text not null check (sha256 ~ '^[0-9a-f]{64}$'),
    feed text not null,
    bytes bigint not null check (bytes >= 0),
    rows_read bigint not null default 0 check (rows_read >= 0),
    rows_inserted bigint not null default 0 check (rows_inserted >= 0),
    rows_updated bigint not null default 0 check (rows_updated >= 0),
    rows_duplicate bigint not null default 0 check (rows_duplicate >= 0),
    rows_rejected bigint not null default 0 check (rows_rejected >= 0),
    rows_removed bigint not null default 0 check (rows_removed >= 0),
    months date[] not null default '{}',
    seconds double precision not null default 0 check (seconds >= 0),
    status text not null,
    loaded_by text not null default session_user,
    started_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz not null default clock_timestamp(),
    message text,
    rows_written bigint,
    path_taken text,
    options text[] not null default '{}',
    format text,
    header text,
    retry_of bigint references prop_trading_model.load_batches,
    transactions xid8[] default array[pg_current_xact_id()],
    undone_at timestamptz,
    undone_by text,
    undone_in xid8,
    constraint load_batches_status_check check (status in ('loaded', 'refused', 'undone')),
    constraint every_row_counted check (
        status <> 'loaded' or rows_read = rows_inserted + rows_updated + rows_duplicate + rows_rejected
    )
);

-- For a ledger that was made before these columns were: what its batches do not know stays null, and they cannot be undone.
alter table prop_trading_model.load_batches
    add column if not exists rows_removed bigint not null default 0 check (rows_removed >= 0),
    add column if not exists rows_written bigint,
    add column if not exists path_taken text,
    add column if not exists options text[] not null default '{}',
    add column if not exists format text,
    add column if not exists header text,
    add column if not exists retry_of bigint references prop_trading_model.load_batches,
    add column if not exists transactions xid8[],
    alter column transactions set default array[pg_current_xact_id()],
    add column if not exists undone_at timestamptz,
    add column if not exists undone_by text,
    add column if not exists undone_in xid8,
    drop constraint if exists load_batches_status_check,
    add constraint load_batches_status_check check (status in ('loaded', 'refused', 'undone'));

comment on column prop_trading_model.load_batches.rows_removed is
    'rows that went because the file, which covers their account-day or is complete, does not hold them';
comment on column prop_trading_model.load_batches.rows_written is
    'rows that bore this batch''s id when it was committed: what an undo has to find again';
comment on column prop_trading_model.load_batches.path_taken is 'how the rows went in';
comment on column prop_trading_model.load_batches.options is 'what the load was asked for beside the file';
comment on column prop_trading_model.load_batches.format is 'csv, jsonl or parquet: what the raw text of rejects is';
comment on column prop_trading_model.load_batches.header is 'the header as it stands in the file; null where there is none';
comment on column prop_trading_model.load_batches.retry_of is 'the batch whose rejects these rows were';
comment on column prop_trading_model.load_batches.transactions is
    'the transactions that wrote the batch''s rows: a row of the batch with another xmin was changed since';
comment on column prop_trading_model.load_batches.undone_in is 'the transaction that brought back what the batch had replaced';

alter sequence prop_trading_model.load_batches_batch_id_seq owned by prop_trading_model.load_batches.batch_id;

create unique index if not exists load_batches_loaded_once
    on prop_trading_model.load_batches (feed, sha256) where status = 'loaded';

-- One row for each row of a file that was not loaded: the line where it begins and its text as it stands in the file.
create table if not exists prop_trading_model.load_rejects (
    batch_id bigint not null references prop_trading_model.load_batches on delete cascade,
    line bigint not null check (line > 0),
    reason text not null,
    raw_text text not null,
    damaged boolean not null default false,
    resolved_by bigint references prop_trading_model.load_batches on delete set null,
    primary key (batch_id, line)
);

alter table prop_trading_model.load_rejects
    add column if not exists damaged boolean not null default false,
    add column if not exists resolved_by bigint references prop_trading_model.load_batches on delete set null;

comment on column prop_trading_model.load_rejects.damaged is
    'the row holds bytes that are no text, which raw_text shows as \x..: it can be looked at, not loaded from here';
comment on column prop_trading_model.load_rejects.resolved_by is 'the batch that loaded the row after all';

create index if not exists load_rejects_resolved_by
    on prop_trading_model.load_rejects (resolved_by) where resolved_by is not null;

-- One row for each version of a row that a batch took away, as it was, with its id and its load_batch_id:
--   corrected    replaced in place by the batch's version of it
--   moved        removed, because the batch holds its trade at another date
--   removed      removed, because the batch holds all of its account-day (or of its account's positions) and not it
--   superseded   passed over, because the same file holds a later version: it never was in the table
-- So what a batch wrote is exactly the rows that carry its load_batch_id, and the table was as before without them and
-- with the images of the first three kinds.
create sequence if not exists prop_trading_model.load_corrections_correction_id_seq as bigint;

create table if not exists prop_trading_model.load_corrections (
    batch_id bigint not null references prop_trading_model.load_batches on delete cascade deferrable initially deferred,
    key jsonb not null,
    correction_id bigint not null default nextval('prop_trading_model.load_corrections_correction_id_seq'),
    kind text not null,
    before jsonb not null,
    primary key (batch_id, key, correction_id),
    constraint load_corrections_kind_check check (kind in ('corrected', 'moved', 'removed', 'superseded'))
);

alter table prop_trading_model.load_corrections
    drop constraint if exists load_corrections_kind_check,
    add constraint load_corrections_kind_check check (kind in ('corrected', 'moved', 'removed', 'superseded'));

alter sequence prop_trading_model.load_corrections_correction_id_seq
    owned by prop_trading_model.load_corrections.correction_id;

-- What the alerts know: incidents, and the messages that tell of them.
-- Invariant: a key has at most one incident that is not over (alert_incidents_open_once), whoever looks at the same time; a
-- message is written together with the incident that it tells of, before it is sent, and is waiting until its delivery is
-- recorded: killed at any step, nobody forgets it, and what is sent again has the same id.

create table if not exists prop_trading_model.alert_incidents (
    incident_id uuid primary key default gen_random_uuid(),
    alert text not null,
    key text not null,
    severity text not null constraint alert_incidents_severity_check check (severity in ('warning', 'error')),
    summary text not null,
    remedy text not null,
    details jsonb not null default '{}',
    occurrence text,
    opened_at timestamptz not null default clock_timestamp(),
    seen_at timestamptz not null default clock_timestamp(),
    worsened_at timestamptz,
    resolved_at timestamptz
);

create unique index if not exists alert_incidents_open_once
    on prop_trading_model.alert_incidents (key) where resolved_at is null;
create index if not exists alert_incidents_occurrence on prop_trading_model.alert_incidents (key, occurrence);

comment on table prop_trading_model.alert_incidents is 'what was found wrong, from when to when; one row each time';
comment on column prop_trading_model.alert_incidents.incident_id is 'the same in every message of the incident';
comment on column prop_trading_model.alert_incidents.alert is 'which alert found it: run failure, freshness, ...';
comment on column prop_trading_model.alert_incidents.key is 'what is wrong: as long as it is, there is one incident of it';
comment on column prop_trading_model.alert_incidents.severity is 'the worst that it has been';
comment on column prop_trading_model.alert_incidents.summary is 'one sentence, as it was at the last look';
comment on column prop_trading_model.alert_incidents.remedy is 'what to do';
comment on column prop_trading_model.alert_incidents.details is 'its figures, as they were at the last look';
comment on column prop_trading_model.alert_incidents.occurrence is 'the last event behind it, such as the id of the failed run';
comment on column prop_trading_model.alert_incidents.opened_at is 'when it was found';
comment on column prop_trading_model.alert_incidents.seen_at is 'when it was last found still there';
comment on column prop_trading_model.alert_incidents.worsened_at is 'when the warning became an error';
comment on column prop_trading_model.alert_incidents.resolved_at is 'when it was found over; null while it is not';

create table if not exists prop_trading_model.alert_messages (
    message_number bigint generated always as identity,
    incident_id uuid not null references prop_trading_model.alert_incidents on delete cascade,
    channel text not null,
    event text not null constraint alert_messages_event_check check (event in ('opened', 'worsened', 'resolved')),
    severity text not null,
    body jsonb not null,
    queued_at timestamptz not null default clock_timestamp(),
    attempts integer not null default 0,
    remark text,
    delivered_at timestamptz,
    primary key (incident_id, channel, event)
);

create index if not exists alert_messages_waiting
    on prop_trading_model.alert_messages (channel, attempts, message_number) where delivered_at is null;

comment on table prop_trading_model.alert_messages is 'what each channel is told of an incident, in the order of message_number';
comment on column prop_trading_model.alert_messages.message_number is 'the order in which messages were written';
comment on column prop_trading_model.alert_messages.incident_id is 'the incident that the message tells of';
comment on column prop_trading_model.alert_messages.channel is 'log, webhook or mail';
comment on column prop_trading_model.alert_messages.event is 'what became of the incident; each is told once in a channel';
comment on column prop_trading_model.alert_messages.severity is 'the incident''s when the message was written';
comment on column prop_trading_model.alert_messages.body is 'what is said, as it was when the message was written';
comment on column prop_trading_model.alert_messages.queued_at is 'when the message was written';
comment on column prop_trading_model.alert_messages.attempts is 'how often its delivery ended, well or not';
comment on column prop_trading_model.alert_messages.remark is 'how the last attempt ended, if not simply well';
comment on column prop_trading_model.alert_messages.delivered_at is 'when it was delivered; null while it is waiting';

-- The bookkeeping of the refresh: what changed and has not been refreshed yet, and what each view was made from.
-- Invariant: a committed change is either visible in the rollups and views or listed in one of the changed_* tables (or,
-- for ATTACH, DETACH, DROP and rewrites, differs from known_leaves). Nothing here depends on a clock.

-- One row for each account-day of each statement that wrote it. Append-only, without a key: two writers of the same
-- account-day must not wait for each other. The refresh takes rows by deleting them.
create table if not exists prop_trading_model.changed_account_days (
    account_id varchar(255) not null,
    trade_date date not null,
    changed_at timestamptz not null default clock_timestamp()
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);

-- Months to be recomputed whole: TRUNCATE, leaves that came, went or were rewritten.
create table if not exists prop_trading_model.changed_months (
    month date not null check (month = date_trunc('month', month)),
    reason text not null,
    changed_at timestamptz not null default clock_timestamp()
);

-- Changes of the other inputs of the views: accounts, plans, regimes.
create table if not exists prop_trading_model.changed_inputs (
    input text not null,
    changed_at timestamptz not null default clock_timestamp()
);

-- Without a key, nothing may be deleted from them in a database that publishes all its tables, unless whole rows stand for it.
do $$
declare
    log regclass;
begin
    for log in
        select c.oid::regclass from pg_class as c
        where c.relnamespace = 'prop_trading_model'::regnamespace and c.relreplident <> 'f'
            and c.relname in ('changed_account_days', 'changed_months', 'changed_inputs')
    loop
        execute format('alter table %s replica identity full', log);
    end loop;
end
$$;

-- How often each input has moved, counted by the refresh (and by nobody else) when it takes the changes.
create table if not exists prop_trading_model.input_generations (
    input text primary key,
    generation bigint not null default 0,
    changed_at timestamptz not null default clock_timestamp()
);

-- Which inputs each view is made from, and the generations it was last made from.
create table if not exists prop_trading_model.view_inputs (
    view_name text not null,
    input text not null,
    made_from bigint,
    primary key (view_name, input)
);

-- The leaves of raw_trades_closed as the last refresh saw them.
create table if not exists prop_trading_model.known_leaves (
    leaf oid primary key,
    leaf_name text not null,
    relfilenode oid not null,
    bounds text not null,
    detach_pending boolean not null
);

-- Of an earlier version, which knew of months of trades only:
do $$
begin
    if exists (select from pg_class where oid = to_regclass('prop_trading_model.month_state') and relkind = 'r') then
        alter table prop_trading_model.month_state rename to partition_state;
        alter table prop_trading_model.partition_state rename column month to lower;
        alter table prop_trading_model.partition_state
            add column parent_table text not null default 'raw_trades_closed', drop constraint month_state_pkey;
        alter table prop_trading_model.partition_state add primary key (parent_table, lower);
    end if;
end
$$;

-- Where the raw rows of a partition are, by its table and its first day. A partition without a row here is hot.
create table if not exists prop_trading_model.partition_state (
    parent_table text not null default 'raw_trades_closed',
    lower date not null check (lower = date_trunc('month', lower)),
    state text not null default 'hot' check (state in ('hot', 'archiving', 'cold', 'restoring')),
    location text,
    changed_at timestamptz not null default clock_timestamp(),
    primary key (parent_table, lower)
);

-- Those of the trades: what a refresh has to know. What is written into it is a month of trades.
create or replace view prop_trading_model.month_state as
select lower as month, state, location, changed_at
from prop_trading_model.partition_state where parent_table = 'raw_trades_closed';

-- What each refresh did. run_key ties the months of a backfill to its run, so that a retry skips those that are done.
create table if not exists prop_trading_model.refresh_log (
    refresh_id bigint generated always as identity primary key,
    kind text not null check (kind in ('keys', 'month', 'totals', 'views')),
    month date,
    keys_taken bigint not null default 0,
    months date[] not null default '{}',
    rows_written bigint not null default 0,
    views text[] not null default '{}',
    run_key text,
    refreshed_by text not null default session_user,
    started_at timestamptz not null,
    finished_at timestamptz not null default clock_timestamp(),
    seconds numeric generated always as (round(extract(epoch from finished_at - started_at), 6)) stored
);
create index if not exists refresh_log_run_key on prop_trading_model.refresh_log (run_key, month) where run_key is not null;

-- The day that the trailing windows of rollup_account_recent end with. One row; null: there is no trade.
create table if not exists prop_trading_model.recent_window (
    only_row boolean primary key default true check (only_row),
    last_day date
);
insert into prop_trading_model.recent_window (last_day) values (null) on conflict do nothing;

insert into prop_trading_model.input_generations (input)
values ('trades'), ('accounts'), ('plans'), ('regimes')
on conflict do nothing;

insert into prop_trading_model.view_inputs (view_name, input)
values
    ('mv_daily_trading_stats', 'trades'),
    ('mv_symbol_performance', 'trades'),
    ('mv_symbol_performance', 'as_of'),
    ('mv_account_performance_summary', 'trades'),
    ('mv_account_performance_summary', 'as_of'),
    ('mv_account_performance_summary', 'accounts'),
    ('mv_account_performance_summary', 'plans'),
    ('mv_account_trading_patterns', 'trades'),
    ('mv_account_trading_patterns', 'as_of'),
    ('mv_account_trading_patterns', 'accounts'),
    ('mv_market_regime_performance', 'trades'),
    ('mv_market_regime_performance', 'regimes')
on conflict do nothing;

-- Months and years in the archive: the file that holds a partition's rows, and the one thing of trades that no rollup keeps.
-- Invariant: a row of cold_files is written when the file has been read back and found equal to the partition, and goes when
-- the file has been deleted or is written anew. Until it has been read back its location is in partition_state: a file that
-- may be there is always listed.

-- Of an earlier version, which knew of months of trades only:
do $$
begin
    if exists (
        select from pg_attribute
        where attrelid = to_regclass('prop_trading_model.cold_files') and attname = 'month' and not attisdropped
    ) then
        alter table prop_trading_model.cold_files rename column month to lower;
        alter table prop_trading_model.cold_files
            add column parent_table text not null default 'raw_trades_closed', drop constraint cold_files_pkey;
        alter table prop_trading_model.cold_files alter column parent_table drop default, add primary key (parent_table, lower);
    end if;
end
$$;

create table if not exists prop_trading_model.cold_files (
    parent_table text not null,
    lower date not null check (lower = date_trunc('month', lower)),
    location text not null,
    rows bigint not null,
    bytes bigint not null,
    partition_bytes bigint not null,
    columns text[] not null,
    sums jsonb not null,
    content_sha256 text not null check (content_sha256 ~ '^[0-9a-f]{64}$'),
    file_sha256 text not null check (file_sha256 ~ '^[0-9a-f]{64}$'),
    archived_at timestamptz not null default clock_timestamp(),
    primary key (parent_table, lower)
);

-- The login of each account's newest trade of a cold month: an account that has not traded since shows it.
create table if not exists prop_trading_model.cold_logins (
    account_id varchar(255) not null,
    trade_date date not null,
    login varchar(255) not null,
    primary key (account_id, trade_date)
);

-- The rollups: what the views are made from, kept equal to a recomputation from raw_trades_closed by the refresh.
-- Invariant: every measure is exact (integers and numeric sums); none is rounded, so all of them can be merged.
-- Room is left in the pages for the new version of a row that changes, and dead rows are removed early.

-- One row an account, day and symbol; the symbol key is coalesce(std_symbol, symbol, ''). By far the longest rollup, so its rows
-- are kept short: what has a fixed length comes first, so that nothing is padded in between, and counts are integers (no account
-- has 2^31 trades of a symbol on a day), whose sums are bigints.
create table if not exists prop_trading_model.rollup_account_symbol_day (
    trade_date date not null,
    trades integer not null,
    wins integer not null,
    losses integer not null,
    profits integer not null,
    lots_counted integer not null,
    volumes integer not null,
    durations integer not null,
    buys integer not null,
    stop_losses integer not null,
    take_profits integer not null,
    account_id varchar(255) not null,
    symbol_key varchar(50) not null,
    gross_profit numeric not null,
    gross_loss numeric not null,
    net numeric not null,
    profit_squares numeric not null,
    profit_max numeric,
    profit_min numeric,
    lots numeric not null,
    lots_squares numeric not null,
    volume numeric not null,
    duration_us numeric not null,
    primary key (account_id, trade_date, symbol_key)
) partition by range (trade_date);
-- For lookups of a day. An index on trade_date itself would also be thought good for account-days: of a day that came after
-- the last ANALYZE the planner expects one row, and reads all of it for each account. Ask for both: trade_date, which finds
-- the partition, and trade_date + 0.
create index if not exists rollup_account_symbol_day_of_day
    on prop_trading_model.rollup_account_symbol_day ((trade_date + 0), symbol_key);

-- One row an account and month. Drawdown is kept in a form that merges: of the cumulative daily net within the month its
-- highest and lowest point, and the largest fall from an earlier point to a later one.
create table if not exists prop_trading_model.rollup_account_month (
    account_id varchar(255) not null,
    month date not null,
    trades bigint not null,
    wins bigint not null,
    losses bigint not null,
    gross_profit numeric not null,
    gross_loss numeric not null,
    net numeric not null,
    net_squares numeric not null,
    active_days bigint not null,
    highest numeric not null,
    lowest numeric not null,
    largest_fall numeric not null,
    first_trade_date date not null,
    last_trade_date date not null,
    primary key (account_id, month)
) with (fillfactor = 90, autovacuum_vacuum_threshold = 50, autovacuum_vacuum_scale_factor = 0.1);
create index if not exists rollup_account_month_month on prop_trading_model.rollup_account_month (month);

-- One row an account, over its whole life; login is its newest trade's, peak the highest point of its cumulative daily net, which
-- starts at 0.
create table if not exists prop_trading_model.rollup_account (
    account_id varchar(255) primary key,
    login varchar(255),
    trades bigint not null,
    wins bigint not null,
    losses bigint not null,
    gross_profit numeric not null,
    gross_loss numeric not null,
    net numeric not null,
    net_squares numeric not null,
    active_days bigint not null,
    max_drawdown numeric not null,
    peak numeric not null,
    first_trade_date date not null,
    last_trade_date date not null
) with (fillfactor = 90, autovacuum_vacuum_threshold = 50, autovacuum_vacuum_scale_factor = 0.1);

-- One row an account and symbol, over its whole life: who trades what, and until when.
create table if not exists prop_trading_model.rollup_account_symbol (
    account_id varchar(255) not null,
    symbol_key varchar(50) not null,
    last_trade_date date not null,
    primary key (account_id, symbol_key)
) with (fillfactor = 90, autovacuum_vacuum_threshold = 50, autovacuum_vacuum_scale_factor = 0.1);

-- One row an account with trades in the trailing 30 days that end with the day in recent_window. A favorite symbol is the
-- one with most trades, ties by name.
create table if not exists prop_trading_model.rollup_account_recent (
    account_id varchar(255) primary key,
    trades bigint not null,
    wins bigint not null,
    net numeric not null,
    days bigint not null,
    trades_7d bigint not null,
    wins_7d bigint not null,
    net_7d numeric not null,
    symbols bigint not null,
    favorite_symbol varchar(50),
    favorite_trades bigint,
    lots numeric not null,
    lots_counted bigint not null,
    lots_squares numeric not null,
    volume numeric not null,
    volumes bigint not null,
    buys bigint not null,
    stop_losses bigint not null,
    take_profits bigint not null
) with (fillfactor = 90, autovacuum_vacuum_threshold = 50, autovacuum_vacuum_scale_factor = 0.1);

-- One row an account that has a snapshot: what the views show of the newest.
create table if not exists prop_trading_model.rollup_latest_account (
    account_id varchar(255) primary key,
    login varchar(255) not null,
    trader_id varchar(255),
    plan_id varchar(255),
    phase varchar(50),
    status varchar(50),
    starting_balance numeric(18,2),
    current_balance numeric(18,2),
    current_equity numeric(18,2),
    profit_target_pct numeric(5,2),
    max_drawdown_pct numeric(5,2)
) with (fillfactor = 90, autovacuum_vacuum_threshold = 50, autovacuum_vacuum_scale_factor = 0.1);

-- One row a date. Quantiles do not merge: they are found by their places among the day's nets, which are kept, one an account,
-- in order. PostgreSQL stores so long a value beside the table, compressed: who does not ask for it does not read it.
create table if not exists prop_trading_model.rollup_market_day (
    trade_date date primary key,
    accounts bigint not null,
    profitable_accounts bigint not null,
    losing_accounts bigint not null,
    trades bigint not null,
    wins bigint not null,
    losses bigint not null,
    gross_profit numeric not null,
    gross_loss numeric not null,
    net numeric not null,
    net_squares numeric not null,
    net_max numeric not null,
    net_min numeric not null,
    net_q1 numeric not null,
    net_median numeric not null,
    net_q3 numeric not null,
    volume numeric not null,
    lots numeric not null,
    nets numeric[] not null
) with (fillfactor = 90, autovacuum_vacuum_threshold = 50, autovacuum_vacuum_scale_factor = 0.1);

-- One row a date and symbol key.
create table if not exists prop_trading_model.rollup_symbol_day (
    trade_date date not null,
    symbol_key varchar(50) not null,
    trades bigint not null,
    wins bigint not null,
    losses bigint not null,
    gross_profit numeric not null,
    gross_loss numeric not null,
    net numeric not null,
    profits bigint not null,
    profit_squares numeric not null,
    profit_max numeric,
    profit_min numeric,
    volume numeric not null,
    lots numeric not null,
    duration_us numeric not null,
    durations bigint not null,
    primary key (trade_date, symbol_key)
) with (fillfactor = 90, autovacuum_vacuum_threshold = 50, autovacuum_vacuum_scale_factor = 0.1);

-- Storage settings that new leaves are made with. PostgreSQL keeps none on a partitioned table, so they stand here:
--   insert into leaf_settings values ('raw_trades_closed', '{autovacuum_vacuum_insert_scale_factor=0.05, fillfactor=95}');
-- Everything else that a leaf has comes from its parent itself.

create table if not exists prop_trading_model.leaf_settings (
    parent_table text primary key,
    settings text[] not null,
    constraint settings_written_as_name_value check (
        array_to_string(settings, ',', 'null') ~ '^[a-z_]+(\.[a-z_]+)?=[a-z0-9_.]+(,[a-z_]+(\.[a-z_]+)?=[a-z0-9_.]+)*$'
    )
);

-- Dates: today and the day up to which the trailing windows of the views reach, both in UTC.

-- A function of its own, so that midnight is one thing and not a piece of every query.
create or replace function prop_trading_model.utc_today() returns date
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$ select (now() at time zone 'utc')::date $$;

-- The latest day with trades that is not after today; null without any. Exact once the rollups are.
create or replace function prop_trading_model.as_of_date() returns date
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select max(trade_date) from prop_trading_model.rollup_market_day
    where trade_date <= prop_trading_model.utc_today()
$$;

-- Who writes the change log: statement triggers with transition tables, on raw_trades_closed, on every leaf of it (a
-- statement on a leaf does not fire the parent's), and on the other inputs of the views.
-- Invariant: the log is written in the transaction of the change; the triggers are ENABLE ALWAYS and SECURITY DEFINER, so
-- that no writer needs a privilege on the log or can pass it by; they never NOTIFY (that would forbid PREPARE TRANSACTION).

-- How the account-days are made distinct depends on how many rows the statement wrote, because a session keeps the plan of
-- its first statement. The plan that a bulk COPY gets hashes into a megabyte that is allocated and cleared at each later
-- INSERT of one row, which made that more than twice as slow. A statement of more than 100 rows is therefore planned anew
-- (0.1 ms), those of up to 100 share a plan made for few rows, and the usual INSERT of one row has nothing to sort out.
create or replace function prop_trading_model.log_changed_account_days() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    log_rows constant text := 'insert into prop_trading_model.changed_account_days (account_id, trade_date) ';
    counted integer;
begin
    if tg_op = 'INSERT' then
        counted := (select count(*) from (select from new_rows limit 101) as first_rows);
        if counted <= 1 then
            insert into prop_trading_model.changed_account_days (account_id, trade_date)
            select account_id, trade_date from new_rows;
        elsif counted <= 100 then
            insert into prop_trading_model.changed_account_days (account_id, trade_date)
            select distinct account_id, trade_date from new_rows;
        else
            execute log_rows || 'select distinct account_id, trade_date from new_rows';
        end if;
    elsif tg_op = 'DELETE' then
        if exists (select from old_rows offset 100) then
            execute log_rows || 'select distinct account_id, trade_date from old_rows';
        else
            insert into prop_trading_model.changed_account_days (account_id, trade_date)
            select distinct account_id, trade_date from old_rows;
        end if;
    elsif exists (select from new_rows offset 100) then
        execute log_rows || 'select account_id, trade_date from old_rows union select account_id, trade_date from new_rows';
    else
        insert into prop_trading_model.changed_account_days (account_id, trade_date)
        select account_id, trade_date from old_rows
        union
        select account_id, trade_date from new_rows;
    end if;
    return null;
end
$$;

-- TRUNCATE shows no rows: the months of the table that it emptied are marked whole. On the parent it fires once for the
-- parent and once for each leaf; the leaf's bounds say which month. A leaf that was detached has none, and its rows left with
-- it: attached again, it is one that was rewritten.
create or replace function prop_trading_model.log_truncated_months() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform prop_trading_model.mark_months(bounds.lower, bounds.upper, 'truncate')
    from prop_trading_model.leaf_bounds(tg_relid) as bounds, pg_class as c
    where c.oid = tg_relid and (c.relispartition or c.relkind = 'p');
    return null;
end
$$;

create or replace function prop_trading_model.log_changed_input() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    insert into prop_trading_model.changed_inputs (input) values (tg_argv[0]);
    return null;
end
$$;

-- The days that a table of trades can hold, [lower, upper), read from its partition bound; infinite where the bound is
-- open, and for a table that is no leaf.
create or replace function prop_trading_model.leaf_bounds(leaf oid) returns table (lower date, upper date)
language sql stable
set search_path = pg_catalog, pg_temp
set datestyle = 'ISO, YMD'
as $$
    select
        coalesce(substring(bound from 'FROM \(''([^'']+)''\)')::date, '-infinity'),
        coalesce(substring(bound from 'TO \(''([^'']+)''\)')::date, 'infinity')
    from (select pg_get_expr(relpartbound, oid) as bound from pg_class where oid = leaf) as c
$$;

-- Marks every month of [lower, upper) to be recomputed whole; of an open range, those months that hold rollups or trades.
-- Months in the archive are not marked: what their rollups are made from did not change.
create or replace function prop_trading_model.mark_months(lower date, upper date, reason text) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    cold date[] := array(select month from prop_trading_model.month_state where state <> 'hot');
begin
    if isfinite(lower) and isfinite(upper) then
        insert into prop_trading_model.changed_months (month, reason)
        select m::date, mark_months.reason
        from generate_series(date_trunc('month', lower::timestamp), upper::timestamp - interval '1 day', interval '1 month') as m
        where m::date <> all (cold);
    else
        insert into prop_trading_model.changed_months (month, reason)
        select distinct date_trunc('month', trade_date)::date, mark_months.reason
        from (
            select trade_date from prop_trading_model.rollup_market_day
            union
            select trade_date from prop_trading_model.rollup_account_symbol_day
            union
            select trade_date from prop_trading_model.raw_trades_closed
        ) as days
        where trade_date >= mark_months.lower and trade_date < mark_months.upper
            and date_trunc('month', trade_date)::date <> all (cold);
    end if;
end
$$;

-- What gives a table the four triggers that keep the change log; nothing for those that are there, enabled, and call what
-- they should. A table that is not there yet lacks all four.
create or replace function prop_trading_model.change_trigger_statements(tbl text) returns table (statement text)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select s.statement
    from (values
        ('log_insert', 'after insert on %s referencing new table as new_rows', 'log_changed_account_days'),
        ('log_update', 'after update on %s referencing old table as old_rows new table as new_rows', 'log_changed_account_days'),
        ('log_delete', 'after delete on %s referencing old table as old_rows', 'log_changed_account_days'),
        ('log_truncate', 'after truncate on %s', 'log_truncated_months')
    ) as wanted (name, event, function)
    cross join lateral unnest(array[
        format(
            'create or replace trigger %I %s for each statement execute function prop_trading_model.%I()',
            wanted.name, format(wanted.event, tbl), wanted.function
        ),
        format('alter table %s enable always trigger %I', tbl, wanted.name)
    ]) with ordinality as s (statement, place)
    where not exists (
        select from pg_trigger as t join pg_proc as p on p.oid = t.tgfoid
        where t.tgrelid = to_regclass(tbl) and t.tgname = wanted.name and t.tgenabled = 'A' and p.proname = wanted.function
    )
    order by wanted.name, s.place
$$;

-- Gives a table the triggers of the change log; those that are there and enabled stay untouched.
create or replace function prop_trading_model.create_change_triggers(tbl regclass) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    missing text;
begin
    for missing in select statement from prop_trading_model.change_trigger_statements(tbl::text) loop
        execute missing;
    end loop;
end
$$;

-- The same for an input of the views that is no table of trades: any statement on it raises its generation, and so does a
-- trigger that was missing, since nobody knows what was written meanwhile.
create or replace function prop_trading_model.create_input_trigger(tbl regclass, input text) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if not exists (select from pg_trigger where tgrelid = tbl and tgname = 'log_input' and tgenabled = 'A') then
        execute format(
            'create or replace trigger log_input after insert or update or delete or truncate on %s'
            ' for each statement execute function prop_trading_model.log_changed_input(%L)', tbl, input
        );
        execute format('alter table %s enable always trigger log_input', tbl);
        execute format(
            'insert into prop_trading_model.changed_inputs (input) select %L where exists (select from %s)', input, tbl
        );
    end if;
end
$$;

select prop_trading_model.create_change_triggers('prop_trading_model.raw_trades_closed');
select prop_trading_model.create_input_trigger('prop_trading_model.raw_accounts_data', 'accounts');
select prop_trading_model.create_input_trigger('prop_trading_model.raw_plans_data', 'plans');
select prop_trading_model.create_input_trigger('prop_trading_model.raw_regimes_daily', 'regimes');

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

-- The statements that make a leaf, each with the locks that it takes. They are what is executed, and what a dry run shows:
-- there is no second text that could say something else.
-- Invariant: whatever a leaf has comes from its parent (columns, defaults, checks, indexes, statistics, privileges, triggers,
-- tablespace) or from leaf_settings; the parent is locked in SHARE UPDATE EXCLUSIVE at most, which no reader or writer waits for.

-- The partitioned tables of the warehouse, how long a leaf's time is, and how the name of a leaf ends.
create or replace function prop_trading_model.partitioned_tables()
returns table (parent regclass, every interval, suffix text)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    values
        ('prop_trading_model.raw_trades_closed'::regclass, interval '1 month', 'YYYY_MM'),
        ('prop_trading_model.rollup_account_symbol_day'::regclass, interval '1 month', 'YYYY_MM'),
        ('prop_trading_model.raw_metrics_daily'::regclass, interval '1 year', 'YYYY')
$$;

-- The privileges that the parent grants and the leaf does not, on the table and on its columns.
create or replace function prop_trading_model.plan_privileges(parent regclass, leaf text)
returns table (statement text, locks text)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    with granted as (
        select c.oid as relation, null::name as column_name, acl.grantee, acl.privilege_type, acl.is_grantable
        from pg_class as c cross join lateral aclexplode(c.relacl) as acl
        where c.oid in (parent, to_regclass(leaf)) and acl.grantee <> c.relowner
        union all
        select a.attrelid, a.attname, acl.grantee, acl.privilege_type, acl.is_grantable
        from pg_attribute as a cross join lateral aclexplode(a.attacl) as acl
        where a.attrelid in (parent, to_regclass(leaf))
    )
    select format(
        'grant %s on %s to %s%s',
        string_agg(g.privilege_type || coalesce(' (' || quote_ident(g.column_name) || ')', ''), ', ' order by g.column_name, g.privilege_type),
        leaf,
        case when g.grantee = 0 then 'public' else quote_ident(r.rolname) end,
        case when g.is_grantable then ' with grant option' else '' end
    ), 'none that a reader or writer waits for'
    from granted as g left join pg_roles as r on r.oid = g.grantee
    where g.relation = parent and not exists (
        select from granted as has
        where has.relation = to_regclass(leaf) and has.grantee = g.grantee and has.privilege_type = g.privilege_type
            and has.column_name is not distinct from g.column_name and has.is_grantable >= g.is_grantable
    )
    group by g.grantee, r.rolname, g.is_grantable
    order by 1
$$;

-- The statement triggers that the leaf lacks: those of the change log for trades, and whatever else stands on the parent, but not
-- those of an online migration: a leaf without them is brought over whole on the way back, as one that was filled unseen has to be.
-- Row triggers are not among them: PostgreSQL itself gives them to a leaf that is attached.
create or replace function prop_trading_model.plan_triggers(parent regclass, leaf text)
returns table (statement text, locks text)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select wanted.statement, 'SHARE ROW EXCLUSIVE on the leaf: its writers wait, its readers do not'
    from (
        select log.statement, 1 as place
        from prop_trading_model.change_trigger_statements(leaf) as log
        where parent = 'prop_trading_model.raw_trades_closed'::regclass
        union all
        select unnest(array[
            replace(pg_get_triggerdef(t.oid), format(' ON %s ', parent), format(' ON %s ', leaf)),
            case t.tgenabled
                when 'A' then format('alter table %s enable always trigger %I', leaf, t.tgname)
                when 'R' then format('alter table %s enable replica trigger %I', leaf, t.tgname)
                when 'D' then format('alter table %s disable trigger %I', leaf, t.tgname)
            end
        ]), 2
        from pg_trigger as t join pg_proc as p on p.oid = t.tgfoid
        where t.tgrelid = parent and not t.tgisinternal and t.tgtype & 1 = 0
            and p.proname not in ('log_changed_account_days', 'log_truncated_months')
            and p.pronamespace is distinct from to_regnamespace('prop_trading_model_migration')::oid
            and not exists (select from pg_trigger as has where has.tgrelid = to_regclass(leaf) and has.tgname = t.tgname)
    ) as wanted
    where wanted.statement is not null
    order by wanted.place
$$;

-- Settings of columns that `like` does not copy: statistics targets and options such as n_distinct.
create or replace function prop_trading_model.plan_column_settings(parent regclass, leaf text)
returns table (statement text, locks text)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select s.statement, 'SHARE UPDATE EXCLUSIVE on the new table'
    from pg_attribute as a
    cross join lateral (values
        (case when a.attstattarget >= 0
            then format('alter table %s alter column %I set statistics %s', leaf, a.attname, a.attstattarget) end),
        (case when a.attoptions is not null
            then format('alter table %s alter column %I set (%s)', leaf, a.attname, array_to_string(a.attoptions, ', ')) end)
    ) as s (statement)
    where a.attrelid = parent and a.attnum > 0 and not a.attisdropped and s.statement is not null
$$;

-- Where and how a new leaf is stored, as the end of its CREATE TABLE: access method and tablespace of the parent, settings
-- of leaf_settings.
create or replace function prop_trading_model.leaf_storage(parent regclass) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(' using ' || quote_ident(m.amname), '')
        || coalesce(' with (' || array_to_string(s.settings, ', ') || ')', '')
        || coalesce(' tablespace ' || quote_ident(t.spcname), '')
    from pg_class as c
    left join pg_am as m on m.oid = c.relam
    left join pg_tablespace as t on t.oid = c.reltablespace
    left join prop_trading_model.leaf_settings as s on s.parent_table = c.relname
    where c.oid = parent
$$;

-- What makes the table of a leaf of [lower, upper), without indexes and statistics. It takes the order of its columns from one
-- table and all else from another, both of which go again. The check proves to ATTACH that it need not read the leaf.
create or replace function prop_trading_model.plan_leaf_table(parent regclass, leaf text, lower date, upper date)
returns table (statement text, locks text)
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    part text[] := parse_ident(leaf);
    in_order text := format('%I.%I', part[1], part[2] || '_order');
    columns text := format('%I.%I', part[1], part[2] || '_columns');
    first_columns text := prop_trading_model.leading_columns(parent);
    copied text := format('like %s including all excluding comments excluding identity excluding indexes excluding statistics', parent);
    storage text := prop_trading_model.leaf_storage(parent);
    unseen constant text := 'ACCESS EXCLUSIVE on the new table, which nobody sees yet';
    copying text := format('ACCESS SHARE on %s; %s', parent, unseen);
    within_bounds text := (
        select format('constraint within_bounds check (%I >= %L and %1$I < %3$L)', k.attname, lower, upper)
        from pg_partitioned_table as p
        join pg_attribute as k on k.attrelid = p.partrelid and k.attnum = p.partattrs[0]
        where p.partrelid = parent
    );
begin
    if first_columns is null then
        return query values (format('create table %s (%s, %s)%s', leaf, copied, within_bounds, storage), copying);
    else
        return query values
            (format('create table %s (%s)', in_order, first_columns), unseen),
            (format('create table %s (%s)', columns, copied), copying),
            (format('create table %s (%s) inherits (%s, %s)%s', leaf, within_bounds, in_order, columns, storage), unseen),
            (format('alter table %s no inherit %s, no inherit %s', leaf, in_order, columns), unseen),
            (format('drop table %s, %s', in_order, columns), unseen);
    end if;
    return query select * from prop_trading_model.plan_column_settings(parent, leaf);
end
$$;

-- Everything that makes the leaf of [lower, upper): built beside the parent, complete but for its indexes, which ATTACH makes of
-- an empty table in no time, then attached. The check of the bounds goes when the bounds themselves say the same.
create or replace function prop_trading_model.plan_leaf(parent regclass, leaf_name text, lower date, upper date)
returns table (statement text, locks text)
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    leaf text := format('prop_trading_model.%I', leaf_name);
    unseen constant text := 'ACCESS EXCLUSIVE on the new table, which nobody sees yet';
begin
    return query select * from prop_trading_model.plan_leaf_table(parent, leaf, lower, upper);
    return query select * from prop_trading_model.plan_statistics(parent, leaf);
    return query
        select format('alter table %s owner to %I', leaf, pg_get_userbyid(relowner)), unseen
        from pg_class where oid = parent and relowner <> current_user::regrole;
    return query select * from prop_trading_model.plan_privileges(parent, leaf);
    return query select p.statement, unseen from prop_trading_model.plan_triggers(parent, leaf) as p;
    return query values
        (
            format('alter table %s attach partition %s for values from (%L) to (%L)', parent, leaf, lower, upper),
            format('SHARE UPDATE EXCLUSIVE on %s until the commit: no reader or writer waits; %s', parent, unseen)
        ),
        (format('alter table %s drop constraint within_bounds', leaf), unseen);
end
$$;

-- What a month or a year would take, one row a statement; nothing for a leaf that is there. Raises what making it would raise.
create or replace function prop_trading_model.plan_leaves(parents regclass[], starts date[])
returns table (partition_name text, starts_on date, statement text, locks text)
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    wanted record;
begin
    for wanted in
        select p.parent, s.lower, (s.lower + p.every)::date as upper, prop_trading_model.leaf_name(p.parent, s.lower) as leaf
        from unnest(starts) as s (lower)
        join prop_trading_model.partitioned_tables() as p on p.parent = any (parents)
        order by s.lower, array_position(parents, p.parent)
    loop
        if not prop_trading_model.has_leaf(wanted.parent, wanted.lower, wanted.upper) then
            perform prop_trading_model.refuse_taken_name(wanted.parent, wanted.leaf, wanted.lower, wanted.upper);
            return query
                select wanted.leaf, wanted.lower, plan.statement, plan.locks
                from prop_trading_model.plan_leaf(wanted.parent, wanted.leaf, wanted.lower, wanted.upper) as plan;
        end if;
    end loop;
end
$$;

-- Making leaves: months of raw_trades_closed with the rollup leaf of the month, and years of raw_metrics_daily.
-- Invariant: a leaf is built beside its table and attached complete, as leaf_plan.sql says: readers and writers of other
-- months never wait. Every call has a dry run.

-- Whether a leaf covers [lower, upper).
create or replace function prop_trading_model.has_leaf(parent regclass, lower date, upper date) returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select exists (
        select from pg_inherits as i cross join lateral prop_trading_model.leaf_bounds(i.inhrelid) as b
        where i.inhparent = parent and not i.inhdetachpending and b.lower <= has_leaf.lower and b.upper >= has_leaf.upper
    )
$$;

-- Of an earlier version:
drop function if exists
    prop_trading_model.attach_new_leaf(regclass, text, date, date), prop_trading_model.copy_privileges(regclass, regclass);

-- What the leaf that begins on `lower` is called.
create or replace function prop_trading_model.leaf_name(parent regclass, lower date) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select c.relname || '_' || to_char(lower, t.suffix)
    from prop_trading_model.partitioned_tables() as t join pg_class as c on c.oid = t.parent
    where t.parent = leaf_name.parent
$$;

create or replace function prop_trading_model.refuse_taken_name(parent regclass, leaf_name text, lower date, upper date)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    if to_regclass(format('prop_trading_model.%I', leaf_name)) is not null then
        raise exception 'the table % is there already and is no partition of % for % to %', leaf_name, parent, lower, upper
            using errcode = 'duplicate_table', hint = 'Attach it if it holds the rows of that time, else rename or drop it.';
    end if;
end
$$;

-- Makes one leaf unless a leaf covers [lower, upper) already. True when it made one. One session makes leaves at a time;
-- others wait for it as long as it takes, and find the work done; who has a leaf already does not wait.
create or replace function prop_trading_model.create_leaf(parent regclass, leaf_name text, lower date, upper date)
returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if prop_trading_model.has_leaf(parent, lower, upper) then
        return false;
    end if;
    perform pg_advisory_xact_lock(hashtextextended('prop_trading_model.create_leaf', 0));
    if prop_trading_model.has_leaf(parent, lower, upper) then
        return false;
    end if;
    perform prop_trading_model.refuse_taken_name(parent, leaf_name, lower, upper);
    perform prop_trading_model.build_leaf(parent, leaf_name, lower, upper);
    return true;
end
$$;

-- Builds a leaf beside its table and attaches it, with the statements of plan_leaf(). Gives up a lock after 500 ms and tries
-- again after a pause of random length, for about 20 seconds.
create or replace function prop_trading_model.build_leaf(parent regclass, leaf_name text, lower date, upper date)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set lock_timeout = '500ms'
set client_min_messages = warning
as $$
declare
    step record;
begin
    for attempt in 1 .. 20 loop
        begin
            for step in select * from prop_trading_model.plan_leaf(parent, leaf_name, lower, upper) loop
                execute step.statement;
            end loop;
            return;
        exception when lock_not_available then
            perform pg_sleep(0.05 * attempt * (0.5 + random()));
        end;
    end loop;
    raise exception 'the partition % could not be attached: % stayed locked for longer than 20 attempts of 500 ms',
        leaf_name, parent
        using errcode = 'lock_not_available', hint = 'See who holds the lock in pg_locks, then call this again.';
end
$$;

-- Gives a leaf that is there what it lacks of its parent's privileges and triggers.
create or replace function prop_trading_model.dress_leaf(parent regclass, leaf regclass) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    step record;
begin
    for step in
        select * from prop_trading_model.plan_privileges(parent, leaf::text)
        union all
        select * from prop_trading_model.plan_triggers(parent, leaf::text)
    loop
        execute step.statement;
    end loop;
end
$$;

-- Makes the leaf of a month, of its trades and of its rollup, where missing. True when the trades' leaf is new. Raises DPM01
-- for a month in the archive.
create or replace function prop_trading_model.create_month(month date) returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    first_day date := date_trunc('month', month);
    next_month date := first_day + interval '1 month';
    suffix text := to_char(first_day, 'YYYY_MM');
    created boolean;
begin
    perform prop_trading_model.require_hot(first_day);
    created := prop_trading_model.create_leaf(
        'prop_trading_model.raw_trades_closed', 'raw_trades_closed_' || suffix, first_day, next_month);
    if created then
        insert into prop_trading_model.known_leaves
        select leaves.* from prop_trading_model.trade_leaves() as leaves
        where leaves.leaf_name = 'raw_trades_closed_' || suffix
        on conflict (leaf) do nothing;
    end if;
    perform prop_trading_model.create_leaf(
        'prop_trading_model.rollup_account_symbol_day', 'rollup_account_symbol_day_' || suffix, first_day, next_month);
    return created;
end
$$;

-- Makes the leaves of these months where missing; returns the months that it made. For loads and backfills.
create or replace function prop_trading_model.ensure_trade_months(months date[]) returns setof date
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    wanted date;
begin
    for wanted in select distinct date_trunc('month', m)::date from unnest(months) as m order by 1 loop
        if prop_trading_model.create_month(wanted) then
            return next wanted;
        end if;
    end loop;
end
$$;

-- The first days of months (or years, as long as a leaf of this table is) whose rows are in the archive, or on the way: no leaf
-- is made for them, of the table itself or of a rollup of it.
create or replace function prop_trading_model.archived_starts(parent regclass) returns setof date
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select s.lower
    from prop_trading_model.partitioned_tables() as t
    join prop_trading_model.partitioned_tables() as archived on archived.every = t.every
    join pg_class as c on c.oid = archived.parent
    join prop_trading_model.partition_state as s on s.parent_table = c.relname and s.state <> 'hot'
    where t.parent = archived_starts.parent
$$;

-- When the leaves of a table have to begin: the running month (or year), those ahead of it, and those between it and the
-- newest that had begun before, which nobody made because everybody was dead. A gap of more than two years is a clock that
-- jumped, not a rest, and stays as it is; so do months and years whose rows are in the archive.
create or replace function prop_trading_model.starts_to_keep(parent regclass, months_ahead integer) returns setof date
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    with step as (
        select t.every, case when t.every = interval '1 year' then 'year' else 'month' end as unit
        from prop_trading_model.partitioned_tables() as t where t.parent = starts_to_keep.parent
    ),
    reach as (
        select date_trunc(step.unit, prop_trading_model.utc_today()::timestamp) as running,
            date_trunc(step.unit, prop_trading_model.utc_today() + make_interval(months => months_ahead)) as last
        from step
    ),
    begun as (
        select max(begins) as newest
        from reach, (
            select b.lower as begins
            from pg_inherits as i cross join lateral prop_trading_model.leaf_bounds(i.inhrelid) as b
            where i.inhparent = starts_to_keep.parent and isfinite(b.lower)
            union all
            select prop_trading_model.archived_starts(starts_to_keep.parent)
        ) as leaves
        where begins <= reach.running
    )
    select s.start::date
    from reach, begun, step, generate_series(
        case when begun.newest >= reach.running - interval '2 years' then begun.newest::timestamp else reach.running end,
        reach.last, step.every
    ) as s (start)
    where s.start::date not in (select prop_trading_model.archived_starts(starts_to_keep.parent))
$$;

create or replace function prop_trading_model.refuse_months_ahead(months_ahead integer) returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    if months_ahead is null or months_ahead < 0 or months_ahead > 120 then
        raise exception 'months_ahead is %, it must be from 0 to 120', months_ahead
            using errcode = 'invalid_parameter_value';
    end if;
end
$$;

-- What ensure_trade_months() would do for these months, one row a statement.
create or replace function prop_trading_model.plan_trade_months(months date[])
returns table (partition_name text, month date, statement text, locks text)
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
    select * from prop_trading_model.plan_leaves(
        array['prop_trading_model.raw_trades_closed', 'prop_trading_model.rollup_account_symbol_day']::regclass[],
        array(select distinct date_trunc('month', m)::date from unnest(months) as m)
    )
$$;

-- Makes the leaves of the running month, of `months_ahead` months after it, and of months that were missed; returns those that
-- it made. With dry_run it makes nothing and returns a row for each statement, with the locks that it would take.
drop function if exists prop_trading_model.create_monthly_partitions(integer);
create or replace function prop_trading_model.create_monthly_partitions(
    months_ahead integer default 3, dry_run boolean default false
)
returns table (partition_name text, month date, statement text, locks text)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    months date[];
begin
    perform prop_trading_model.refuse_months_ahead(months_ahead);
    months := array(select prop_trading_model.starts_to_keep('prop_trading_model.raw_trades_closed', months_ahead));
    if dry_run then
        return query select * from prop_trading_model.plan_trade_months(months);
    else
        return query
            select 'raw_trades_closed_' || to_char(made, 'YYYY_MM'), made, null::text, null::text
            from prop_trading_model.ensure_trade_months(months) as made;
    end if;
end
$$;

-- Makes the yearly leaves of raw_metrics_daily for these years where missing; returns the years that it made. Raises DPM01 for
-- a year in the archive.
create or replace function prop_trading_model.ensure_metrics_years(years integer[]) returns setof integer
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    wanted integer;
begin
    for wanted in select distinct y from unnest(years) as y order by 1 loop
        perform prop_trading_model.require_hot('prop_trading_model.raw_metrics_daily', make_date(wanted, 1, 1));
        if prop_trading_model.create_leaf(
            'prop_trading_model.raw_metrics_daily', 'raw_metrics_daily_' || to_char(wanted, 'FM0000'),
            make_date(wanted, 1, 1), make_date(wanted + 1, 1, 1)
        ) then
            return next wanted;
        end if;
    end loop;
end
$$;

-- What ensure_metrics_years() would do for these years, one row a statement.
create or replace function prop_trading_model.plan_metrics_years(years integer[])
returns table (partition_name text, year integer, statement text, locks text)
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
    select plan.partition_name, extract(year from plan.starts_on)::integer, plan.statement, plan.locks
    from prop_trading_model.plan_leaves(
        array['prop_trading_model.raw_metrics_daily']::regclass[],
        array(select distinct make_date(y, 1, 1) from unnest(years) as y)
    ) as plan
$$;

-- The same as create_monthly_partitions() for raw_metrics_daily: the running year, the year that `months_ahead` months from
-- now lie in, and years that were missed.
drop function if exists prop_trading_model.create_yearly_partitions(integer);
create or replace function prop_trading_model.create_yearly_partitions(
    months_ahead integer default 3, dry_run boolean default false
)
returns table (partition_name text, year integer, statement text, locks text)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    years integer[];
begin
    perform prop_trading_model.refuse_months_ahead(months_ahead);
    years := array(
        select extract(year from starts)::integer
        from prop_trading_model.starts_to_keep('prop_trading_model.raw_metrics_daily', months_ahead) as starts
    );
    if dry_run then
        return query select * from prop_trading_model.plan_metrics_years(years);
    else
        return query
            select 'raw_metrics_daily_' || to_char(made, 'FM0000'), made, null::text, null::text
            from prop_trading_model.ensure_metrics_years(years) as made;
    end if;
end
$$;

-- What no trigger sees: leaves that were attached, detached, dropped or rewritten, by anybody.
-- Invariant: known_leaves is brought up to date in the transaction that marks the months which differ. Bounds are compared as
-- text, so all sessions print them alike, whatever their DateStyle.

-- The leaves of raw_trades_closed as the catalogue has them now.
create or replace function prop_trading_model.trade_leaves()
returns table (leaf oid, leaf_name text, relfilenode oid, bounds text, detach_pending boolean)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
set datestyle = 'ISO, YMD'
as $$
    select c.oid, c.relname::text, c.relfilenode, pg_get_expr(c.relpartbound, c.oid), i.inhdetachpending
    from pg_inherits as i join pg_class as c on c.oid = i.inhrelid
    where i.inhparent = 'prop_trading_model.raw_trades_closed'::regclass
$$;

-- The leaves that differ from what the last refresh saw, as they were or as they are. Cold months are the lifecycle's.
create or replace function prop_trading_model.changed_leaves()
returns table (leaf oid, leaf_name text, lower date, upper date, gone boolean)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
set datestyle = 'ISO, YMD'
as $$
    with now_there as materialized (select * from prop_trading_model.trade_leaves()),
    differing as (
        select k.leaf, k.leaf_name, k.bounds, true as gone
        from prop_trading_model.known_leaves as k
        where not exists (select from now_there as n where n is not distinct from k)
        union all
        select n.leaf, n.leaf_name, n.bounds, false
        from now_there as n
        where not exists (select from prop_trading_model.known_leaves as k where n is not distinct from k)
    )
    select d.leaf, d.leaf_name,
        coalesce(substring(d.bounds from 'FROM \(''([^'']+)''\)')::date, '-infinity'),
        coalesce(substring(d.bounds from 'TO \(''([^'']+)''\)')::date, 'infinity'),
        d.gone
    from differing as d
    where not exists (
        select from prop_trading_model.month_state as s
        where s.state <> 'hot'
            and d.bounds like '%FROM (''' || s.month || ''') TO (''' || (s.month + interval '1 month')::date || ''')%'
    )
$$;

-- Marks the months of the leaves that differ, gives a leaf that somebody else made its triggers and privileges, and
-- remembers what is there now. A leaf that cannot be dressed (locked, or another's) stays unknown: its month is
-- recomputed at each refresh until it can, so that no number is wrong meanwhile. Returns how many leaves differed.
create or replace function prop_trading_model.compare_leaves() returns integer
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    differing record;
    found integer := 0;
    dressed boolean;
begin
    for differing in select * from prop_trading_model.changed_leaves() order by gone desc loop
        found := found + 1;
        if differing.gone then
            delete from prop_trading_model.known_leaves where leaf = differing.leaf;
            perform prop_trading_model.mark_months(differing.lower, differing.upper, 'leaf changed or gone');
        else
            dressed := prop_trading_model.try_dress_leaf(differing.leaf);
            if dressed then
                insert into prop_trading_model.known_leaves
                select * from prop_trading_model.trade_leaves() as leaves where leaves.leaf = differing.leaf;
            end if;
            perform prop_trading_model.mark_months(differing.lower, differing.upper, 'leaf new or rewritten');
        end if;
    end loop;
    return found;
end
$$;

-- Dresses a leaf unless it is locked for longer than 200 ms or belongs to another role; says whether it has all now.
-- Writers who are in the leaf already hold a lock that CREATE TRIGGER waits for: once this returns true, whatever they
-- wrote without a trigger has been committed, and the month's recomputation, which starts later, sees it.
create or replace function prop_trading_model.try_dress_leaf(leaf oid) returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
set lock_timeout = '200ms'
as $$
begin
    -- Somebody may have dropped it since it was found; the next comparison finds it gone.
    if not exists (select from pg_class as c where c.oid = leaf) then
        return false;
    end if;
    perform prop_trading_model.dress_leaf('prop_trading_model.raw_trades_closed', leaf::regclass);
    return true;
exception when lock_not_available or insufficient_privilege or undefined_table then
    raise warning 'the leaf % has no change triggers yet: %', leaf::regclass, sqlerrm;
    return false;
end
$$;

-- A month (or year) that is loaded whole before it is a partition: bare, without indexes and triggers, then indexed and attached,
-- all in the transaction of the load (or of the restore from the archive, or of the rebuild of a rollup's month).
-- Invariant: until the load commits nobody sees the table; a load that is killed leaves none. Readers and writers of other
-- partitions never wait: the parent is locked in SHARE UPDATE EXCLUSIVE, from the attachment to the end of the load.

-- Makes the bare table of the month (year) of a day; returns its name.
create or replace function prop_trading_model.make_bare_table(parent regclass, bare name, wanted date) returns name
language plpgsql
set search_path = pg_catalog, pg_temp
set client_min_messages = warning
as $$
declare
    part record := prop_trading_model.part_of(parent, wanted);
    leaf text := format('prop_trading_model.%I', bare);
    step record;
begin
    for step in
        select * from prop_trading_model.plan_leaf_table(parent, leaf, part.first_day, part.next_day)
        union all
        select * from prop_trading_model.plan_privileges(parent, leaf)
    loop
        execute step.statement;
    end loop;
    return bare;
end
$$;

-- Gives a bare table the keys of its table to be, under names of its own: the long work, done before any lock is taken.
create or replace function prop_trading_model.index_bare_table(parent regclass, bare name) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    key record;
begin
    for key in select c.conname, pg_get_constraintdef(c.oid) as definition from pg_constraint as c
        where c.conrelid = parent and c.contype in ('p', 'u')
    loop
        execute format('alter table prop_trading_model.%I add constraint %I %s',
            bare, prop_trading_model.key_of_leaf(parent, bare, key.conname), key.definition);
    end loop;
end
$$;

-- What a key of the table is called on a leaf.
create or replace function prop_trading_model.key_of_leaf(parent regclass, leaf_name name, conname name) returns name
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select leaf_name || replace(conname, c.relname, '') from pg_class as c where c.oid = parent
$$;

-- Indexes that table, gives it the name of the leaf and attaches it as such. False when somebody else has made the leaf, or
-- a table of its name, in the meantime. Raises unique_violation when a key is in it twice. The refresh is told
-- that the leaf is known; whether its month has to be marked is the caller's to say.
create or replace function prop_trading_model.attach_bare_table(parent regclass, bare name, wanted date) returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
set lock_timeout = '500ms'
as $$
declare
    part record := prop_trading_model.part_of(parent, wanted);
    statement text;
begin
    perform prop_trading_model.index_bare_table(parent, bare);
    -- Without a limit: whoever makes leaves at this moment is soon done.
    set local lock_timeout = 0;
    perform pg_advisory_xact_lock(hashtextextended('prop_trading_model.create_leaf', 0));
    set local lock_timeout = '500ms';
    if prop_trading_model.has_leaf(parent, part.first_day, part.next_day)
        or to_regclass(format('prop_trading_model.%I', part.leaf_name)) is not null
    then
        return false;
    end if;
    execute format('alter table prop_trading_model.%I rename to %I', bare, part.leaf_name);
    for statement in
        select format('alter table prop_trading_model.%I rename constraint %I to %I', part.leaf_name,
            prop_trading_model.key_of_leaf(parent, bare, c.conname),
            prop_trading_model.key_of_leaf(parent, part.leaf_name, c.conname))
        from pg_constraint as c where c.conrelid = parent and c.contype in ('p', 'u')
        union all
        -- The others; what is left unnamed PostgreSQL names as on any leaf.
        select regexp_replace(pg_get_indexdef(x.indexrelid), '^(CREATE.* INDEX) .* ON ONLY .* USING ',
            format('\1 on prop_trading_model.%I using ', part.leaf_name))
        from pg_index as x
        where x.indrelid = parent and not exists (select from pg_constraint as c where c.conindid = x.indexrelid)
        union all
        select s.statement
        from prop_trading_model.plan_statistics(parent, format('prop_trading_model.%I', part.leaf_name)) as s
    loop
        execute statement;
    end loop;
    perform prop_trading_model.dress_leaf(parent, format('prop_trading_model.%I', part.leaf_name)::regclass);
    for attempt in 1 .. 20 loop
        begin
            execute format(
                'alter table %s attach partition prop_trading_model.%I for values from (%L) to (%L)',
                parent, part.leaf_name, part.first_day, part.next_day
            );
            exit;
        exception when lock_not_available then
            if attempt = 20 then
                raise;
            end if;
            perform pg_sleep(0.05 * attempt * (0.5 + random()));
        end;
    end loop;
    execute format('alter table prop_trading_model.%I drop constraint within_bounds', part.leaf_name);
    insert into prop_trading_model.known_leaves
    select leaves.* from prop_trading_model.trade_leaves() as leaves where leaves.leaf_name = part.leaf_name;
    return true;
end
$$;

-- Makes the table of a month that has no leaf, for one batch; returns its name, null when there is a leaf. Raises DPM01 for a
-- month that is not hot.
create or replace function prop_trading_model.make_bare_month(month date, batch_id bigint) returns name
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    trades constant regclass := 'prop_trading_model.raw_trades_closed';
    part record := prop_trading_model.part_of(trades, month);
begin
    perform prop_trading_model.require_hot(month);
    if prop_trading_model.has_leaf(trades, part.first_day, part.next_day) then
        return null;
    end if;
    return prop_trading_model.make_bare_table(trades, format('%s_batch_%s', part.leaf_name, batch_id), part.first_day);
end
$$;

-- Makes the leaf of the month of that table, which is marked to be refreshed whole. False as attach_bare_table has it.
create or replace function prop_trading_model.attach_bare_month(month date, batch_id bigint) returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    trades constant regclass := 'prop_trading_model.raw_trades_closed';
    part record := prop_trading_model.part_of(trades, month);
begin
    if not prop_trading_model.attach_bare_table(trades, format('%s_batch_%s', part.leaf_name, batch_id), part.first_day) then
        return false;
    end if;
    perform prop_trading_model.mark_months(part.first_day, part.next_day, 'loaded whole');
    return true;
end
$$;

-- Months of trades and years of metrics on their way into the archive and back. What has to run outside of a transaction (DETACH
-- CONCURRENTLY) or beside the database (the file) is done by the caller, between these steps:
--   archive   begin_archive, the file, note_archived, DETACH CONCURRENTLY, finish_archive
--   restore   begin_restore, then in one transaction make_restored, COPY, attach_restored
-- Invariant: partition_state says where the one copy is that counts. hot, archiving: the partition's table, by its name; cold,
-- restoring: the file. From begin_archive on nobody can write to the table; it is dropped in the transaction that makes the
-- partition cold, and attached again in the one that makes it hot. No step marks anything: the rows are the same throughout.

-- Of an earlier version, which knew of months of trades only:
drop function if exists
    prop_trading_model.month_leaf(date), prop_trading_model.month_attachment(date),
    prop_trading_model.archive_agrees(date), prop_trading_model.forget_file(date), prop_trading_model.begin_archive(date),
    prop_trading_model.note_archived(date, text, bigint, bigint, text[], jsonb, text, text),
    prop_trading_model.finish_archive(date), prop_trading_model.abandon_archive(date), prop_trading_model.begin_restore(date),
    prop_trading_model.make_restored_month(date), prop_trading_model.attach_restored_month(date),
    prop_trading_model.make_bare_table(name, date), prop_trading_model.attach_bare_table(name, date);

-- The month (or year, as long as a leaf of the table is) of a day: its first day and that of the next, its leaf's name, what
-- it is called (2024-01, or 2024), and what it holds.
create or replace function prop_trading_model.part_of(
    parent regclass, wanted date, out parent_table name, out first_day date, out next_day date, out leaf_name name,
    out unit text, out called text, out holds text
)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select c.relname, b.first_day, (b.first_day + t.every)::date, c.relname || '_' || to_char(b.first_day, t.suffix),
        u.unit, to_char(b.first_day, replace(t.suffix, '_', '-')),
        case c.relname when 'raw_trades_closed' then 'trades' when 'raw_metrics_daily' then 'metrics' end
    from prop_trading_model.partitioned_tables() as t
    join pg_class as c on c.oid = t.parent
    cross join lateral (select case when t.every = interval '1 year' then 'year' else 'month' end) as u (unit)
    cross join lateral (select date_trunc(u.unit, wanted::timestamp)::date) as b (first_day)
    where t.parent = part_of.parent
$$;

-- Raises DPM01, with the name of the leaf as the table, unless the month (year) is hot.
create or replace function prop_trading_model.require_hot(parent regclass, wanted date) returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    part record := prop_trading_model.part_of(parent, wanted);
    found_state text := (
        select s.state from prop_trading_model.partition_state as s
        where s.parent_table = part.parent_table and s.lower = part.first_day
    );
begin
    if coalesce(found_state, 'hot') <> 'hot' then
        raise exception 'the % % is %', part.unit, part.called, case found_state
                when 'cold' then format('cold: its %s are in an archive', part.holds)
                when 'archiving' then format('being archived: its %s cannot change', part.holds)
                else 'being restored from the archive'
            end
            using errcode = 'DPM01', table = part.leaf_name, hint = case found_state
                when 'cold' then format('Restore it with dpm partitions restore %s, then do this again.', part.called)
                when 'archiving' then format(
                    'dpm partitions archive %1$s ends that, dpm partitions restore %1$s takes it back.', part.called
                )
                else format('dpm partitions restore %s ends that.', part.called)
            end;
    end if;
end
$$;

-- The same of a month of trades.
create or replace function prop_trading_model.require_hot(wanted date) returns void
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select prop_trading_model.require_hot('prop_trading_model.raw_trades_closed', wanted)
$$;

-- Refuses what is written to a leaf while its month (year) is archived.
create or replace function prop_trading_model.refuse_archived_write() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform prop_trading_model.require_hot(tg_argv[0]::regclass, tg_argv[1]::date);
    raise exception '% cannot be written to, though it is hot', tg_relid::regclass
        using errcode = 'DPM01', hint = 'Its trigger refuse_write is left over: drop it.';
end
$$;

-- Whether the table of a month (year) is attached: null when there is no such table, else yes, pending (a DETACH CONCURRENTLY
-- has begun and not ended), or no.
create or replace function prop_trading_model.attachment_of(parent regclass, wanted date) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(case when i.inhdetachpending then 'pending' when i.inhrelid is not null then 'yes' end, 'no')
    from prop_trading_model.part_of(parent, wanted) as p
    join pg_class as c on c.relname = p.leaf_name and c.relnamespace = 'prop_trading_model'::regnamespace
    left join pg_inherits as i on i.inhrelid = c.oid and i.inhparent = attachment_of.parent
$$;

-- The account-days and marks of a month of trades that no refresh has taken yet.
create or replace function prop_trading_model.pending_of_month(wanted date) returns bigint
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select
        (
            select count(*) from prop_trading_model.changed_account_days as c
            where c.trade_date >= m.first_day and c.trade_date < m.next_day
        )
        + (select count(*) from prop_trading_model.changed_months as c where c.month = m.first_day)
        + (
            select count(*) from prop_trading_model.changed_leaves() as c
            where c.lower < m.next_day and c.upper > m.first_day
        )
    from prop_trading_model.part_of('prop_trading_model.raw_trades_closed', wanted) as m
$$;

-- Whether trades and net of a month's rollups are those of its file. True of metrics, which are in no rollup.
create or replace function prop_trading_model.archive_agrees(parent regclass, wanted date) returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select p.holds <> 'trades'
        or (f.rows, coalesce((f.sums ->> 'profit')::numeric, 0) + coalesce((f.sums ->> 'commission')::numeric, 0)
            + coalesce((f.sums ->> 'swap')::numeric, 0)) = (d.trades, d.net)
    from prop_trading_model.part_of(parent, wanted) as p
    join prop_trading_model.cold_files as f on f.parent_table = p.parent_table and f.lower = p.first_day
    cross join lateral (
        select coalesce(sum(r.trades), 0), coalesce(sum(r.net), 0) from prop_trading_model.rollup_market_day as r
        where p.holds = 'trades' and r.trade_date >= p.first_day and r.trade_date < p.next_day
    ) as d (trades, net)
$$;

-- The file of a month (year) that is hot again has been deleted.
create or replace function prop_trading_model.forget_file(parent regclass, wanted date) returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
    delete from prop_trading_model.partition_state as s using prop_trading_model.part_of(parent, wanted) as p
    where s.parent_table = p.parent_table and s.lower = p.first_day and s.state = 'hot';
    delete from prop_trading_model.cold_files as f using prop_trading_model.part_of(parent, wanted) as p
    where f.parent_table = p.parent_table and f.lower = p.first_day
        and not exists (
            select from prop_trading_model.partition_state as s
            where s.parent_table = f.parent_table and s.lower = f.lower and s.state <> 'hot'
        );
$$;

-- The steps of archiving a month or a year, and of taking an archive back; cold_months.sql says in which order and what holds
-- between them.

-- What a month of trades must not be archived with, for its rollups are then all that is left of it in PostgreSQL: a refresh
-- that is under way, or changes that none has taken (asked once nobody can write any more). Metrics are in no rollup.
create or replace function prop_trading_model.refuse_refresh(part record) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if part.holds = 'trades' and not pg_try_advisory_xact_lock(hashtextextended('prop_trading_model.refresh', 0)) then
        raise exception 'a refresh runs, and what it does to % must be whole before the month is archived', part.called
            using errcode = 'lock_not_available', hint = 'Archive the month when the refresh has ended.';
    end if;
end
$$;

create or replace function prop_trading_model.refuse_pending(part record) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if part.holds = 'trades' and prop_trading_model.pending_of_month(part.first_day) > 0 then
        raise exception 'the month % has changes that its rollups do not show yet', part.called
            using errcode = 'object_in_use', hint = 'Run dpm refresh, then archive the month.';
    end if;
end
$$;

-- Locks a leaf against writers until the transaction ends; gives up after 20 attempts of 500 ms.
create or replace function prop_trading_model.lock_out_writers(part record) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set lock_timeout = '500ms'
as $$
begin
    for attempt in 1 .. 20 loop
        begin
            execute format('lock table only prop_trading_model.%I in share row exclusive mode', part.leaf_name);
            return;
        exception when lock_not_available then
            perform pg_sleep(0.05 * attempt * (0.5 + random()));
        end;
    end loop;
    raise exception 'the % % cannot be archived: somebody writes to prop_trading_model.%', part.unit, part.called, part.leaf_name
        using errcode = 'lock_not_available', hint = 'See who in pg_locks; archive it when they are done.';
end
$$;

-- Of an earlier version, which did not know where the file would be:
drop function if exists prop_trading_model.begin_archive(regclass, date);

-- The first step: from here on the rows stay as they are. Returns the name of their table; done before, it notes the place alone.
-- `location` is where the file will be: noted before it is written, so that whoever takes the archive back finds it whenever the
-- archiver was killed.
-- Refused for what refuse_refresh() and refuse_pending() say, while somebody has written to it and not committed, for a month
-- (year) that has not ended or has no leaf of its own, and while the table has a default partition: DETACH CONCURRENTLY, the
-- step after next, would fail for as long as there is one.
-- Locks: SHARE ROW EXCLUSIVE on the leaf, for a moment.
create or replace function prop_trading_model.begin_archive(parent regclass, wanted date, location text default null) returns name
language plpgsql
set search_path = pg_catalog, pg_temp
set lock_timeout = '500ms'
as $$
declare
    part record := prop_trading_model.part_of(parent, wanted);
    leaf text := format('prop_trading_model.%I', part.leaf_name);
    default_leaf regclass := (select nullif(p.partdefid, 0) from pg_partitioned_table as p where p.partrelid = parent);
    refusal text;
begin
    perform prop_trading_model.refuse_refresh(part);
    -- What was recorded of a file stands for nothing from now on: it is written anew. (One that is cold is refused below.)
    delete from prop_trading_model.cold_files where parent_table = part.parent_table and lower = part.first_day;
    update prop_trading_model.partition_state as s set location = coalesce(begin_archive.location, s.location)
    where s.parent_table = part.parent_table and s.lower = part.first_day and s.state = 'archiving';
    if found then
        return part.leaf_name;
    end if;
    perform prop_trading_model.require_hot(parent, wanted);
    if part.next_day > prop_trading_model.utc_today() then
        raise exception 'the % % has not ended: its % are still coming', part.unit, part.called, part.holds
            using errcode = 'object_not_in_prerequisite_state', hint = format('Archive %ss that lie behind.', part.unit);
    end if;
    if prop_trading_model.attachment_of(parent, wanted) is distinct from 'yes' or (
        select (b.lower, b.upper) <> (part.first_day, part.next_day)
        from prop_trading_model.leaf_bounds(leaf::regclass) as b
    ) then
        raise exception 'the % % has no partition %', part.unit, part.called, part.leaf_name
            using errcode = 'object_not_in_prerequisite_state', hint = 'See dpm partitions list.';
    end if;
    if default_leaf is not null then
        raise exception 'the % % cannot be archived while % is the default partition of %',
            part.unit, part.called, default_leaf, part.parent_table
            using errcode = 'object_not_in_prerequisite_state',
                hint = format('Detach it (alter table %s detach partition %s), load its rows again, then archive the %s.',
                    parent, default_leaf, part.unit);
    end if;
    perform prop_trading_model.lock_out_writers(part);
    perform prop_trading_model.refuse_pending(part);
    -- By row: a statement on the parent fires the row triggers of its leaves alone.
    refusal := format('execute function prop_trading_model.refuse_archived_write(%L, %L)', parent, part.first_day);
    execute format(
        'create or replace trigger refuse_write before insert or update or delete on %s for each row %s', leaf, refusal
    );
    execute format('create or replace trigger refuse_truncate before truncate on %s for each statement %s', leaf, refusal);
    execute format('alter table %1$s enable always trigger refuse_write, enable always trigger refuse_truncate', leaf);
    insert into prop_trading_model.partition_state (parent_table, lower, state, location)
    values (part.parent_table, part.first_day, 'archiving', begin_archive.location)
    on conflict (parent_table, lower) do update
        set state = 'archiving', location = excluded.location, changed_at = clock_timestamp();
    return part.leaf_name;
end
$$;

-- The file has been read back and equals the table: it may take its place.
create or replace function prop_trading_model.note_archived(
    parent regclass, wanted date, location text, rows bigint, bytes bigint, columns text[], sums jsonb,
    content_sha256 text, file_sha256 text
) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    part record := prop_trading_model.part_of(parent, wanted);
    leaf regclass := format('prop_trading_model.%I', part.leaf_name)::regclass;
begin
    update prop_trading_model.partition_state set location = note_archived.location, changed_at = clock_timestamp()
    where parent_table = part.parent_table and lower = part.first_day and state = 'archiving';
    if not found then
        raise exception 'the % % is not being archived', part.unit, part.called
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    delete from prop_trading_model.cold_files where parent_table = part.parent_table and lower = part.first_day;
    insert into prop_trading_model.cold_files (
        parent_table, lower, location, rows, bytes, partition_bytes, columns, sums, content_sha256, file_sha256
    )
    values (
        part.parent_table, part.first_day, note_archived.location, note_archived.rows, note_archived.bytes,
        pg_table_size(leaf) + pg_indexes_size(leaf), note_archived.columns, note_archived.sums,
        note_archived.content_sha256, note_archived.file_sha256
    );
    if part.holds = 'trades' then
        perform prop_trading_model.forget_logins(part);
        execute format(
            'insert into prop_trading_model.cold_logins (account_id, trade_date, login)'
            ' select distinct on (account_id) account_id, trade_date, login from %s'
            ' order by account_id, trade_date desc, close_time desc nulls last, id desc, trade_id desc', leaf
        );
    end if;
end
$$;

-- The logins that stand for a month's trades while it is cold.
create or replace function prop_trading_model.forget_logins(part record) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if part.holds = 'trades' then
        delete from prop_trading_model.cold_logins where trade_date >= part.first_day and trade_date < part.next_day;
    end if;
end
$$;

-- The last step, when the table is detached: it is dropped, and the month (year) is cold.
create or replace function prop_trading_model.finish_archive(parent regclass, wanted date) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set lock_timeout = '5s'
as $$
declare
    part record := prop_trading_model.part_of(parent, wanted);
    attached text := prop_trading_model.attachment_of(parent, wanted);
begin
    if attached <> 'no' or not exists (
        select from prop_trading_model.partition_state as s
        join prop_trading_model.cold_files as f using (parent_table, lower)
        where s.parent_table = part.parent_table and s.lower = part.first_day and s.state = 'archiving'
            and s.location = f.location
        for update of s
    ) then
        raise exception 'the % % cannot be made cold: it is attached, or no verified file stands for it',
            part.unit, part.called using errcode = 'object_not_in_prerequisite_state';
    end if;
    delete from prop_trading_model.known_leaves where leaf_name = part.leaf_name;
    execute format('drop table if exists prop_trading_model.%I', part.leaf_name);
    update prop_trading_model.partition_state set state = 'cold', changed_at = clock_timestamp()
    where parent_table = part.parent_table and lower = part.first_day;
end
$$;

-- Takes an archive back that has not made the month (year) cold: its table is attached as it was and can be written to. A
-- detach that is pending has to be finished first.
create or replace function prop_trading_model.abandon_archive(parent regclass, wanted date) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set lock_timeout = '5s'
as $$
declare
    part record := prop_trading_model.part_of(parent, wanted);
    leaf text := format('prop_trading_model.%I', part.leaf_name);
    left_over name;
begin
    perform from prop_trading_model.partition_state
    where parent_table = part.parent_table and lower = part.first_day and state = 'archiving' for update;
    if not found then
        raise exception 'the % % is not being archived', part.unit, part.called
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    if prop_trading_model.attachment_of(parent, wanted) = 'no' then
        execute format(
            'alter table %s attach partition %s for values from (%L) to (%L)', parent, leaf, part.first_day, part.next_day
        );
    end if;
    -- DETACH CONCURRENTLY leaves a check of the bounds.
    for left_over in
        select c.conname from pg_constraint as c
        where c.conrelid = leaf::regclass and c.contype = 'c' and c.conparentid = 0 and c.coninhcount = 0
    loop
        execute format('alter table %s drop constraint %I', leaf, left_over);
    end loop;
    execute format('drop trigger if exists refuse_write on %s', leaf);
    execute format('drop trigger if exists refuse_truncate on %s', leaf);
    perform prop_trading_model.forget_logins(part);
    update prop_trading_model.partition_state set state = 'hot', changed_at = clock_timestamp()
    where parent_table = part.parent_table and lower = part.first_day;
end
$$;

-- The steps of restoring a month or a year; cold_months.sql says in which order and what holds between them.

-- The first step of a restore. The file still counts.
create or replace function prop_trading_model.begin_restore(parent regclass, wanted date) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    part record := prop_trading_model.part_of(parent, wanted);
begin
    update prop_trading_model.partition_state set state = 'restoring', changed_at = clock_timestamp()
    where parent_table = part.parent_table and lower = part.first_day and state in ('cold', 'restoring');
    if not found then
        raise exception 'the % % is not in the archive', part.unit, part.called
            using errcode = 'object_not_in_prerequisite_state';
    end if;
end
$$;

-- The bare table that the file's rows are copied into, in the transaction that attaches it.
create or replace function prop_trading_model.make_restored(parent regclass, wanted date) returns name
language sql
set search_path = pg_catalog, pg_temp
as $$
    select prop_trading_model.make_bare_table(parent, p.leaf_name || '_restored', p.first_day)
    from prop_trading_model.part_of(parent, wanted) as p
$$;

-- Indexes and attaches that table: the month (year) is hot. Nothing is marked, unless the rollups are not those of the file's
-- sums.
create or replace function prop_trading_model.attach_restored(parent regclass, wanted date) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    part record := prop_trading_model.part_of(parent, wanted);
begin
    perform from prop_trading_model.partition_state
    where parent_table = part.parent_table and lower = part.first_day and state = 'restoring' for update;
    if not found then
        raise exception 'the % % is not being restored', part.unit, part.called
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    if not prop_trading_model.attach_bare_table(parent, part.leaf_name || '_restored', part.first_day) then
        raise exception 'there is a table % already, or a partition for its %', part.leaf_name, part.unit
            using errcode = 'duplicate_table',
                hint = format('Find out who made it: the %s was in the archive. Detach and rename it.', part.unit);
    end if;
    perform prop_trading_model.forget_logins(part);
    update prop_trading_model.partition_state set state = 'hot', changed_at = clock_timestamp()
    where parent_table = part.parent_table and lower = part.first_day;
    if not prop_trading_model.archive_agrees(parent, wanted) then
        perform prop_trading_model.mark_months(part.first_day, part.next_day, 'rollups differ from the archive');
    end if;
end
$$;

-- What a load asks of the database beside its rows.
-- Invariant: nothing here changes a row; only the BRIN summaries that date scans live by are brought up to date.

-- The name of the leaf that is exactly this month's, held so that nobody detaches it before the transaction ends, when rows
-- may be copied straight into it: it is attached and keeps the change log itself. Null when there is none: what goes
-- through the parent is logged in any case.
create or replace function prop_trading_model.hold_trade_leaf(month date) returns name
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    found record;
begin
    for attempt in 1 .. 2 loop
        select leaf.oid, leaf.relname into found
        from pg_inherits as i
        join pg_class as leaf on leaf.oid = i.inhrelid and leaf.relnamespace = 'prop_trading_model'::regnamespace
        cross join lateral prop_trading_model.leaf_bounds(leaf.oid) as b
        where i.inhparent = 'prop_trading_model.raw_trades_closed'::regclass
            and not i.inhdetachpending
            and b.lower = hold_trade_leaf.month
            and b.upper = hold_trade_leaf.month + interval '1 month'
            and has_table_privilege(leaf.oid, 'insert')
            and exists (
                select from pg_trigger as t
                where t.tgrelid = leaf.oid and t.tgname = 'log_insert' and t.tgenabled = 'A'
            );
        if found.oid is null or attempt = 2 then
            return found.relname;  -- the second time: it was still so when the lock was held
        end if;
        execute format('lock table only prop_trading_model.%I in row exclusive mode', found.relname);
    end loop;
end
$$;

-- Summarizes the BRIN indexes of the leaves of these months, or day scans would read every page loaded since the last
-- summary. Returns how many page ranges it summarized. A leaf that somebody else holds is left to autovacuum: a load that
-- has been committed does not wait for locks.
create or replace function prop_trading_model.summarize_trade_months(months date[]) returns integer
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '2s'
as $$
declare
    brin_index regclass;
    summarized integer := 0;
begin
    for brin_index in
        select x.indexrelid::regclass
        from pg_inherits as i
        join pg_class as leaf on leaf.oid = i.inhrelid
        join pg_index as x on x.indrelid = leaf.oid
        join pg_class as c on c.oid = x.indexrelid
        join pg_am as am on am.oid = c.relam
        where i.inhparent = 'prop_trading_model.raw_trades_closed'::regclass
            and am.amname = 'brin'
            and x.indisvalid
            and leaf.relname in (select 'raw_trades_closed_' || to_char(m, 'YYYY_MM') from unnest(months) as m)
        order by leaf.relname, c.relname
    loop
        begin
            summarized := summarized + brin_summarize_new_values(brin_index);
        exception when lock_not_available then
            raise debug 'index % is busy and left to autovacuum', brin_index;
        end;
    end loop;
    return summarized;
end
$$;

revoke all on function prop_trading_model.summarize_trade_months(date[]), prop_trading_model.hold_trade_leaf(date) from public;

do $$
begin
    if exists (select from pg_roles where rolname = 'dpm_loader') then
        grant execute on function
            prop_trading_model.summarize_trade_months(date[]), prop_trading_model.hold_trade_leaf(date) to dpm_loader;
    end if;
end
$$;

-- What is wrong with the partitions, or soon will be: check_partitions(), or the view partition_findings. One row a finding,
-- with the remedy: a statement that can be run as it stands (outside a transaction block, as dpm_owner), or where `by_hand`
-- what a person has to decide. `dpm doctor` shows the same rows, the checks of the asset graph too.
-- Invariant: nothing here changes or locks anything; no finding means that rollover, refresh and archive can do their work.

-- Every leaf of every partitioned table, those that are being detached too.
create or replace function prop_trading_model.partition_leaves()
returns table (
    parent regclass, parent_table text, every interval, leaf regclass, leaf_name text, lower date, upper date,
    bound text, detach_pending boolean
)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select t.parent, p.relname::text, t.every, c.oid::regclass, c.relname::text, b.lower, b.upper,
        pg_get_expr(c.relpartbound, c.oid), i.inhdetachpending
    from prop_trading_model.partitioned_tables() as t
    join pg_class as p on p.oid = t.parent
    join pg_inherits as i on i.inhparent = t.parent
    join pg_class as c on c.oid = i.inhrelid
    cross join lateral prop_trading_model.leaf_bounds(c.oid) as b
$$;

-- Months (years) that are not there though they have to be, or lie open between others.
create or replace function prop_trading_model.check_months(months_ahead integer)
returns table (finding text, severity text, parent_table text, object text, detail text, remedy text, by_hand boolean)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    with wanted as (
        select t.parent, t.every, p.relname::text as parent_table, s.start, (s.start + t.every)::date as upper,
            prop_trading_model.leaf_name(t.parent, s.start) as leaf_name
        from prop_trading_model.partitioned_tables() as t
        join pg_class as p on p.oid = t.parent
        cross join lateral prop_trading_model.starts_to_keep(t.parent, months_ahead) as s (start)
    ),
    leaves as (
        select *, lag(l.upper) over (partition by l.parent order by l.lower) as upper_before
        from prop_trading_model.partition_leaves() as l
        where isfinite(l.lower) and isfinite(l.upper) and not l.detach_pending
    )
    select 'partition missing',
        -- The running one and the next: trades are refused now, or within weeks.
        case when w.start <= prop_trading_model.utc_today() + w.every then 'error' else 'warning' end,
        w.parent_table, w.leaf_name,
        format('there is no partition for %s to %s', w.start, w.upper),
        format(
            'select * from prop_trading_model.create_%sly_partitions(%s)',
            case when w.every = interval '1 year' then 'year' else 'month' end, months_ahead
        ), false
    from wanted as w
    where not prop_trading_model.has_leaf(w.parent, w.start, w.upper)
    union all
    -- More than two years apart are two histories, not a gap.
    select 'gap', 'warning', l.parent_table, prop_trading_model.leaf_name(l.parent, missing.starts[1]),
        format('no partition begins on %s, though there are older and newer ones', array_to_string(missing.starts, ', ')),
        case when l.every = interval '1 year'
            then format('select prop_trading_model.ensure_metrics_years(%L)',
                array(select extract(year from start)::integer from unnest(missing.starts) as start))
            else format('select prop_trading_model.ensure_trade_months(%L)', missing.starts)
        end, false
    from leaves as l
    cross join lateral (
        select array_agg(start::date order by start) as starts
        from generate_series(l.upper_before::timestamp, l.lower - l.every, l.every) as start
        where start::date not in (select prop_trading_model.archived_starts(l.parent))
    ) as missing
    where l.parent_table like 'raw\_%'  -- the refresh makes a rollup's when it needs one
        and l.upper_before < l.lower and l.upper_before > l.lower - interval '2 years'
        and l.lower <= prop_trading_model.utc_today()
        and missing.starts is not null
    union all
    select 'far ahead', 'warning', l.parent_table, l.leaf_name,
        format('it begins on %s: a clock was wrong when it was made', l.lower),
        format('drop table %s if it is empty', l.leaf), true
    from leaves as l
    where l.lower > prop_trading_model.utc_today() + interval '121 months'
$$;

-- Two that claim the same time, and bounds that get in the way of a month.
create or replace function prop_trading_model.check_bounds()
returns table (finding text, severity text, parent_table text, object text, detail text, remedy text, by_hand boolean)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select 'detach pending', 'error', l.parent_table, l.leaf_name,
        'a DETACH CONCURRENTLY was interrupted: queries no longer see its rows',
        format('alter table %s detach partition %s finalize', l.parent, l.leaf), false
    from prop_trading_model.partition_leaves() as l
    where l.detach_pending
    union all
    select 'default partition', 'error', l.parent_table, l.leaf_name,
        'rows in it keep their month from being made, and it forbids DETACH CONCURRENTLY',
        format('alter table %s detach partition %s, then load its rows again', l.parent, l.leaf), true
    from prop_trading_model.partition_leaves() as l
    where l.bound = 'DEFAULT'
    union all
    select 'bounds across months', 'error', l.parent_table, l.leaf_name,
        format('it holds %s to %s, which is no whole number of %s', l.lower, l.upper,
            case when l.every = interval '1 year' then 'years' else 'months' end),
        format('alter table %s detach partition %s concurrently, then load its rows again', l.parent, l.leaf), true
    from prop_trading_model.partition_leaves() as l
    cross join lateral (select case when l.every = interval '1 year' then 'year' else 'month' end as unit) as u
    where l.bound <> 'DEFAULT' and not coalesce(
        isfinite(l.lower) and isfinite(l.upper)
            and l.lower = date_trunc(u.unit, l.lower::timestamp) and l.upper = date_trunc(u.unit, l.upper::timestamp),
        false
    )
    union all
    select 'overlap', 'error', p.relname::text, c.relname::text,
        format('a table of this name is no partition of %s: %s', p.relname, case
            when exists (
                select from prop_trading_model.partition_leaves() as l
                where l.parent = t.parent and l.leaf_name <> c.relname and l.lower <= begins.day and l.upper > begins.day
            ) then 'another partition holds its time'
            else 'its time cannot get a partition'
        end),
        format('alter table %s attach partition %s for values from (%L) to (%L), if its rows belong there; else rename or drop it',
            t.parent, c.oid::regclass, begins.day, (begins.day + t.every)::date), true
    from prop_trading_model.partitioned_tables() as t
    join pg_class as p on p.oid = t.parent
    join pg_class as c on c.relnamespace = p.relnamespace and c.relkind in ('r', 'p', 'f', 'v', 'm') and not c.relispartition
        and c.relname ~ format('^%s_%s$', p.relname, replace(replace(t.suffix, 'YYYY', '\d{4}'), 'MM', '(0[1-9]|1[0-2])'))
    cross join lateral (
        select to_date(substr(c.relname, length(p.relname) + 2), t.suffix) as day
    ) as begins
    where begins.day not in (select prop_trading_model.archived_starts(t.parent))
    union all
    select 'overlap', 'error', l.parent_table, l.leaf_name,
        format('the %s %s is in the archive and has a partition too', p.unit, p.called),
        format('restore the %s or drop the partition, after comparing them', p.unit), true
    from prop_trading_model.partition_state as s
    join prop_trading_model.partition_leaves() as l
        on l.parent_table = s.parent_table and l.lower <= s.lower and l.upper > s.lower and not l.detach_pending
    cross join lateral prop_trading_model.part_of(l.parent, s.lower) as p
    where s.state = 'cold'
$$;

-- Triggers of the change log that are missing, disabled or call something else; others that a leaf has disabled.
create or replace function prop_trading_model.check_triggers()
returns table (finding text, severity text, parent_table text, object text, detail text, remedy text, by_hand boolean)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select 'trigger missing', 'error', 'raw_trades_closed', tbl.relname::text,
        format('%s missing or disabled: what was written meanwhile is in no log', string_agg(missing.name, ', ')),
        format('select prop_trading_model.repair_triggers(%L)', tbl.oid::regclass), false
    from (
        select 'prop_trading_model.raw_trades_closed'::regclass as oid
        union all
        select leaf from prop_trading_model.partition_leaves() where parent_table = 'raw_trades_closed' and not detach_pending
    ) as log
    join pg_class as tbl on tbl.oid = log.oid
    cross join lateral (
        select substring(s.statement from 'enable always trigger (\w+)') as name
        from prop_trading_model.change_trigger_statements(log.oid::text) as s
    ) as missing
    where missing.name is not null
    group by tbl.oid, tbl.relname
    union all
    select 'trigger missing', 'error', input.tbl, input.tbl, 'log_input is missing or disabled: views are not refreshed for it',
        format('select prop_trading_model.create_input_trigger(%L, %L)', 'prop_trading_model.' || input.tbl, input.name), false
    from (values ('raw_accounts_data', 'accounts'), ('raw_plans_data', 'plans'), ('raw_regimes_daily', 'regimes'))
        as input (tbl, name)
    where not exists (
        select from pg_trigger as t
        where t.tgrelid = to_regclass('prop_trading_model.' || input.tbl) and t.tgname = 'log_input' and t.tgenabled = 'A'
    )
    union all
    select 'trigger missing', 'warning', l.parent_table, l.leaf_name, format('%s is enabled otherwise than on the parent', t.tgname),
        format('alter table %s %s trigger %I', l.leaf, case of_parent.tgenabled
            when 'A' then 'enable always' when 'R' then 'enable replica' when 'D' then 'disable' else 'enable' end, t.tgname),
        false
    from prop_trading_model.partition_leaves() as l
    join pg_trigger as t on t.tgrelid = l.leaf
    join pg_trigger as of_parent on of_parent.oid = t.tgparentid
    where t.tgenabled <> of_parent.tgenabled
$$;

-- Indexes that cannot be used or are not everywhere; a build that is under way is none.
create or replace function prop_trading_model.check_indexes()
returns table (finding text, severity text, parent_table text, object text, detail text, remedy text, by_hand boolean)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    with building as (
        select relation from pg_locks
        where mode = 'ShareUpdateExclusiveLock' and granted and locktype = 'relation' and pid <> pg_backend_pid()
            and database = (select oid from pg_database where datname = current_database())
    )
    select 'index missing', 'error', l.parent_table, l.leaf_name,
        format('the index %s of %s is not on this partition', c.relname, l.parent_table),
        format('dpm indexes create %s', c.relname), true
    from prop_trading_model.partition_leaves() as l
    join pg_index as x on x.indrelid = l.parent
    join pg_class as c on c.oid = x.indexrelid
    where not l.detach_pending and l.leaf not in (select relation from building)
        and not exists (
            select from pg_inherits as i join pg_index as on_leaf on on_leaf.indexrelid = i.inhrelid
            where i.inhparent = x.indexrelid and on_leaf.indrelid = l.leaf
        )
    union all
    select 'index invalid', 'error', tbl.relname::text, c.relname::text,
        'its build was interrupted: it costs every write and serves no query',
        case
            when c.relkind = 'I' then format('dpm indexes create %s', c.relname)
            when c.relispartition then format('reindex index concurrently %s', c.oid::regclass)
            else format('drop index concurrently %s', c.oid::regclass)
        end, c.relkind = 'I'
    from pg_index as x
    join pg_class as c on c.oid = x.indexrelid
    join pg_class as tbl on tbl.oid = x.indrelid
    where not x.indisvalid and c.relnamespace = 'prop_trading_model'::regnamespace
        and x.indrelid not in (select relation from building)
        -- The parent's is invalid until the last leaf has it, which is a finding already.
        and not (c.relkind = 'I' and exists (
            select from prop_trading_model.partition_leaves() as l
            where l.parent = x.indrelid and not exists (
                select from pg_inherits as i join pg_index as on_leaf on on_leaf.indexrelid = i.inhrelid
                where i.inhparent = x.indexrelid and on_leaf.indrelid = l.leaf
            )
        ))
$$;

-- Leaves that are not as their parent: owner, privileges, persistence, constraints; and those that need a freeze.
create or replace function prop_trading_model.check_ownership()
returns table (finding text, severity text, parent_table text, object text, detail text, remedy text, by_hand boolean)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select 'wrong owner', 'error', l.parent_table, l.leaf_name,
        format('it belongs to %s: partitions and indexes of %s cannot be looked after', pg_get_userbyid(c.relowner),
            pg_get_userbyid(p.relowner)),
        format('alter table %s owner to %I', l.leaf, pg_get_userbyid(p.relowner)),
        not pg_has_role(p.relowner, c.relowner, 'member')
    from prop_trading_model.partition_leaves() as l
    join pg_class as c on c.oid = l.leaf
    join pg_class as p on p.oid = l.parent
    where c.relowner <> p.relowner
    union all
    select 'privileges missing', 'warning', l.parent_table, l.leaf_name, 'it does not grant what its parent grants',
        format('select prop_trading_model.dress_leaf(%L, %L)', l.parent, l.leaf), false
    from prop_trading_model.partition_leaves() as l
    where not l.detach_pending and exists (select from prop_trading_model.plan_privileges(l.parent, l.leaf::text))
    union all
    select 'unlogged', 'error', l.parent_table, l.leaf_name, 'it is unlogged: a crash empties it',
        format('alter table %s set logged', l.leaf), true
    from prop_trading_model.partition_leaves() as l
    join pg_class as c on c.oid = l.leaf
    where c.relpersistence = 'u'
    union all
    select 'constraint not validated', 'warning', l.parent_table, l.leaf_name, format('%s was never validated', k.conname),
        format('alter table %s validate constraint %I', l.leaf, k.conname), false
    from prop_trading_model.partition_leaves() as l
    join pg_constraint as k on k.conrelid = l.leaf and not k.convalidated
    union all
    select 'freeze overdue', 'error', l.parent_table, l.leaf_name,
        format('its oldest transaction id is %s old: at 2 billion the server stops', age(c.relfrozenxid)),
        format('vacuum (freeze) %s', l.leaf), false
    from prop_trading_model.partition_leaves() as l
    join pg_class as c on c.oid = l.leaf
    where c.relkind = 'r' and age(c.relfrozenxid) > 1000000000
$$;

-- All of it; nothing at all when all is well.
create or replace function prop_trading_model.check_partitions(months_ahead integer default 3)
returns table (finding text, severity text, parent_table text, object text, detail text, remedy text, by_hand boolean)
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
    select * from (
        select * from prop_trading_model.check_months(months_ahead)
        union all select * from prop_trading_model.check_bounds()
        union all select * from prop_trading_model.check_triggers()
        union all select * from prop_trading_model.check_indexes()
        union all select * from prop_trading_model.check_ownership()
    ) as found
    order by found.severity, found.finding, found.parent_table, found.object
$$;

create or replace view prop_trading_model.partition_findings as
select * from prop_trading_model.check_partitions();

-- Gives a table of trades the triggers of the change log that it lacks, and marks its months to be recomputed: what was written
-- without them is in no log. Gives up after two seconds of waiting for the table's writers.
create or replace function prop_trading_model.repair_triggers(tbl regclass) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set lock_timeout = '2s'
as $$
begin
    perform prop_trading_model.create_change_triggers(tbl);
    perform prop_trading_model.mark_months(b.lower, b.upper, 'triggers were missing')
    from prop_trading_model.leaf_bounds(tbl) as b;
end
$$;

-- Indexes of partitioned tables: declared once, built partition by partition without holding up a writer, then attached.
-- Invariant: the declaration is the index of the partitioned table itself (CREATE INDEX ON ONLY), invalid until every partition
-- has its part. So a build that was killed is known from the catalogue, and running the same again goes on with it; a partition
-- made meanwhile has its part from the start.
--
-- From psql alone, as dpm_owner and outside a transaction block (\gexec runs each row of the query before it as a statement):
--   select declare_partition_index('trades_login', 'raw_trades_closed', '(login)');      -- for a moment SHARE on the table
--   select statement from partition_index_steps('trades_login') \gexec                   -- build, or go on with it
--   select statement from partition_index_rebuild_steps('trades_login') \gexec           -- REINDEX, part by part
--   select drop_partition_index('trades_login');                                         -- for a moment ACCESS EXCLUSIVE
--   select * from partition_index_usage;                                                 -- size and use, part by part
--   select * from check_partition_indexes();                                             -- missing, invalid, unused, duplicate
-- Leave the word statement away and nothing is run: that is the dry run, with the locks. `dpm indexes` drives the same rows, and
-- tries again where a lock is refused. No function can build an index CONCURRENTLY, as no function can leave its transaction.

-- Every index of the partitioned tables, a row for each partition: the part that belongs to the table's index, or its lack.
create or replace view prop_trading_model.partition_index_usage as
select
    l.parent_table,
    of_table.relname::text as index_name,
    l.leaf_name as partition_name,
    part.relname::text as part_name,
    coalesce(x.indisvalid, false) as valid,
    declared.indisunique as unique_index,
    exists (select from pg_constraint as k where k.conindid = declared.indexrelid) as of_constraint,
    pg_relation_size(part.oid) as bytes,
    coalesce(s.idx_scan, 0) as scans,
    coalesce(s.idx_tup_read, 0) as entries_read,
    pg_get_indexdef(declared.indexrelid) as definition
from prop_trading_model.partition_leaves() as l
join pg_index as declared on declared.indrelid = l.parent
join pg_class as of_table on of_table.oid = declared.indexrelid
left join (
    pg_inherits as i
    join pg_index as x on x.indexrelid = i.inhrelid
    join pg_class as part on part.oid = x.indexrelid
    left join pg_stat_all_indexes as s on s.indexrelid = x.indexrelid
) on i.inhparent = declared.indexrelid and x.indrelid = l.leaf
where not l.detach_pending;

-- What the part of an index on one partition is called, so that a build that was killed is found again.
create or replace function prop_trading_model.partition_index_name(leaf_name text, index_name text) returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
    select case when length(whole) <= 63 then whole else left(whole, 54) || '_' || left(md5(whole), 8) end
    from (select leaf_name || '_' || index_name as whole) as named
$$;

-- The index of a partitioned table, by name. Raises when there is none.
create or replace function prop_trading_model.partition_index(index_name text) returns regclass
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    found regclass := (
        select c.oid from pg_class as c
        where c.relname = index_name and c.relkind = 'I' and c.relnamespace = 'prop_trading_model'::regnamespace
    );
begin
    if found is null then
        raise exception 'there is no index % of a partitioned table', index_name using errcode = 'undefined_object',
            hint = 'select declare_partition_index(name, table, ''(columns)'') declares one.';
    end if;
    return found;
end
$$;

-- Declares an index. Nothing is built; partition_index_steps() says what remains. `definition` is what CREATE INDEX takes after
-- the table: '(login)', 'using brin (close_time)', '(symbol) where profit < 0'. With dry_run the statement is only returned.
create or replace function prop_trading_model.declare_partition_index(
    index_name text, partitioned regclass, definition text, unique_index boolean default false, dry_run boolean default false
)
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
set lock_timeout = '40ms'
as $$
declare
    statement text := format(
        'create %sindex %I on only %s %s', case when unique_index then 'unique ' else '' end, index_name, partitioned, definition
    );
begin
    if (select relkind from pg_class where oid = partitioned) <> 'p' then
        raise exception '% is no partitioned table', partitioned
            using errcode = 'wrong_object_type', hint = 'CREATE INDEX CONCURRENTLY does for it.';
    end if;
    if not dry_run then
        perform prop_trading_model.execute_patiently(statement);
    end if;
    return statement;
end
$$;

-- Drops an index of a partitioned table with all its parts. PostgreSQL cannot do this CONCURRENTLY: for a moment the table and
-- its partitions are locked in ACCESS EXCLUSIVE, and given up where that is not to be had at once.
create or replace function prop_trading_model.drop_partition_index(index_name text, dry_run boolean default false) returns text
language plpgsql
set search_path = pg_catalog, pg_temp
set lock_timeout = '40ms'
as $$
declare
    statement text := format('drop index %s', prop_trading_model.partition_index(index_name));
begin
    if not dry_run then
        perform prop_trading_model.execute_patiently(statement);
    end if;
    return statement;
end
$$;

-- Runs a statement under the lock_timeout of its caller, again and again after pauses of random length, for about a minute.
create or replace function prop_trading_model.execute_patiently(statement text) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    for attempt in 1 .. 100 loop
        begin
            execute statement;
            return;
        exception when lock_not_available or deadlock_detected then
            perform pg_sleep(least(0.02 * attempt, 1) * (0.5 + random()));
        end;
    end loop;
    raise exception 'the lock was refused 100 times for: %', statement
        using errcode = 'lock_not_available', hint = 'See who holds it in pg_locks, then call this again.';
end
$$;

-- What remains to be done until every partition has its part of an index, in order; nothing when it is complete.
create or replace function prop_trading_model.partition_index_steps(index_name text)
returns table (partition_name text, statement text, locks text)
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    declared regclass := prop_trading_model.partition_index(index_name);
begin
    return query
        with part as (
            select l.leaf, l.leaf_name, l.lower, x.indisunique,
                -- After 'CREATE INDEX name ON ONLY table ', whatever it is.
                substr(pg_get_indexdef(declared), length(format(
                    'CREATE %sINDEX %I ON ONLY %s ', case when x.indisunique then 'UNIQUE ' else '' end, index_name, l.parent
                )) + 1) as definition,
                prop_trading_model.partition_index_name(l.leaf_name, index_name) as part_name
            from pg_index as x join prop_trading_model.partition_leaves() as l on l.parent = x.indrelid
            where x.indexrelid = declared and not l.detach_pending
        ),
        state as (
            select p.*, attached.indexrelid::regclass as attached, attached.indisvalid as attached_valid,
                loose.indexrelid::regclass as loose, loose.indisvalid as loose_valid
            from part as p
            left join (pg_inherits as i join pg_index as attached on attached.indexrelid = i.inhrelid)
                on i.inhparent = declared and attached.indrelid = p.leaf
            left join pg_index as loose
                on loose.indexrelid = to_regclass(format('prop_trading_model.%I', p.part_name)) and loose.indrelid = p.leaf
        )
        select s.leaf_name, step.statement, step.locks
        from state as s
        cross join lateral (values
            (1, s.attached is null and not s.loose_valid, format('drop index concurrently %s', s.loose),
                format('SHARE UPDATE EXCLUSIVE on %s: nobody waits for it', s.leaf)),
            (2, s.attached is null and s.loose_valid is not true,
                format('create %sindex concurrently %I on %s %s', case when s.indisunique then 'unique ' else '' end,
                    s.part_name, s.leaf, s.definition),
                format('SHARE UPDATE EXCLUSIVE on %s: it waits for older transactions, nobody waits for it', s.leaf)),
            (3, s.attached is null, format('alter index %s attach partition prop_trading_model.%I', declared, s.part_name),
                format('ACCESS EXCLUSIVE on the new index for a moment; ACCESS SHARE on %s', s.leaf)),
            (4, not s.attached_valid, format('reindex index concurrently %s', s.attached),
                format('SHARE UPDATE EXCLUSIVE on %s: it waits for older transactions, nobody waits for it', s.leaf))
        ) as step (place, needed, statement, locks)
        where step.needed
        order by s.lower, step.place;
end
$$;

-- Building every part of an index anew, for bloat or after corruption; leftovers of an earlier try go first.
create or replace function prop_trading_model.partition_index_rebuild_steps(index_name text)
returns table (partition_name text, statement text, locks text)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select * from (
        select t.relname::text as partition_name, format('drop index concurrently %s', c.oid::regclass) as statement,
            format('SHARE UPDATE EXCLUSIVE on %s: nobody waits for it', x.indrelid::regclass) as locks
        from pg_inherits as i
        join pg_class as part on part.oid = i.inhrelid
        join pg_index as of_part on of_part.indexrelid = part.oid
        join pg_index as x on x.indrelid = of_part.indrelid and not x.indisvalid
        join pg_class as c on c.oid = x.indexrelid and c.relname ~ '_cc(new|old)\d*$'
            and starts_with(c.relname, left(part.relname, 50))
        join pg_class as t on t.oid = x.indrelid
        where i.inhparent = prop_trading_model.partition_index(index_name)
        union all
        select t.relname, format('reindex index concurrently %s', i.inhrelid::regclass),
            format('SHARE UPDATE EXCLUSIVE on %s: it waits for older transactions, nobody waits for it', x.indrelid::regclass)
        from pg_inherits as i
        join pg_index as x on x.indexrelid = i.inhrelid
        join pg_class as t on t.oid = x.indrelid
        where i.inhparent = prop_trading_model.partition_index(index_name)
    ) as steps
    order by partition_name, statement
$$;

-- Indexes that do no good: missing somewhere, invalid, never used since the statistics were last reset, or covered by another.
create or replace function prop_trading_model.check_partition_indexes()
returns table (finding text, parent_table text, index_name text, detail text, bytes bigint)
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
    with of_table as (
        select parent_table, index_name, bool_or(unique_index or of_constraint) as needed, sum(bytes)::bigint as bytes,
            sum(scans) as scans, count(*) filter (where part_name is null) as missing,
            count(*) filter (where part_name is not null and not valid) as invalid, count(*) as parts
        from prop_trading_model.partition_index_usage
        group by parent_table, index_name
    ),
    shape as (
        select t.relname::text as parent_table, c.relname::text as index_name, x.*, c.relam,
            (select array_agg(k order by n) from unnest(x.indkey::smallint[]) with ordinality as keys (k, n)
            where n <= x.indnkeyatts) as key_columns
        from pg_index as x
        join pg_class as c on c.oid = x.indexrelid
        join pg_class as t on t.oid = x.indrelid
        where x.indrelid in (select parent from prop_trading_model.partitioned_tables())
    )
    select 'missing', parent_table, index_name, format('%s of %s partitions lack it: dpm indexes create %s', missing, parts, index_name),
        bytes
    from of_table where missing > 0
    union all
    select 'invalid', parent_table, index_name, format('%s of %s parts are invalid: dpm indexes create %s', invalid, parts, index_name),
        bytes
    from of_table where invalid > 0
    union all
    select 'unused', parent_table, index_name,
        format('no scan since %s: dpm indexes drop %s', coalesce(
            (select stats_reset from pg_stat_database where datname = current_database())::text, 'the server began'), index_name),
        bytes
    from of_table where scans = 0 and not needed and bytes > 0
    union all
    select 'duplicate', a.parent_table, a.index_name, format('%s serves the same queries: dpm indexes drop %s', b.index_name, a.index_name),
        (select o.bytes from of_table as o where o.parent_table = a.parent_table and o.index_name = a.index_name)
    from shape as a
    join shape as b on b.indrelid = a.indrelid and b.indexrelid <> a.indexrelid and b.relam = a.relam
    join pg_am as am on am.oid = a.relam
    where not a.indisunique and a.indexprs is null and b.indexprs is null
        and a.indpred::text is not distinct from b.indpred::text
        and (
            -- The same keys in the same order; of two alike the newer one is named.
            a.key_columns = b.key_columns and a.indclass::text = b.indclass::text and a.indoption::text = b.indoption::text
                and a.indcollation::text = b.indcollation::text and (b.indisunique or a.indexrelid > b.indexrelid)
            or am.amname = 'btree' and a.indoption::smallint[] <@ '{0}' and b.indoption::smallint[] <@ '{0}'
                and b.key_columns[1:array_length(a.key_columns, 1)] = a.key_columns
                and array_length(b.key_columns, 1) > array_length(a.key_columns, 1)
        )
    order by 1, 2, 3
$$;

-- analyze_partitions(): brings the statistics of every leaf that was written since its last ANALYZE up to date (with collect),
-- and shows size, use and state of each: rows as estimated (with exact: counted, which reads everything), bytes, dead rows, when
-- it was last looked after. A month (year) in the archive is a row too: it has no leaf, so no bytes here.
-- Invariant: a leaf that somebody else has locked is shown all the same, and its statistics left for the next time; who may only
-- read collects none.

-- What ANALYZE has to look at: leaves that were written since, and tables whose leaves were. The tables have statistics of their
-- own, which autovacuum never collects. Before PostgreSQL 18 collecting them reads every leaf again, so it is done once a week.
create or replace function prop_trading_model.statistics_to_collect()
returns table (relation text, statement text)
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
    with leaves as (
        select l.*, greatest(s.last_analyze, s.last_autoanalyze) as analyzed,
            s.n_mod_since_analyze > 0 or greatest(s.last_analyze, s.last_autoanalyze) is null as stale
        from prop_trading_model.partition_leaves() as l
        join pg_stat_all_tables as s on s.relid = l.leaf
        where not l.detach_pending
    )
    select wanted.relation, wanted.statement from (
        select leaf_name as relation, format('analyze (skip_locked) %s', leaf) as statement, 1 as place
        from leaves
        where stale
        union all
        select l.parent_table,
            format('analyze (skip_locked) %s%s',
                case when current_setting('server_version_num')::integer >= 180000 then 'only ' else '' end, l.parent), 2
        from leaves as l join pg_stat_all_tables as s on s.relid = l.parent
        group by l.parent_table, l.parent, s.last_analyze
        having s.last_analyze is null
            or (bool_or(l.stale or l.analyzed > s.last_analyze) and (
                current_setting('server_version_num')::integer >= 180000 or s.last_analyze < now() - interval '7 days'))
    ) as wanted
    order by wanted.place, wanted.relation
$$;

-- Raises insufficient_privilege for who is neither an owner nor one of those that write. Inside of a function with its
-- owner's rights current_user is that owner: who called it is the role that was taken, or the login.
create or replace function prop_trading_model.refuse_readers() returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    caller constant name := coalesce(nullif(current_setting('role'), 'none'), session_user);
begin
    if not exists (
        select from pg_namespace as n where n.nspname = 'prop_trading_model' and pg_has_role(caller, n.nspowner, 'member')
    ) and not exists (
        select from pg_roles as r where r.rolname in ('dpm_loader', 'dpm_refresher') and pg_has_role(caller, r.oid, 'member')
    ) then
        raise exception '% may only read, and collecting statistics writes', caller
            using errcode = 'insufficient_privilege', hint = 'select * from analyze_partitions(collect => false)';
    end if;
end
$$;

drop function if exists prop_trading_model.analyze_partitions(boolean);
create or replace function prop_trading_model.analyze_partitions(collect boolean default true, exact boolean default false)
returns table (
    partition_name text, parent_table text, lower_bound date, upper_bound date, state text, rows_estimated bigint,
    heap_bytes bigint, index_bytes bigint, toast_bytes bigint, dead_rows bigint, last_vacuum timestamptz,
    last_analyze timestamptz, index_scans bigint, pending_keys bigint, table_scans bigint, rows_exact bigint, location text
)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    step record;
    counted bigint;
    counts jsonb := '{}';
begin
    if collect then
        perform prop_trading_model.refuse_readers();
        for step in select * from prop_trading_model.statistics_to_collect() loop
            execute step.statement;
        end loop;
        -- The counters that were read to find what is stale would be shown again, as they were.
        perform pg_stat_clear_snapshot();
    end if;
    if exact then
        for step in select * from prop_trading_model.partition_leaves() where not detach_pending loop
            execute format('select count(*) from only %s', step.leaf) into counted;
            counts := counts || jsonb_build_object(step.leaf_name, counted);
        end loop;
    end if;
    return query
        with pending as (
            select date_trunc('month', k.trade_date)::date as month, count(*) as keys
            from prop_trading_model.changed_account_days as k
            group by 1
        )
        select
            l.leaf_name, l.parent_table, l.lower, l.upper,
            case when l.detach_pending then 'detach pending' else coalesce(a.state, 'hot') end,
            greatest(c.reltuples, 0)::bigint, pg_relation_size(c.oid), pg_indexes_size(c.oid),
            coalesce(pg_total_relation_size(nullif(c.reltoastrelid, 0)), 0), s.n_dead_tup,
            greatest(s.last_vacuum, s.last_autovacuum), greatest(s.last_analyze, s.last_autoanalyze),
            coalesce(s.idx_scan, 0),
            case when l.parent_table = 'raw_trades_closed' then (
                select coalesce(sum(p.keys), 0)::bigint from pending as p where p.month >= l.lower and p.month < l.upper
            ) end,
            s.seq_scan, (counts ->> l.leaf_name)::bigint, a.location
        from prop_trading_model.partition_leaves() as l
        join pg_class as c on c.oid = l.leaf
        join pg_stat_all_tables as s on s.relid = c.oid
        left join prop_trading_model.partition_state as a on a.lower = l.lower and a.parent_table = l.parent_table
        union all
        select
            part.leaf_name::text, part.parent_table::text, part.first_day, part.next_day, a.state, null, 0, 0, 0, null, null,
            null, null,
            case when part.holds = 'trades' then (select p.keys from pending as p where p.month = a.lower) end,
            null, null, a.location
        from prop_trading_model.partitioned_tables() as t
        join pg_class as c on c.oid = t.parent
        join prop_trading_model.partition_state as a on a.parent_table = c.relname and a.state <> 'hot'
        cross join lateral prop_trading_model.part_of(t.parent, a.lower) as part
        where not exists (
            select from prop_trading_model.partition_leaves() as l
            where l.parent = t.parent and l.lower <= a.lower and l.upper > a.lower
        )
        order by 2, 3;
end
$$;

-- The newest snapshot of each account, plan, account-day of metrics and regime.
-- Invariant: one row a key; of equal timestamps the row inserted last counts.

create or replace view prop_trading_model.latest_accounts as
select distinct on (account_id) *
from prop_trading_model.raw_accounts_data
order by account_id, ingestion_timestamp desc nulls last, id desc;

create or replace view prop_trading_model.latest_plans as
select distinct on (plan_id) *
from prop_trading_model.raw_plans_data
order by plan_id, ingestion_timestamp desc nulls last, id desc;

create or replace view prop_trading_model.latest_metrics_daily as
select distinct on (account_id, date) *
from prop_trading_model.raw_metrics_daily
order by account_id, date, ingestion_timestamp desc nulls last, id desc;

create or replace view prop_trading_model.latest_regimes_daily as
select distinct on (date) *
from prop_trading_model.raw_regimes_daily
order by date, ingestion_timestamp desc nulls last, id desc;

-- What the raw tables and their columns hold. Money is in the one reporting currency, times are UTC.
-- Invariant: every column has a comment.

call prop_trading_model.describe(array[
    ['prop_trading_model.raw_trades_closed', 'Closed trades, one row a trade, partitioned by month of trade_date. Feed trades.'],
    ['prop_trading_model.raw_trades_open', 'Open positions, one row a position as last seen. Feed open_trades.'],
    ['prop_trading_model.raw_metrics_daily', 'What the trading API counted for each account and day, partitioned by year; history is kept, the newest counts (latest_metrics_daily). Feed daily_metrics.'],
    ['prop_trading_model.raw_metrics_hourly', 'What the trading API counted for each account and hour; history is kept. Feed hourly_metrics.'],
    ['prop_trading_model.raw_metrics_alltime', 'What the trading API counted for each account''s whole life; history is kept. Feed alltime_metrics.'],
    ['prop_trading_model.raw_accounts_data', 'Snapshots of accounts; history is kept, the newest counts (latest_accounts). Feed accounts.'],
    ['prop_trading_model.raw_plans_data', 'Snapshots of plans, the rules that accounts trade under; history is kept, the newest counts (latest_plans). Feed plans.'],
    ['prop_trading_model.raw_regimes_daily', 'The market''s regime of each date, as documents; history is kept, the newest counts (latest_regimes_daily). Feed regimes.']
]);

-- What every raw table has.
call prop_trading_model.describe_columns(
    array[
        'prop_trading_model.raw_trades_closed', 'prop_trading_model.raw_trades_open', 'prop_trading_model.raw_metrics_daily',
        'prop_trading_model.raw_metrics_hourly', 'prop_trading_model.raw_metrics_alltime', 'prop_trading_model.raw_accounts_data',
        'prop_trading_model.raw_plans_data', 'prop_trading_model.raw_regimes_daily'
    ]::regclass[],
    array[
        ['id', 'Counts up with each row that is written; no key of the feed.'],
        ['login', 'The account''s login at the trading platform; may change while account_id stays.'],
        ['ingestion_timestamp', 'When the row was taken in, UTC.'],
        ['source_api_endpoint', 'Where the row was fetched from, as the source says.'],
        ['load_batch_id', 'The batch that wrote the row (load_batches); null: another client did.']
    ]
);

call prop_trading_model.describe_columns(
    array['prop_trading_model.raw_trades_closed', 'prop_trading_model.raw_trades_open']::regclass[],
    array[
        ['trade_id', 'The trade''s id, unique within its account.'],
        ['account_id', 'The account that traded.'],
        ['symbol', 'The instrument as the broker calls it.'],
        ['std_symbol', 'The instrument''s standard name; a load takes symbol where it is missing.'],
        ['side', 'buy or sell; loads write it in lower case.'],
        ['open_time', 'When the position was opened, UTC.'],
        ['open_price', 'Price at which the position was opened.'],
        ['stop_loss', 'Price at which the position is closed to limit its loss; null: none.'],
        ['take_profit', 'Price at which the position is closed to take its profit; null: none.'],
        ['lots', 'Size in lots.'],
        ['volume_usd', 'Size in USD.'],
        ['commission', 'Commission; a cost is negative. Missing counts as 0.'],
        ['swap', 'Interest for holding overnight; a cost is negative. Missing counts as 0.']
    ]
);

call prop_trading_model.describe_columns(array['prop_trading_model.raw_trades_closed']::regclass[], array[
    ['close_time', 'When the position was closed, UTC.'],
    ['trade_date', 'The trading day: the date of close_time, by the feed''s zone and day cut-off. It decides the partition.'],
    ['close_price', 'Price at which the position was closed.'],
    ['profit', 'Profit of the price''s move, without commission and swap. Above 0 a win, below 0 a loss.']
]);

call prop_trading_model.describe_columns(array['prop_trading_model.raw_trades_open']::regclass[], array[
    ['trade_date', 'The day on which the position was opened.'],
    ['current_price', 'Price when the snapshot was taken.'],
    ['unrealized_pnl', 'Profit if the position were closed at current_price, without commission and swap.']
]);

call prop_trading_model.describe_columns(
    array[
        'prop_trading_model.raw_metrics_daily', 'prop_trading_model.raw_metrics_hourly', 'prop_trading_model.raw_metrics_alltime'
    ]::regclass[],
    array[
        ['account_id', 'The account that the figures are of.'],
        ['date', 'The day that the figures are of.'],
        ['hour', 'The hour of the day that the figures are of, 0 to 23.'],
        ['net_profit', 'Profit + commission + swap of the period''s closed trades, as the API counts.'],
        ['gross_profit', 'Sum of the profit of winning trades, 0 or more.'],
        ['gross_loss', 'Sum of the profit of losing trades, 0 or less.'],
        ['total_trades', 'Trades closed in the period.'],
        ['winning_trades', 'Of these, those with a profit above 0.'],
        ['losing_trades', 'Of these, those with a profit below 0.'],
        ['win_rate', '100 x winning_trades / total_trades, 0 to 100, as the API rounds.'],
        ['profit_factor', 'gross_profit / |gross_loss|, as the API rounds.'],
        ['lots_traded', 'Lots of the period''s closed trades.'],
        ['volume_traded', 'Volume of the period''s closed trades, USD.'],
        ['commission', 'Commission of the period''s closed trades; a cost is negative.'],
        ['swap', 'Swap of the period''s closed trades; a cost is negative.'],
        ['balance_start', 'Balance when the day began.'],
        ['balance_end', 'Balance when the day ended.'],
        ['equity_start', 'Balance and open positions when the day began.'],
        ['equity_end', 'Balance and open positions when the day ended.'],
        ['average_win', 'Mean profit of a winning trade.'],
        ['average_loss', 'Mean profit of a losing trade.'],
        ['average_rrr', 'Mean ratio of reward to risk.'],
        ['expectancy', 'Expected profit of a trade.'],
        ['sharpe_ratio', 'Mean over deviation of returns, as the API counts.'],
        ['sortino_ratio', 'Mean over downside deviation of returns, as the API counts.'],
        ['max_drawdown', 'Largest fall of the balance from its peak.'],
        ['max_drawdown_pct', 'Largest fall of the balance from its peak, percent.']
    ]
);

call prop_trading_model.describe_columns(
    array['prop_trading_model.raw_accounts_data', 'prop_trading_model.raw_plans_data']::regclass[],
    array[
        ['plan_id', 'The plan that the account trades under.'],
        ['starting_balance', 'Balance that the account begins with.'],
        ['profit_target_pct', 'Profit to be reached, percent of the starting balance.'],
        ['max_daily_drawdown_pct', 'Largest loss allowed within a day, percent.'],
        ['max_drawdown_pct', 'Largest loss allowed over the account''s life, percent.'],
        ['max_leverage', 'Largest leverage allowed.'],
        ['is_drawdown_relative', 'Whether drawdown counts from the peak instead of from the starting balance.']
    ]
);

call prop_trading_model.describe_columns(array['prop_trading_model.raw_accounts_data']::regclass[], array[
    ['account_id', 'The account that the snapshot is of.'],
    ['trader_id', 'The person who trades the account.'],
    ['current_balance', 'Balance when the snapshot was taken.'],
    ['current_equity', 'Balance and open positions when the snapshot was taken.'],
    ['breached', 'Whether the account has broken a rule of its plan: 1 or 0.'],
    ['is_upgraded', 'Whether the account came from an earlier phase: 1 or 0.'],
    ['phase', 'Phase 1, Phase 2, Funded or Demo.'],
    ['status', 'Active, Inactive, Breached or Passed.'],
    ['created_at', 'When the account was made, UTC, as the source says.'],
    ['updated_at', 'When the account was last changed, UTC, as the source says.']
]);

call prop_trading_model.describe_columns(array['prop_trading_model.raw_plans_data']::regclass[], array[
    ['plan_name', 'The plan''s name.'],
    ['plan_type', 'The plan''s kind.'],
    ['profit_target', 'Profit to be reached, money.'],
    ['max_drawdown', 'Largest loss allowed over the account''s life, money.'],
    ['max_daily_drawdown', 'Largest loss allowed within a day, money.'],
    ['min_trading_days', 'Days that have to be traded at least.'],
    ['max_trading_days', 'Days within which the target has to be reached.'],
    ['profit_split_pct', 'The trader''s share of the profit, percent.']
]);

call prop_trading_model.describe_columns(array['prop_trading_model.raw_regimes_daily']::regclass[], array[
    ['date', 'The date that the regime is of.'],
    ['market_news', 'The day''s news.'],
    ['instruments', 'Figures by instrument.'],
    ['country_economic_indicators', 'Economic indicators by country.'],
    ['news_analysis', 'What was made of the news.'],
    ['summary', 'The regime itself: market_sentiment, volatility_regime, liquidity_state.'],
    ['vector_daily_regime', 'The regime as a vector for models.'],
    ['created_at', 'When the document was made, UTC, as the source says.'],
    ['updated_at', 'When the document was last changed, UTC, as the source says.']
]);

-- What the tables of the models downstream and of the pipeline hold. The warehouse keeps them as it took them over from the
-- original; the programs that write them decide their figures.
-- Invariant: every column has a comment.

call prop_trading_model.describe(array[
    ['prop_trading_model.stg_accounts_daily_snapshots', 'Accounts by day, staged for features. Written by the models'' own programs.'],
    ['prop_trading_model.feature_store_account_daily', 'Features by account and day. Written by the models'' own programs.'],
    ['prop_trading_model.model_training_input', 'Features with the target that they are trained for. Written by the models'' own programs.'],
    ['prop_trading_model.model_predictions', 'Predicted and actual net profit by login and day. Written by the models'' own programs.'],
    ['prop_trading_model.model_registry', 'Versions of the models, with what they were trained on and how well they did. Written by the models'' own programs.'],
    ['prop_trading_model.pipeline_execution_log', 'What each stage of the pipeline did.'],
    ['prop_trading_model.query_performance_log', 'What pg_stat_statements counted for each statement since the snapshot before.'],
    ['prop_trading_model.query_snapshots', 'The snapshots of pg_stat_statements, with what tells a reset of the statistics and a loss of statements.'],
    ['prop_trading_model.query_statistics_seen', 'What pg_stat_statements had counted for each of its entries at the last snapshot, to be taken off at the next.']
]);

call prop_trading_model.describe_columns(
    array[
        'prop_trading_model.stg_accounts_daily_snapshots', 'prop_trading_model.feature_store_account_daily',
        'prop_trading_model.model_training_input', 'prop_trading_model.model_predictions', 'prop_trading_model.model_registry',
        'prop_trading_model.pipeline_execution_log'
    ]::regclass[],
    array[
        ['id', 'Counts up with each row that is written.'],
        ['account_id', 'The account that the row is of.'],
        ['login', 'The account''s login at the trading platform.'],
        ['date', 'The day that the snapshot is of.'],
        ['feature_date', 'The day that the features are of: they know nothing of later days.'],
        ['prediction_date', 'The day that the prediction is for.'],
        ['created_at', 'When the row was written, UTC.'],
        ['trader_id', 'The person who trades the account.'],
        ['plan_id', 'The plan that the account trades under.'],
        ['phase', 'Phase 1, Phase 2, Funded or Demo.'],
        ['starting_balance', 'Balance that the account began with.'],
        ['current_balance', 'Balance on the day.'],
        ['current_equity', 'Balance and open positions on the day.'],
        ['profit_target_pct', 'Profit to be reached, percent of the starting balance.'],
        ['max_daily_drawdown_pct', 'Largest loss allowed within a day, percent.'],
        ['max_drawdown_pct', 'Largest loss allowed over the account''s life, percent.'],
        ['max_leverage', 'Largest leverage allowed.'],
        ['is_drawdown_relative', 'Whether drawdown counts from the peak instead of from the starting balance.'],
        ['days_since_first_trade', 'Days since the account''s first trade.'],
        ['active_trading_days_count', 'Days on which the account has traded.'],
        ['distance_to_profit_target', 'Money that is missing to the profit target.'],
        ['distance_to_max_drawdown', 'Money that is left until the largest loss allowed.']
    ]
);

call prop_trading_model.describe_columns(array['prop_trading_model.stg_accounts_daily_snapshots']::regclass[], array[
    ['status', 'Active, Inactive, Breached or Passed.']
]);

call prop_trading_model.describe_columns(
    array['prop_trading_model.feature_store_account_daily', 'prop_trading_model.model_training_input']::regclass[],
    array[
        ['open_pnl', 'Unrealized profit of the open positions.'],
        ['open_positions_volume', 'Volume of the open positions, USD.'],
        ['rolling_pnl_sum_1d', 'Sum of daily net profit over the trailing day.'],
        ['rolling_pnl_avg_1d', 'Mean of daily net profit over the trailing day.'],
        ['rolling_pnl_std_1d', 'Deviation of daily net profit over the trailing day.'],
        ['rolling_pnl_sum_3d', 'Sum of daily net profit over the trailing 3 days.'],
        ['rolling_pnl_avg_3d', 'Mean of daily net profit over the trailing 3 days.'],
        ['rolling_pnl_std_3d', 'Deviation of daily net profit over the trailing 3 days.'],
        ['rolling_pnl_min_3d', 'Least daily net profit of the trailing 3 days.'],
        ['rolling_pnl_max_3d', 'Largest daily net profit of the trailing 3 days.'],
        ['win_rate_3d', 'Share of winning trades in the trailing 3 days, percent.'],
        ['rolling_pnl_sum_5d', 'Sum of daily net profit over the trailing 5 days.'],
        ['rolling_pnl_avg_5d', 'Mean of daily net profit over the trailing 5 days.'],
        ['rolling_pnl_std_5d', 'Deviation of daily net profit over the trailing 5 days.'],
        ['rolling_pnl_min_5d', 'Least daily net profit of the trailing 5 days.'],
        ['rolling_pnl_max_5d', 'Largest daily net profit of the trailing 5 days.'],
        ['win_rate_5d', 'Share of winning trades in the trailing 5 days, percent.'],
        ['profit_factor_5d', 'Gross profit over gross loss of the trailing 5 days.'],
        ['sharpe_ratio_5d', 'Mean over deviation of daily net profit of the trailing 5 days.'],
        ['rolling_pnl_sum_10d', 'Sum of daily net profit over the trailing 10 days.'],
        ['rolling_pnl_avg_10d', 'Mean of daily net profit over the trailing 10 days.'],
        ['rolling_pnl_std_10d', 'Deviation of daily net profit over the trailing 10 days.'],
        ['rolling_pnl_min_10d', 'Least daily net profit of the trailing 10 days.'],
        ['rolling_pnl_max_10d', 'Largest daily net profit of the trailing 10 days.'],
        ['win_rate_10d', 'Share of winning trades in the trailing 10 days, percent.'],
        ['profit_factor_10d', 'Gross profit over gross loss of the trailing 10 days.'],
        ['sharpe_ratio_10d', 'Mean over deviation of daily net profit of the trailing 10 days.'],
        ['rolling_pnl_sum_20d', 'Sum of daily net profit over the trailing 20 days.'],
        ['rolling_pnl_avg_20d', 'Mean of daily net profit over the trailing 20 days.'],
        ['rolling_pnl_std_20d', 'Deviation of daily net profit over the trailing 20 days.'],
        ['win_rate_20d', 'Share of winning trades in the trailing 20 days, percent.'],
        ['profit_factor_20d', 'Gross profit over gross loss of the trailing 20 days.'],
        ['sharpe_ratio_20d', 'Mean over deviation of daily net profit of the trailing 20 days.'],
        ['trades_count_5d', 'Trades of the trailing 5 days.'],
        ['avg_trade_duration_5d', 'Mean duration of a trade of the trailing 5 days, hours.'],
        ['avg_lots_per_trade_5d', 'Mean lots of a trade of the trailing 5 days.'],
        ['avg_volume_per_trade_5d', 'Mean volume of a trade of the trailing 5 days, USD.'],
        ['stop_loss_usage_rate_5d', 'Share of the trailing 5 days'' trades with a stop loss, percent.'],
        ['take_profit_usage_rate_5d', 'Share of the trailing 5 days'' trades with a take profit, percent.'],
        ['buy_sell_ratio_5d', 'Buys over sells of the trailing 5 days.'],
        ['top_symbol_concentration_5d', 'Share of the most traded symbol in the trailing 5 days'' trades, percent.'],
        ['market_sentiment_score', 'The market''s sentiment as a number.'],
        ['market_volatility_regime', 'The market''s volatility regime by name.'],
        ['market_liquidity_state', 'The market''s liquidity by name.'],
        ['vix_level', 'VIX, volatility index of the S&P 500.'],
        ['dxy_level', 'DXY, index of the US dollar.'],
        ['sp500_daily_return', 'Return of the S&P 500 on the day.'],
        ['btc_volatility_90d', 'Volatility of bitcoin over 90 days.'],
        ['fed_funds_rate', 'Federal funds rate.'],
        ['day_of_week', 'Day of the week as a number.'],
        ['week_of_month', 'Week of the month as a number.'],
        ['month', 'Month of the year, 1 to 12.'],
        ['quarter', 'Quarter of the year, 1 to 4.'],
        ['day_of_year', 'Day of the year, 1 to 366.'],
        ['is_month_start', 'Whether the day is the first of its month.'],
        ['is_month_end', 'Whether the day is the last of its month.'],
        ['is_quarter_start', 'Whether the day is the first of its quarter.'],
        ['is_quarter_end', 'Whether the day is the last of its quarter.'],
        ['target_net_profit', 'The net profit of prediction_date: what is learned.']
    ]
);

call prop_trading_model.describe_columns(
    array['prop_trading_model.model_predictions', 'prop_trading_model.model_registry']::regclass[],
    array[
        ['predicted_net_profit', 'Net profit that the model expects.'],
        ['prediction_confidence', 'How sure the model is.'],
        ['model_version', 'The model''s version (model_registry).'],
        ['shap_values', 'What each feature adds to the prediction.'],
        ['top_positive_features', 'The features that raise the prediction most.'],
        ['top_negative_features', 'The features that lower the prediction most.'],
        ['actual_net_profit', 'Net profit as it came, once it is known.'],
        ['prediction_error', 'Difference of the predicted and the actual net profit.'],
        ['model_type', 'Kind of the model.'],
        ['training_start_date', 'First day of the training data.'],
        ['training_end_date', 'Last day of the training data.'],
        ['validation_start_date', 'First day of the validation data.'],
        ['validation_end_date', 'Last day of the validation data.'],
        ['test_start_date', 'First day of the test data.'],
        ['test_end_date', 'Last day of the test data.'],
        ['train_mae', 'Mean absolute error on the training data.'],
        ['train_rmse', 'Root of the mean squared error on the training data.'],
        ['train_r2', 'Coefficient of determination on the training data.'],
        ['val_mae', 'Mean absolute error on the validation data.'],
        ['val_rmse', 'Root of the mean squared error on the validation data.'],
        ['val_r2', 'Coefficient of determination on the validation data.'],
        ['test_mae', 'Mean absolute error on the test data.'],
        ['test_rmse', 'Root of the mean squared error on the test data.'],
        ['test_r2', 'Coefficient of determination on the test data.'],
        ['hyperparameters', 'The model''s hyperparameters.'],
        ['feature_list', 'The features that the model takes, in order.'],
        ['feature_importance', 'How much each feature matters to the model.'],
        ['model_file_path', 'Where the model is stored.'],
        ['scaler_file_path', 'Where the scaler of the features is stored.'],
        ['is_active', 'Whether this version predicts now.'],
        ['updated_at', 'When the row was last changed, UTC.']
    ]
);

call prop_trading_model.describe_columns(array['prop_trading_model.pipeline_execution_log']::regclass[], array[
    ['pipeline_stage', 'What ran.'],
    ['execution_date', 'The day that it ran for.'],
    ['start_time', 'When it began, UTC.'],
    ['end_time', 'When it ended, UTC; null while it runs.'],
    ['status', 'How it ended.'],
    ['records_processed', 'Rows that it worked on.'],
    ['error_message', 'Why it failed, if it did.'],
    ['execution_details', 'What else it has to say.']
]);

-- Columns of query_performance_log whose comments stand beside their table are not repeated here.
call prop_trading_model.describe_columns(array['prop_trading_model.query_performance_log']::regclass[], array[
    ['id', 'Counts up with each row that is written.'],
    ['calls', 'Calls since the snapshot before.'],
    ['mean_ms', 'Mean time of these calls, milliseconds.'],
    ['min_ms', 'Shortest time of a call, milliseconds.'],
    ['max_ms', 'Longest time of a call, milliseconds.']
]);

call prop_trading_model.describe_columns(
    array['prop_trading_model.query_performance_log', 'prop_trading_model.query_statistics_seen']::regclass[],
    array[
        ['rows', 'Rows that these calls returned or wrote.'],
        ['blocks_read', 'Blocks (8 KiB) read from outside of PostgreSQL''s memory.'],
        ['blocks_hit', 'Blocks (8 KiB) found in PostgreSQL''s memory.'],
        ['blocks_dirtied', 'Blocks (8 KiB) changed for the first time since they were last written.'],
        ['blocks_written', 'Blocks (8 KiB) that the statement had to write itself.'],
        ['wal_bytes', 'Write-ahead log that these calls made, bytes.']
    ]
);

call prop_trading_model.describe_columns(array['prop_trading_model.query_statistics_seen']::regclass[], array[
    ['userid', 'The login that ran the statement.'],
    ['queryid', 'The statement, as pg_stat_statements numbers it.'],
    ['toplevel', 'Whether a client sent it, not a function.'],
    ['calls', 'Calls so far.'],
    ['total_ms', 'Time of all calls so far, milliseconds.'],
    ['min_ms', 'Shortest time of a call so far, milliseconds.'],
    ['max_ms', 'Longest time of a call so far, milliseconds.'],
    ['stddev_ms', 'Deviation of the time over all calls so far, milliseconds.'],
    ['temp_blocks', 'Blocks (8 KiB) of temporary files, read and written.'],
    ['entry_since', 'Since when the entry counts; null before PostgreSQL 17.'],
    ['extremes_since', 'Since when its min and max count; null before PostgreSQL 17.']
]);

call prop_trading_model.describe_columns(array['prop_trading_model.query_snapshots']::regclass[], array[
    ['captured_at', 'When the snapshot was taken, UTC.'],
    ['stats_reset', 'When all statistics had last been reset.'],
    ['evictions', 'Entries that had had to make room for others since.'],
    ['statements', 'Statements that ran since the snapshot before.'],
    ['logged', 'Of these, those written to query_performance_log.'],
    ['calls', 'Calls of all of them.'],
    ['note', 'What is missing or was lost; null when nothing was.']
]);

-- What the ledger of loads, the change log, the archive's list and the settings of partitions hold; columns whose comments
-- stand beside their table are not repeated here.
-- Invariant: every column has a comment.

call prop_trading_model.describe(array[
    ['prop_trading_model.load_batches', 'The ledger of loads: one row a file that was offered.'],
    ['prop_trading_model.load_rejects', 'The quarantine: one row a row of a file that was not loaded.'],
    ['prop_trading_model.load_corrections', 'One row for each version of a row that a batch took away, as it was.'],
    ['prop_trading_model.changed_account_days', 'The change log: one row for each account-day of each statement that wrote it and that no refresh has taken.'],
    ['prop_trading_model.changed_months', 'Months that the next refresh recomputes whole.'],
    ['prop_trading_model.changed_inputs', 'Changes of accounts, plans and regimes that no refresh has counted.'],
    ['prop_trading_model.input_generations', 'How often each input of the views has moved.'],
    ['prop_trading_model.view_inputs', 'Which inputs each view is made from, and the generation of each that it was last made from.'],
    ['prop_trading_model.known_leaves', 'The partitions of raw_trades_closed as the last refresh saw them.'],
    ['prop_trading_model.partition_state', 'Where the rows of a partition are, by its table and first day; one that is not listed is hot.'],
    ['prop_trading_model.month_state', 'partition_state of the months of trades.'],
    ['prop_trading_model.refresh_log', 'What each refresh did.'],
    ['prop_trading_model.recent_window', 'The day that the trailing windows of rollup_account_recent end with; one row.'],
    ['prop_trading_model.cold_files', 'The Parquet files of months of trades and years of metrics that are in the archive.'],
    ['prop_trading_model.cold_logins', 'The login of each account''s newest trade of a cold month: an account that has not traded since shows it.'],
    ['prop_trading_model.leaf_settings', 'Storage settings that new partitions are made with.']
]);

call prop_trading_model.describe_columns(array['prop_trading_model.load_batches']::regclass[], array[
    ['batch_id', 'The batch''s number; rows that it wrote carry it as load_batch_id.'],
    ['file', 'The file''s path or URL, without credentials.'],
    ['sha256', 'Hash of the file''s content, of a retry with the number of its batch: a content is loaded once in a feed.'],
    ['feed', 'What the file was loaded as.'],
    ['bytes', 'Size of the file, bytes.'],
    ['rows_read', 'Rows of the file = inserted + updated + duplicate + rejected.'],
    ['rows_inserted', 'Rows that were new.'],
    ['rows_updated', 'Rows that corrected one that was there.'],
    ['rows_duplicate', 'Rows that were there already, as they are.'],
    ['rows_rejected', 'Rows in the quarantine.'],
    ['months', 'First days of the months (of metrics: years) that the batch touched.'],
    ['seconds', 'How long the load took, seconds.'],
    ['status', 'loaded, refused or undone.'],
    ['loaded_by', 'The login that loaded.'],
    ['started_at', 'When the load began.'],
    ['finished_at', 'When the load ended.'],
    ['message', 'Why the file was refused, or what else there is to say.'],
    ['undone_at', 'When the batch was taken back.'],
    ['undone_by', 'The login that took it back.']
]);

call prop_trading_model.describe_columns(array['prop_trading_model.load_rejects']::regclass[], array[
    ['batch_id', 'The batch of the file.'],
    ['line', 'The line of the file, or the row of a Parquet file, where the row begins; from 1.'],
    ['reason', 'What is at fault.'],
    ['raw_text', 'The row as it stands in the file.']
]);

call prop_trading_model.describe_columns(array['prop_trading_model.load_corrections']::regclass[], array[
    ['batch_id', 'The batch that took the version away.'],
    ['key', 'The key of the row.'],
    ['correction_id', 'Counts up, in the order in which versions went.'],
    ['kind', 'corrected: replaced in place; moved: its trade has another date now; removed: the file covers its account-day, or positions, and lacks it; superseded: a later row of the same file counts.'],
    ['before', 'The version, with its id and load_batch_id.']
]);

call prop_trading_model.describe_columns(
    array[
        'prop_trading_model.changed_account_days', 'prop_trading_model.changed_months', 'prop_trading_model.changed_inputs',
        'prop_trading_model.input_generations', 'prop_trading_model.view_inputs'
    ]::regclass[],
    array[
        ['account_id', 'The account whose trades changed.'],
        ['trade_date', 'The day on which they changed.'],
        ['month', 'First day of the month.'],
        ['reason', 'Why: TRUNCATE, a partition that came, went or was rewritten.'],
        ['input', 'trades, accounts, plans, regimes or as_of, the day that trailing windows end with.'],
        ['generation', 'How often the input has moved.'],
        ['changed_at', 'When the statement ran.'],
        ['view_name', 'The materialized view.'],
        ['made_from', 'The input''s generation that the view was made from; null: it has not been made yet.']
    ]
);

call prop_trading_model.describe_columns(array['prop_trading_model.known_leaves']::regclass[], array[
    ['leaf', 'The partition.'],
    ['leaf_name', 'Its name.'],
    ['relfilenode', 'Its file: another one after a rewrite.'],
    ['bounds', 'Its bounds, as PostgreSQL writes them.'],
    ['detach_pending', 'Whether a DETACH CONCURRENTLY of it has begun and not ended.']
]);

call prop_trading_model.describe_columns(
    array[
        'prop_trading_model.partition_state', 'prop_trading_model.month_state', 'prop_trading_model.cold_files'
    ]::regclass[],
    array[
        ['parent_table', 'The partitioned table.'],
        ['lower', 'First day of the month or year.'],
        ['month', 'First day of the month.'],
        ['state', 'hot: in the table; archiving, restoring: on the way; cold: in a file.'],
        ['location', 'Where the file is.'],
        ['changed_at', 'When the state was entered.'],
        ['rows', 'Rows of the file.'],
        ['bytes', 'Size of the file, bytes.'],
        ['columns', 'Columns of the file, in order.'],
        ['archived_at', 'When the file had been verified.']
    ]
);

call prop_trading_model.describe_columns(array['prop_trading_model.refresh_log']::regclass[], array[
    ['refresh_id', 'Counts up with each step.'],
    ['kind', 'keys: changed account-days; month: a month recomputed whole; totals: what spans months; views.'],
    ['month', 'The month that was recomputed.'],
    ['keys_taken', 'Rows of the change log that were taken.'],
    ['months', 'First days of the months that were touched.'],
    ['rows_written', 'Rows of rollups that were written or removed.'],
    ['views', 'Views that were refreshed.'],
    ['run_key', 'The backfill or run that it was done for: a retry leaves out what is done.'],
    ['refreshed_by', 'The login that refreshed.'],
    ['started_at', 'When the step began.'],
    ['finished_at', 'When the step ended.'],
    ['seconds', 'finished_at - started_at, seconds.']
]);

call prop_trading_model.describe_columns(array['prop_trading_model.recent_window']::regclass[], array[
    ['only_row', 'Always true: there is one row.'],
    ['last_day', 'The day; null: there is no trade.']
]);

call prop_trading_model.describe_columns(array['prop_trading_model.cold_logins']::regclass[], array[
    ['account_id', 'The account.'],
    ['trade_date', 'The day of its newest trade of the month.'],
    ['login', 'The login of that trade.']
]);

call prop_trading_model.describe_columns(array['prop_trading_model.leaf_settings']::regclass[], array[
    ['parent_table', 'The partitioned table.'],
    ['settings', 'Storage settings, each as name=value.']
]);

call prop_trading_model.describe_columns(array['prop_trading_model.cold_files']::regclass[], array[
    ['partition_bytes', 'Heap and indexes of the partition that the file stands for, bytes.'],
    ['sums', 'The sum of each numeric column, as PostgreSQL had it.'],
    ['content_sha256', 'Hash of the rows in the order of the file, as COPY writes them in CSV: what a restore has to give back.'],
    ['file_sha256', 'Hash of the bytes of the file.']
]);

-- What the rollups hold. Every measure is exact, none is rounded. net = profit + commission + swap, missing ones 0.
-- Invariant: every column has a comment.

call prop_trading_model.describe(array[
    ['prop_trading_model.rollup_account_symbol_day', 'Trades by account, day and symbol, partitioned by month; all other rollups are made from it.'],
    ['prop_trading_model.rollup_account_month', 'Trades by account and month, with the drawdown of the month in a form that merges.'],
    ['prop_trading_model.rollup_account', 'Each account''s whole life, merged from its months.'],
    ['prop_trading_model.rollup_account_symbol', 'Which account trades which symbol, and until when.'],
    ['prop_trading_model.rollup_account_recent', 'Accounts with trades in the trailing 30 days that end with the day in recent_window.'],
    ['prop_trading_model.rollup_latest_account', 'What the views show of the newest snapshot of each account.'],
    ['prop_trading_model.rollup_market_day', 'The whole market by day, with the quantiles of account-day net.'],
    ['prop_trading_model.rollup_symbol_day', 'Trades by day and symbol.']
]);

call prop_trading_model.describe_columns(
    array[
        'prop_trading_model.rollup_account_symbol_day', 'prop_trading_model.rollup_account_month',
        'prop_trading_model.rollup_account', 'prop_trading_model.rollup_account_symbol',
        'prop_trading_model.rollup_account_recent', 'prop_trading_model.rollup_latest_account',
        'prop_trading_model.rollup_market_day', 'prop_trading_model.rollup_symbol_day'
    ]::regclass[],
    array[
        ['account_id', 'The account.'],
        ['trade_date', 'The trading day.'],
        ['month', 'First day of the month.'],
        ['symbol_key', 'std_symbol, else symbol, else an empty text.'],
        ['trades', 'Trades.'],
        ['wins', 'Trades with a profit above 0.'],
        ['losses', 'Trades with a profit below 0.'],
        ['gross_profit', 'Sum of the profit of wins; 0 when there is none.'],
        ['gross_loss', 'Sum of the profit of losses; 0 when there is none.'],
        ['net', 'Sum of profit + commission + swap.'],
        ['profits', 'Trades that have a profit, be it 0.'],
        ['profit_squares', 'Sum of the squares of profit.'],
        ['profit_max', 'Largest profit of a trade.'],
        ['profit_min', 'Least profit of a trade.'],
        ['lots', 'Sum of lots.'],
        ['lots_counted', 'Trades that have lots.'],
        ['lots_squares', 'Sum of the squares of lots.'],
        ['volume', 'Sum of volume, USD.'],
        ['volumes', 'Trades that have a volume.'],
        ['duration_us', 'Sum of close_time - open_time, microseconds.'],
        ['durations', 'Trades that have both times.'],
        ['buys', 'Trades with side buy.'],
        ['stop_losses', 'Trades that have a stop loss.'],
        ['take_profits', 'Trades that have a take profit.'],
        ['login', 'The account''s login: of rollup_account its newest trade''s, of rollup_latest_account its newest snapshot''s.'],
        ['active_days', 'Days with trades.'],
        ['highest', 'Highest cumulative net of the month at the end of one of its days.'],
        ['lowest', 'Lowest cumulative net of the month at the end of one of its days.'],
        ['largest_fall', 'Largest fall of the cumulative net of the month from the end of one day to that of a later one.'],
        ['max_drawdown', 'Largest fall of the cumulative daily net from its running peak, which starts at 0.'],
        ['peak', 'Highest point of the cumulative daily net, which starts at 0.'],
        ['first_trade_date', 'Day of the first trade.'],
        ['last_trade_date', 'Day of the last trade.'],
        ['days', 'Days with trades in the trailing 30 days.'],
        ['trades_7d', 'Trades of the trailing 7 days.'],
        ['wins_7d', 'Trades of the trailing 7 days with a profit above 0.'],
        ['net_7d', 'Sum of profit + commission + swap of the trailing 7 days.'],
        ['symbols', 'Symbols traded, the empty one left out.'],
        ['favorite_symbol', 'The symbol with most trades, ties by name, the empty one left out.'],
        ['favorite_trades', 'Trades of that symbol.'],
        ['trader_id', 'The person who trades the account.'],
        ['plan_id', 'The plan that the account trades under.'],
        ['phase', 'Phase 1, Phase 2, Funded or Demo.'],
        ['status', 'Active, Inactive, Breached or Passed.'],
        ['starting_balance', 'Balance that the account began with.'],
        ['current_balance', 'Balance of the newest snapshot.'],
        ['current_equity', 'Balance and open positions of the newest snapshot.'],
        ['profit_target_pct', 'Profit to be reached, percent of the starting balance.'],
        ['max_drawdown_pct', 'Largest loss allowed over the account''s life, percent.'],
        ['accounts', 'Accounts with trades on the day.'],
        ['profitable_accounts', 'Accounts whose net of the day is above 0.'],
        ['losing_accounts', 'Accounts whose net of the day is below 0.'],
        ['net_squares', 'Sum of the squares of the net of each account-day.'],
        ['net_max', 'Largest net of an account-day.'],
        ['net_min', 'Least net of an account-day.'],
        ['net_q1', 'First quartile of the nets of account-days, by linear interpolation.'],
        ['net_median', 'Median of the nets of account-days, by linear interpolation.'],
        ['net_q3', 'Third quartile of the nets of account-days, by linear interpolation.'],
        ['nets', 'The net of each account-day, in order.']
    ]
);

-- What the views over the raw tables and over the partitions show.
-- Invariant: every column has a comment.

call prop_trading_model.describe(array[
    ['prop_trading_model.latest_accounts', 'The newest snapshot of each account.'],
    ['prop_trading_model.latest_plans', 'The newest snapshot of each plan.'],
    ['prop_trading_model.latest_metrics_daily', 'The newest metrics of each account-day.'],
    ['prop_trading_model.latest_regimes_daily', 'The newest regime of each date.'],
    ['prop_trading_model.partition_findings', 'What is wrong with the partitions, or soon will be; nothing when all is well.'],
    ['prop_trading_model.partition_index_usage', 'Each index of the partitioned tables, by partition: what it takes and how often it is used.']
]);

call prop_trading_model.describe_columns_like(
    'prop_trading_model.raw_accounts_data', array['prop_trading_model.latest_accounts']::regclass[]
);
call prop_trading_model.describe_columns_like(
    'prop_trading_model.raw_plans_data', array['prop_trading_model.latest_plans']::regclass[]
);
call prop_trading_model.describe_columns_like(
    'prop_trading_model.raw_metrics_daily', array['prop_trading_model.latest_metrics_daily']::regclass[]
);
call prop_trading_model.describe_columns_like(
    'prop_trading_model.raw_regimes_daily', array['prop_trading_model.latest_regimes_daily']::regclass[]
);

call prop_trading_model.describe_columns(array['prop_trading_model.partition_findings']::regclass[], array[
    ['finding', 'What is wrong, by name.'],
    ['severity', 'error or warning.'],
    ['parent_table', 'The partitioned table.'],
    ['object', 'The partition, index or trigger that it is about.'],
    ['detail', 'What is wrong, in a sentence.'],
    ['remedy', 'A statement that can be run as it stands, outside a transaction block; with by_hand what to decide.'],
    ['by_hand', 'Whether a person has to decide.']
]);

call prop_trading_model.describe_columns(array['prop_trading_model.partition_index_usage']::regclass[], array[
    ['parent_table', 'The partitioned table.'],
    ['index_name', 'The index, as it is declared on the table.'],
    ['partition_name', 'The partition.'],
    ['part_name', 'The part of the index on that partition; null where it is missing.'],
    ['valid', 'Whether the part can be used.'],
    ['unique_index', 'Whether the index is unique.'],
    ['of_constraint', 'Whether a key stands on the index.'],
    ['bytes', 'Size of the part, bytes.'],
    ['scans', 'Scans of the part since the statistics were reset.'],
    ['entries_read', 'Entries that these scans read.'],
    ['definition', 'The statement that makes the index.']
]);

-- What the functions of partitions, loads and the archive do, in a sentence each; why they do it so, their own files say.
-- Invariant: every function has a comment.

comment on function prop_trading_model.utc_today is 'Today, UTC.';
comment on function prop_trading_model.as_of_date is
    'The latest day with trades that is not after today, which trailing windows end with; null without any.';

comment on function prop_trading_model.log_changed_account_days is
    'Trigger of every table of trades: writes the account-days that a statement touched into changed_account_days.';
comment on function prop_trading_model.log_truncated_months is
    'Trigger of every table of trades: TRUNCATE marks the months of the table that it emptied whole.';
comment on function prop_trading_model.log_changed_input is
    'Trigger of accounts, plans and regimes: notes that the input has moved.';
comment on function prop_trading_model.leaf_bounds is
    'The days that a table of trades can hold, [lower, upper); infinite where the bound is open, and for a table that is no leaf.';
comment on function prop_trading_model.mark_months is 'Marks every month of [lower, upper) to be recomputed whole.';
comment on function prop_trading_model.change_trigger_statements is
    'The statements that give a table the triggers of the change log that it lacks.';
comment on function prop_trading_model.create_change_triggers is
    'Gives a table of trades the triggers of the change log; those that are there and enabled stay untouched.';
comment on function prop_trading_model.create_input_trigger is
    'Gives a table of accounts, plans or regimes the trigger that notes its changes.';

comment on function prop_trading_model.partitioned_tables is
    'The partitioned tables of the warehouse, how long a leaf''s time is, and how its name ends.';
comment on function prop_trading_model.leading_columns is
    'The columns that come first in a leaf, so that no room is left between its columns; null when its parent has that order.';
comment on function prop_trading_model.plan_statistics is
    'The statements that give a leaf the extended statistics of its parent.';
comment on function prop_trading_model.plan_privileges is
    'The statements that give a leaf the privileges that its parent grants.';
comment on function prop_trading_model.plan_triggers is 'The statements that give a leaf the statement triggers that it lacks.';
comment on function prop_trading_model.plan_column_settings is
    'The statements that give a leaf its parent''s settings of columns.';
comment on function prop_trading_model.leaf_storage is 'How a new leaf is stored, as the end of its CREATE TABLE.';
comment on function prop_trading_model.plan_leaf_table is
    'The statements that make the table of a leaf, without indexes, each with the locks that it takes.';
comment on function prop_trading_model.plan_leaf is
    'The statements that make the leaf of [lower, upper), each with the locks that it takes.';
comment on function prop_trading_model.plan_leaves is
    'The statements that the leaves of these months or years would take; nothing for a leaf that is there.';

comment on function prop_trading_model.has_leaf is 'Whether a leaf covers [lower, upper).';
comment on function prop_trading_model.leaf_name is 'What the leaf that begins on `lower` is called.';
comment on function prop_trading_model.refuse_taken_name is
    'Raises when a table that is no leaf of the month has taken the name of its leaf.';
comment on function prop_trading_model.create_leaf is
    'Makes one leaf unless a leaf covers [lower, upper) already. True when it made one.';
comment on function prop_trading_model.build_leaf is
    'Builds a leaf beside its table and attaches it, giving up a lock after 500 ms and trying again for about 20 seconds.';
comment on function prop_trading_model.dress_leaf is
    'Gives a leaf that is there what it lacks of its parent''s privileges and triggers.';
comment on function prop_trading_model.create_month is
    'Makes the leaf of a month, of its trades and of its rollup, where missing. True when the trades'' leaf is new.';
comment on function prop_trading_model.ensure_trade_months is
    'Makes the partitions of these months where missing. Returns the months that it made.';
comment on function prop_trading_model.archived_starts is
    'First days of the months (years) of a table whose rows are in the archive, or on the way.';
comment on function prop_trading_model.starts_to_keep is
    'When the leaves of a table have to begin: the running month (or year), those ahead, and those that nobody made before.';
comment on function prop_trading_model.refuse_months_ahead is 'Raises unless months_ahead is from 0 to 120.';
comment on function prop_trading_model.plan_trade_months is
    'What ensure_trade_months() would do for these months, one row a statement.';
comment on function prop_trading_model.create_monthly_partitions is
    'Makes the monthly partitions that are missing, from the newest month that had begun to months_ahead after the running one; one row a partition. With dry_run: the statements and their locks, and nothing is made.';
comment on function prop_trading_model.ensure_metrics_years is
    'Makes the partitions of raw_metrics_daily of these years where missing. Returns the years that it made.';
comment on function prop_trading_model.plan_metrics_years is
    'What ensure_metrics_years() would do for these years, one row a statement.';
comment on function prop_trading_model.create_yearly_partitions is
    'Makes the yearly partitions of raw_metrics_daily that are missing, up to the year that months_ahead reaches into; one row a partition. With dry_run: the statements and their locks, and nothing is made.';

comment on function prop_trading_model.trade_leaves is 'The leaves of raw_trades_closed as the catalogue has them now.';
comment on function prop_trading_model.changed_leaves is
    'The leaves that differ from what the last refresh saw, as they were or as they are.';
comment on function prop_trading_model.compare_leaves is
    'Marks the months of leaves that came, went or were rewritten since the last refresh, and gives new ones their triggers and privileges. Returns how many leaves differed.';
comment on function prop_trading_model.try_dress_leaf is
    'Dresses a leaf unless it is locked for longer than 200 ms or belongs to another role. True when it has all now.';

comment on function prop_trading_model.make_bare_table is
    'Makes the bare table of the month (year) of a day; returns its name.';
comment on function prop_trading_model.index_bare_table is
    'Gives a bare table the keys of its table to be, under names of its own, before any lock is taken.';
comment on function prop_trading_model.key_of_leaf is 'What a key of the table is called on a leaf.';
comment on function prop_trading_model.attach_bare_table is
    'Indexes a bare table, gives it the name of the leaf and attaches it; false when somebody else has made the leaf in the meantime.';
comment on function prop_trading_model.make_bare_month is
    'Makes the bare table of a month that has no leaf, for one batch. Returns its name, null when there is a leaf.';
comment on function prop_trading_model.attach_bare_month is
    'Makes the leaf of a month of a batch''s bare table, which is marked to be refreshed whole; false when somebody else has made the leaf in the meantime.';

comment on function prop_trading_model.part_of is
    'The month (or year) of a day: its first day and that of the next, its leaf''s name, what it is called, and what it holds.';
comment on function prop_trading_model.require_hot(regclass, date) is 'Raises DPM01, with the name of the leaf as the table, unless the month (year) is hot.';
comment on function prop_trading_model.require_hot(date) is 'Raises DPM01, with the name of the leaf as the table, unless the month of trades is hot.';
comment on function prop_trading_model.refuse_archived_write is
    'Refuses what is written to a leaf while its month (year) is archived.';
comment on function prop_trading_model.attachment_of is
    'Whether the table of a month (year) is attached: yes, pending or no; null when there is no such table.';
comment on function prop_trading_model.pending_of_month is
    'The account-days and marks of a month of trades that no refresh has taken yet.';
comment on function prop_trading_model.archive_agrees is
    'Whether trades and net of a month''s rollups are those of its file. True of metrics, which are in no rollup.';
comment on function prop_trading_model.forget_file is
    'Notes that the file of a month (year) that is hot again has been deleted.';

comment on function prop_trading_model.refuse_refresh is
    'Raises while a refresh is under way, which could still read the month of trades.';
comment on function prop_trading_model.refuse_pending is
    'Raises while changes of a month of trades wait for a refresh: its rollups would be all that is left of it.';
comment on function prop_trading_model.lock_out_writers is
    'Locks a leaf against writers until the transaction ends; gives up after 20 attempts of 500 ms.';
comment on function prop_trading_model.begin_archive is
    'The first step of an archive: from here on the rows stay as they are. Returns the name of their table.';
comment on function prop_trading_model.note_archived is
    'A step of an archive: the file has been read back and equals the table, and may take its place.';
comment on function prop_trading_model.forget_logins is 'Forgets the logins that stand for a month''s trades while it is cold.';
comment on function prop_trading_model.finish_archive is
    'The last step of an archive, when the table is detached: it is dropped, and the month (year) is cold.';
comment on function prop_trading_model.abandon_archive is
    'Takes an archive back that has not made the month (year) cold: its table is attached as it was.';

comment on function prop_trading_model.begin_restore is
    'The first step of a restore: the month (year) is restoring, and its file still counts.';
comment on function prop_trading_model.make_restored is
    'Makes the bare table that a file''s rows are copied into, in the transaction that attaches it.';
comment on function prop_trading_model.attach_restored is
    'Indexes and attaches the table of a restore: the month (year) is hot.';

comment on function prop_trading_model.hold_trade_leaf is
    'The name of the leaf that is exactly this month''s, held so that nobody detaches it before the transaction ends; null when there is none.';
comment on function prop_trading_model.summarize_trade_months is
    'Summarizes the BRIN indexes of the leaves of these months. Returns how many page ranges it summarized.';

comment on function prop_trading_model.partition_leaves is
    'Every leaf of every partitioned table, those that are being detached too.';
comment on function prop_trading_model.check_months is 'Months (years) that are missing.';
comment on function prop_trading_model.check_bounds is
    'Partitions that claim the same time, and bounds that get in the way of a month.';
comment on function prop_trading_model.check_triggers is
    'Triggers of the change log that are missing, disabled or call something else.';
comment on function prop_trading_model.check_indexes is 'Indexes that cannot be used or are not everywhere.';
comment on function prop_trading_model.check_ownership is
    'Partitions that are not as their parent (owner, privileges, persistence, constraints), and those that need a freeze.';
comment on function prop_trading_model.check_partitions is
    'What is wrong with the partitions, or soon will be; nothing when all is well.';
comment on function prop_trading_model.repair_triggers is
    'Gives a table of trades the triggers of the change log that it lacks, and marks its months to be recomputed.';

comment on function prop_trading_model.partition_index_name is
    'What the part of an index on one partition is called, so that a build that was killed is found again.';
comment on function prop_trading_model.partition_index is
    'The index of a partitioned table, by name; raises when there is none.';
comment on function prop_trading_model.declare_partition_index is
    'Declares an index of a partitioned table; partition_index_steps() says what remains to be built. With dry_run the statement is only returned.';
comment on function prop_trading_model.drop_partition_index is
    'Drops an index of a partitioned table with all its parts, under a lock that is given up where it is not to be had at once. With dry_run the statement is only returned.';
comment on function prop_trading_model.execute_patiently is
    'Runs a statement under the lock_timeout of its caller, again and again, for about a minute.';
comment on function prop_trading_model.partition_index_steps is
    'The statements that remain until every partition has its part of an index; none when it is complete.';
comment on function prop_trading_model.partition_index_rebuild_steps is
    'The statements that build every part of an index anew.';
comment on function prop_trading_model.check_partition_indexes is
    'Indexes of partitioned tables that do no good: missing somewhere, invalid, never used, or covered by another.';

comment on function prop_trading_model.statistics_to_collect is
    'The ANALYZE statements of what was written since its last one.';
comment on function prop_trading_model.refuse_readers is
    'Raises an error for who may only read: collecting statistics writes.';
comment on function prop_trading_model.analyze_partitions is
    'Rows, sizes, dead rows, last vacuum and analyze, scans and pending keys of each partition, those in the archive too. collect: ANALYZE first what was written since its last one. exact: count rows.';

comment on procedure prop_trading_model.describe is 'Comments on relations, each given with its text.';
comment on procedure prop_trading_model.describe_columns is
    'Comments on columns, each given with its text: of a name, in whichever of the relations has it.';
comment on procedure prop_trading_model.describe_columns_like is
    'Gives the columns of the relations the comments that those of the same name have in another.';

-- Who may do what. Invariant: the loader writes raw rows and cannot change a table; the refresher only calls the refresh;
-- the reader only reads; PUBLIC may call what people call by hand and nothing else.

revoke execute on all routines in schema prop_trading_model from public;

do $$
declare
    -- Formulas and dates: harmless, and needed by whoever reads a view.
    for_readers text[] := array[
        'utc_today()', 'as_of_date()', 'rate(numeric, numeric)', 'sample_stddev(bigint, numeric, numeric)',
        'quantile(numeric[], numeric)', 'pending_changes()', 'stale_views()', 'current_generations()',
        'analyze_partitions(boolean, boolean)', 'statistics_to_collect()', 'leaf_bounds(oid)', 'recent_day()', 'live_as_of_date()',
        'pending_keys()', 'fresh_account_day(varchar, date)', 'settled_account_days(varchar, date, date)', 'newest_login(varchar, date)',
        'trade_leaves()', 'changed_leaves()', 'partitioned_tables()', 'starts_to_keep(regclass, integer)',
        'check_partitions(integer)', 'partition_leaves()', 'check_partition_indexes()',
        'require_hot(date)', 'require_hot(regclass, date)', 'part_of(regclass, date)', 'attachment_of(regclass, date)', 'archived_starts(regclass)',
        'statement_statistics_missing()'
    ];
    for_loaders text[] := array[
        'create_monthly_partitions(integer, boolean)', 'create_yearly_partitions(integer, boolean)',
        'plan_trade_months(date[])', 'plan_metrics_years(integer[])', 'ensure_trade_months(date[])',
        'ensure_metrics_years(integer[])', 'make_bare_month(date, bigint)', 'attach_bare_month(date, bigint)'
    ];
    for_refreshers text[] := array[
        'refresh_bite(bigint, date[], text, boolean)', 'rebuild_month(date, text)', 'rebuild_totals(text)',
        'refresh_views(text[], text)', 'note_refresh(timestamptz, bigint, jsonb)', 'refresh_materialized_views(bigint, date[], text[])', 'refresh_warehouse(bigint)',
        'log_query_performance(integer, interval)'
    ];
    wanted text;
begin
    if not exists (select from pg_roles where rolname = 'dpm_reader') then
        return;
    end if;
    grant usage on schema prop_trading_model to dpm_reader, dpm_loader, dpm_refresher;
    grant select on all tables in schema prop_trading_model to dpm_reader, dpm_loader, dpm_refresher;
    grant insert, update, delete on
        prop_trading_model.raw_trades_closed, prop_trading_model.raw_trades_open, prop_trading_model.raw_metrics_daily,
        prop_trading_model.raw_metrics_hourly, prop_trading_model.raw_metrics_alltime, prop_trading_model.raw_accounts_data,
        prop_trading_model.raw_plans_data, prop_trading_model.raw_regimes_daily,
        prop_trading_model.load_batches, prop_trading_model.load_rejects, prop_trading_model.load_corrections,
        prop_trading_model.pipeline_execution_log, prop_trading_model.query_performance_log
        to dpm_loader;
    -- Numbers for the rows of those tables, and of no other.
    for wanted in
        select format(
            case when has_table_privilege('dpm_loader', d.refobjid, 'insert')
                then 'grant usage on sequence %s to dpm_loader' else 'revoke all on sequence %s from dpm_loader' end,
            s.oid::regclass
        )
        from pg_class as s
        join pg_depend as d on d.classid = 'pg_class'::regclass and d.objid = s.oid and d.refclassid = d.classid
        where s.relkind = 'S' and s.relnamespace = 'prop_trading_model'::regnamespace and d.deptype in ('a', 'i')
    loop
        execute wanted;
    end loop;
    grant insert on prop_trading_model.pipeline_execution_log, prop_trading_model.query_performance_log to dpm_refresher;
    grant usage on sequence prop_trading_model.pipeline_execution_log_id_seq to dpm_refresher;
    grant insert, update, delete on prop_trading_model.alert_incidents, prop_trading_model.alert_messages to dpm_refresher;
    foreach wanted in array for_readers || for_loaders || for_refreshers loop
        if to_regprocedure('prop_trading_model.' || wanted) is null then
            continue;  -- of 002_add_materialized_views.sql, while 001_add_partitioning.sql is applied
        elsif wanted = any (for_readers) then
            execute format('grant execute on routine prop_trading_model.%s to dpm_reader, dpm_loader, dpm_refresher', wanted);
        elsif wanted = any (for_loaders) then
            execute format('grant execute on routine prop_trading_model.%s to dpm_loader', wanted);
        else
            execute format('grant execute on routine prop_trading_model.%s to dpm_refresher', wanted);
        end if;
    end loop;
end
$$;

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

select count(*) from prop_trading_model.create_monthly_partitions();
select count(*) from prop_trading_model.create_yearly_partitions();

-- What has been set aside is said; where nothing has, there is no place for it.

do $$
declare
    kept record;
begin
    for kept in
        select table_name, reason, count(*) as rows
        from prop_trading_model_migration.unmoved_rows group by 1, 2 order by 1, 2
    loop
        raise warning '% rows of % are kept in prop_trading_model_migration.unmoved_rows: %',
            kept.rows, kept.table_name, kept.reason;
    end loop;
    if kept is null then
        drop table prop_trading_model_migration.unmoved_rows;
        drop schema prop_trading_model_migration;
    end if;
end
$$;

reset role;
reset search_path;
commit;
