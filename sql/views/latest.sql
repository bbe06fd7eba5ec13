-- The newest snapshot of each account, plan, account-day of metrics and regime.
-- Invariant: one row a key; of equal timestamps the row inserted last counts.

create or replace view prop_trading_model.latest_accounts as
select distinct on (account_id) *
from prop_trading_model.raw_accounts_data
order by account_id, ingestion_timestamp desc nulls last, id desc;

create or replace view prop_trading_model.latest_plans as
select distinct on (plan_id) *
from prop_trading_model.raw_plans_data
order by plan_id, ingestion_timestamp desc nulls last, id desc;

create or replace view prop_trading_model.latest_metrics_daily as
select distinct on (account_id, date) *
from prop_trading_model.raw_metrics_daily
order by account_id, date, ingestion_timestamp desc nulls last, id desc;

create or replace view prop_trading_model.latest_regimes_daily as
select distinct on (date) *
from prop_trading_model.raw_regimes_daily
order by date, ingestion_timestamp desc nulls last, id desc;
