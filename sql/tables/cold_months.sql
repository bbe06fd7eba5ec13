-- Months in the archive: the file that holds a month's trades, and the one thing of them that no rollup keeps.
-- Invariant: a row of cold_files is written when the file has been read back and found equal to the month's partition, and
-- goes when the file has been deleted: a file that may be there is always listed.

create table if not exists prop_trading_model.cold_files (
    month date primary key check (month = date_trunc('month', month)),
    location text not null,
    rows bigint not null,
    bytes bigint not null,
    partition_bytes bigint not null,
    columns text[] not null,
    sums jsonb not null,
    content_sha256 text not null check (content_sha256 ~ '^[0-9a-f]{64}$'),
    file_sha256 text not null check (file_sha256 ~ '^[0-9a-f]{64}$'),
    archived_at timestamptz not null default clock_timestamp()
);

comment on table prop_trading_model.cold_files is 'the Parquet files of months whose trades are in the archive';
comment on column prop_trading_model.cold_files.partition_bytes is 'heap and indexes of the partition that the file stands for';
comment on column prop_trading_model.cold_files.sums is 'the sum of each numeric column, as PostgreSQL had it';
comment on column prop_trading_model.cold_files.content_sha256 is
    'of the rows in the order of the file, as COPY writes them in CSV: what a restore has to give back';
comment on column prop_trading_model.cold_files.file_sha256 is 'of the bytes of the file';

-- The login of each account's newest trade of a cold month: an account that has not traded since shows it.
create table if not exists prop_trading_model.cold_logins (
    account_id varchar(255) not null,
    trade_date date not null,
    login varchar(255) not null,
    primary key (account_id, trade_date)
);
