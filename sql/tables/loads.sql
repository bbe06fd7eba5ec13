-- The ledger of loads, the quarantine of rejected rows, and the images of rows as they were before a load changed them.
-- Invariant: a file's content stands at most once in a feed (load_batches_loaded_once: a batch that was undone may be
-- loaded again), and the row that says so is committed together with the rows that it counts:
-- rows_read = inserted + updated + duplicate + rejected. Rows removed were in the table and not in the file: trades that
-- were busted, positions that were closed.

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
    rows_removed bigint not null default 0 check (rows_removed >= 0),
    months date[] not null default '{}',
    seconds double precision not null default 0 check (seconds >= 0),
    status text not null,
    loaded_by text not null default session_user,
    started_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz not null default clock_timestamp(),
    message text,
    rows_written bigint,
    path_taken text,
    options text[] not null default '{}',
    format text,
    header text,
    retry_of bigint references prop_trading_model.load_batches,
    transactions xid8[] default array[pg_current_xact_id()],
    undone_at timestamptz,
    undone_by text,
    undone_in xid8,
    constraint load_batches_status_check check (status in ('loaded', 'refused', 'undone')),
    constraint every_row_counted check (
        status <> 'loaded' or rows_read = rows_inserted + rows_updated + rows_duplicate + rows_rejected
    )
);

-- For a ledger that was made before these columns were: what its batches do not know stays null, and they cannot be undone.
alter table prop_trading_model.load_batches
    add column if not exists rows_removed bigint not null default 0 check (rows_removed >= 0),
    add column if not exists rows_written bigint,
    add column if not exists path_taken text,
    add column if not exists options text[] not null default '{}',
    add column if not exists format text,
    add column if not exists header text,
    add column if not exists retry_of bigint references prop_trading_model.load_batches,
    add column if not exists transactions xid8[],
    alter column transactions set default array[pg_current_xact_id()],
    add column if not exists undone_at timestamptz,
    add column if not exists undone_by text,
    add column if not exists undone_in xid8,
    drop constraint if exists load_batches_status_check,
    add constraint load_batches_status_check check (status in ('loaded', 'refused', 'undone'));

comment on column prop_trading_model.load_batches.rows_removed is
    'rows that went because the file, which covers their account-day or is complete, does not hold them';
comment on column prop_trading_model.load_batches.rows_written is
    'rows that bore this batch''s id when it was committed: what an undo has to find again';
comment on column prop_trading_model.load_batches.path_taken is 'how the rows went in';
comment on column prop_trading_model.load_batches.options is 'what the load was asked for beside the file';
comment on column prop_trading_model.load_batches.format is 'csv, jsonl or parquet: what the raw text of rejects is';
comment on column prop_trading_model.load_batches.header is 'the header as it stands in the file; null where there is none';
comment on column prop_trading_model.load_batches.retry_of is 'the batch whose rejects these rows were';
comment on column prop_trading_model.load_batches.transactions is
    'the transactions that wrote the batch''s rows: a row of the batch with another xmin was changed since';
comment on column prop_trading_model.load_batches.undone_in is 'the transaction that brought back what the batch had replaced';

alter sequence prop_trading_model.load_batches_batch_id_seq owned by prop_trading_model.load_batches.batch_id;

create unique index if not exists load_batches_loaded_once
    on prop_trading_model.load_batches (feed, sha256) where status = 'loaded';

-- One row for each row of a file that was not loaded: the line where it begins and its text as it stands in the file.
create table if not exists prop_trading_model.load_rejects (
    batch_id bigint not null references prop_trading_model.load_batches on delete cascade,
    line bigint not null check (line > 0),
    reason text not null,
    raw_text text not null,
    damaged boolean not null default false,
    resolved_by bigint references prop_trading_model.load_batches on delete set null,
    primary key (batch_id, line)
);

alter table prop_trading_model.load_rejects
    add column if not exists damaged boolean not null default false,
    add column if not exists resolved_by bigint references prop_trading_model.load_batches on delete set null;

comment on column prop_trading_model.load_rejects.damaged is
    'the row holds bytes that are no text, which raw_text shows as \x..: it can be looked at, not loaded from here';
comment on column prop_trading_model.load_rejects.resolved_by is 'the batch that loaded the row after all';

create index if not exists load_rejects_resolved_by
    on prop_trading_model.load_rejects (resolved_by) where resolved_by is not null;

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
    primary key (batch_id, key, correction_id),
    constraint load_corrections_kind_check check (kind in ('corrected', 'moved', 'removed', 'superseded'))
);

alter table prop_trading_model.load_corrections
    drop constraint if exists load_corrections_kind_check,
    add constraint load_corrections_kind_check check (kind in ('corrected', 'moved', 'removed', 'superseded'));

alter sequence prop_trading_model.load_corrections_correction_id_seq
    owned by prop_trading_model.load_corrections.correction_id;
