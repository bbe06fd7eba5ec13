-- The tables of the original that stayed unpartitioned, back to its form; it makes its own indexes afterwards. What the column
-- load_batch_id held is gone then, and rows that were set aside stay in unmoved_rows.
-- The downgrade runs offline, in one transaction, with the tables locked:
-- squawk-ignore-file require-lock-timeout, require-statement-timeout, prefer-robust-stmts
-- squawk-ignore-file ban-drop-constraint, ban-drop-column, constraint-missing-not-valid

alter table prop_trading_model.raw_metrics_alltime
    drop constraint if exists trades_add_up,
    drop constraint if exists total_trades_not_negative,
    drop constraint if exists winning_trades_not_negative,
    drop constraint if exists losing_trades_not_negative,
    drop constraint if exists gross_signs,
    drop constraint if exists win_rate_range,
    drop constraint if exists max_drawdown_pct_range,
    drop constraint if exists numbers_finite,
    drop constraint if exists times_finite,
    drop column if exists load_batch_id,
    alter column ingestion_timestamp set default current_timestamp;

alter table prop_trading_model.raw_metrics_hourly
    drop constraint if exists hour_range,
    drop constraint if exists trades_add_up,
    drop constraint if exists total_trades_not_negative,
    drop constraint if exists winning_trades_not_negative,
    drop constraint if exists losing_trades_not_negative,
    drop constraint if exists gross_signs,
    drop constraint if exists win_rate_range,
    drop constraint if exists numbers_finite,
    drop constraint if exists times_finite,
    add constraint raw_metrics_hourly_hour_check check (hour >= 0 and hour <= 23),
    drop column if exists load_batch_id,
    alter column ingestion_timestamp set default current_timestamp;

alter table prop_trading_model.raw_trades_open
    drop constraint if exists side_known,
    drop constraint if exists prices_positive,
    drop constraint if exists lots_positive,
    drop constraint if exists volume_not_negative,
    drop constraint if exists numbers_finite,
    drop constraint if exists times_finite,
    drop column if exists load_batch_id,
    alter column ingestion_timestamp set default current_timestamp;

alter table prop_trading_model.raw_trades_open
    drop constraint if exists raw_trades_open_account_id_trade_id_key;

alter table prop_trading_model.raw_accounts_data
    drop constraint if exists phase_known,
    drop constraint if exists status_known,
    drop constraint if exists profit_target_pct_range,
    drop constraint if exists max_daily_drawdown_pct_range,
    drop constraint if exists max_drawdown_pct_range,
    drop constraint if exists numbers_finite,
    drop constraint if exists times_finite,
    drop column if exists load_batch_id,
    alter column ingestion_timestamp set default current_timestamp;

alter table prop_trading_model.raw_plans_data
    drop constraint if exists profit_target_pct_range,
    drop constraint if exists max_drawdown_pct_range,
    drop constraint if exists max_daily_drawdown_pct_range,
    drop constraint if exists profit_split_pct_range,
    drop constraint if exists min_trading_days_not_negative,
    drop constraint if exists max_trading_days_not_negative,
    drop constraint if exists numbers_finite,
    drop constraint if exists times_finite,
    drop column if exists load_batch_id,
    alter column ingestion_timestamp set default current_timestamp;

alter table prop_trading_model.raw_regimes_daily
    drop constraint if exists times_finite,
    drop column if exists load_batch_id,
    alter column ingestion_timestamp set default current_timestamp;

alter table prop_trading_model.stg_accounts_daily_snapshots
    drop constraint if exists phase_known,
    drop constraint if exists status_known,
    drop constraint if exists profit_target_pct_range,
    drop constraint if exists max_daily_drawdown_pct_range,
    drop constraint if exists max_drawdown_pct_range,
    drop constraint if exists days_since_first_trade_not_negative,
    drop constraint if exists active_trading_days_count_not_negative,
    drop constraint if exists numbers_finite,
    drop constraint if exists times_finite,
    alter column created_at set default current_timestamp;

alter table prop_trading_model.feature_store_account_daily
    alter column created_at set default current_timestamp;

alter table prop_trading_model.model_training_input
    alter column created_at set default current_timestamp;

alter table prop_trading_model.model_predictions
    alter column created_at set default current_timestamp;

alter table prop_trading_model.model_registry
    alter column created_at set default current_timestamp,
    alter column updated_at set default current_timestamp;

alter table prop_trading_model.pipeline_execution_log
    alter column created_at set default current_timestamp;

-- The original has no comments.
do $$
declare
    said record;
begin
    for said in
        select c.oid::regclass as relation, a.attname
        from pg_description as d
        join pg_class as c on c.oid = d.objoid
        left join pg_attribute as a on a.attrelid = c.oid and a.attnum = d.objsubid and d.objsubid > 0
        where d.classoid = 'pg_class'::regclass and c.relnamespace = 'prop_trading_model'::regnamespace and c.relkind = 'r'
    loop
        if said.attname is null then
            execute format('comment on table %s is null', said.relation);
        else
            execute format('comment on column %s.%I is null', said.relation, said.attname);
        end if;
    end loop;
end
$$;
