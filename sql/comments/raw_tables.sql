-- What the raw tables and their columns hold. Money is in the one reporting currency, times are UTC.
-- Invariant: every column has a comment.

call prop_trading_model.describe(array[
    ['prop_trading_model.raw_trades_closed', 'Closed trades, one row a trade, partitioned by month of trade_date. Feed trades.'],
    ['prop_trading_model.raw_trades_open', 'Open positions, one row a position as last seen. Feed open_trades.'],
    ['prop_trading_model.raw_metrics_daily', 'What the trading API counted for each account and day, partitioned by year; history is kept, the newest counts (latest_metrics_daily). Feed daily_metrics.'],
    ['prop_trading_model.raw_metrics_hourly', 'What the trading API counted for each account and hour; history is kept. Feed hourly_metrics.'],
    ['prop_trading_model.raw_metrics_alltime', 'What the trading API counted for each account''s whole life; history is kept. Feed alltime_metrics.'],
    ['prop_trading_model.raw_accounts_data', 'Snapshots of accounts; history is kept, the newest counts (latest_accounts). Feed accounts.'],
    ['prop_trading_model.raw_plans_data', 'Snapshots of plans, the rules that accounts trade under; history is kept, the newest counts (latest_plans). Feed plans.'],
    ['prop_trading_model.raw_regimes_daily', 'The market''s regime of each date, as documents; history is kept, the newest counts (latest_regimes_daily). Feed regimes.']
]);

-- What every raw table has.
call prop_trading_model.describe_columns(
    array[
        'prop_trading_model.raw_trades_closed', 'prop_trading_model.raw_trades_open', 'prop_trading_model.raw_metrics_daily',
        'prop_trading_model.raw_metrics_hourly', 'prop_trading_model.raw_metrics_alltime', 'prop_trading_model.raw_accounts_data',
        'prop_trading_model.raw_plans_data', 'prop_trading_model.raw_regimes_daily'
    ]::regclass[],
    array[
        ['id', 'Counts up with each row that is written; no key of the feed.'],
        ['login', 'The account''s login at the trading platform; may change while account_id stays.'],
        ['ingestion_timestamp', 'When the row was taken in, UTC.'],
        ['source_api_endpoint', 'Where the row was fetched from, as the source says.'],
        ['load_batch_id', 'The batch that wrote the row (load_batches); null: another client did.']
    ]
);

call prop_trading_model.describe_columns(
    array['prop_trading_model.raw_trades_closed', 'prop_trading_model.raw_trades_open']::regclass[],
    array[
        ['trade_id', 'The trade''s id, unique within its account.'],
        ['account_id', 'The account that traded.'],
        ['symbol', 'The instrument as the broker calls it.'],
        ['std_symbol', 'The instrument''s standard name; a load takes symbol where it is missing.'],
        ['side', 'buy or sell; loads write it in lower case.'],
        ['open_time', 'When the position was opened, UTC.'],
        ['open_price', 'Price at which the position was opened.'],
        ['stop_loss', 'Price at which the position is closed to limit its loss; null: none.'],
        ['take_profit', 'Price at which the position is closed to take its profit; null: none.'],
        ['lots', 'Size in lots.'],
        ['volume_usd', 'Size in USD.'],
        ['commission', 'Commission; a cost is negative. Missing counts as 0.'],
        ['swap', 'Interest for holding overnight; a cost is negative. Missing counts as 0.']
    ]
);

call prop_trading_model.describe_columns(array['prop_trading_model.raw_trades_closed']::regclass[], array[
    ['close_time', 'When the position was closed, UTC.'],
    ['trade_date', 'The trading day: the date of close_time, by the feed''s zone and day cut-off. It decides the partition.'],
    ['close_price', 'Price at which the position was closed.'],
    ['profit', 'Profit of the price''s move, without commission and swap. Above 0 a win, below 0 a loss.']
]);

call prop_trading_model.describe_columns(array['prop_trading_model.raw_trades_open']::regclass[], array[
    ['trade_date', 'The day on which the position was opened.'],
    ['current_price', 'Price when the snapshot was taken.'],
    ['unrealized_pnl', 'Profit if the position were closed at current_price, without commission and swap.']
]);

call prop_trading_model.describe_columns(
    array[
        'prop_trading_model.raw_metrics_daily', 'prop_trading_model.raw_metrics_hourly', 'prop_trading_model.raw_metrics_alltime'
    ]::regclass[],
    array[
        ['account_id', 'The account that the figures are of.'],
        ['date', 'The day that the figures are of.'],
        ['hour', 'The hour of the day that the figures are of, 0 to 23.'],
        ['net_profit', 'Profit + commission + swap of the period''s closed trades, as the API counts.'],
        ['gross_profit', 'Sum of the profit of winning trades, 0 or more.'],
        ['gross_loss', 'Sum of the profit of losing trades, 0 or less.'],
        ['total_trades', 'Trades closed in the period.'],
        ['winning_trades', 'Of these, those with a profit above 0.'],
        ['losing_trades', 'Of these, those with a profit below 0.'],
        ['win_rate', '100 x winning_trades / total_trades, 0 to 100, as the API rounds.'],
        ['profit_factor', 'gross_profit / |gross_loss|, as the API rounds.'],
        ['lots_traded', 'Lots of the period''s closed trades.'],
        ['volume_traded', 'Volume of the period''s closed trades, USD.'],
        ['commission', 'Commission of the period''s closed trades; a cost is negative.'],
        ['swap', 'Swap of the period''s closed trades; a cost is negative.'],
        ['balance_start', 'Balance when the day began.'],
        ['balance_end', 'Balance when the day ended.'],
        ['equity_start', 'Balance and open positions when the day began.'],
        ['equity_end', 'Balance and open positions when the day ended.'],
        ['average_win', 'Mean profit of a winning trade.'],
        ['average_loss', 'Mean profit of a losing trade.'],
        ['average_rrr', 'Mean ratio of reward to risk.'],
        ['expectancy', 'Expected profit of a trade.'],
        ['sharpe_ratio', 'Mean over deviation of returns, as the API counts.'],
        ['sortino_ratio', 'Mean over downside deviation of returns, as the API counts.'],
        ['max_drawdown', 'Largest fall of the balance from its peak.'],
        ['max_drawdown_pct', 'Largest fall of the balance from its peak, percent.']
    ]
);

call prop_trading_model.describe_columns(
    array['prop_trading_model.raw_accounts_data', 'prop_trading_model.raw_plans_data']::regclass[],
    array[
        ['plan_id', 'The plan that the account trades under.'],
        ['starting_balance', 'Balance that the account begins with.'],
        ['profit_target_pct', 'Profit to be reached, percent of the starting balance.'],
        ['max_daily_drawdown_pct', 'Largest loss allowed within a day, percent.'],
        ['max_drawdown_pct', 'Largest loss allowed over the account''s life, percent.'],
        ['max_leverage', 'Largest leverage allowed.'],
        ['is_drawdown_relative', 'Whether drawdown counts from the peak instead of from the starting balance.']
    ]
);

call prop_trading_model.describe_columns(array['prop_trading_model.raw_accounts_data']::regclass[], array[
    ['account_id', 'The account that the snapshot is of.'],
    ['trader_id', 'The person who trades the account.'],
    ['current_balance', 'Balance when the snapshot was taken.'],
    ['current_equity', 'Balance and open positions when the snapshot was taken.'],
    ['breached', 'Whether the account has broken a rule of its plan: 1 or 0.'],
    ['is_upgraded', 'Whether the account came from an earlier phase: 1 or 0.'],
    ['phase', 'Phase 1, Phase 2, Funded or Demo.'],
    ['status', 'Active, Inactive, Breached or Passed.'],
    ['created_at', 'When the account was made, UTC, as the source says.'],
    ['updated_at', 'When the account was last changed, UTC, as the source says.']
]);

call prop_trading_model.describe_columns(array['prop_trading_model.raw_plans_data']::regclass[], array[
    ['plan_name', 'The plan''s name.'],
    ['plan_type', 'The plan''s kind.'],
    ['profit_target', 'Profit to be reached, money.'],
    ['max_drawdown', 'Largest loss allowed over the account''s life, money.'],
    ['max_daily_drawdown', 'Largest loss allowed within a day, money.'],
    ['min_trading_days', 'Days that have to be traded at least.'],
    ['max_trading_days', 'Days within which the target has to be reached.'],
    ['profit_split_pct', 'The trader''s share of the profit, percent.']
]);

call prop_trading_model.describe_columns(array['prop_trading_model.raw_regimes_daily']::regclass[], array[
    ['date', 'The date that the regime is of.'],
    ['market_news', 'The day''s news.'],
    ['instruments', 'Figures by instrument.'],
    ['country_economic_indicators', 'Economic indicators by country.'],
    ['news_analysis', 'What was made of the news.'],
    ['summary', 'The regime itself: market_sentiment, volatility_regime, liquidity_state.'],
    ['vector_daily_regime', 'The regime as a vector for models.'],
    ['created_at', 'When the document was made, UTC, as the source says.'],
    ['updated_at', 'When the document was last changed, UTC, as the source says.']
]);
