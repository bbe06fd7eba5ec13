-- What the live views are made of: text of queries, put together once when the schema is applied, and the live as_of.
-- A live view has to look up pending keys in several places, and PostgreSQL carries a condition on an account into the
-- parts of one query: so the parts are text, and a view is one plain query.

-- The account-days that have changed. A function for the sake of its estimate: the statistics of a log that is emptied all the time
-- say that it holds nothing, whatever it holds, and who believes that reads it once for every row of the rollups.
create or replace function prop_trading_model.pending_keys() returns table (account_id varchar, trade_date date)
language plpgsql stable rows 2000
set search_path = pg_catalog, pg_temp
as $$
begin
    return query select k.account_id, k.trade_date from prop_trading_model.pending_account_days as k;
end
$$;

-- The first two common tables of every live query: `marked`, stretches of months that are read from the raw trades whole,
-- and `pending`, the account-days elsewhere that have changed. Both are small and are made once a query.
create or replace function prop_trading_model.live_sources() returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
    select $query$
        marked as materialized (
            select lower, upper from prop_trading_model.pending_stretches
        ),
        pending as materialized (
            select k.account_id, k.trade_date
            from prop_trading_model.pending_keys() as k
            where not exists (select from marked as m where k.trade_date >= m.lower and k.trade_date < m.upper)
        )
    $query$
$$;

-- That a row r with an account and a day is as the rollups have it. NOT IN, of columns that are never null: it is looked up by
-- hashing, where a planner that expects one row r would go through all that is pending for each.
create or replace function prop_trading_model.settled_condition() returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
    select $condition$
        (r.account_id, r.trade_date) not in (select p.account_id, p.trade_date from pending as p)
        and not exists (select from marked as m where r.trade_date >= m.lower and r.trade_date < m.upper)
    $condition$
$$;

-- Lookups by account. Each is a function of its own for the sake of its plan: it is made once a session and not for every
-- query, which would plan each of the months anew in every place that looks something up; it goes through the key's index, in
-- the months concerned alone, whatever a planner who knows nothing of the log would think of; and so the cost of a live view
-- grows with the number of pending account-days and with nothing else.

-- The rows of rollup_account_symbol_day that an account-day makes now, from the raw trades.
do $$
begin
    execute format($function$
        create or replace function prop_trading_model.fresh_account_day(account varchar, day date)
        returns setof prop_trading_model.rollup_account_symbol_day
        language plpgsql stable rows 2
        set search_path = pg_catalog, pg_temp
        set plan_cache_mode = force_generic_plan
        as $body$
        #variable_conflict use_column
        begin
            return query %s;
        end
        $body$
        $function$, prop_trading_model.account_symbol_day_query(
            -- In full: a firm may have columns of its own that are called account or day.
            'prop_trading_model.raw_trades_closed as t'
            ' where t.account_id = fresh_account_day.account and t.trade_date = fresh_account_day.day'
        )
    );
end
$$;

-- The rows of an account from `first_day` to before `next_day`, as rollup_account_symbol_day has them.
create or replace function prop_trading_model.settled_account_days(account varchar, first_day date, next_day date)
returns setof prop_trading_model.rollup_account_symbol_day
language plpgsql stable rows 30
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
begin
    return query
        select r.* from prop_trading_model.rollup_account_symbol_day as r
        where r.account_id = account and r.trade_date >= first_day and r.trade_date < next_day;
end
$$;

-- The login of an account's newest trade, which is of this day; of a day in the archive, as it was kept.
create or replace function prop_trading_model.newest_login(account varchar, day date) returns varchar
language plpgsql stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
begin
    return coalesce(
        (
            select t.login from prop_trading_model.raw_trades_closed as t
            where t.account_id = newest_login.account and t.trade_date = newest_login.day
            order by t.close_time desc nulls last, t.id desc, t.trade_id desc
            limit 1
        ),
        (
            select c.login from prop_trading_model.cold_logins as c
            where c.account_id = newest_login.account and c.trade_date = newest_login.day
        )
    );
end
$$;

-- The rows of rollup_account_symbol_day that all account-days which are not settled make now. `lookup` gives those of a
-- pending account-day k: 'prop_trading_model.fresh_account_day(k.account_id, k.trade_date)', or the text of that lookup, which
-- takes longer to plan and a fourth of the time for each account-day.
create or replace function prop_trading_model.fresh_query(lookup text) returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
    select format($query$
        select f.*
        from pending as k
        join lateral %s as f on f.account_id = k.account_id
        union all
        select f.*
        from marked as m
        cross join lateral (%s) as f
        $query$,
        lookup,
        prop_trading_model.account_symbol_day_query(
            'prop_trading_model.raw_trades_closed as t where t.trade_date >= m.lower and t.trade_date < m.upper'
        )
    )
$$;

-- The day that the trailing windows end with as the raw trades are now, where as_of_date() is that of the rollups.
create or replace function prop_trading_model.live_as_of_date() returns date
language plpgsql stable
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
as $$
declare
    today date := prop_trading_model.utc_today();
    marked datemultirange;
    newest date;
    accounts bigint;
    accounts_settled boolean;
    found_day date;
begin
    select coalesce(range_agg(daterange(m.lower, m.upper)), '{}') into marked from prop_trading_model.pending_stretches as m;
    -- The newest day with an account-day that no change is pending for: usually the newest of all, where fewer rows of the log
    -- than account-days are of that day;
    select d.trade_date, d.accounts into newest, accounts
    from prop_trading_model.rollup_market_day as d
    where d.trade_date <= today and not d.trade_date <@ marked
    order by d.trade_date desc limit 1;
    accounts_settled := accounts > (
        select count(*) from prop_trading_model.changed_account_days as c where c.trade_date = newest
    );
    if accounts_settled is not true then
        select max(d.trade_date) into newest
        from prop_trading_model.rollup_market_day as d
        where d.trade_date <= today and not d.trade_date <@ marked
            and not exists (select from prop_trading_model.pending_account_days as k where k.trade_date = d.trade_date);
    end if;
    newest := coalesce(newest, '-infinity');
    -- a newer day with trades in an account-day that has changed;
    select k.trade_date into found_day
    from (
        select account_id, trade_date from prop_trading_model.pending_account_days
        where trade_date > newest and trade_date <= today
        order by trade_date desc
    ) as k
    cross join lateral (
        select from prop_trading_model.raw_trades_closed as t
        where t.account_id = k.account_id and t.trade_date = k.trade_date
        limit 1
    ) as t
    limit 1;
    newest := greatest(newest, found_day);
    -- or in another account-day of a day that has changed;
    if accounts_settled is not true then
        select max(d.trade_date) into found_day
        from prop_trading_model.rollup_market_day as d
        where d.trade_date > newest and d.trade_date <= today and not d.trade_date <@ marked
            and d.accounts > (
                select count(*) from prop_trading_model.pending_account_days as k
                where k.trade_date = d.trade_date
                    and exists (
                        select from prop_trading_model.rollup_account_symbol_day as r
                        where r.account_id = k.account_id and r.trade_date = k.trade_date
                    )
            );
        newest := greatest(newest, found_day);
    end if;
    -- or of a month that is read whole.
    if marked && daterange(newest, today, '(]') then
        select max(t.trade_date) into found_day
        from prop_trading_model.raw_trades_closed as t
        where t.trade_date > newest and t.trade_date <= today and t.trade_date <@ marked;
        newest := greatest(newest, found_day);
    end if;
    return nullif(newest, '-infinity');
end
$$;

-- Makes live_X beside the materialized view mv_X: its own query, over the live forms of the rollups and of as_of_date().
create or replace function prop_trading_model.create_live_view(materialized_view regclass) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    query text := pg_get_viewdef(materialized_view);
    view_name text;
begin
    select 'live_' || substring(relname from 'mv_(.*)') into strict view_name from pg_class where oid = materialized_view;
    query := regexp_replace(query, '\mrollup_', 'live_', 'g');
    query := regexp_replace(query, '\mas_of_date\M', 'live_as_of_date', 'g');
    execute format('create or replace view prop_trading_model.%I as %s', view_name, query);
end
$$;
