-- The rollups: what the views are made from, kept equal to a recomputation from raw_trades_closed by the refresh.
-- Invariant: every measure is exact (integers and numeric sums); none is rounded, so all of them can be merged.
-- Room is left in the pages for the new version of a row that changes, and dead rows are removed early.

-- One row an account, day and symbol; the symbol key is coalesce(std_symbol, symbol, ''). By far the longest rollup, so its rows
-- are kept short: what has a fixed length comes first, so that nothing is padded in between, and counts are integers (no account
-- has 2^31 trades of a symbol on a day), whose sums are bigints.
create table if not exists prop_trading_model.rollup_account_symbol_day (
    trade_date date not null,
    trades integer not null,
    wins integer not null,
    losses integer not null,
    profits integer not null,
    lots_counted integer not null,
    volumes integer not null,
    durations integer not null,
    buys integer not null,
    stop_losses integer not null,
    take_profits integer not null,
    account_id varchar(255) not null,
    symbol_key varchar(50) not null,
    gross_profit numeric not null,
    gross_loss numeric not null,
    net numeric not null,
    profit_squares numeric not null,
    profit_max numeric,
    profit_min numeric,
    lots numeric not null,
    lots_squares numeric not null,
    volume numeric not null,
    duration_us numeric not null,
    primary key (account_id, trade_date, symbol_key)
) partition by range (trade_date);
-- For lookups of a day. An index on trade_date itself would also be thought good for account-days: of a day that came after
-- the last ANALYZE the planner expects one row, and reads all of it for each account. Ask for both: trade_date, which finds
-- the partition, and trade_date + 0.
create index if not exists rollup_account_symbol_day_of_day
    on prop_trading_model.rollup_account_symbol_day ((trade_date + 0), symbol_key);

-- One row an account and month. Drawdown is kept in a form that merges: of the cumulative daily net within the month its
-- highest and lowest point, and the largest fall from an earlier point to a later one.
create table if not exists prop_trading_model.rollup_account_month (
    account_id varchar(255) not null,
    month date not null,
    trades bigint not null,
    wins bigint not null,
    losses bigint not null,
    gross_profit numeric not null,
    gross_loss numeric not null,
    net numeric not null,
    net_squares numeric not null,
    active_days bigint not null,
    highest numeric not null,
    lowest numeric not null,
    largest_fall numeric not null,
    first_trade_date date not null,
    last_trade_date date not null,
    primary key (account_id, month)
) with (fillfactor = 90, autovacuum_vacuum_threshold = 50, autovacuum_vacuum_scale_factor = 0.1);
create index if not exists rollup_account_month_month on prop_trading_model.rollup_account_month (month);

-- One row an account, over its whole life; login is its newest trade's, peak the highest point of its cumulative daily net, which
-- starts at 0.
create table if not exists prop_trading_model.rollup_account (
    account_id varchar(255) primary key,
    login varchar(255),
    trades bigint not null,
    wins bigint not null,
    losses bigint not null,
    gross_profit numeric not null,
    gross_loss numeric not null,
    net numeric not null,
    net_squares numeric not null,
    active_days bigint not null,
    max_drawdown numeric not null,
    peak numeric not null,
    first_trade_date date not null,
    last_trade_date date not null
) with (fillfactor = 90, autovacuum_vacuum_threshold = 50, autovacuum_vacuum_scale_factor = 0.1);

-- One row an account and symbol, over its whole life: who trades what, and until when.
create table if not exists prop_trading_model.rollup_account_symbol (
    account_id varchar(255) not null,
    symbol_key varchar(50) not null,
    last_trade_date date not null,
    primary key (account_id, symbol_key)
) with (fillfactor = 90, autovacuum_vacuum_threshold = 50, autovacuum_vacuum_scale_factor = 0.1);

-- One row an account with trades in the trailing 30 days that end with the day in recent_window. A favorite symbol is the
-- one with most trades, ties by name.
create table if not exists prop_trading_model.rollup_account_recent (
    account_id varchar(255) primary key,
    trades bigint not null,
    wins bigint not null,
    net numeric not null,
    days bigint not null,
    trades_7d bigint not null,
    wins_7d bigint not null,
    net_7d numeric not null,
    symbols bigint not null,
    favorite_symbol varchar(50),
    favorite_trades bigint,
    lots numeric not null,
    lots_counted bigint not null,
    lots_squares numeric not null,
    volume numeric not null,
    volumes bigint not null,
    buys bigint not null,
    stop_losses bigint not null,
    take_profits bigint not null
) with (fillfactor = 90, autovacuum_vacuum_threshold = 50, autovacuum_vacuum_scale_factor = 0.1);

-- One row an account that has a snapshot: what the views show of the newest.
create table if not exists prop_trading_model.rollup_latest_account (
    account_id varchar(255) primary key,
    login varchar(255) not null,
    trader_id varchar(255),
    plan_id varchar(255),
    phase varchar(50),
    status varchar(50),
    starting_balance numeric(18,2),
    current_balance numeric(18,2),
    current_equity numeric(18,2),
    profit_target_pct numeric(5,2),
    max_drawdown_pct numeric(5,2)
) with (fillfactor = 90, autovacuum_vacuum_threshold = 50, autovacuum_vacuum_scale_factor = 0.1);

-- One row a date. Quantiles do not merge: they are found by their places among the day's nets, which are kept, one an account,
-- in order. PostgreSQL stores so long a value beside the table, compressed: who does not ask for it does not read it.
create table if not exists prop_trading_model.rollup_market_day (
    trade_date date primary key,
    accounts bigint not null,
    profitable_accounts bigint not null,
    losing_accounts bigint not null,
    trades bigint not null,
    wins bigint not null,
    losses bigint not null,
    gross_profit numeric not null,
    gross_loss numeric not null,
    net numeric not null,
    net_squares numeric not null,
    net_max numeric not null,
    net_min numeric not null,
    net_q1 numeric not null,
    net_median numeric not null,
    net_q3 numeric not null,
    volume numeric not null,
    lots numeric not null,
    nets numeric[] not null
) with (fillfactor = 90, autovacuum_vacuum_threshold = 50, autovacuum_vacuum_scale_factor = 0.1);

-- One row a date and symbol key.
create table if not exists prop_trading_model.rollup_symbol_day (
    trade_date date not null,
    symbol_key varchar(50) not null,
    trades bigint not null,
    wins bigint not null,
    losses bigint not null,
    gross_profit numeric not null,
    gross_loss numeric not null,
    net numeric not null,
    profits bigint not null,
    profit_squares numeric not null,
    profit_max numeric,
    profit_min numeric,
    volume numeric not null,
    lots numeric not null,
    duration_us numeric not null,
    durations bigint not null,
    primary key (trade_date, symbol_key)
) with (fillfactor = 90, autovacuum_vacuum_threshold = 50, autovacuum_vacuum_scale_factor = 0.1);
