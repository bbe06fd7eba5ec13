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
