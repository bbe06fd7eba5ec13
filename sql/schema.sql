-- The production schema in one go: psql -f sql/schema.sql. Applying it again changes nothing.
-- It makes a working database: tables, partitions for the running month and the three after it, rollups, empty views.

set client_min_messages = warning;
\ir roles.sql
-- Views and functions keep the operators that they find when they are made: PostgreSQL's own, whatever stands in public.
set search_path = pg_catalog, pg_temp;
\ir functions/describing.sql
\ir tables/raw_trades_closed.sql
\ir tables/raw_trades_open.sql
\ir tables/raw_metrics.sql
\ir tables/raw_accounts.sql
\ir tables/raw_regimes_daily.sql
\ir tables/model_tables.sql
\ir tables/pipeline_log.sql
\ir tables/loads.sql
\ir tables/alerts.sql
\ir tables/changes.sql
\ir tables/cold_months.sql
\ir tables/rollups.sql
\ir tables/refresh_work.sql
\ir tables/leaf_settings.sql
\ir functions/calendar.sql
\ir functions/measures.sql
\ir functions/changes.sql
\ir functions/leaf_columns.sql
\ir functions/leaf_plan.sql
\ir functions/partitions.sql
\ir functions/catalogue.sql
\ir functions/bare_months.sql
\ir functions/cold_months.sql
\ir functions/cold_archive.sql
\ir functions/cold_restore.sql
\ir functions/loads.sql
\ir functions/rollup_account_symbol_day.sql
\ir functions/rollup_market.sql
\ir functions/refresh_differences.sql
\ir functions/rollup_account_month.sql
\ir functions/rollup_account.sql
\ir functions/rollup_account_symbol.sql
\ir functions/rollup_account_recent.sql
\ir functions/recent_window.sql
\ir functions/live.sql
\ir functions/refresh.sql
\ir functions/rebuild_differences.sql
\ir functions/rollup_latest_account.sql
\ir functions/rebuild.sql
\ir functions/refresh_views.sql
\ir functions/check_partitions.sql
\ir indexes/partition_index_management.sql
\ir functions/analyze_partitions.sql
\ir functions/statement_statistics.sql
\ir functions/query_performance.sql
\ir views/latest.sql
\ir views/mv_daily_trading_stats.sql
\ir views/mv_symbol_performance.sql
\ir views/mv_account_performance_summary.sql
\ir views/mv_account_trading_patterns.sql
\ir views/mv_market_regime_performance.sql
\ir views/pending.sql
\ir views/v_metrics_reconciliation.sql
\ir views/query_performance.sql
\ir views/live_market.sql
\ir views/live_account.sql
\ir views/live_views.sql
\ir comments/raw_tables.sql
\ir comments/model_tables.sql
\ir comments/bookkeeping.sql
\ir comments/rollups.sql
\ir comments/refresh_work.sql
\ir comments/partition_views.sql
\ir comments/views.sql
\ir comments/partition_functions.sql
\ir comments/refresh_functions.sql
\ir grants.sql
select count(*) from prop_trading_model.create_monthly_partitions();
select count(*) from prop_trading_model.create_yearly_partitions();
reset role;
reset search_path;
reset client_min_messages;
