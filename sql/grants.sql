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
