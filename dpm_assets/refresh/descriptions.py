"""What the UI says of each rollup and view, and what each is made from."""

ROLLUP_DESCRIPTIONS = {
    "rollup_account_symbol_day": "Trades by account, day and symbol: counts, sums, squares and extremes, all of which merge.",
    "rollup_account_month": "Trades by account and month, with the drawdown of the month in a form that merges.",
    "rollup_account": "Each account's whole life, merged from its months, with drawdown and the newest login.",
    "rollup_account_symbol": "Which account trades which symbol, and until when.",
    "rollup_account_recent": "What each account did in the trailing 30 and 7 days.",
    "rollup_market_day": "All accounts and symbols by day: counts, sums, the nets of account-days in order and their quantiles.",
    "rollup_symbol_day": "Trades by symbol and day, summed over accounts: where symbols and each day's totals come from.",
}
ROLLUP_INPUTS = {
    "rollup_account_symbol_day": ["raw_trades_closed", "trade_partitions"],
    "rollup_account_month": ["rollup_account_symbol_day"],
    "rollup_account": ["rollup_account_month", "raw_trades_closed"],
    "rollup_account_symbol": ["rollup_account_symbol_day"],
    "rollup_account_recent": ["rollup_account_symbol_day", "rollup_market_day"],
    "rollup_market_day": ["rollup_account_symbol_day", "rollup_symbol_day"],
    "rollup_symbol_day": ["rollup_account_symbol_day"],
}
_VIEWS = {
    "mv_daily_trading_stats": "One row a date: accounts, trades, rates, net profit and its spread over account-days.",
    "mv_symbol_performance": "One row a symbol: whole life and trailing 90 days.",
    "mv_account_performance_summary": "One row an account: balances, whole life, trailing 30 and 7 days, targets.",
    "mv_account_trading_patterns": "One row an account with trades in the trailing 30 days: what and how it trades.",
    "mv_market_regime_performance": "One row a date with a market regime: the regime beside the day's results.",
}
VIEW_DESCRIPTIONS = {
    name: f"{said} `{name.replace('mv_', 'live_', 1)}` beside it also shows what is pending."
    for name, said in _VIEWS.items()
}
LIVE_DESCRIPTIONS = {
    name.replace("mv_", "live_", 1): (
        f"{said} Never stale: what [{name}](/assets/{name}) does not show yet is read from the raw trades, at the moment of "
        "reading. The cost follows what is pending."
    )
    for name, said in _VIEWS.items()
}
VIEW_INPUTS = {
    "mv_daily_trading_stats": ["rollup_market_day"],
    "mv_symbol_performance": ["rollup_symbol_day", "rollup_account_symbol", "rollup_account_symbol_day"],
    "mv_account_performance_summary": [
        "rollup_account",
        "rollup_account_recent",
        "raw_accounts_data",
        "raw_plans_data",
    ],
    "mv_account_trading_patterns": ["rollup_account_recent", "rollup_account", "raw_accounts_data"],
    "mv_market_regime_performance": ["rollup_market_day", "raw_regimes_daily"],
}
# The statements that say how each comes from its inputs, for the links to the code.
MADE_BY = {
    "rollup_account_symbol_day": "function account_symbol_day_query",
    "rollup_account_month": "function account_month_query",
    "rollup_account": "function account_query",
    "rollup_account_symbol": "function account_symbol_query",
    "rollup_account_recent": "function account_recent_query",
    "rollup_market_day": "function market_day_query",
    "rollup_symbol_day": "function symbol_days_query",
    **{name: f"materialized view {name}" for name in _VIEWS},
    **{name: f"materialized view {name.replace('live_', 'mv_', 1)}" for name in LIVE_DESCRIPTIONS},
}
