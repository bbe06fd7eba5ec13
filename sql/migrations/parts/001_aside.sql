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
