-- What the rollups do not show yet: the account-days in the log, and whole months to be read from the raw trades.
-- Invariant: whatever was committed and differs from the rollups lies in one of the two. Months in an archive are in
-- neither: their rollups stay as they are.

create or replace view prop_trading_model.pending_account_days as
select distinct c.account_id, c.trade_date
from prop_trading_model.changed_account_days as c
where not exists (
    select from prop_trading_model.month_state as s
    where s.state <> 'hot' and s.month = date_trunc('month', c.trade_date::timestamp)::date
);

-- Marked months, and those of leaves that no refresh has seen, as stretches [lower, upper) of whole months that do not
-- overlap; infinite where a leaf's bound is open.
create or replace view prop_trading_model.pending_stretches as
select lower(stretch) as lower, upper(stretch) as upper
from (
    select unnest(
        range_agg(daterange(
            date_trunc('month', marked.lower::timestamp)::date,
            (date_trunc('month', marked.upper::timestamp - interval '1 day') + interval '1 month')::date
        ))
        - coalesce((
            select range_agg(daterange(s.month, (s.month + interval '1 month')::date))
            from prop_trading_model.month_state as s where s.state <> 'hot'
        ), '{}')
    ) as stretch
    from (
        select m.month as lower, (m.month + interval '1 month')::date as upper from prop_trading_model.changed_months as m
        union all
        select c.lower, c.upper from prop_trading_model.changed_leaves() as c
    ) as marked
) as stretches;
