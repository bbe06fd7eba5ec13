-- The ledger of loads, the quarantine of rejected rows, and the images of rows as they were before a load changed them.
-- Invariant: a file's content is loaded at most once into a feed (load_batches_loaded_once), and the row that says so is
-- committed together with the rows that it counts: rows_read = inserted + updated + duplicate + rejected. Rows removed were
-- in the table and not in the file: trades that were busted, positions that were closed.

create sequence if not exists prop_trading_model.load_batches_batch_id_seq as bigint;

create table if not exists prop_trading_model.load_batches (
    batch_id bigint primary key default nextval('prop_trading_model.load_batches_batch_id_seq'),
    file text not null,
    sha256 text not null check (sha256 ~ '^[0-9a-f]{64}$'),
    feed text not null,
    bytes bigint not null check (bytes >= 0),
    rows_read bigint not null default 0 check (rows_read >= 0),
    rows_inserted bigint not null default 0 check (rows_inserted >= 0),
    rows_updated bigint not null default 0 check (rows_updated >= 0),
    rows_duplicate bigint not null default 0 check (rows_duplicate >= 0),
    rows_rejected bigint not null default 0 check (rows_rejected >= 0),
    months date[] not null default '{}',
    seconds double precision not null default 0 check (seconds >= 0),
    status text not null check (status in ('loaded', 'refused')),
    loaded_by text not null default session_user,
    started_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz not null default clock_timestamp(),
    message text,
    constraint every_row_counted check (
        status <> 'loaded' or rows_read = rows_inserted + rows_updated + rows_duplicate + rows_rejected
    )
);

alter sequence prop_trading_model.load_batches_batch_id_seq owned by prop_trading_model.load_batches.batch_id;

alter table prop_trading_model.load_batches
    add column if not exists rows_removed bigint not null default 0 check (rows_removed >= 0);

create unique index if not exists load_batches_loaded_once
    on prop_trading_model.load_batches (feed, sha256) where status = 'loaded';

-- One row for each row of a file that was not loaded: the line where it begins and its text as it stands in the file.
create table if not exists prop_trading_model.load_rejects (
    batch_id bigint not null references prop_trading_model.load_batches on delete cascade,
    line bigint not null check (line > 0),
    reason text not null,
    raw_text text not null,
    primary key (batch_id, line)
);

-- One row for each version of a row that a batch took away, as it was, with its id and its load_batch_id:
--   corrected    replaced in place by the batch's version of it
--   moved        removed, because the batch holds its trade at another date
--   removed      removed, because the batch holds all of its account-day (or of its account's positions) and not it
--   superseded   passed over, because the same file holds a later version: it never was in the table
-- So what a batch wrote is exactly the rows that carry its load_batch_id, and the table was as before without them and
-- with the images of the first three kinds.
create sequence if not exists prop_trading_model.load_corrections_correction_id_seq as bigint;

create table if not exists prop_trading_model.load_corrections (
    batch_id bigint not null references prop_trading_model.load_batches on delete cascade deferrable initially deferred,
    key jsonb not null,
    correction_id bigint not null default nextval('prop_trading_model.load_corrections_correction_id_seq'),
    kind text not null,
    before jsonb not null,
    primary key (batch_id, key, correction_id)
);

alter table prop_trading_model.load_corrections
    drop constraint if exists load_corrections_kind_check,
    add constraint load_corrections_kind_check check (kind in ('corrected', 'moved', 'removed', 'superseded'));

alter sequence prop_trading_model.load_corrections_correction_id_seq
    owned by prop_trading_model.load_corrections.correction_id;
