-- v1, conservative: the original with constraints and better indexes, and no structural change.
--
-- What it is. The 14 tables of schema_baseline.sql as they are: same names, same columns, no partitions, no views. Checks keep
-- out what is wrong (sides, prices, percentages, counts, NaN), keys keep each trade and each position once, and each table has
-- the indexes that its queries need and no other: raw_trades_closed three btrees and a BRIN where it had five btrees.
-- It can be applied to an empty database or to one that holds the original with its rows, and again.
-- What it costs. docs/schema_analysis_report.md measures it beside the original, v2 and production. Fewer indexes to keep than
-- the original's make a load cheaper, checks and a key make it dearer; whatever reads the whole history takes as long as it did.
-- When to choose it. A few million trades, queries by account or by a few days, and nobody to look after partitions and
-- refreshes. Not when whole months or the whole history are aggregated all day long, or old months have to leave: nothing is
-- summed up beforehand, and a DELETE of a month leaves a table to be vacuumed.
-- Invariant: no row is changed. A check that rows at hand violate binds new rows only, and says so; a key that they violate is
-- refused.

\ir ../../schema_baseline.sql

do $$
declare
    wanted record;
begin
    for wanted in
        select * from (values
        ('raw_trades_closed', 'side_known', $c$lower(side) in ('buy', 'sell')$c$),
        ('raw_trades_closed', 'times_in_order', $c$close_time >= open_time$c$),
        ('raw_trades_closed', 'prices_positive',
            $c$open_price > 0 and close_price > 0 and stop_loss >= 0 and take_profit >= 0$c$),
        ('raw_trades_closed', 'lots_positive', $c$lots > 0$c$),
        ('raw_trades_closed', 'volume_not_negative', $c$volume_usd >= 0$c$),
        ('raw_trades_closed', 'numbers_finite',
            $c$not ('NaN' in (open_price, close_price, stop_loss, take_profit, lots, volume_usd, profit, commission,
            swap))$c$),
        ('raw_trades_closed', 'times_finite',
            $c$isfinite(open_time) and isfinite(close_time) and isfinite(trade_date) and isfinite(ingestion_timestamp)$c$),
        ('raw_metrics_daily', 'trades_add_up', $c$winning_trades + losing_trades <= total_trades$c$),
        ('raw_metrics_daily', 'total_trades_not_negative', $c$total_trades >= 0$c$),
        ('raw_metrics_daily', 'winning_trades_not_negative', $c$winning_trades >= 0$c$),
        ('raw_metrics_daily', 'losing_trades_not_negative', $c$losing_trades >= 0$c$),
        ('raw_metrics_daily', 'gross_signs', $c$gross_profit >= 0 and gross_loss <= 0$c$),
        ('raw_metrics_daily', 'win_rate_range', $c$win_rate between 0 and 100$c$),
        ('raw_metrics_daily', 'numbers_finite',
            $c$not ('NaN' in (net_profit, gross_profit, gross_loss, win_rate, profit_factor, lots_traded,
            volume_traded, commission, swap, balance_start, balance_end, equity_start, equity_end))$c$),
        ('raw_metrics_daily', 'times_finite', $c$isfinite(date) and isfinite(ingestion_timestamp)$c$),
        ('raw_metrics_alltime', 'trades_add_up', $c$winning_trades + losing_trades <= total_trades$c$),
        ('raw_metrics_alltime', 'total_trades_not_negative', $c$total_trades >= 0$c$),
        ('raw_metrics_alltime', 'winning_trades_not_negative', $c$winning_trades >= 0$c$),
        ('raw_metrics_alltime', 'losing_trades_not_negative', $c$losing_trades >= 0$c$),
        ('raw_metrics_alltime', 'gross_signs', $c$gross_profit >= 0 and gross_loss <= 0$c$),
        ('raw_metrics_alltime', 'win_rate_range', $c$win_rate between 0 and 100$c$),
        ('raw_metrics_alltime', 'max_drawdown_pct_range', $c$max_drawdown_pct between 0 and 100$c$),
        ('raw_metrics_alltime', 'numbers_finite',
            $c$not ('NaN' in (net_profit, gross_profit, gross_loss, win_rate, profit_factor, average_win, average_loss,
            average_rrr, expectancy, sharpe_ratio, sortino_ratio, max_drawdown, max_drawdown_pct))$c$),
        ('raw_metrics_alltime', 'times_finite', $c$isfinite(ingestion_timestamp)$c$),
        ('raw_metrics_hourly', 'trades_add_up', $c$winning_trades + losing_trades <= total_trades$c$),
        ('raw_metrics_hourly', 'total_trades_not_negative', $c$total_trades >= 0$c$),
        ('raw_metrics_hourly', 'winning_trades_not_negative', $c$winning_trades >= 0$c$),
        ('raw_metrics_hourly', 'losing_trades_not_negative', $c$losing_trades >= 0$c$),
        ('raw_metrics_hourly', 'gross_signs', $c$gross_profit >= 0 and gross_loss <= 0$c$),
        ('raw_metrics_hourly', 'win_rate_range', $c$win_rate between 0 and 100$c$),
        ('raw_metrics_hourly', 'numbers_finite',
            $c$not ('NaN' in (net_profit, gross_profit, gross_loss, win_rate, lots_traded, volume_traded))$c$),
        ('raw_metrics_hourly', 'times_finite', $c$isfinite(date) and isfinite(ingestion_timestamp)$c$),
        ('raw_trades_open', 'side_known', $c$lower(side) in ('buy', 'sell')$c$),
        ('raw_trades_open', 'prices_positive',
            $c$open_price > 0 and current_price > 0 and stop_loss >= 0 and take_profit >= 0$c$),
        ('raw_trades_open', 'lots_positive', $c$lots > 0$c$),
        ('raw_trades_open', 'volume_not_negative', $c$volume_usd >= 0$c$),
        ('raw_trades_open', 'numbers_finite',
            $c$not ('NaN' in (open_price, current_price, stop_loss, take_profit, lots, volume_usd, unrealized_pnl,
            commission, swap))$c$),
        ('raw_trades_open', 'times_finite',
            $c$isfinite(open_time) and isfinite(trade_date) and isfinite(ingestion_timestamp)$c$),
        ('raw_accounts_data', 'phase_known', $c$phase in ('Phase 1', 'Phase 2', 'Funded', 'Demo')$c$),
        ('raw_accounts_data', 'status_known', $c$status in ('Active', 'Inactive', 'Breached', 'Passed')$c$),
        ('raw_accounts_data', 'profit_target_pct_range', $c$profit_target_pct between 0 and 100$c$),
        ('raw_accounts_data', 'max_daily_drawdown_pct_range', $c$max_daily_drawdown_pct between 0 and 100$c$),
        ('raw_accounts_data', 'max_drawdown_pct_range', $c$max_drawdown_pct between 0 and 100$c$),
        ('raw_accounts_data', 'numbers_finite',
            $c$not ('NaN' in (starting_balance, current_balance, current_equity, profit_target_pct,
            max_daily_drawdown_pct, max_drawdown_pct, max_leverage))$c$),
        ('raw_accounts_data', 'times_finite',
            $c$isfinite(created_at) and isfinite(updated_at) and isfinite(ingestion_timestamp)$c$),
        ('raw_plans_data', 'profit_target_pct_range', $c$profit_target_pct between 0 and 100$c$),
        ('raw_plans_data', 'max_drawdown_pct_range', $c$max_drawdown_pct between 0 and 100$c$),
        ('raw_plans_data', 'max_daily_drawdown_pct_range', $c$max_daily_drawdown_pct between 0 and 100$c$),
        ('raw_plans_data', 'profit_split_pct_range', $c$profit_split_pct between 0 and 100$c$),
        ('raw_plans_data', 'min_trading_days_not_negative', $c$min_trading_days >= 0$c$),
        ('raw_plans_data', 'max_trading_days_not_negative', $c$max_trading_days >= 0$c$),
        ('raw_plans_data', 'numbers_finite',
            $c$not ('NaN' in (starting_balance, profit_target, profit_target_pct, max_drawdown, max_drawdown_pct,
            max_daily_drawdown, max_daily_drawdown_pct, max_leverage, profit_split_pct))$c$),
        ('raw_plans_data', 'times_finite', $c$isfinite(ingestion_timestamp)$c$),
        ('raw_regimes_daily', 'times_finite',
            $c$isfinite(date) and isfinite(created_at) and isfinite(updated_at) and isfinite(ingestion_timestamp)$c$),
        ('stg_accounts_daily_snapshots', 'phase_known', $c$phase in ('Phase 1', 'Phase 2', 'Funded', 'Demo')$c$),
        ('stg_accounts_daily_snapshots', 'status_known', $c$status in ('Active', 'Inactive', 'Breached', 'Passed')$c$),
        ('stg_accounts_daily_snapshots', 'profit_target_pct_range', $c$profit_target_pct between 0 and 100$c$),
        ('stg_accounts_daily_snapshots', 'max_daily_drawdown_pct_range', $c$max_daily_drawdown_pct between 0 and 100$c$),
        ('stg_accounts_daily_snapshots', 'max_drawdown_pct_range', $c$max_drawdown_pct between 0 and 100$c$),
        ('stg_accounts_daily_snapshots', 'days_since_first_trade_not_negative', $c$days_since_first_trade >= 0$c$),
        ('stg_accounts_daily_snapshots', 'active_trading_days_count_not_negative', $c$active_trading_days_count >= 0$c$),
        ('stg_accounts_daily_snapshots', 'numbers_finite',
            $c$not ('NaN' in (starting_balance, current_balance, current_equity, profit_target_pct,
            max_daily_drawdown_pct, max_drawdown_pct, max_leverage, distance_to_profit_target,
            distance_to_max_drawdown))$c$),
        ('stg_accounts_daily_snapshots', 'times_finite', $c$isfinite(date) and isfinite(created_at)$c$)
        ) as checks (table_name, name, condition)
    loop
        if not exists (
            select from pg_constraint
            where conrelid = format('prop_trading_model.%I', wanted.table_name)::regclass and conname = wanted.name
        ) then
            execute format('alter table prop_trading_model.%I add constraint %I check (%s) not valid',
                wanted.table_name, wanted.name, wanted.condition);
        end if;
        begin
            execute format('alter table prop_trading_model.%I validate constraint %I', wanted.table_name, wanted.name);
        exception when check_violation then
            raise warning '%: rows at hand violate %, it binds new rows only', wanted.table_name, wanted.name;
        end;
    end loop;
end
$$;

-- A trade stands once. A trade without a date is none yet: NULLs are no duplicates of each other.
create unique index if not exists raw_trades_closed_account_id_trade_date_trade_id_key
    on prop_trading_model.raw_trades_closed (account_id, trade_date, trade_id);
create unique index if not exists raw_trades_open_account_id_trade_id_key
    on prop_trading_model.raw_trades_open (account_id, trade_id);

-- Rows come in the order of time, so a BRIN finds a stretch of close_time for a hundredth of a btree's size.
create index if not exists raw_trades_closed_close_time_brin
    on prop_trading_model.raw_trades_closed using brin (close_time) with (autosummarize = on);

-- Each of these is the beginning of a key that stays, or is what the BRIN is for.
drop index if exists
    prop_trading_model.idx_raw_trades_closed_account_id,
    prop_trading_model.idx_raw_trades_closed_account_id_trade_date,
    prop_trading_model.idx_raw_trades_closed_close_time,
    prop_trading_model.idx_raw_metrics_daily_account_id,
    prop_trading_model.idx_raw_metrics_daily_account_id_date,
    prop_trading_model.idx_raw_metrics_alltime_account_id,
    prop_trading_model.idx_raw_metrics_hourly_account_id,
    prop_trading_model.idx_raw_trades_open_account_id,
    prop_trading_model.idx_raw_accounts_data_account_id,
    prop_trading_model.idx_raw_regimes_daily_date,
    prop_trading_model.idx_stg_accounts_daily_snapshots_account_id,
    prop_trading_model.idx_stg_accounts_daily_snapshots_account_id_date,
    prop_trading_model.idx_feature_store_account_daily_account_id,
    prop_trading_model.idx_feature_store_account_daily_account_id_feature_date,
    prop_trading_model.idx_model_training_input_login,
    prop_trading_model.idx_model_predictions_login,
    prop_trading_model.idx_model_predictions_login_prediction_date;
