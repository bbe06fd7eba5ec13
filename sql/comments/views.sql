-- What the materialized views, the live views and the views of what is pending show.
-- net = profit + commission + swap, missing ones 0. A win has profit > 0, a loss profit < 0. Averages, deviations, ratios and
-- rates are rounded to 6 places; sums and extremes are exact. Rates are 0 to 100. as_of is as_of_date().
-- Invariant: every column has a comment, a live view's that of its materialized view.

call prop_trading_model.describe(array[
    ['prop_trading_model.mv_daily_trading_stats', 'The whole market, one row a date with trades.'],
    ['prop_trading_model.mv_symbol_performance', 'One row a symbol: its whole life and the 90 days that end with as_of_date().'],
    ['prop_trading_model.mv_account_performance_summary', 'One row an account that is in the accounts or in the trades: balances, whole life, the trailing 30 and 7 days that end with as_of_date(), targets.'],
    ['prop_trading_model.mv_account_trading_patterns', 'One row an account with trades in the 30 days that end with as_of_date(): what and how it trades.'],
    ['prop_trading_model.mv_market_regime_performance', 'One row a date with a market regime, with trades or without: the regime beside the day''s results.'],
    ['prop_trading_model.live_daily_trading_stats', 'mv_daily_trading_stats at the moment of reading: what is pending is in it.'],
    ['prop_trading_model.live_symbol_performance', 'mv_symbol_performance at the moment of reading: what is pending is in it.'],
    ['prop_trading_model.live_account_performance_summary', 'mv_account_performance_summary at the moment of reading: what is pending is in it.'],
    ['prop_trading_model.live_account_trading_patterns', 'mv_account_trading_patterns at the moment of reading: what is pending is in it.'],
    ['prop_trading_model.live_market_regime_performance', 'mv_market_regime_performance at the moment of reading: what is pending is in it.'],
    ['prop_trading_model.live_account', 'rollup_account as a refresh would make it at the moment of reading.'],
    ['prop_trading_model.live_account_symbol', 'rollup_account_symbol as a refresh would make it at the moment of reading.'],
    ['prop_trading_model.live_account_recent', 'rollup_account_recent as a refresh would make it at the moment of reading.'],
    ['prop_trading_model.live_latest_account', 'rollup_latest_account as a refresh would make it at the moment of reading.'],
    ['prop_trading_model.live_account_symbol_day', 'rollup_account_symbol_day as a refresh would make it at the moment of reading.'],
    ['prop_trading_model.live_symbol_day', 'rollup_symbol_day as a refresh would make it at the moment of reading.'],
    ['prop_trading_model.live_market_day', 'rollup_market_day as a refresh would make it at the moment of reading.'],
    ['prop_trading_model.pending_account_days', 'The account-days in the change log that the rollups do not show yet.'],
    ['prop_trading_model.pending_stretches', 'The stretches of whole months that the rollups do not show yet.'],
    ['prop_trading_model.v_metrics_reconciliation', 'Account-days on which the newest daily metrics of the API and the trades disagree, to the cent, with both figures.'],
    ['prop_trading_model.slowest_queries', 'The last day''s statements, the slowest first.'],
    ['prop_trading_model.query_changes', 'Each statement of the last hour beside the seven days before it.'],
    ['prop_trading_model.growing_queries', 'Statements that take longer a call than before, the most additional time first; of a few calls nothing is said.'],
    ['prop_trading_model.newly_slow_queries', 'Statements of at least 100 ms a call that did not run before, or took a third of it.']
]);

call prop_trading_model.describe_columns(
    array[
        'prop_trading_model.mv_daily_trading_stats', 'prop_trading_model.mv_symbol_performance',
        'prop_trading_model.mv_market_regime_performance'
    ]::regclass[],
    array[
        ['date', 'The trading day.'],
        ['active_accounts', 'Accounts with trades on the day.'],
        ['profitable_accounts', 'Accounts whose net of the day is above 0.'],
        ['losing_accounts', 'Accounts whose net of the day is below 0.'],
        ['total_trades', 'Trades.'],
        ['winning_trades', 'Trades with profit > 0.'],
        ['losing_trades', 'Trades with profit < 0.'],
        ['win_rate', '100 x winning_trades / total_trades, percent; null without trades.'],
        ['total_profit', 'Sum of net, money.'],
        ['gross_profit', 'Sum of profit over wins, money; 0 when there is none.'],
        ['gross_loss', 'Sum of profit over losses, money, 0 or less.'],
        ['profit_factor', 'gross_profit / |gross_loss|; null without a loss.'],
        ['total_volume', 'Sum of volume_usd, USD.'],
        ['total_lots', 'Sum of lots.'],
        ['market_sentiment', 'summary ->> ''market_sentiment'' of the date''s newest regime.'],
        ['volatility_regime', 'summary ->> ''volatility_regime'' of the date''s newest regime.'],
        ['liquidity_state', 'summary ->> ''liquidity_state'' of the date''s newest regime.']
    ]
);

call prop_trading_model.describe_columns(
    array['prop_trading_model.mv_daily_trading_stats', 'prop_trading_model.mv_market_regime_performance']::regclass[],
    array[
        ['avg_profit', 'Mean net of an account-day: total_profit / active_accounts, money.'],
        ['profit_stddev', 'Sample standard deviation of the net of account-days, money; null for one.'],
        ['median_profit', 'Median of the net of account-days, by linear interpolation, money.']
    ]
);

call prop_trading_model.describe_columns(array['prop_trading_model.mv_daily_trading_stats']::regclass[], array[
    ['profit_q1', 'First quartile of the net of account-days, by linear interpolation, money.'],
    ['profit_q3', 'Third quartile of the net of account-days, by linear interpolation, money.'],
    ['max_profit', 'Largest net of an account-day, money.'],
    ['min_profit', 'Least net of an account-day, money.']
]);

call prop_trading_model.describe_columns(array['prop_trading_model.mv_symbol_performance']::regclass[], array[
    ['std_symbol', 'The symbol: std_symbol of its trades, or symbol where that is missing.'],
    ['traders_count', 'Accounts that have ever traded it.'],
    ['avg_profit', 'Mean profit of a trade that has one, money.'],
    ['profit_stddev', 'Sample standard deviation of the profit of trades, money; null for one.'],
    ['max_profit', 'Largest profit of a trade, money.'],
    ['min_profit', 'Least profit of a trade, money.'],
    ['avg_trade_duration_hours', 'Mean of close_time - open_time, hours.'],
    ['first_trade_date', 'Day of the first trade.'],
    ['last_trade_date', 'Day of the last trade.'],
    ['trades_last_90d', 'Trades from as_of - 89 days to as_of.'],
    ['profit_last_90d', 'Sum of net from as_of - 89 days to as_of, money.'],
    ['win_rate_last_90d', '100 x wins / trades from as_of - 89 days to as_of, percent; null without trades.'],
    ['traders_last_90d', 'Accounts that traded it from as_of - 89 days to as_of.']
]);

call prop_trading_model.describe_columns(
    array['prop_trading_model.mv_account_performance_summary', 'prop_trading_model.mv_account_trading_patterns']::regclass[],
    array[
        ['account_id', 'The account.'],
        ['login', 'The newest snapshot''s, else the newest trade''s.'],
        ['trades_last_30d', 'Trades from as_of - 29 days to as_of.'],
        ['unchecked', 'Always null: it spares a concurrent refresh its search for duplicates, which the rollups'' keys rule out.']
    ]
);

call prop_trading_model.describe_columns(array['prop_trading_model.mv_account_performance_summary']::regclass[], array[
    ['trader_id', 'The person who trades the account.'],
    ['plan_id', 'The plan that the account trades under.'],
    ['plan_name', 'The plan''s name, of its newest snapshot.'],
    ['phase', 'Phase 1, Phase 2, Funded or Demo.'],
    ['status', 'Active, Inactive, Breached or Passed.'],
    ['starting_balance', 'Balance that the account began with, money.'],
    ['current_balance', 'Balance of the newest snapshot, money.'],
    ['current_equity', 'Balance and open positions of the newest snapshot, money.'],
    ['profit_target_pct', 'Profit to be reached, percent of the starting balance.'],
    ['max_drawdown_pct', 'Largest loss allowed over the account''s life, percent.'],
    ['lifetime_trades', 'Trades.'],
    ['lifetime_profit', 'Sum of net, money.'],
    ['lifetime_gross_profit', 'Sum of profit over wins, money; 0 when there is none.'],
    ['lifetime_gross_loss', 'Sum of profit over losses, money, 0 or less.'],
    ['lifetime_win_rate', '100 x wins / trades, percent; null without trades.'],
    ['lifetime_profit_factor', 'lifetime_gross_profit / |lifetime_gross_loss|; null without a loss.'],
    ['lifetime_sharpe_ratio', 'Mean / sample standard deviation of daily net, over days with trades; null for one day, or when all are equal.'],
    ['lifetime_max_drawdown', 'Largest fall of cumulative daily net from its running peak, which starts at 0, money; null without trades.'],
    ['active_days', 'Days with trades.'],
    ['first_trade_date', 'Day of the first trade.'],
    ['last_trade_date', 'Day of the last trade.'],
    ['profit_last_30d', 'Sum of net from as_of - 29 days to as_of, money.'],
    ['win_rate_last_30d', '100 x wins / trades from as_of - 29 days to as_of, percent; null without trades.'],
    ['trading_days_last_30d', 'Days with trades from as_of - 29 days to as_of.'],
    ['trades_last_7d', 'Trades from as_of - 6 days to as_of.'],
    ['profit_last_7d', 'Sum of net from as_of - 6 days to as_of, money.'],
    ['win_rate_last_7d', '100 x wins / trades from as_of - 6 days to as_of, percent; null without trades.'],
    ['total_return_pct', '100 x (current_balance - starting_balance) / starting_balance, percent.'],
    ['distance_to_target_pct', '100 x (1 - total_return_pct / profit_target_pct), percent of the target that is missing.']
]);

call prop_trading_model.describe_columns(array['prop_trading_model.mv_account_trading_patterns']::regclass[], array[
    ['unique_symbols', 'Symbols traded; trades without a symbol are left out.'],
    ['favorite_symbol', 'The symbol with most trades, ties by name; trades without a symbol are left out.'],
    ['top_symbol_concentration_pct', '100 x trades of favorite_symbol / trades, percent.'],
    ['avg_lots', 'Mean lots of a trade that has them.'],
    ['lots_stddev', 'Sample standard deviation of lots; null for one trade.'],
    ['avg_volume', 'Mean volume_usd of a trade that has it, USD.'],
    ['buy_ratio', '100 x trades with side buy / trades, percent.'],
    ['stop_loss_usage_rate', '100 x trades with a stop loss / trades, percent.'],
    ['take_profit_usage_rate', '100 x trades with a take profit / trades, percent.']
]);

call prop_trading_model.describe_columns(
    array[
        'prop_trading_model.pending_account_days', 'prop_trading_model.pending_stretches',
        'prop_trading_model.v_metrics_reconciliation'
    ]::regclass[],
    array[
        ['account_id', 'The account.'],
        ['trade_date', 'The trading day.'],
        ['lower', 'First day of the stretch; infinite where a partition''s bound is open.'],
        ['upper', 'The day after its last.'],
        ['date', 'The trading day.'],
        ['only_in', 'metrics or trades: the one side that has the account-day; null: both have.'],
        ['differs', 'The figures that do not agree, by name.'],
        ['metrics_net_profit', 'Net profit as the metrics say, money; null: they do not say.'],
        ['trades_net_profit', 'Net of the trades, money.'],
        ['metrics_gross_profit', 'Gross profit as the metrics say, money.'],
        ['trades_gross_profit', 'Sum of the profit of wins, money.'],
        ['metrics_gross_loss', 'Gross loss as the metrics say, money.'],
        ['trades_gross_loss', 'Sum of the profit of losses, money.'],
        ['metrics_total_trades', 'Trades as the metrics say.'],
        ['trades_total_trades', 'Trades there are.'],
        ['metrics_winning_trades', 'Winning trades as the metrics say.'],
        ['trades_winning_trades', 'Trades with profit > 0.'],
        ['metrics_losing_trades', 'Losing trades as the metrics say.'],
        ['trades_losing_trades', 'Trades with profit < 0.'],
        ['metrics_lots_traded', 'Lots as the metrics say.'],
        ['trades_lots_traded', 'Lots of the trades.'],
        ['metrics_volume_traded', 'Volume as the metrics say, USD.'],
        ['trades_volume_traded', 'Volume of the trades, USD.']
    ]
);

call prop_trading_model.describe_columns(
    array[
        'prop_trading_model.slowest_queries', 'prop_trading_model.query_changes', 'prop_trading_model.growing_queries',
        'prop_trading_model.newly_slow_queries'
    ]::regclass[],
    array[
        ['fingerprint', 'What the statement is known by in query_performance_log.'],
        ['query', 'The statement, with ? for every value.'],
        ['calls', 'Calls of the day, or of the last hour.'],
        ['mean_ms', 'Mean time of these calls, milliseconds.'],
        ['max_ms', 'Longest time of a call, milliseconds.'],
        ['total_ms', 'Time of these calls, milliseconds.'],
        ['share_pct', '100 x total_ms / that of all statements, percent.'],
        ['rows', 'Rows that these calls returned or wrote.'],
        ['blocks_read', 'Blocks (8 KiB) read from outside of PostgreSQL''s memory.'],
        ['blocks_hit', 'Blocks (8 KiB) found in PostgreSQL''s memory.'],
        ['last_seen', 'The newest snapshot that has it, UTC.'],
        ['before_calls', 'Calls of the seven days before; null: it did not run then.'],
        ['before_mean_ms', 'Mean time of those calls, milliseconds.'],
        ['times_as_slow', 'mean_ms / before_mean_ms.'],
        ['extra_ms', 'total_ms - calls x before_mean_ms: the additional time, milliseconds.']
    ]
);

-- A live view has the columns of what it stands beside.
do $$
declare
    beside record;
begin
    for beside in
        select source.oid::regclass as pattern, live.oid::regclass as relation
        from pg_class as live
        join pg_class as source on source.relnamespace = live.relnamespace
            and source.relname in (replace(live.relname, 'live_', 'mv_'), replace(live.relname, 'live_', 'rollup_'))
        where live.relnamespace = 'prop_trading_model'::regnamespace and live.relkind = 'v' and live.relname like 'live\_%'
    loop
        call prop_trading_model.describe_columns_like(beside.pattern, array[beside.relation]);
    end loop;
end
$$;
