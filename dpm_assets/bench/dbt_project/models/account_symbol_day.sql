-- One row an account, day and symbol. A later run looks three days back from the newest day that it has, as is usual:
-- what changes before that is not seen.
{{ config(
    materialized='incremental',
    incremental_strategy='delete+insert',
    unique_key=['account_id', 'trade_date', 'symbol_key'],
    indexes=[{'columns': ['account_id', 'trade_date', 'symbol_key'], 'unique': true}]
) }}
select
    account_id, trade_date, coalesce(std_symbol, symbol, '') as symbol_key,
    count(*) as trades,
    count(*) filter (where profit > 0) as wins,
    count(*) filter (where profit < 0) as losses,
    coalesce(sum(profit) filter (where profit > 0), 0) as gross_profit,
    coalesce(sum(profit) filter (where profit < 0), 0) as gross_loss,
    sum(coalesce(profit, 0) + coalesce(commission, 0) + coalesce(swap, 0)) as net,
    coalesce(sum(lots), 0) as lots,
    coalesce(sum(volume_usd), 0) as volume
from prop_trading_model.raw_trades_closed
where trade_date is not null
{% if is_incremental() %}
    and trade_date >= (select max(trade_date) - 3 from {{ this }})
{% endif %}
group by 1, 2, 3
