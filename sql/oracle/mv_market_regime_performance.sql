-- What mv_market_regime_performance must hold, from the raw regimes and trades alone.
with regime as (
    select * from (
        select
            date, summary,
            row_number() over (partition by date order by ingestion_timestamp desc nulls last, id desc) as place
        from prop_trading_model.raw_regimes_daily
    ) as newest_first
    where place = 1
),
account_day as (
    select
        account_id, trade_date,
        count(*) as trades,
        sum(case when profit > 0 then 1 else 0 end) as wins,
        sum(coalesce(profit, 0) + coalesce(commission, 0) + coalesce(swap, 0)) as net,
        sum(coalesce(volume_usd, 0)) as volume
    from prop_trading_model.raw_trades_closed
    group by account_id, trade_date
),
placed as (
    select
        *,
        row_number() over (partition by trade_date order by net) - 1 as place,
        count(*) over (partition by trade_date) - 1 as last_place
    from account_day
)
select
    r.date,
    r.summary ->> 'market_sentiment' as market_sentiment,
    r.summary ->> 'volatility_regime' as volatility_regime,
    r.summary ->> 'liquidity_state' as liquidity_state,
    count(p.account_id) as active_accounts,
    coalesce(sum(p.trades), 0) as total_trades,
    coalesce(sum(p.net), 0) as total_profit,
    round(avg(p.net), 6) as avg_profit,
    round(stddev_samp(p.net), 6) as profit_stddev,
    round(100 * sum(p.wins) / sum(p.trades), 6) as win_rate,
    coalesce(sum(p.volume), 0) as total_volume,
    round(sum(p.net * greatest(0, 1 - abs(p.place - 0.50 * p.last_place))), 6) as median_profit,
    count(case when p.net > 0 then 1 end) as profitable_accounts
from regime as r left join placed as p on p.trade_date = r.date
group by r.date, r.summary
