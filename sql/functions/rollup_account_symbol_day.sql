-- rollup_account_symbol_day: recomputed from raw_trades_closed, for the account-days in refresh_keys or for a whole month.
-- Invariant: what was there before does not matter; afterwards the rows of those keys equal the recomputation.

-- The one place that says how trades become a row. `source` is one of the constants of the two functions below.
create or replace function prop_trading_model.account_symbol_day_query(source text) returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
    select format($query$
        select
            t.account_id,
            t.trade_date,
            coalesce(t.std_symbol, t.symbol, '') as symbol_key,
            count(*) as trades,
            count(*) filter (where t.profit > 0) as wins,
            count(*) filter (where t.profit < 0) as losses,
            coalesce(sum(t.profit) filter (where t.profit > 0), 0) as gross_profit,
            coalesce(sum(t.profit) filter (where t.profit < 0), 0) as gross_loss,
            coalesce(sum(t.profit), 0) + coalesce(sum(t.commission), 0) + coalesce(sum(t.swap), 0) as net,
            count(t.profit) as profits,
            coalesce(sum(t.profit * t.profit), 0) as profit_squares,
            max(t.profit) as profit_max,
            min(t.profit) as profit_min,
            coalesce(sum(t.lots), 0) as lots,
            count(t.lots) as lots_counted,
            coalesce(sum(t.lots * t.lots), 0) as lots_squares,
            coalesce(sum(t.volume_usd), 0) as volume,
            count(t.volume_usd) as volumes,
            -- The times one by one: the interval between the ends of time would be out of range.
            coalesce(trunc(1000000 * sum(extract(epoch from t.close_time) - extract(epoch from t.open_time))), 0)
                as duration_us,
            count(*) filter (where t.open_time is not null and t.close_time is not null) as durations,
            count(*) filter (where lower(t.side) = 'buy') as buys,
            count(t.stop_loss) as stop_losses,
            count(t.take_profit) as take_profits
        from %s
        group by t.account_id, t.trade_date, coalesce(t.std_symbol, t.symbol, '')
    $query$, source)
$$;

-- Brings the account-days of refresh_keys up to date; returns the rows written or removed.
create or replace function prop_trading_model.refresh_account_symbol_day() returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    first_day date;
    last_day date;
    written bigint;
begin
    select min(trade_date), max(trade_date) into first_day, last_day from prop_trading_model.refresh_keys;
    execute format($statement$
        with fresh as materialized (%s),
        gone as (
            delete from prop_trading_model.rollup_account_symbol_day as r
            using prop_trading_model.refresh_keys as k
            where r.account_id = k.account_id and r.trade_date = k.trade_date and r.trade_date between $1 and $2
                and not exists (
                    select from fresh as f
                    where f.account_id = r.account_id and f.trade_date = r.trade_date and f.symbol_key = r.symbol_key
                )
            returning 1
        ),
        written as (
            insert into prop_trading_model.rollup_account_symbol_day as r
            select * from fresh
            on conflict (account_id, trade_date, symbol_key) do update set
                trades = excluded.trades, wins = excluded.wins, losses = excluded.losses,
                gross_profit = excluded.gross_profit, gross_loss = excluded.gross_loss, net = excluded.net,
                profits = excluded.profits, profit_squares = excluded.profit_squares,
                profit_max = excluded.profit_max, profit_min = excluded.profit_min,
                lots = excluded.lots, lots_counted = excluded.lots_counted, lots_squares = excluded.lots_squares,
                volume = excluded.volume, volumes = excluded.volumes,
                duration_us = excluded.duration_us, durations = excluded.durations,
                buys = excluded.buys, stop_losses = excluded.stop_losses, take_profits = excluded.take_profits
            where r is distinct from excluded
            returning 1
        )
        select (select count(*) from gone) + (select count(*) from written)
        $statement$,
        prop_trading_model.account_symbol_day_query(
            'prop_trading_model.refresh_keys as k join prop_trading_model.raw_trades_closed as t'
            ' on t.account_id = k.account_id and t.trade_date = k.trade_date and t.trade_date between $1 and $2'
        )
    ) into written using first_day, last_day;
    return written;
end
$$;

-- Recomputes a month beside its rollup (CREATE TABLE AS, so that PostgreSQL can use parallel workers) and applies the
-- differences: readers with an older snapshot keep their rows, and a month without a difference is not written at all.
-- Leaves the account-days that differed in refresh_keys, and returns the rows written or removed.
create or replace function prop_trading_model.rebuild_account_symbol_day(month date) returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    removed bigint;
    added bigint;
begin
    execute 'create unlogged table prop_trading_model.rebuilt_month as '
        || prop_trading_model.account_symbol_day_query(format(
            'prop_trading_model.raw_trades_closed as t where t.trade_date >= %L and t.trade_date < %L',
            month, (month + interval '1 month')::date
        ));
    analyze prop_trading_model.rebuilt_month;
    insert into prop_trading_model.refresh_keys
    select distinct coalesce(r.account_id, n.account_id), coalesce(r.trade_date, n.trade_date)
    from (
        select * from prop_trading_model.rollup_account_symbol_day
        where trade_date >= rebuild_account_symbol_day.month
            and trade_date < rebuild_account_symbol_day.month + interval '1 month'
    ) as r
    full join prop_trading_model.rebuilt_month as n
        on n.account_id = r.account_id and n.trade_date = r.trade_date and n.symbol_key = r.symbol_key
    where r is distinct from n;
    analyze prop_trading_model.refresh_keys;

    delete from prop_trading_model.rollup_account_symbol_day as r
    using prop_trading_model.refresh_keys as k
    where r.account_id = k.account_id and r.trade_date = k.trade_date;
    get diagnostics removed = row_count;
    insert into prop_trading_model.rollup_account_symbol_day
    select n.* from prop_trading_model.rebuilt_month as n
    join prop_trading_model.refresh_keys as k on k.account_id = n.account_id and k.trade_date = n.trade_date;
    get diagnostics added = row_count;
    drop table prop_trading_model.rebuilt_month;
    return removed + added;
end
$$;
