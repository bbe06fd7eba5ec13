-- The live forms of rollup_account_symbol_day, rollup_symbol_day and rollup_market_day: what these would hold after a refresh
-- that took all that is pending.
-- Invariant: the same columns as the rollup; settled rows come from the rollup, all others from the raw trades. A day with
-- a pending account-day is put together anew, from its settled rows and the fresh ones.

do $$
declare
    fresh text := prop_trading_model.fresh_query(format('(%s)', prop_trading_model.account_symbol_day_query(
        'prop_trading_model.raw_trades_closed as t where t.account_id = k.account_id and t.trade_date = k.trade_date'
    )));
    -- All rows of the days that are put together anew.
    day_rows text := format($query$
        day_rows as materialized (
            select r.*
            from (select distinct trade_date from pending) as d
            cross join lateral (
                select r.* from prop_trading_model.rollup_account_symbol_day as r
                where r.trade_date = d.trade_date and r.trade_date + 0 = d.trade_date
                offset 0
            ) as r
            where %s
            union all
            %s
        )
        $query$, prop_trading_model.settled_condition(), fresh);
    other_days text := $condition$
        not exists (select from pending as p where p.trade_date = r.trade_date)
        and not exists (select from marked as m where r.trade_date >= m.lower and r.trade_date < m.upper)
        $condition$;
begin
    execute format(
        'create or replace view prop_trading_model.live_account_symbol_day as with %s'
        ' select r.* from prop_trading_model.rollup_account_symbol_day as r where %s union all %s',
        prop_trading_model.live_sources(), prop_trading_model.settled_condition(), fresh
    );
    execute format(
        'create or replace view prop_trading_model.live_symbol_day as with %s, %s'
        ' select r.* from prop_trading_model.rollup_symbol_day as r where %s union all %s',
        prop_trading_model.live_sources(), day_rows, other_days, prop_trading_model.symbol_days_query('day_rows as r')
    );
    execute format(
        'create or replace view prop_trading_model.live_market_day as with %s, %s'
        ' select r.* from prop_trading_model.rollup_market_day as r where %s union all %s',
        prop_trading_model.live_sources(), day_rows, other_days,
        prop_trading_model.market_day_query('day_rows as r', 'day_rows as r')
    );
end
$$;
