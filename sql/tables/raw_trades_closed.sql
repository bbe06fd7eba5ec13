-- The closed trades, one row a trade, partitioned by month of trade_date.
-- Invariant: (account_id, trade_date, trade_id) is unique; every row passes the checks; every write leaves its
-- account-days in changed_account_days (triggers in functions/changes.sql, on the parent and on every leaf).
-- There is no DEFAULT partition: a row outside the months that exist is refused and nothing is lost.

create sequence if not exists prop_trading_model.raw_trades_closed_id_seq as bigint;

create table if not exists prop_trading_model.raw_trades_closed (
    id bigint not null default nextval('prop_trading_model.raw_trades_closed_id_seq'),
    trade_id varchar(255) not null,
    account_id varchar(255) not null,
    login varchar(255) not null,
    symbol varchar(50),
    std_symbol varchar(50),
    side varchar(10),
    open_time timestamp,
    close_time timestamp,
    trade_date date not null,
    open_price numeric(18,6),
    close_price numeric(18,6),
    stop_loss numeric(18,6),
    take_profit numeric(18,6),
    lots numeric(18,4),
    volume_usd numeric(18,2),
    profit numeric(18,2),
    commission numeric(18,2),
    swap numeric(18,2),
    ingestion_timestamp timestamp default (now() at time zone 'utc'),
    source_api_endpoint varchar(500),
    load_batch_id bigint,
    primary key (account_id, trade_date, trade_id),
    constraint side_known check (lower(side) in ('buy', 'sell')),
    constraint times_in_order check (close_time >= open_time),
    constraint prices_positive check (open_price > 0 and close_price > 0 and stop_loss > 0 and take_profit > 0),
    constraint lots_positive check (lots > 0),
    constraint volume_not_negative check (volume_usd >= 0),
    constraint numbers_finite check (not ('NaN' in (
        open_price, close_price, stop_loss, take_profit, lots, volume_usd,
        profit, commission, swap))),
    constraint times_finite check (isfinite(open_time) and isfinite(close_time) and isfinite(trade_date) and
        isfinite(ingestion_timestamp))
) partition by range (trade_date);

alter sequence prop_trading_model.raw_trades_closed_id_seq owned by prop_trading_model.raw_trades_closed.id;

-- Beside the key, one BRIN: day and time ranges, and ids, which grow with time. It has to be summarized after loads.
create index if not exists raw_trades_closed_brin
    on prop_trading_model.raw_trades_closed using brin (trade_date, close_time, id) with (autosummarize = on);
