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
