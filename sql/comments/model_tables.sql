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
