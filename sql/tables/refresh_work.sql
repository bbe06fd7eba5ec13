-- What the running refresh works on. Only the holder of the refresh lock touches these tables; they hold nothing that has to
-- survive a crash. They are tables so that the planner knows how many rows there are: a guess can be off by thousands.
-- Invariant: outside a refresh nobody reads them.

-- The account-days that are recomputed:
create unlogged table if not exists prop_trading_model.refresh_keys (
    account_id varchar(255) not null,
    trade_date date not null
);

-- their rows of rollup_account_symbol_day as they are now, and the keys of those that are no more:
create unlogged table if not exists prop_trading_model.refresh_rows (
    like prop_trading_model.rollup_account_symbol_day
);
create unlogged table if not exists prop_trading_model.refresh_gone (
    account_id varchar(255) not null,
    trade_date date not null,
    symbol_key varchar(50) not null
);

-- and their sums by day and symbol, before (sign -1) and after (sign 1).
create unlogged table if not exists prop_trading_model.refresh_symbol_days (
    sign integer not null,
    like prop_trading_model.rollup_symbol_day
);

-- The nets of the account-days, before and after.
create unlogged table if not exists prop_trading_model.refresh_nets (
    sign integer not null,
    like prop_trading_model.rollup_account_day_net
);
