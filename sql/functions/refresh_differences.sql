-- What the account-days of refresh_keys had before and have after, summed in the ways that the other rollups move by, and which
-- accounts they are of.
-- Invariant: refresh_before and refresh_rows hold all rows of these account-days.

create or replace function prop_trading_model.note_differences() returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set default_statistics_target = 10
as $$
begin
    perform prop_trading_model.clear_work_table('prop_trading_model.refresh_symbol_days');
    perform prop_trading_model.clear_work_table('prop_trading_model.refresh_account_days');
    perform prop_trading_model.note_sums('prop_trading_model.refresh_before', -1);
    perform prop_trading_model.note_sums('prop_trading_model.refresh_rows', 1);
    analyze prop_trading_model.refresh_symbol_days (sign, trade_date, symbol_key);
    analyze prop_trading_model.refresh_account_days (sign, account_id, trade_date, net);
end
$$;

-- Adds what the rows of a work table sum up to, with this sign.
create or replace function prop_trading_model.note_sums(work_table regclass, sign integer) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    execute format($statement$
        insert into prop_trading_model.refresh_symbol_days
        select
            $1, trade_date, symbol_key,
            $1 * sum(trades), $1 * sum(wins), $1 * sum(losses), $1 * sum(gross_profit), $1 * sum(gross_loss), $1 * sum(net),
            $1 * sum(profits), $1 * sum(profit_squares), max(profit_max), min(profit_min),
            $1 * sum(volume), $1 * sum(lots), $1 * sum(duration_us), $1 * sum(durations)
        from %s
        group by trade_date, symbol_key
        $statement$, work_table
    ) using sign;
    execute format($statement$
        insert into prop_trading_model.refresh_account_days
        select
            $1, account_id, trade_date, sum(trades), sum(wins), sum(losses),
            sum(gross_profit), sum(gross_loss), sum(net)
        from %s
        group by account_id, trade_date
        $statement$, work_table
    ) using sign;
end
$$;

-- Fills refresh_accounts. Without may_append, for account-days that were not compared, none counts as appended to.
create or replace function prop_trading_model.note_accounts(may_append boolean) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
set default_statistics_target = 10
as $$
begin
    perform prop_trading_model.clear_work_table('prop_trading_model.refresh_accounts');
    if may_append then
        insert into prop_trading_model.refresh_accounts (account_id, appended)
        select
            k.account_id,
            coalesce(
                a.last_trade_date < k.first_day and r.same_login
                and date_trunc('month', k.first_day::timestamp) = date_trunc('month', k.last_day::timestamp), false
            )
        from (
            select account_id, min(trade_date) as first_day, max(trade_date) as last_day
            from prop_trading_model.refresh_keys group by account_id
        ) as k
        left join prop_trading_model.rollup_account as a on a.account_id = k.account_id
        left join (
            select account_id, bool_and(same_login) as same_login from prop_trading_model.refresh_rows group by account_id
        ) as r on r.account_id = k.account_id;
    else
        insert into prop_trading_model.refresh_accounts (account_id, appended)
        select distinct account_id, false from prop_trading_model.refresh_keys;
    end if;
    analyze prop_trading_model.refresh_accounts;
end
$$;
