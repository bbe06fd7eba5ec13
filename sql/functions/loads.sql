-- What a load asks of the owner of the tables.
-- Invariant: nothing here changes a row; only the BRIN summaries that date scans live by are brought up to date.

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

revoke all on function prop_trading_model.summarize_trade_months(date[]) from public;

do $$
begin
    if exists (select from pg_roles where rolname = 'dpm_loader') then
        grant execute on function prop_trading_model.summarize_trade_months(date[]) to dpm_loader;
    end if;
end
$$;
