-- Market regimes by date, as jsonb; of several for a date the newest counts.
-- Invariant: one row for each date and ingestion_timestamp.

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
    ingestion_timestamp timestamp default (now() at time zone 'utc'),
    load_batch_id bigint,
    unique (date, ingestion_timestamp),
    constraint times_finite check (isfinite(date) and isfinite(created_at) and isfinite(updated_at) and
        isfinite(ingestion_timestamp))
);

create index if not exists idx_raw_regimes_daily_ingestion_timestamp
    on prop_trading_model.raw_regimes_daily (ingestion_timestamp);
