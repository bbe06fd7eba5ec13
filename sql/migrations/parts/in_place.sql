-- Brings the twelve tables of the original that stay unpartitioned to production's form, in place.
-- Each statement stands alone: run outside a transaction it holds a strong lock for milliseconds only, whatever the size of the
-- table. Checks bind new rows first (NOT VALID) and are held against the old ones after that, under a lock that neither readers
-- nor writers wait for; indexes are built and dropped CONCURRENTLY. The id of each table keeps its type.
-- Invariant: no row changes here. Rows that a check or a key would refuse have been found and set aside before.
-- dpm_assets/migration/in_place.py reads this file, and 001_add_partitioning.sql holds it without the word CONCURRENTLY.
-- in_place.py sets the lock_timeout of each statement, and passes over those that are done:
-- squawk-ignore-file require-lock-timeout, require-statement-timeout, prefer-robust-stmts

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
    -- squawk-ignore ban-drop-constraint
    drop constraint if exists raw_metrics_hourly_hour_check;
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
alter table prop_trading_model.raw_trades_open
    validate constraint side_known,
    validate constraint prices_positive,
    validate constraint lots_positive,
    validate constraint volume_not_negative,
    validate constraint numbers_finite,
    validate constraint times_finite;

create unique index concurrently if not exists raw_trades_open_account_id_trade_id_key
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

-- Each of these is the beginning of a key that stays.
drop index concurrently if exists prop_trading_model.idx_raw_metrics_alltime_account_id;
drop index concurrently if exists prop_trading_model.idx_raw_metrics_hourly_account_id;
drop index concurrently if exists prop_trading_model.idx_raw_trades_open_account_id;
drop index concurrently if exists prop_trading_model.idx_raw_accounts_data_account_id;
drop index concurrently if exists prop_trading_model.idx_raw_regimes_daily_date;
drop index concurrently if exists prop_trading_model.idx_stg_accounts_daily_snapshots_account_id;
drop index concurrently if exists prop_trading_model.idx_stg_accounts_daily_snapshots_account_id_date;
drop index concurrently if exists prop_trading_model.idx_feature_store_account_daily_account_id;
drop index concurrently if exists prop_trading_model.idx_feature_store_account_daily_account_id_feature_date;
drop index concurrently if exists prop_trading_model.idx_model_training_input_login;
drop index concurrently if exists prop_trading_model.idx_model_predictions_login;
drop index concurrently if exists prop_trading_model.idx_model_predictions_login_prediction_date;
