-- What a load asks of the database beside its rows.
-- Invariant: nothing here changes a row; only the BRIN summaries that date scans live by are brought up to date.

-- The name of the leaf that is exactly this month's, held so that nobody detaches it before the transaction ends, when rows
-- may be copied straight into it: it is attached and keeps the change log itself. Null when there is none: what goes
-- through the parent is logged in any case.
create or replace function prop_trading_model.hold_trade_leaf(month date) returns name
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    found record;
begin
    for attempt in 1 .. 2 loop
        select leaf.oid, leaf.relname into found
        from pg_inherits as i
        join pg_class as leaf on leaf.oid = i.inhrelid and leaf.relnamespace = 'prop_trading_model'::regnamespace
        cross join lateral prop_trading_model.leaf_bounds(leaf.oid) as b
        where i.inhparent = 'prop_trading_model.raw_trades_closed'::regclass
            and not i.inhdetachpending
            and b.lower = hold_trade_leaf.month
            and b.upper = hold_trade_leaf.month + interval '1 month'
            and has_table_privilege(leaf.oid, 'insert')
            and exists (
                select from pg_trigger as t
                where t.tgrelid = leaf.oid and t.tgname = 'log_insert' and t.tgenabled = 'A'
            );
        if found.oid is null or attempt = 2 then
            return found.relname;  -- the second time: it was still so when the lock was held
        end if;
        execute format('lock table only prop_trading_model.%I in row exclusive mode', found.relname);
    end loop;
end
$$;

-- Summarizes the BRIN indexes of the leaves of these months, or day scans would read every page loaded since the last
-- summary. Returns how many page ranges it summarized. A leaf that somebody else holds is left to autovacuum: a load that
-- has been committed does not wait for locks.
create or replace function prop_trading_model.summarize_trade_months(months date[]) returns integer
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '2s'
as $$
declare
    brin_index regclass;
    summarized integer := 0;
begin
    for brin_index in
        select x.indexrelid::regclass
        from pg_inherits as i
        join pg_class as leaf on leaf.oid = i.inhrelid
        join pg_index as x on x.indrelid = leaf.oid
        join pg_class as c on c.oid = x.indexrelid
        join pg_am as am on am.oid = c.relam
        where i.inhparent = 'prop_trading_model.raw_trades_closed'::regclass
            and am.amname = 'brin'
            and x.indisvalid
            and leaf.relname in (select 'raw_trades_closed_' || to_char(m, 'YYYY_MM') from unnest(months) as m)
        order by leaf.relname, c.relname
    loop
        begin
            summarized := summarized + brin_summarize_new_values(brin_index);
        exception when lock_not_available then
            raise debug 'index % is busy and left to autovacuum', brin_index;
        end;
    end loop;
    return summarized;
end
$$;

revoke all on function prop_trading_model.summarize_trade_months(date[]), prop_trading_model.hold_trade_leaf(date) from public;

do $$
begin
    if exists (select from pg_roles where rolname = 'dpm_loader') then
        grant execute on function
            prop_trading_model.summarize_trade_months(date[]), prop_trading_model.hold_trade_leaf(date) to dpm_loader;
    end if;
end
$$;
