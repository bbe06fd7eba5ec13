-- The unpartitioned original of the Daily Profit Model: 14 tables, as firms run them before this warehouse.
-- It is kept for upgrades and comparisons; nothing of the production schema depends on it.

do $$
begin
    if to_regnamespace('prop_trading_model') is null then
        create schema prop_trading_model;
    end if;
end
$$;

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
    ingestion_timestamp timestamp default current_timestamp,
    source_api_endpoint varchar(500),
    unique (account_id, ingestion_timestamp)
);
create index if not exists idx_raw_metrics_alltime_account_id
    on prop_trading_model.raw_metrics_alltime (account_id);
create index if not exists idx_raw_metrics_alltime_login
    on prop_trading_model.raw_metrics_alltime (login);

create table if not exists prop_trading_model.raw_metrics_daily (
    id serial primary key,
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
    ingestion_timestamp timestamp default current_timestamp,
    source_api_endpoint varchar(500),
    unique (account_id, date, ingestion_timestamp)
);
create index if not exists idx_raw_metrics_daily_account_id
    on prop_trading_model.raw_metrics_daily (account_id);
create index if not exists idx_raw_metrics_daily_account_id_date
    on prop_trading_model.raw_metrics_daily (account_id, date);
create index if not exists idx_raw_metrics_daily_date
    on prop_trading_model.raw_metrics_daily (date);

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
    ingestion_timestamp timestamp default current_timestamp,
    source_api_endpoint varchar(500),
    unique (account_id, date, hour, ingestion_timestamp),
    check (hour >= 0 and hour <= 23)
);
create index if not exists idx_raw_metrics_hourly_account_id
    on prop_trading_model.raw_metrics_hourly (account_id);
create index if not exists idx_raw_metrics_hourly_date_hour
    on prop_trading_model.raw_metrics_hourly (date, hour);

create table if not exists prop_trading_model.raw_trades_closed (
    id serial primary key,
    trade_id varchar(255) not null,
    account_id varchar(255) not null,
    login varchar(255) not null,
    symbol varchar(50),
    std_symbol varchar(50),
    side varchar(10),
    open_time timestamp,
    close_time timestamp,
    trade_date date,
    open_price numeric(18,6),
    close_price numeric(18,6),
    stop_loss numeric(18,6),
    take_profit numeric(18,6),
    lots numeric(18,4),
    volume_usd numeric(18,2),
    profit numeric(18,2),
    commission numeric(18,2),
    swap numeric(18,2),
    ingestion_timestamp timestamp default current_timestamp,
    source_api_endpoint varchar(500)
);
create index if not exists idx_raw_trades_closed_account_id
    on prop_trading_model.raw_trades_closed (account_id);
create index if not exists idx_raw_trades_closed_account_id_trade_date
    on prop_trading_model.raw_trades_closed (account_id, trade_date);
create index if not exists idx_raw_trades_closed_close_time
    on prop_trading_model.raw_trades_closed (close_time);
create index if not exists idx_raw_trades_closed_trade_date
    on prop_trading_model.raw_trades_closed (trade_date);

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
    ingestion_timestamp timestamp default current_timestamp,
    source_api_endpoint varchar(500)
);
create index if not exists idx_raw_trades_open_account_id
    on prop_trading_model.raw_trades_open (account_id);
create index if not exists idx_raw_trades_open_trade_date
    on prop_trading_model.raw_trades_open (trade_date);

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
    ingestion_timestamp timestamp default current_timestamp,
    source_api_endpoint varchar(500),
    unique (account_id, ingestion_timestamp)
);
create index if not exists idx_raw_accounts_data_account_id
    on prop_trading_model.raw_accounts_data (account_id);
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
    ingestion_timestamp timestamp default current_timestamp,
    unique (plan_id, ingestion_timestamp)
);

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
    ingestion_timestamp timestamp default current_timestamp,
    unique (date, ingestion_timestamp)
);
create index if not exists idx_raw_regimes_daily_date
    on prop_trading_model.raw_regimes_daily (date);
create index if not exists idx_raw_regimes_daily_ingestion_timestamp
    on prop_trading_model.raw_regimes_daily (ingestion_timestamp);

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
    created_at timestamp default current_timestamp,
    unique (account_id, date)
);
create index if not exists idx_stg_accounts_daily_snapshots_account_id
    on prop_trading_model.stg_accounts_daily_snapshots (account_id);
create index if not exists idx_stg_accounts_daily_snapshots_account_id_date
    on prop_trading_model.stg_accounts_daily_snapshots (account_id, date);
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
    created_at timestamp default current_timestamp,
    unique (account_id, feature_date)
);
create index if not exists idx_feature_store_account_daily_account_id
    on prop_trading_model.feature_store_account_daily (account_id);
create index if not exists idx_feature_store_account_daily_account_id_feature_date
    on prop_trading_model.feature_store_account_daily (account_id, feature_date);
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
    created_at timestamp default current_timestamp,
    unique (login, prediction_date)
);
create index if not exists idx_model_training_input_feature_date
    on prop_trading_model.model_training_input (feature_date);
create index if not exists idx_model_training_input_login
    on prop_trading_model.model_training_input (login);
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
    created_at timestamp default current_timestamp,
    unique (login, prediction_date, model_version)
);
create index if not exists idx_model_predictions_login
    on prop_trading_model.model_predictions (login);
create index if not exists idx_model_predictions_login_prediction_date
    on prop_trading_model.model_predictions (login, prediction_date);
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
    created_at timestamp default current_timestamp,
    updated_at timestamp default current_timestamp,
    unique (model_version)
);

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
    created_at timestamp default current_timestamp
);
create index if not exists idx_pipeline_execution_log_execution_date
    on prop_trading_model.pipeline_execution_log (execution_date);
create index if not exists idx_pipeline_execution_log_pipeline_stage
    on prop_trading_model.pipeline_execution_log (pipeline_stage);
create index if not exists idx_pipeline_execution_log_status
    on prop_trading_model.pipeline_execution_log (status);
