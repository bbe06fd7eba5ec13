-- What the functions of the refresh and of the live views do, in a sentence each; why they do it so, their own files say.
-- Invariant: every function has a comment.

comment on function prop_trading_model.rate is
    '100 x part / whole, rounded to 6 places; null when there is nothing to divide by.';
comment on function prop_trading_model.sample_stddev is
    'Sample standard deviation from count, sum and sum of squares, digit for digit what stddev_samp(numeric) computes.';
comment on function prop_trading_model.quantile is
    'The quantile of values that are sorted, by linear interpolation as percentile_cont has it, in numeric.';

comment on function prop_trading_model.account_symbol_day_query is
    'The one place that says how trades become a row of rollup_account_symbol_day.';
comment on function prop_trading_model.account_symbol_day_insertion is
    'The statement that inserts refresh_rows into rollup_account_symbol_day, or into a partition of it, in the order of days.';
comment on function prop_trading_model.fill_rollup_month is
    'Makes the partition of rollup_account_symbol_day of a month that has none, filled with refresh_rows. Returns how many rows; null for a month that has one.';
comment on function prop_trading_model.write_account_symbol_day is
    'Writes refresh_rows into rollup_account_symbol_day where they differ from what was there. Returns how many rows.';
comment on function prop_trading_model.recompute_keys is
    'Fills refresh_rows with what the account-days of refresh_keys are now.';
comment on function prop_trading_model.refresh_account_symbol_day is
    'Brings the account-days of refresh_keys up to date. Returns the rows written or removed.';

comment on function prop_trading_model.move_symbol_day is
    'Moves rollup_symbol_day by what refresh_symbol_days holds; returns the rows written or removed.';
comment on function prop_trading_model.symbol_days_query is
    'How the rows of rollup_account_symbol_day become those of rollup_symbol_day.';
comment on function prop_trading_model.market_day_query is
    'How the rows of rollup_account_symbol_day become those of rollup_market_day.';
comment on function prop_trading_model.exchange_values is
    'Values in order, without those that go and with those that come, one for one.';
comment on function prop_trading_model.move_market_day is
    'Moves rollup_market_day by what refresh_account_days holds, and takes its sums from rollup_symbol_day; returns the rows written or removed.';

comment on function prop_trading_model.note_differences is
    'Fills refresh_symbol_days and refresh_account_days with what the account-days of refresh_keys had before and have after.';
comment on function prop_trading_model.note_sums is
    'Adds what the rows of a work table sum up to, by day and symbol and by account and day, with this sign.';
comment on function prop_trading_model.note_accounts is 'Fills refresh_accounts with the accounts of refresh_keys.';

comment on function prop_trading_model.account_month_query is
    'How the rows of rollup_account_symbol_day become those of rollup_account_month.';
comment on function prop_trading_model.refresh_account_month is
    'Recomputes the account-months of refresh_keys, but for accounts that are appended to; returns the rows written or removed.';
comment on function prop_trading_model.append_account_month is
    'Appends the new days of refresh_account_days to the months of their accounts. Returns the rows written.';

comment on function prop_trading_model.account_life_query is
    'How the rows of rollup_account_month become whole lives, without the login.';
comment on function prop_trading_model.account_query is
    'How the rows of rollup_account_month become those of rollup_account, with the login of the newest trade.';
comment on function prop_trading_model.refresh_account is
    'Recomputes the accounts of refresh_accounts from their months, but for those that are appended to; returns the rows written or removed.';
comment on function prop_trading_model.append_account is
    'Appends what refresh_appended holds to the lives of its accounts. Returns the rows written.';

comment on function prop_trading_model.account_symbol_query is
    'How the rows of rollup_account_symbol_day become those of rollup_account_symbol.';
comment on function prop_trading_model.move_account_symbol is
    'Moves rollup_account_symbol by the rows in refresh_rows and refresh_gone. Returns the rows written or removed.';

comment on function prop_trading_model.favorite_measures is 'How an account''s symbols and their trades become three measures.';
comment on function prop_trading_model.account_recent_query is
    'How the rows of rollup_account_symbol_day become those of rollup_account_recent.';
comment on function prop_trading_model.recent_day is
    'The day that the windows of rollup_account_recent end with; null while there is no trade.';
comment on function prop_trading_model.refresh_account_recent is
    'Recomputes the accounts of refresh_keys that changed within the window, whatever there is; returns the rows written or removed.';
comment on function prop_trading_model.recompute_recent is
    'Recomputes the accounts of refresh_recent for the window that ends with this day; returns the rows written.';
comment on function prop_trading_model.move_account_recent is
    'Moves the accounts of refresh_keys by their differences within the window; returns the rows written or removed.';
comment on function prop_trading_model.settle_recent is
    'Adds the sums of refresh_recent to its accounts and recomputes those whose favorite may be another; returns the rows written or removed.';
comment on function prop_trading_model.move_recent_window is
    'Makes rollup_account_recent hold for the window that ends with this day.';
comment on function prop_trading_model.remake_recent_window is
    'Makes rollup_account_recent anew for the window that ends with this day. Returns the rows written or removed.';
comment on function prop_trading_model.shift_recent_window is
    'Moves rollup_account_recent from one window to another that overlaps it. Returns the rows written or removed.';

comment on function prop_trading_model.pending_keys is 'The account-days that have changed and wait for a refresh, with a fixed estimate of how many they are.';
comment on function prop_trading_model.live_sources is
    'The first two common tables of every live query: marked, the stretches of months, and pending, the account-days, that are read from the raw trades.';
comment on function prop_trading_model.settled_condition is
    'The condition that a row r with an account and a day is as the rollups have it.';
comment on function prop_trading_model.settled_account_days is
    'The rows of an account from `first_day` to before `next_day`, as rollup_account_symbol_day has them.';
comment on function prop_trading_model.newest_login is 'The login of an account''s newest trade, which is of this day.';
comment on function prop_trading_model.fresh_query is
    'The rows of rollup_account_symbol_day that all account-days which are not settled make now.';
comment on function prop_trading_model.fresh_account_day is 'The rows of rollup_account_symbol_day that an account-day makes now.';
comment on function prop_trading_model.live_as_of_date is
    'The day that the trailing windows end with as the raw trades are now, where as_of_date() is that of the rollups.';
comment on function prop_trading_model.create_live_view is
    'Makes live_X beside the materialized view mv_X: its own query, over the live forms of the rollups and of as_of_date().';

comment on function prop_trading_model.lock_refresh is
    'Takes the refresh lock, to the end of the transaction; refuses isolation levels whose snapshot may be older than the lock.';
comment on function prop_trading_model.clear_work_table is 'Empties a table that the refresh works on.';
comment on function prop_trading_model.take_keys is
    'Takes up to max_keys changed account-days into refresh_keys. Returns how many rows of the log it took, and since when the oldest of them has waited.';
comment on function prop_trading_model.advance_input is
    'Counts one more generation of an input: views made from an earlier one are stale, since then or for longer.';
comment on function prop_trading_model.refresh_rollups_of_keys is
    'Brings every rollup up to date for the account-days in refresh_keys; returns the rows written or removed.';
comment on function prop_trading_model.create_rollup_month is
    'Makes the rollup leaf of a month that has none: of a month whose trades'' leaf somebody else made.';
comment on function prop_trading_model.refresh_bite is
    'Takes one bite of what is pending: a marked month, or else up to max_keys account-days. Returns what it took; 0 and 0 when nothing is left.';

comment on function prop_trading_model.pieces_by_day is 'A month as conditions on trade_date: so many stretches of days.';
comment on function prop_trading_model.pieces_by_account is
    'All accounts as conditions on account_id: so many stretches of about the same number of rows.';
comment on function prop_trading_model.make_in_pieces is
    'Makes a temporary table of what a query gives, in which {piece} stands for each of `pieces` in turn.';
comment on function prop_trading_model.make_by_hashing is
    'make_in_pieces() of a query that has to read its tables whole, once.';
comment on function prop_trading_model.find_differences is
    'Makes the temporary table rebuilt of the rows of a rollup that differ from those of a query.';
comment on function prop_trading_model.apply_differences is
    'Makes a rollup equal to its recomputation, and drops the table `rebuilt`.';

comment on function prop_trading_model.refresh_latest_account is
    'Makes rollup_latest_account equal to the newest snapshots. Returns the rows written or removed.';

comment on function prop_trading_model.rebuild_account_symbol_day is
    'Recomputes a month of rollup_account_symbol_day. Returns the rows written or removed.';
comment on function prop_trading_model.rebuild_account_month is
    'Recomputes a month of rollup_account_month; returns the rows written or removed.';
comment on function prop_trading_model.rebuild_rollups_of_month is
    'Recomputes a month of every rollup, and what spans months for the accounts that differed. Returns the rows written or removed.';
comment on function prop_trading_model.rebuild_month is
    'Recomputes a month of every rollup from the raw trades, whatever the log says. Returns the rows that differed.';
comment on function prop_trading_model.rebuild_totals is
    'Recomputes what spans months for every account: the last step of a rebuild. Returns the rows written or removed.';

comment on function prop_trading_model.current_generations is 'The generation that each input of the views has now.';
comment on function prop_trading_model.stale_views is
    'The views that were made from an older generation of one of their inputs than there is now.';
comment on function prop_trading_model.refresh_views is
    'Refreshes those of the stale views that are asked for (null: all), CONCURRENTLY. Returns them.';
comment on function prop_trading_model.pending_changes is 'What has not been refreshed yet, and since when.';
comment on function prop_trading_model.note_refresh is
    'Writes what a refresh did into pipeline_execution_log, unless it found nothing to do.';
comment on function prop_trading_model.refresh_materialized_views is
    'Brings rollups and views up to date in one transaction, up to max_keys rows of the change log. Returns what it did and how much remains.';
comment on procedure prop_trading_model.refresh_warehouse is
    'Brings rollups and views up to date, committing between bites until nothing is left of what was pending. Call it outside a transaction block.';

comment on function prop_trading_model.statement_statistics_place is
    'The schema that pg_stat_statements is in, as it has to be written; null when it is not there.';
comment on function prop_trading_model.statement_statistics_missing is
    'What keeps the statistics of statements from being read, with what to do about it; null when nothing does.';
comment on function prop_trading_model.statement_statistics is
    'The statistics of this database''s statements since they were last reset; times are milliseconds.';
comment on function prop_trading_model.statement_statistics_reset is
    'When all statistics of statements were last reset, and how many entries had to make room for others since.';
comment on function prop_trading_model.masked_statement is
    'A statement with ? for every value and parameter; null for one that is no query or holds what is not understood.';
comment on function prop_trading_model.log_query_performance is
    'Takes a snapshot of pg_stat_statements into query_performance_log, with what was counted since the one before.';
