-- What the running refresh works on. Only the holder of the refresh lock touches these tables; they hold nothing that has to
-- survive a crash. They are tables so that the planner knows how many rows there are: a guess can be off by thousands.
-- Invariant: outside a refresh nobody reads them.

-- The account-days that are recomputed,
create unlogged table if not exists prop_trading_model.refresh_keys (
    account_id varchar(255) not null,
    trade_date date not null
);

-- and their accounts. Of one that is appended to, all its account-days lie after its last day so far and in one month, and
-- every trade has the login that it has.
create unlogged table if not exists prop_trading_model.refresh_accounts (
    account_id varchar(255) not null,
    appended boolean not null
);

-- Their rows of rollup_account_symbol_day as they were before,
create unlogged table if not exists prop_trading_model.refresh_before (
    like prop_trading_model.rollup_account_symbol_day
);

-- as they are now, and whether all trades of one have the login that the account had; and the keys of those that are no more.
create unlogged table if not exists prop_trading_model.refresh_rows (
    like prop_trading_model.rollup_account_symbol_day,
    same_login boolean
);
create unlogged table if not exists prop_trading_model.refresh_gone (
    account_id varchar(255) not null,
    trade_date date not null,
    symbol_key varchar(50) not null
);

-- Their sums by day and symbol, before (sign -1) and after (sign 1),
create unlogged table if not exists prop_trading_model.refresh_symbol_days (
    sign integer not null,
    like prop_trading_model.rollup_symbol_day
);

-- and by account and day, before and after.
create unlogged table if not exists prop_trading_model.refresh_account_days (
    sign integer not null,
    account_id varchar(255) not null,
    trade_date date not null,
    trades bigint not null,
    wins bigint not null,
    losses bigint not null,
    gross_profit numeric not null,
    gross_loss numeric not null,
    net numeric not null
);

-- The account-months that are appended to: of the new days alone.
create unlogged table if not exists prop_trading_model.refresh_appended (
    like prop_trading_model.rollup_account_month
);

-- Accounts whose rows of rollup_account_recent move, and by how much, favorite_trades by the symbol that is the favorite so far; or
-- that are recomputed, without a sum.
create unlogged table if not exists prop_trading_model.refresh_recent (
    account_id varchar(255) not null,
    trades bigint,
    wins bigint,
    net numeric,
    days bigint,
    trades_7d bigint,
    wins_7d bigint,
    net_7d numeric,
    lots numeric,
    lots_counted bigint,
    lots_squares numeric,
    volume numeric,
    volumes bigint,
    buys bigint,
    stop_losses bigint,
    take_profits bigint,
    favorite_trades bigint
);
