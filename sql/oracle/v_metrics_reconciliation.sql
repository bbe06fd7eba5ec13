-- Where metrics and trades disagree, from nothing but raw rows: each figure of each side on a line of its own. Trades of a
-- year whose metrics are in an archive can be compared with nothing and are left out.
with metrics as (
    select distinct on (account_id, date) * from prop_trading_model.raw_metrics_daily
    where extract(year from date) not in (
        select extract(year from lower) from prop_trading_model.partition_state
        where parent_table = 'raw_metrics_daily' and state <> 'hot'
    )
    order by account_id, date, ingestion_timestamp desc nulls last, id desc
),
trades as (
    select account_id, trade_date as date,
        sum(coalesce(profit, 0)) + sum(coalesce(commission, 0)) + sum(coalesce(swap, 0)) as net_profit,
        sum(case when profit > 0 then profit else 0 end) as gross_profit,
        sum(case when profit < 0 then profit else 0 end) as gross_loss,
        count(*)::numeric as total_trades,
        sum(case when profit > 0 then 1 else 0 end)::numeric as winning_trades,
        sum(case when profit < 0 then 1 else 0 end)::numeric as losing_trades,
        sum(coalesce(lots, 0)) as lots_traded, sum(coalesce(volume_usd, 0)) as volume_traded
    from prop_trading_model.raw_trades_closed
    where extract(year from trade_date) not in (
        select extract(year from lower) from prop_trading_model.partition_state
        where parent_table = 'raw_metrics_daily' and state <> 'hot'
    )
    group by 1, 2
),
said as (
    select account_id, date, figure, value
    from metrics as m cross join lateral (values
        (1, 'net_profit', m.net_profit), (2, 'gross_profit', m.gross_profit), (3, 'gross_loss', m.gross_loss),
        (4, 'total_trades', m.total_trades), (5, 'winning_trades', m.winning_trades), (6, 'losing_trades', m.losing_trades),
        (7, 'lots_traded', m.lots_traded), (8, 'volume_traded', m.volume_traded)
    ) as figures (place, figure, value)
),
true_figures as (
    select account_id, date, place, figure, value
    from trades as t cross join lateral (values
        (1, 'net_profit', t.net_profit), (2, 'gross_profit', t.gross_profit), (3, 'gross_loss', t.gross_loss),
        (4, 'total_trades', t.total_trades), (5, 'winning_trades', t.winning_trades), (6, 'losing_trades', t.losing_trades),
        (7, 'lots_traded', t.lots_traded), (8, 'volume_traded', t.volume_traded)
    ) as figures (place, figure, value)
)
select s.account_id, s.date,
    case when not exists (select from trades as t where t.account_id = s.account_id and t.date = s.date) then 'metrics' end,
    array_agg(s.figure order by array_position(array['net_profit', 'gross_profit', 'gross_loss', 'total_trades',
        'winning_trades', 'losing_trades', 'lots_traded', 'volume_traded'], s.figure))
from said as s left join true_figures as t using (account_id, date, figure)
where s.value <> coalesce(t.value, 0)
group by 1, 2
union all
select account_id, date, 'trades', '{}' from trades as t
where not exists (select from metrics as m where m.account_id = t.account_id and m.date = t.date)
