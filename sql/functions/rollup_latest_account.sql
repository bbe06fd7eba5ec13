-- rollup_latest_account: the newest snapshot of each account, as latest_accounts shows it.
-- Invariant: made anew whenever raw_accounts_data has moved, by a few lookups an account: years of daily snapshots are not
-- read.

-- Returns the rows written or removed.
create or replace function prop_trading_model.refresh_latest_account() returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    perform prop_trading_model.find_differences('prop_trading_model.rollup_latest_account', $query$
        with recursive accounts as (
            (select account_id from prop_trading_model.raw_accounts_data order by account_id limit 1)
            union all
            select (
                select s.account_id from prop_trading_model.raw_accounts_data as s
                where s.account_id > a.account_id order by s.account_id limit 1
            )
            from accounts as a
            where a.account_id is not null
        )
        select
            s.account_id, s.login, s.trader_id, s.plan_id, s.phase, s.status, s.starting_balance, s.current_balance,
            s.current_equity, s.profit_target_pct, s.max_drawdown_pct
        from accounts as a
        cross join lateral (
            select max(ingestion_timestamp) as ingestion_timestamp
            from prop_trading_model.raw_accounts_data where account_id = a.account_id
        ) as newest
        cross join lateral (
            select * from prop_trading_model.raw_accounts_data as t
            where t.account_id = a.account_id and t.ingestion_timestamp = newest.ingestion_timestamp
            union all
            -- Snapshots without a time count when there are no others.
            select * from prop_trading_model.raw_accounts_data as t
            where t.account_id = a.account_id and t.ingestion_timestamp is null and newest.ingestion_timestamp is null
            order by id desc
            limit 1
        ) as s
        $query$, array['true']);
    return prop_trading_model.apply_differences('prop_trading_model.rollup_latest_account');
end
$$;
