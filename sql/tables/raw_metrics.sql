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
