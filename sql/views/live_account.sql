-- The live forms of rollup_latest_account, rollup_account, rollup_account_symbol and rollup_account_recent: what these would
-- hold after a refresh that took all that is pending, today.
-- Invariant: the same columns as the rollup; an account without a pending account-day comes from the rollup, unless whole
-- months are pending: then every account is put together anew. A condition on the account reaches every part.

create or replace view prop_trading_model.live_latest_account as
select
    account_id, login, trader_id, plan_id, phase, status, starting_balance, current_balance, current_equity,
    profit_target_pct, max_drawdown_pct
from prop_trading_model.latest_accounts;

do $$
declare
    sources text := prop_trading_model.live_sources();
    settled text := prop_trading_model.settled_condition();
    fresh text := prop_trading_model.fresh_query(
        'prop_trading_model.fresh_account_day(k.account_id, k.trade_date)'
    );
    other_accounts text := $condition$
        not exists (select from marked)
        and not exists (select from pending as p where p.account_id = r.account_id)
        $condition$;
begin
    -- Lives are merged from months: those that have no pending account-day, and the others anew from their days.
    execute format($view$
        create or replace view prop_trading_model.live_account as
        with %1$s,
        pending_months as (
            select distinct account_id, date_trunc('month', trade_date::timestamp)::date as month from pending
        )
        select r.* from prop_trading_model.rollup_account as r where %2$s
        union all
        select
            l.account_id, prop_trading_model.newest_login(l.account_id, l.last_trade_date)::varchar(255), l.trades, l.wins, l.losses, l.gross_profit, l.gross_loss, l.net, l.net_squares,
            l.active_days, l.max_drawdown, l.peak, l.first_trade_date, l.last_trade_date
        from (%3$s) as l
        $view$,
        sources, other_accounts,
        prop_trading_model.account_life_query(format($months$
            (
                select r.* from prop_trading_model.rollup_account_month as r
                where exists (select from marked)
                    and not exists (select from marked as m where r.month >= m.lower and r.month < m.upper)
                    and not exists (
                        select from pending_months as k where k.account_id = r.account_id and k.month = r.month
                    )
                union all
                select r.*
                from (select distinct account_id from pending) as k
                join prop_trading_model.rollup_account_month as r on r.account_id = k.account_id
                where not exists (select from marked)
                    and not exists (
                        select from pending_months as k where k.account_id = r.account_id and k.month = r.month
                    )
                union all
                %s
            ) as m
            $months$,
            prop_trading_model.account_month_query(format($days$
                (
                    select r.account_id, r.trade_date, r.trades, r.wins, r.losses, r.gross_profit, r.gross_loss, r.net
                    from pending_months as k
                    join lateral prop_trading_model.settled_account_days(
                        k.account_id, k.month, (k.month + interval '1 month')::date
                    ) as r on r.account_id = k.account_id
                    where %s
                    union all
                    select account_id, trade_date, trades, wins, losses, gross_profit, gross_loss, net from (%s) as f
                ) as r
                $days$, settled, fresh
            ))
        ))
    );

    execute format($view$
        create or replace view prop_trading_model.live_account_symbol as
        with %1$s
        select r.* from prop_trading_model.rollup_account_symbol as r where %2$s
        union all
        select account_id, symbol_key, max(trade_date) as last_trade_date
        from (
            select r.account_id, r.symbol_key, r.trade_date
            from prop_trading_model.rollup_account_symbol_day as r
            where exists (select from marked) and %3$s
            union all
            select r.account_id, r.symbol_key, r.trade_date
            from (select distinct account_id from pending) as k
            join lateral prop_trading_model.settled_account_days(k.account_id, '-infinity', 'infinity') as r
                on r.account_id = k.account_id
            where not exists (select from marked) and %3$s
            union all
            select account_id, symbol_key, trade_date from (%4$s) as f
        ) as days
        group by account_id, symbol_key
        $view$, sources, other_accounts, settled, fresh);

    -- The rollup's windows hold while they end with the live as_of; otherwise those of every account are computed.
    execute format($view$
        create or replace view prop_trading_model.live_account_recent as
        with %1$s,
        as_of as materialized (
            select prop_trading_model.live_as_of_date() as last_day
        )
        select r.* from prop_trading_model.rollup_account_recent as r
        where prop_trading_model.recent_day() is not distinct from (select last_day from as_of) and %2$s
        union all
        %3$s
        $view$,
        sources, other_accounts,
        prop_trading_model.account_recent_query(format($source$
            (
                select r.* from prop_trading_model.rollup_account_symbol_day as r
                where (
                        exists (select from marked)
                        or prop_trading_model.recent_day() is distinct from (select last_day from as_of)
                    )
                    and r.trade_date between (select last_day - 29 from as_of) and (select last_day from as_of)
                    and %1$s
                union all
                select r.*
                from (select distinct account_id from pending) as k
                join lateral prop_trading_model.settled_account_days(
                    k.account_id, (select last_day - 29 from as_of), (select last_day + 1 from as_of)
                ) as r on r.account_id = k.account_id
                where not exists (select from marked)
                    and prop_trading_model.recent_day() is not distinct from (select last_day from as_of)
                    and %1$s
                union all
                %2$s
            ) as r
            $source$, settled, fresh
        ), '(select last_day from as_of)')
    );
end
$$;
