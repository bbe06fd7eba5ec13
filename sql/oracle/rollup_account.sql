-- What rollup_account must hold, from the raw trades alone. The newest trade is the one of the latest trade_date, of these
-- the one that closed last, of these the one inserted last.
with account_day as (
    select
        account_id, trade_date,
        count(*) as trades,
        sum(case when profit > 0 then 1 else 0 end) as wins,
        sum(case when profit < 0 then 1 else 0 end) as losses,
        sum(greatest(coalesce(profit, 0), 0)) as gross_profit,
        sum(least(coalesce(profit, 0), 0)) as gross_loss,
        sum(coalesce(profit, 0) + coalesce(commission, 0) + coalesce(swap, 0)) as net
    from prop_trading_model.raw_trades_closed
    group by account_id, trade_date
),
levels as (
    select *, sum(net) over (partition by account_id order by trade_date) as level from account_day
),
peaks as (
    select *, greatest(0, max(level) over (partition by account_id order by trade_date)) as peak from levels
),
logins as (
    select account_id, login
    from (
        select account_id, login, row_number() over (
            partition by account_id order by trade_date desc, close_time desc nulls last, id desc, trade_id desc
        ) as place
        from prop_trading_model.raw_trades_closed
    ) as newest_first
    where place = 1
)
select
    p.account_id,
    l.login,
    sum(p.trades) as trades,
    sum(p.wins) as wins,
    sum(p.losses) as losses,
    sum(p.gross_profit) as gross_profit,
    sum(p.gross_loss) as gross_loss,
    sum(p.net) as net,
    sum(p.net * p.net) as net_squares,
    count(*) as active_days,
    max(p.peak - p.level) as max_drawdown,
    max(p.peak) as peak,
    min(p.trade_date) as first_trade_date,
    max(p.trade_date) as last_trade_date
from peaks as p join logins as l on l.account_id = p.account_id
group by p.account_id, l.login
