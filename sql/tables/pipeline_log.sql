-- The logs that people read: what each stage of the pipeline did, and what each statement cost.

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
    created_at timestamp default (now() at time zone 'utc')
);

create index if not exists idx_pipeline_execution_log_execution_date
    on prop_trading_model.pipeline_execution_log (execution_date);
create index if not exists idx_pipeline_execution_log_pipeline_stage
    on prop_trading_model.pipeline_execution_log (pipeline_stage);
create index if not exists idx_pipeline_execution_log_status
    on prop_trading_model.pipeline_execution_log (status);

-- What pg_stat_statements counted for each statement since the snapshot before.
create table if not exists prop_trading_model.query_performance_log (
    id bigint generated always as identity primary key,
    captured_at timestamp not null default (now() at time zone 'utc'),
    fingerprint text not null,
    query text not null,
    calls bigint not null,
    mean_ms numeric not null,
    min_ms numeric not null,
    max_ms numeric not null,
    stddev_ms numeric not null,
    rows bigint not null,
    blocks_read bigint not null,
    blocks_hit bigint not null
);
create index if not exists idx_query_performance_log_captured_at on prop_trading_model.query_performance_log (captured_at);
