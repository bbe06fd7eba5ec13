-- rollup_account_symbol: moved by the rows of rollup_account_symbol_day that came and went.

-- How the rows of rollup_account_symbol_day become those of rollup_account_symbol; `source` gives all rows r of some accounts.
create or replace function prop_trading_model.account_symbol_query(source text) returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
    select format(
        'select r.account_id, r.symbol_key, max(r.trade_date) as last_trade_date from %s group by r.account_id, r.symbol_key',
        source
    )
$$;

-- Moves rollup_account_symbol by the rows in refresh_rows (there now) and refresh_gone (no more): a later day is the last
-- day; only where the last day itself went are the others looked up. Returns the rows written or removed.
create or replace function prop_trading_model.move_account_symbol() returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    gone bigint;
    moved bigint;
    written bigint;
begin
    insert into prop_trading_model.rollup_account_symbol as r
    select account_id, symbol_key, max(trade_date)
    from prop_trading_model.refresh_rows
    group by account_id, symbol_key
    on conflict (account_id, symbol_key) do update set last_trade_date = excluded.last_trade_date
    where r.last_trade_date < excluded.last_trade_date;
    get diagnostics written = row_count;
    if not exists (select from prop_trading_model.refresh_gone) then
        return written;
    end if;

    update prop_trading_model.rollup_account_symbol as r
    set last_trade_date = coalesce((
        select max(d.trade_date) from prop_trading_model.rollup_account_symbol_day as d
        where d.account_id = r.account_id and d.symbol_key = r.symbol_key
    ), '-infinity')
    from prop_trading_model.refresh_gone as g
    where r.account_id = g.account_id and r.symbol_key = g.symbol_key and r.last_trade_date = g.trade_date;
    get diagnostics moved = row_count;
    delete from prop_trading_model.rollup_account_symbol as r
    using (select distinct account_id, symbol_key from prop_trading_model.refresh_gone) as g
    where r.account_id = g.account_id and r.symbol_key = g.symbol_key and r.last_trade_date = '-infinity';
    get diagnostics gone = row_count;
    return written + moved + gone;
end
$$;
