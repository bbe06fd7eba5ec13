-- Months on their way into the archive and back. What has to run outside of a transaction (DETACH CONCURRENTLY) or beside the
-- database (the file) is done by the caller, between these steps:
--   archive   begin_archive, the file, note_archived, DETACH CONCURRENTLY, finish_archive
--   restore   begin_restore, then in one transaction make_restored_month, COPY, attach_restored_month
-- Invariant: month_state says where the one copy is that counts. hot, archiving: the partition's table, by its name; cold,
-- restoring: the file. From begin_archive on nobody can write to the table; it is dropped in the transaction that makes the
-- month cold, and attached again in the one that makes it hot. No step marks anything: the trades are the same throughout.

-- The first days of a month and of the next, and the name of its leaf.
create or replace function prop_trading_model.month_leaf(
    wanted date, out first_day date, out next_month date, out leaf_name name
)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select first_day, (first_day + interval '1 month')::date, 'raw_trades_closed_' || to_char(first_day, 'YYYY_MM')
    from (select date_trunc('month', wanted::timestamp)::date) as m (first_day)
$$;

-- Raises DPM01, with the name of the leaf as the table, unless the month is hot.
create or replace function prop_trading_model.require_hot(wanted date) returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
    of_month record := prop_trading_model.month_leaf(wanted);
    found_state text := (select state from prop_trading_model.month_state where month = of_month.first_day);
    name text := to_char(of_month.first_day, 'YYYY-MM');
begin
    if coalesce(found_state, 'hot') <> 'hot' then
        raise exception 'the month % is %', name, case found_state
                when 'cold' then 'cold: its trades are in an archive'
                when 'archiving' then 'being archived: its trades cannot change'
                else 'being restored from the archive'
            end
            using errcode = 'DPM01', table = of_month.leaf_name, hint = case found_state
                when 'cold' then format('Restore it with dpm partitions restore %s, then do this again.', name)
                when 'archiving' then format('dpm partitions archive %1$s ends that, dpm partitions restore %1$s takes it back.', name)
                else format('dpm partitions restore %s ends that.', name)
            end;
    end if;
end
$$;

-- Refuses what is written to a leaf while its month is archived.
create or replace function prop_trading_model.refuse_archived_write() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform prop_trading_model.require_hot(tg_argv[0]::date);
    raise exception 'the month of % cannot be written to, though it is hot', tg_relid::regclass
        using errcode = 'DPM01', hint = 'Its trigger refuse_write is left over: drop it.';
end
$$;

-- Whether the table of a month is attached: null when there is no such table, else yes, pending (a DETACH CONCURRENTLY has
-- begun and not ended), or no.
create or replace function prop_trading_model.month_attachment(wanted date) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(case when i.inhdetachpending then 'pending' when i.inhrelid is not null then 'yes' end, 'no')
    from prop_trading_model.month_leaf(wanted) as m
    join pg_class as c on c.relname = m.leaf_name and c.relnamespace = 'prop_trading_model'::regnamespace
    left join pg_inherits as i
        on i.inhrelid = c.oid and i.inhparent = 'prop_trading_model.raw_trades_closed'::regclass
$$;

-- The account-days and marks of a month that no refresh has taken yet.
create or replace function prop_trading_model.pending_of_month(wanted date) returns bigint
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select
        (
            select count(*) from prop_trading_model.changed_account_days as c
            where c.trade_date >= m.first_day and c.trade_date < m.next_month
        )
        + (select count(*) from prop_trading_model.changed_months as c where c.month = m.first_day)
        + (
            select count(*) from prop_trading_model.changed_leaves() as c
            where c.lower < m.next_month and c.upper > m.first_day
        )
    from prop_trading_model.month_leaf(wanted) as m
$$;

-- Whether trades and net of a month's rollups are those of its file.
create or replace function prop_trading_model.archive_agrees(wanted date) returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select (f.rows, coalesce((f.sums ->> 'profit')::numeric, 0) + coalesce((f.sums ->> 'commission')::numeric, 0)
            + coalesce((f.sums ->> 'swap')::numeric, 0)) = (d.trades, d.net)
    from prop_trading_model.month_leaf(wanted) as m
    join prop_trading_model.cold_files as f on f.month = m.first_day
    cross join lateral (
        select coalesce(sum(r.trades), 0), coalesce(sum(r.net), 0) from prop_trading_model.rollup_market_day as r
        where r.trade_date >= m.first_day and r.trade_date < m.next_month
    ) as d (trades, net)
$$;

-- The file of a month that is hot again has been deleted.
create or replace function prop_trading_model.forget_file(wanted date) returns void
language sql
set search_path = pg_catalog, pg_temp
as $$
    delete from prop_trading_model.month_state as s using prop_trading_model.month_leaf(wanted) as m
    where s.month = m.first_day and s.state = 'hot';
    delete from prop_trading_model.cold_files as f using prop_trading_model.month_leaf(wanted) as m
    where f.month = m.first_day
        and not exists (select from prop_trading_model.month_state as s where s.month = f.month and s.state <> 'hot');
$$;
