-- Dates: today and the day up to which the trailing windows of the views reach, both in UTC.

-- A function of its own, so that midnight is one thing and not a piece of every query.
create or replace function prop_trading_model.utc_today() returns date
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$ select (now() at time zone 'utc')::date $$;

-- The latest day with trades that is not after today; null without any. Exact once the rollups are.
create or replace function prop_trading_model.as_of_date() returns date
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select max(trade_date) from prop_trading_model.rollup_market_day
    where trade_date <= prop_trading_model.utc_today()
$$;
