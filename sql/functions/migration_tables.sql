-- The bookkeeping of the online migration, in a schema of its own that is made before and goes when the migration is over.
-- Invariant: a bite of rows and its row in `bites` are written in one transaction, so what is copied is known to the row;
-- every row of the originals is in the successors, in unmoved_rows, or of an account-day that a log still names.

-- The two tables that are copied. `original` and `successor` are kept by oid: their schemas change at the cutover.
-- `day` is the SQL of the day that a row `o` of the original belongs to, by rule; `corrections` is the SQL of columns that are
-- corrected by rule; `sums` are the columns whose sums are compared beside the hash of the rows.
create table if not exists prop_trading_model_migration.moved_tables (
    table_name text primary key,
    original regclass not null,
    successor regclass not null,
    every interval not null,
    suffix text not null,
    day_column name not null,
    day text not null,
    corrections jsonb not null,
    sums name[] not null
);

-- Whether programs use the originals (copying) or the successors (moved), whether small changes after the cutover are brought
-- over in their own transaction, with which files production was made beside, and what marks the migration's own
-- transactions; one row.
create table if not exists prop_trading_model_migration.state (
    only_row boolean primary key default true check (only_row),
    phase text not null default 'copying' check (phase in ('copying', 'moved')),
    follow_at_once boolean not null default false,
    prepared text,
    secret uuid not null default gen_random_uuid(),
    changed_at timestamptz not null default clock_timestamp()
);
insert into prop_trading_model_migration.state default values on conflict do nothing;

-- The months (years) of a table. waiting: nothing is there; copying: a bare table is filled bite by bite; attached: whole,
-- indexed and a partition; verified: found equal to the original.
create table if not exists prop_trading_model_migration.parts (
    table_name text not null references prop_trading_model_migration.moved_tables,
    starts date not null,
    ends date not null,
    leaf name not null,
    state text not null default 'waiting' check (state in ('waiting', 'copying', 'attached', 'verified')),
    rows bigint,
    begun_at timestamptz,
    attached_at timestamptz,
    verified_at timestamptz,
    primary key (table_name, starts)
);

-- What each transaction of the copy takes: whole days, or of a large day the accounts in [account_from, account_before).
create table if not exists prop_trading_model_migration.bites (
    bite_id bigint generated always as identity primary key,
    table_name text not null,
    starts date not null,
    first_day date not null,
    next_day date not null,
    account_from varchar,
    account_before varchar,
    rows bigint,
    unmoved bigint,
    seconds numeric,
    copied_at timestamptz,
    foreign key (table_name, starts) references prop_trading_model_migration.parts on delete cascade
);
create index if not exists bites_of_parts on prop_trading_model_migration.bites (table_name, starts);

-- Account-days that were written to on one side since it was copied, and have to be brought over to the other. A row without an
-- account stands for the whole day, and without either for everything (TRUNCATE); an account without a day, for its rows that
-- have none.
create table if not exists prop_trading_model_migration.changed_originals (
    table_name text not null,
    account_id varchar(255),
    day date
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);
create index if not exists changed_originals_by_day on prop_trading_model_migration.changed_originals (table_name, day);

create table if not exists prop_trading_model_migration.changed_successors (
    like prop_trading_model_migration.changed_originals including indexes
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);

-- Rows that the new tables cannot take, whole, with the reason.
create table if not exists prop_trading_model_migration.unmoved_rows (
    table_name text not null,
    id bigint not null,
    reason text not null,
    row jsonb not null,
    unmoved_at timestamptz not null default clock_timestamp()
);

-- As in changes.sql: a database that publishes all its tables lets nothing be deleted from one without a key.
do $$
declare
    log regclass;
begin
    for log in
        select c.oid::regclass from pg_class as c
        where c.relnamespace = 'prop_trading_model_migration'::regnamespace and c.relreplident <> 'f'
            and c.relname in ('changed_originals', 'changed_successors', 'unmoved_rows')
    loop
        execute format('alter table %s replica identity full', log);
    end loop;
end
$$;

alter table prop_trading_model_migration.unmoved_rows
    add column if not exists account_id varchar(255), add column if not exists day date;
create index if not exists unmoved_rows_by_account
    on prop_trading_model_migration.unmoved_rows (table_name, account_id, day);
