-- Months of trades and years of metrics on their way into the archive and back. What has to run outside of a transaction (DETACH
-- CONCURRENTLY) or beside the database (the file) is done by the caller, between these steps:
--   archive   begin_archive, the file, note_archived, DETACH CONCURRENTLY, finish_archive
--   restore   begin_restore, then in one transaction make_restored, COPY, attach_restored
-- Invariant: partition_state says where the one copy is that counts. hot, archiving: the partition's table, by its name; cold,
-- restoring: the file. From begin_archive on nobody can write to the table; it is dropped in the transaction that makes the
-- partition cold, and attached again in the one that makes it hot. No step marks anything: the rows are the same throughout.

-- Of an earlier version, which knew of months of trades only:
drop function if exists
    prop_trading_model.month_leaf(date), prop_trading_model.month_attachment(date),
    prop_trading_model.archive_agrees(date), prop_trading_model.forget_file(date), prop_trading_model.begin_archive(date),
    prop_trading_model.note_archived(date, text, bigint, bigint, text[], jsonb, text, text),
    prop_trading_model.finish_archive(date), prop_trading_model.abandon_archive(date), prop_trading_model.begin_restore(date),
    prop_trading_model.make_restored_month(date), prop_trading_model.attach_restored_month(date),
    prop_trading_model.make_bare_table(name, date), prop_trading_model.attach_bare_table(name, date);

-- The month (or year, as long as a leaf of the table is) of a day: its first day and that of the next, its leaf's name, what
-- it is called (2024-01, or 2024), and what it holds.
create or replace function prop_trading_model.part_of(
    parent regclass, wanted date, out parent_table name, out first_day date, out next_day date, out leaf_name name,
    out unit text, out called text, out holds text
)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select c.relname, b.first_day, (b.first_day + t.every)::date, c.relname || '_' || to_char(b.first_day, t.suffix),
        u.unit, to_char(b.first_day, replace(t.suffix, '_', '-')),
        case c.relname when 'raw_trades_closed' then 'trades' when 'raw_metrics_daily' then 'metrics' end
    from prop_trading_model.partitioned_tables() as t
    join pg_class as c on c.oid = t.parent
    cross join lateral (select case when t.every = interval '1 year' then 'year' else 'month' end) as u (unit)
    cross join lateral (select date_trunc(u.unit, wanted::timestamp)::date) as b (first_day)
    where t.parent = part_of.parent
$$;

-- Raises DPM01, with the name of the leaf as the table, unless the month (year) is hot.
create or replace function prop_trading_model.require_hot(parent regclass, wanted date) returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    part record := prop_trading_model.part_of(parent, wanted);
    found_state text := (
        select s.state from prop_trading_model.partition_state as s
        where s.parent_table = part.parent_table and s.lower = part.first_day
    );
begin
    if coalesce(found_state, 'hot') <> 'hot' then
        raise exception 'the % % is %', part.unit, part.called, case found_state
                when 'cold' then format('cold: its %s are in an archive', part.holds)
                when 'archiving' then format('being archived: its %s cannot change', part.holds)
                else 'being restored from the archive'
            end
            using errcode = 'DPM01', table = part.leaf_name, hint = case found_state
                when 'cold' then format('Restore it with dpm partitions restore %s, then do this again.', part.called)
                when 'archiving' then format(
                    'dpm partitions archive %1$s ends that, dpm partitions restore %1$s takes it back.', part.called
                )
                else format('dpm partitions restore %s ends that.', part.called)
            end;
    end if;
end
$$;

-- The same of a month of trades.
create or replace function prop_trading_model.require_hot(wanted date) returns void
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select prop_trading_model.require_hot('prop_trading_model.raw_trades_closed', wanted)
$$;

-- Refuses what is written to a leaf while its month (year) is archived.
create or replace function prop_trading_model.refuse_archived_write() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform prop_trading_model.require_hot(tg_argv[0]::regclass, tg_argv[1]::date);
    raise exception '% cannot be written to, though it is hot', tg_relid::regclass
        using errcode = 'DPM01', hint = 'Its trigger refuse_write is left over: drop it.';
end
$$;

-- Whether the table of a month (year) is attached: null when there is no such table, else yes, pending (a DETACH CONCURRENTLY
-- has begun and not ended), or no.
create or replace function prop_trading_model.attachment_of(parent regclass, wanted date) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(case when i.inhdetachpending then 'pending' when i.inhrelid is not null then 'yes' end, 'no')
    from prop_trading_model.part_of(parent, wanted) as p
    join pg_class as c on c.relname = p.leaf_name and c.relnamespace = 'prop_trading_model'::regnamespace
    left join pg_inherits as i on i.inhrelid = c.oid and i.inhparent = attachment_of.parent
$$;

-- The account-days and marks of a month of trades that no refresh has taken yet.
create or replace function prop_trading_model.pending_of_month(wanted date) returns bigint
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select
        (
            select count(*) from prop_trading_model.changed_account_days as c
            where c.trade_date >= m.first_day and c.trade_date < m.next_day
        )
        + (select count(*) from prop_trading_model.changed_months as c where c.month = m.first_day)
        + (
            select count(*) from prop_trading_model.changed_leaves() as c
            where c.lower < m.next_day and c.upper > m.first_day
        )
    from prop_trading_model.part_of('prop_trading_model.raw_trades_closed', wanted) as m
$$;

-- Whether trades and net of a month's rollups are those of its file. True of metrics, which are in no rollup.
create or replace function prop_trading_model.archive_agrees(parent regclass, wanted date) returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select p.holds <> 'trades'
        or (f.rows, coalesce((f.sums ->> 'profit')::numeric, 0) + coalesce((f.sums ->> 'commission')::numeric, 0)
            + coalesce((f.sums ->> 'swap')::numeric, 0)) = (d.trades, d.net)
    from prop_trading_model.part_of(parent, wanted) as p
    join prop_trading_model.cold_files as f on f.parent_table = p.parent_table and f.lower = p.first_day
    cross join lateral (
        select coalesce(sum(r.trades), 0), coalesce(sum(r.net), 0) from prop_trading_model.rollup_market_day as r
        where p.holds = 'trades' and r.trade_date >= p.first_day and r.trade_date < p.next_day
    ) as d (trades, net)
$$;

-- The file of a month (year) that is hot again has been deleted.
create or replace function prop_trading_model.forget_file(parent regclass, wanted date) returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
    delete from prop_trading_model.partition_state as s using prop_trading_model.part_of(parent, wanted) as p
    where s.parent_table = p.parent_table and s.lower = p.first_day and s.state = 'hot';
    delete from prop_trading_model.cold_files as f using prop_trading_model.part_of(parent, wanted) as p
    where f.parent_table = p.parent_table and f.lower = p.first_day
        and not exists (
            select from prop_trading_model.partition_state as s
            where s.parent_table = f.parent_table and s.lower = f.lower and s.state <> 'hot'
        );
$$;
