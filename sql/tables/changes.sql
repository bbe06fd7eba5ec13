-- The bookkeeping of the refresh: what changed and has not been refreshed yet, and what each view was made from.
-- Invariant: a committed change is either visible in the rollups and views or listed in one of the changed_* tables (or,
-- for ATTACH, DETACH, DROP and rewrites, differs from known_leaves). Nothing here depends on a clock.

-- One row for each account-day of each statement that wrote it. Append-only, without a key: two writers of the same
-- account-day must not wait for each other. The refresh takes rows by deleting them.
create table if not exists prop_trading_model.changed_account_days (
    account_id varchar(255) not null,
    trade_date date not null,
    changed_at timestamptz not null default clock_timestamp()
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);

-- Months to be recomputed whole: TRUNCATE, leaves that came, went or were rewritten.
create table if not exists prop_trading_model.changed_months (
    month date not null check (month = date_trunc('month', month)),
    reason text not null,
    changed_at timestamptz not null default clock_timestamp()
);

-- Changes of the other inputs of the views: accounts, plans, regimes.
create table if not exists prop_trading_model.changed_inputs (
    input text not null,
    changed_at timestamptz not null default clock_timestamp()
);

-- Without a key, nothing may be deleted from them in a database that publishes all its tables, unless whole rows stand for it.
do $$
declare
    log regclass;
begin
    for log in
        select c.oid::regclass from pg_class as c
        where c.relnamespace = 'prop_trading_model'::regnamespace and c.relreplident <> 'f'
            and c.relname in ('changed_account_days', 'changed_months', 'changed_inputs')
    loop
        execute format('alter table %s replica identity full', log);
    end loop;
end
$$;

-- How often each input has moved, counted by the refresh (and by nobody else) when it takes the changes.
create table if not exists prop_trading_model.input_generations (
    input text primary key,
    generation bigint not null default 0,
    changed_at timestamptz not null default clock_timestamp()
);

-- Which inputs each view is made from, and the generations it was last made from.
create table if not exists prop_trading_model.view_inputs (
    view_name text not null,
    input text not null,
    made_from bigint,
    primary key (view_name, input)
);

-- The leaves of raw_trades_closed as the last refresh saw them.
create table if not exists prop_trading_model.known_leaves (
    leaf oid primary key,
    leaf_name text not null,
    relfilenode oid not null,
    bounds text not null,
    detach_pending boolean not null
);

-- Of an earlier version, which knew of months of trades only:
do $$
begin
    if exists (select from pg_class where oid = to_regclass('prop_trading_model.month_state') and relkind = 'r') then
        alter table prop_trading_model.month_state rename to partition_state;
        alter table prop_trading_model.partition_state rename column month to lower;
        alter table prop_trading_model.partition_state
            add column parent_table text not null default 'raw_trades_closed', drop constraint month_state_pkey;
        alter table prop_trading_model.partition_state add primary key (parent_table, lower);
    end if;
end
$$;

-- Where the raw rows of a partition are, by its table and its first day. A partition without a row here is hot.
create table if not exists prop_trading_model.partition_state (
    parent_table text not null default 'raw_trades_closed',
    lower date not null check (lower = date_trunc('month', lower)),
    state text not null default 'hot' check (state in ('hot', 'archiving', 'cold', 'restoring')),
    location text,
    changed_at timestamptz not null default clock_timestamp(),
    primary key (parent_table, lower)
);

-- Those of the trades: what a refresh has to know. What is written into it is a month of trades.
create or replace view prop_trading_model.month_state as
select lower as month, state, location, changed_at
from prop_trading_model.partition_state where parent_table = 'raw_trades_closed';

-- What each refresh did. run_key ties the months of a backfill to its run, so that a retry skips those that are done.
create table if not exists prop_trading_model.refresh_log (
    refresh_id bigint generated always as identity primary key,
    kind text not null check (kind in ('keys', 'month', 'totals', 'views')),
    month date,
    keys_taken bigint not null default 0,
    months date[] not null default '{}',
    rows_written bigint not null default 0,
    views text[] not null default '{}',
    run_key text,
    refreshed_by text not null default session_user,
    started_at timestamptz not null,
    finished_at timestamptz not null default clock_timestamp(),
    seconds numeric generated always as (round(extract(epoch from finished_at - started_at), 6)) stored
);
create index if not exists refresh_log_run_key on prop_trading_model.refresh_log (run_key, month) where run_key is not null;

-- The day that the trailing windows of rollup_account_recent end with. One row; null: there is no trade.
create table if not exists prop_trading_model.recent_window (
    only_row boolean primary key default true check (only_row),
    last_day date
);
insert into prop_trading_model.recent_window (last_day) values (null) on conflict do nothing;

insert into prop_trading_model.input_generations (input)
values ('trades'), ('accounts'), ('plans'), ('regimes')
on conflict do nothing;

insert into prop_trading_model.view_inputs (view_name, input)
values
    ('mv_daily_trading_stats', 'trades'),
    ('mv_symbol_performance', 'trades'),
    ('mv_symbol_performance', 'as_of'),
    ('mv_account_performance_summary', 'trades'),
    ('mv_account_performance_summary', 'as_of'),
    ('mv_account_performance_summary', 'accounts'),
    ('mv_account_performance_summary', 'plans'),
    ('mv_account_trading_patterns', 'trades'),
    ('mv_account_trading_patterns', 'as_of'),
    ('mv_account_trading_patterns', 'accounts'),
    ('mv_market_regime_performance', 'trades'),
    ('mv_market_regime_performance', 'regimes')
on conflict do nothing;
