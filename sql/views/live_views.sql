-- The live views: beside each mv_* a live_* with the same columns, that equals a recomputation at the moment of reading.

select prop_trading_model.create_live_view('prop_trading_model.mv_daily_trading_stats');
select prop_trading_model.create_live_view('prop_trading_model.mv_symbol_performance');
select prop_trading_model.create_live_view('prop_trading_model.mv_account_performance_summary');
select prop_trading_model.create_live_view('prop_trading_model.mv_account_trading_patterns');
select prop_trading_model.create_live_view('prop_trading_model.mv_market_regime_performance');
