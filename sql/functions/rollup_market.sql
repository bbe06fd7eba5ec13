-- rollup_market_day and rollup_symbol_day, recomputed from rollup_account_symbol_day for the days that are given.

create or replace function prop_trading_model.refresh_market_day(days date[]) returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    written bigint;
begin
    with account_day as (
        select
            trade_date, account_id,
            sum(trades) as trades, sum(wins) as wins, sum(losses) as losses,
            sum(gross_profit) as gross_profit, sum(gross_loss) as gross_loss, sum(net) as net,
            sum(volume) as volume, sum(lots) as lots
        from prop_trading_model.rollup_account_symbol_day
        where trade_date = any (days)
        group by trade_date, account_id
    ),
    fresh as materialized (
        select
            trade_date, accounts, profitable_accounts, losing_accounts, trades, wins, losses, gross_profit, gross_loss,
            net, net_squares, nets[cardinality(nets)] as net_max, nets[1] as net_min,
            prop_trading_model.quantile(nets, 0.25) as net_q1,
            prop_trading_model.quantile(nets, 0.5) as net_median,
            prop_trading_model.quantile(nets, 0.75) as net_q3,
            volume, lots
        from (
            select
                trade_date, count(*) as accounts,
                count(*) filter (where net > 0) as profitable_accounts,
                count(*) filter (where net < 0) as losing_accounts,
                sum(trades)::bigint as trades, sum(wins)::bigint as wins, sum(losses)::bigint as losses,
                sum(gross_profit) as gross_profit, sum(gross_loss) as gross_loss,
                sum(net) as net, sum(net * net) as net_squares, array_agg(net order by net) as nets,
                sum(volume) as volume, sum(lots) as lots
            from account_day
            group by trade_date
        ) as of_day
    ),
    gone as (
        delete from prop_trading_model.rollup_market_day as r
        where r.trade_date = any (days) and not exists (select from fresh as f where f.trade_date = r.trade_date)
        returning 1
    ),
    written as (
        insert into prop_trading_model.rollup_market_day as r
        select * from fresh
        on conflict (trade_date) do update set
            accounts = excluded.accounts, profitable_accounts = excluded.profitable_accounts,
            losing_accounts = excluded.losing_accounts, trades = excluded.trades, wins = excluded.wins,
            losses = excluded.losses, gross_profit = excluded.gross_profit, gross_loss = excluded.gross_loss,
            net = excluded.net, net_squares = excluded.net_squares, net_max = excluded.net_max,
            net_min = excluded.net_min, net_q1 = excluded.net_q1, net_median = excluded.net_median,
            net_q3 = excluded.net_q3, volume = excluded.volume, lots = excluded.lots
        where r is distinct from excluded
        returning 1
    )
    select (select count(*) from gone) + (select count(*) from written) into written;
    return written;
end
$$;

create or replace function prop_trading_model.refresh_symbol_day(days date[]) returns bigint
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    written bigint;
begin
    with fresh as materialized (
        select
            trade_date, symbol_key,
            sum(trades)::bigint as trades, sum(wins)::bigint as wins, sum(losses)::bigint as losses,
            sum(gross_profit) as gross_profit, sum(gross_loss) as gross_loss, sum(net) as net,
            sum(profits)::bigint as profits, sum(profit_squares) as profit_squares,
            max(profit_max) as profit_max, min(profit_min) as profit_min,
            sum(volume) as volume, sum(lots) as lots,
            sum(duration_us) as duration_us, sum(durations)::bigint as durations
        from prop_trading_model.rollup_account_symbol_day
        where trade_date = any (days)
        group by trade_date, symbol_key
    ),
    gone as (
        delete from prop_trading_model.rollup_symbol_day as r
        where r.trade_date = any (days)
            and not exists (select from fresh as f where f.trade_date = r.trade_date and f.symbol_key = r.symbol_key)
        returning 1
    ),
    written as (
        insert into prop_trading_model.rollup_symbol_day as r
        select * from fresh
        on conflict (trade_date, symbol_key) do update set
            trades = excluded.trades, wins = excluded.wins, losses = excluded.losses,
            gross_profit = excluded.gross_profit, gross_loss = excluded.gross_loss, net = excluded.net,
            profits = excluded.profits, profit_squares = excluded.profit_squares,
            profit_max = excluded.profit_max, profit_min = excluded.profit_min,
            volume = excluded.volume, lots = excluded.lots,
            duration_us = excluded.duration_us, durations = excluded.durations
        where r is distinct from excluded
        returning 1
    )
    select (select count(*) from gone) + (select count(*) from written) into written;
    return written;
end
$$;
