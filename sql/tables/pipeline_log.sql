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

-- What pg_stat_statements counted for each statement since the snapshot before; log_query_performance() writes it.
-- Invariant: no value that anybody wrote into a statement stands in `query`.
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

alter table prop_trading_model.query_performance_log
    add column if not exists counted_from timestamp,
    add column if not exists extremes_exact boolean not null default true,
    add column if not exists blocks_dirtied bigint not null default 0,
    add column if not exists blocks_written bigint not null default 0,
    add column if not exists temp_blocks bigint not null default 0,
    add column if not exists wal_bytes numeric not null default 0;

comment on column prop_trading_model.query_performance_log.captured_at is 'when the snapshot was taken; all of its rows have the same';
comment on column prop_trading_model.query_performance_log.fingerprint is
    'md5 of `query`: the same after an upgrade or a restore, whatever the tables'' oids are';
comment on column prop_trading_model.query_performance_log.query is 'the statement, with ? for every value';
comment on column prop_trading_model.query_performance_log.counted_from is
    'the calls are those between then and captured_at: the snapshot before, or a reset of the statistics';
comment on column prop_trading_model.query_performance_log.stddev_ms is 'of all calls, as pg_stat_statements has it: not the sample''s';
comment on column prop_trading_model.query_performance_log.extremes_exact is
    'false: no call was faster than min_ms or slower than max_ms, and none may have been quite that';
comment on column prop_trading_model.query_performance_log.temp_blocks is 'blocks of temporary files, read and written';

-- The snapshots themselves, with what tells a reset of the statistics and a loss of statements.
create table if not exists prop_trading_model.query_snapshots (
    captured_at timestamp primary key,
    stats_reset timestamptz,
    evictions bigint not null,
    statements integer not null,
    logged integer not null,
    calls bigint not null,
    note text
);

-- What pg_stat_statements had counted for each of its entries at the last snapshot, to be taken off at the next.
create table if not exists prop_trading_model.query_statistics_seen (
    userid oid not null,
    queryid bigint not null,
    toplevel boolean not null,
    calls bigint not null,
    total_ms double precision not null,
    min_ms double precision not null,
    max_ms double precision not null,
    stddev_ms double precision not null,
    rows bigint not null,
    blocks_read bigint not null,
    blocks_hit bigint not null,
    blocks_dirtied bigint not null,
    blocks_written bigint not null,
    temp_blocks bigint not null,
    wal_bytes numeric not null,
    entry_since timestamptz,
    extremes_since timestamptz,
    primary key (userid, queryid, toplevel)
);
