-- v2, balanced: monthly partitions, and materialized views straight over the raw rows, the way most people would do it.
--
-- What it is. raw_trades_closed is partitioned by month of trade_date, raw_metrics_daily by year of date, both with a DEFAULT
-- partition for what has none; the original's five btrees on every partition; the five mv_* as materialized views over the raw
-- trades, with the same columns as production's; create_monthly_partitions() and refresh_materialized_views() to be called by
-- cron. For an empty database: psql -f sql/archive/v2_balanced/schema.sql. Rows of the original are loaded into it, not moved.
-- What it costs. docs/schema_analysis_report.md measures it beside the original, v1 and production. Its views answer at once, but
-- a refresh reads every trade there is, after 1,000 new ones too, and so gets slower with each month. Between two refreshes the
-- views are wrong by all that was written. A query by account that names no date looks into every month. A row that falls into
-- DEFAULT stands in the way of its month's partition until it is moved by hand. An id or a trade may stand twice: a key of a
-- partitioned table has to hold trade_date.
-- When to choose it. Tens of millions of trades, queries that name their dates, views that may be hours old and a window at
-- night in which to refresh them; and plain SQL that anybody knows.
-- Invariant: applied again it changes nothing.

\ir ../../schema_baseline.sql

do $$
declare
    name text;
    rows bigint;
begin
    foreach name in array array['raw_trades_closed', 'raw_metrics_daily'] loop
        if (select relkind from pg_class where oid = format('prop_trading_model.%I', name)::regclass) = 'r' then
            execute format('select count(*) from (select from prop_trading_model.%I limit 1) as t', name) into rows;
            if rows > 0 then
                raise exception 'prop_trading_model.% holds rows of the original: make this schema in an empty database and load'
                    ' them into it', name;
            end if;
            execute format('drop table prop_trading_model.%I', name);
        end if;
    end loop;
end
$$;

create table if not exists prop_trading_model.raw_trades_closed (
    id bigserial,
    trade_id varchar(255) not null,
    account_id varchar(255) not null,
    login varchar(255) not null,
    symbol varchar(50),
    std_symbol varchar(50),
    side varchar(10) check (lower(side) in ('buy', 'sell')),
    open_time timestamp,
    close_time timestamp,
    trade_date date not null,
    open_price numeric(18,6),
    close_price numeric(18,6),
    stop_loss numeric(18,6),
    take_profit numeric(18,6),
    lots numeric(18,4) check (lots > 0),
    volume_usd numeric(18,2) check (volume_usd >= 0),
    profit numeric(18,2),
    commission numeric(18,2),
    swap numeric(18,2),
    ingestion_timestamp timestamp default current_timestamp,
    source_api_endpoint varchar(500),
    primary key (id, trade_date),
    check (close_time >= open_time)
) partition by range (trade_date);
create table if not exists prop_trading_model.raw_trades_closed_default
    partition of prop_trading_model.raw_trades_closed default;
create index if not exists idx_raw_trades_closed_account_id on prop_trading_model.raw_trades_closed (account_id);
create index if not exists idx_raw_trades_closed_account_id_trade_date
    on prop_trading_model.raw_trades_closed (account_id, trade_date);
create index if not exists idx_raw_trades_closed_close_time on prop_trading_model.raw_trades_closed (close_time);
create index if not exists idx_raw_trades_closed_trade_date on prop_trading_model.raw_trades_closed (trade_date);

create table if not exists prop_trading_model.raw_metrics_daily (
    id bigserial,
    account_id varchar(255) not null,
    login varchar(255) not null,
    date date not null,
    net_profit numeric(18,2),
    gross_profit numeric(18,2),
    gross_loss numeric(18,2),
    total_trades integer,
    winning_trades integer,
    losing_trades integer,
    win_rate numeric(5,2) check (win_rate between 0 and 100),
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
    primary key (id, date),
    unique (account_id, date, ingestion_timestamp)
) partition by range (date);
create table if not exists prop_trading_model.raw_metrics_daily_default
    partition of prop_trading_model.raw_metrics_daily default;
create index if not exists idx_raw_metrics_daily_account_id on prop_trading_model.raw_metrics_daily (account_id);
create index if not exists idx_raw_metrics_daily_account_id_date on prop_trading_model.raw_metrics_daily (account_id, date);
create index if not exists idx_raw_metrics_daily_date on prop_trading_model.raw_metrics_daily (date);

-- The partitions of a month and of its year.
create or replace function prop_trading_model.create_partitions(of_day date) returns void
language plpgsql
as $$
declare
    month date := date_trunc('month', of_day);
    year date := date_trunc('year', of_day);
begin
    execute format(
        'create table if not exists prop_trading_model.raw_trades_closed_%s'
        ' partition of prop_trading_model.raw_trades_closed for values from (%L) to (%L)',
        to_char(month, 'YYYY_MM'), month, (month + interval '1 month')::date
    );
    execute format(
        'create table if not exists prop_trading_model.raw_metrics_daily_%s'
        ' partition of prop_trading_model.raw_metrics_daily for values from (%L) to (%L)',
        to_char(year, 'YYYY'), year, (year + interval '1 year')::date
    );
end
$$;

-- The partitions from a month (default: the running one) to `months_ahead` months after the running one.
create or replace function prop_trading_model.create_monthly_partitions(
    first_month date default current_date, months_ahead integer default 3
) returns void
language sql
as $$
    select prop_trading_model.create_partitions(m::date)
    from generate_series(
        date_trunc('month', first_month), date_trunc('month', current_date) + make_interval(months => months_ahead), '1 month'
    ) as m
$$;

select prop_trading_model.create_monthly_partitions();

\ir views.sql
