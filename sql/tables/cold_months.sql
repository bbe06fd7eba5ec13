-- Months and years in the archive: the file that holds a partition's rows, and the one thing of trades that no rollup keeps.
-- Invariant: a row of cold_files is written when the file has been read back and found equal to the partition, and goes when
-- the file has been deleted or is written anew. Until it has been read back its location is in partition_state: a file that
-- may be there is always listed.

-- Of an earlier version, which knew of months of trades only:
do $$
begin
    if exists (
        select from pg_attribute
        where attrelid = to_regclass('prop_trading_model.cold_files') and attname = 'month' and not attisdropped
    ) then
        alter table prop_trading_model.cold_files rename column month to lower;
        alter table prop_trading_model.cold_files
            add column parent_table text not null default 'raw_trades_closed', drop constraint cold_files_pkey;
        alter table prop_trading_model.cold_files alter column parent_table drop default, add primary key (parent_table, lower);
    end if;
end
$$;

create table if not exists prop_trading_model.cold_files (
    parent_table text not null,
    lower date not null check (lower = date_trunc('month', lower)),
    location text not null,
    rows bigint not null,
    bytes bigint not null,
    partition_bytes bigint not null,
    columns text[] not null,
    sums jsonb not null,
    content_sha256 text not null check (content_sha256 ~ '^[0-9a-f]{64}$'),
    file_sha256 text not null check (file_sha256 ~ '^[0-9a-f]{64}$'),
    archived_at timestamptz not null default clock_timestamp(),
    primary key (parent_table, lower)
);

-- The login of each account's newest trade of a cold month: an account that has not traded since shows it.
create table if not exists prop_trading_model.cold_logins (
    account_id varchar(255) not null,
    trade_date date not null,
    login varchar(255) not null,
    primary key (account_id, trade_date)
);
