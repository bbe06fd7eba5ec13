-- The open positions, one row a position as last seen.
-- Invariant: (account_id, trade_id) is unique.

create table if not exists prop_trading_model.raw_trades_open (
    id serial primary key,
    trade_id varchar(255) not null,
    account_id varchar(255) not null,
    login varchar(255) not null,
    symbol varchar(50),
    std_symbol varchar(50),
    side varchar(10),
    open_time timestamp,
    trade_date date,
    open_price numeric(18,6),
    current_price numeric(18,6),
    stop_loss numeric(18,6),
    take_profit numeric(18,6),
    lots numeric(18,4),
    volume_usd numeric(18,2),
    unrealized_pnl numeric(18,2),
    commission numeric(18,2),
    swap numeric(18,2),
    ingestion_timestamp timestamp default (now() at time zone 'utc'),
    source_api_endpoint varchar(500),
    load_batch_id bigint,
    unique (account_id, trade_id),
    constraint side_known check (lower(side) in ('buy', 'sell')),
    constraint prices_positive check (open_price > 0 and current_price > 0 and stop_loss > 0 and take_profit > 0),
    constraint lots_positive check (lots > 0),
    constraint volume_not_negative check (volume_usd >= 0),
    constraint numbers_finite check (not ('NaN' in (
        open_price, current_price, stop_loss, take_profit, lots, volume_usd,
        unrealized_pnl, commission, swap))),
    constraint times_finite check (isfinite(open_time) and isfinite(trade_date) and isfinite(ingestion_timestamp))
);

create index if not exists idx_raw_trades_open_trade_date
    on prop_trading_model.raw_trades_open (trade_date);
