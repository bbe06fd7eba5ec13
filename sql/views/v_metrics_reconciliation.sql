-- Account-days on which the newest daily metrics of the API and the trades disagree, with both figures.
-- Invariant: one row an account-day with at least one figure that differs, to the cent, and none else. The trades' figures
-- are those of this moment: of the rollup, and of the raw rows for what no refresh has taken yet. No trade means 0; a figure
-- that the metrics leave empty claims nothing and is not compared. only_in says which side alone has the account-day; of
-- metrics without trades that is told only if they claim something other than 0.
-- Days of a year whose metrics are in the archive, or on the way, are left out: one of the two sides is not there. Months of
-- trades that are in the archive are compared like the others, as the rollup keeps them.
-- A condition on account_id or date reaches the tables under it: both are keys of every grouping here.

create or replace view prop_trading_model.v_metrics_reconciliation as
with days as (
    select m.account_id, m.date, true as of_metrics, m.net_profit, m.gross_profit, m.gross_loss,
        m.total_trades::bigint as trades, m.winning_trades::bigint as wins, m.losing_trades::bigint as losses,
        m.lots_traded as lots, m.volume_traded as volume
    from prop_trading_model.latest_metrics_daily as m
    union all
    select r.account_id, r.trade_date, false, sum(r.net), sum(r.gross_profit), sum(r.gross_loss),
        sum(r.trades)::bigint, sum(r.wins)::bigint, sum(r.losses)::bigint, sum(r.lots), sum(r.volume)
    from prop_trading_model.rollup_account_symbol_day as r
    where not exists (
            select from prop_trading_model.pending_account_days as k
            where k.account_id = r.account_id and k.trade_date = r.trade_date
        )
        and not exists (
            select from prop_trading_model.pending_stretches as p where r.trade_date >= p.lower and r.trade_date < p.upper
        )
    group by r.account_id, r.trade_date
    union all
    select t.account_id, t.trade_date, false,
        sum(coalesce(t.profit, 0) + coalesce(t.commission, 0) + coalesce(t.swap, 0)),
        coalesce(sum(t.profit) filter (where t.profit > 0), 0), coalesce(sum(t.profit) filter (where t.profit < 0), 0),
        count(*), count(*) filter (where t.profit > 0), count(*) filter (where t.profit < 0),
        coalesce(sum(t.lots), 0), coalesce(sum(t.volume_usd), 0)
    from (
        select k.account_id, k.trade_date from prop_trading_model.pending_account_days as k
        where not exists (
            select from prop_trading_model.pending_stretches as p where k.trade_date >= p.lower and k.trade_date < p.upper
        )
    ) as waiting
    join prop_trading_model.raw_trades_closed as t
        on t.account_id = waiting.account_id and t.trade_date = waiting.trade_date
    group by t.account_id, t.trade_date
    union all
    select t.account_id, t.trade_date, false,
        sum(coalesce(t.profit, 0) + coalesce(t.commission, 0) + coalesce(t.swap, 0)),
        coalesce(sum(t.profit) filter (where t.profit > 0), 0), coalesce(sum(t.profit) filter (where t.profit < 0), 0),
        count(*), count(*) filter (where t.profit > 0), count(*) filter (where t.profit < 0),
        coalesce(sum(t.lots), 0), coalesce(sum(t.volume_usd), 0)
    from prop_trading_model.pending_stretches as waiting
    join prop_trading_model.raw_trades_closed as t on t.trade_date >= waiting.lower and t.trade_date < waiting.upper
    group by t.account_id, t.trade_date
),
figures as (
    select d.account_id, d.date,
        case when not bool_or(d.of_metrics) then 'trades' when bool_and(d.of_metrics) then 'metrics' end as only_in,
        max(d.net_profit) filter (where d.of_metrics) as metrics_net_profit,
        coalesce(max(d.net_profit) filter (where not d.of_metrics), 0) as trades_net_profit,
        max(d.gross_profit) filter (where d.of_metrics) as metrics_gross_profit,
        coalesce(max(d.gross_profit) filter (where not d.of_metrics), 0) as trades_gross_profit,
        max(d.gross_loss) filter (where d.of_metrics) as metrics_gross_loss,
        coalesce(max(d.gross_loss) filter (where not d.of_metrics), 0) as trades_gross_loss,
        max(d.trades) filter (where d.of_metrics) as metrics_total_trades,
        coalesce(max(d.trades) filter (where not d.of_metrics), 0) as trades_total_trades,
        max(d.wins) filter (where d.of_metrics) as metrics_winning_trades,
        coalesce(max(d.wins) filter (where not d.of_metrics), 0) as trades_winning_trades,
        max(d.losses) filter (where d.of_metrics) as metrics_losing_trades,
        coalesce(max(d.losses) filter (where not d.of_metrics), 0) as trades_losing_trades,
        max(d.lots) filter (where d.of_metrics) as metrics_lots_traded,
        coalesce(max(d.lots) filter (where not d.of_metrics), 0) as trades_lots_traded,
        max(d.volume) filter (where d.of_metrics) as metrics_volume_traded,
        coalesce(max(d.volume) filter (where not d.of_metrics), 0) as trades_volume_traded
    from days as d
    group by d.account_id, d.date
)
select f.account_id, f.date, f.only_in, compared.differs,
    f.metrics_net_profit, f.trades_net_profit, f.metrics_gross_profit, f.trades_gross_profit,
    f.metrics_gross_loss, f.trades_gross_loss, f.metrics_total_trades, f.trades_total_trades,
    f.metrics_winning_trades, f.trades_winning_trades, f.metrics_losing_trades, f.trades_losing_trades,
    f.metrics_lots_traded, f.trades_lots_traded, f.metrics_volume_traded, f.trades_volume_traded
from figures as f
cross join lateral (
    select array_remove(array[
        case when f.metrics_net_profit <> f.trades_net_profit then 'net_profit' end,
        case when f.metrics_gross_profit <> f.trades_gross_profit then 'gross_profit' end,
        case when f.metrics_gross_loss <> f.trades_gross_loss then 'gross_loss' end,
        case when f.metrics_total_trades <> f.trades_total_trades then 'total_trades' end,
        case when f.metrics_winning_trades <> f.trades_winning_trades then 'winning_trades' end,
        case when f.metrics_losing_trades <> f.trades_losing_trades then 'losing_trades' end,
        case when f.metrics_lots_traded <> f.trades_lots_traded then 'lots_traded' end,
        case when f.metrics_volume_traded <> f.trades_volume_traded then 'volume_traded' end
    ], null) as differs
) as compared
where (f.only_in is not distinct from 'trades' or compared.differs <> '{}')
    and not exists (
        select from prop_trading_model.partition_state as s
        where s.parent_table = 'raw_metrics_daily' and s.state <> 'hot'
            and s.lower = date_trunc('year', f.date::timestamp)::date
    );
