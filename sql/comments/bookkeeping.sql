-- What the ledger of loads, the change log, the archive's list and the settings of partitions hold; columns whose comments
-- stand beside their table are not repeated here.
-- Invariant: every column has a comment.

call prop_trading_model.describe(array[
    ['prop_trading_model.load_batches', 'The ledger of loads: one row a file that was offered.'],
    ['prop_trading_model.load_rejects', 'The quarantine: one row a row of a file that was not loaded.'],
    ['prop_trading_model.load_corrections', 'One row for each version of a row that a batch took away, as it was.'],
    ['prop_trading_model.changed_account_days', 'The change log: one row for each account-day of each statement that wrote it and that no refresh has taken.'],
    ['prop_trading_model.changed_months', 'Months that the next refresh recomputes whole.'],
    ['prop_trading_model.changed_inputs', 'Changes of accounts, plans and regimes that no refresh has counted.'],
    ['prop_trading_model.input_generations', 'How often each input of the views has moved.'],
    ['prop_trading_model.view_inputs', 'Which inputs each view is made from, and the generation of each that it was last made from.'],
    ['prop_trading_model.known_leaves', 'The partitions of raw_trades_closed as the last refresh saw them.'],
    ['prop_trading_model.partition_state', 'Where the rows of a partition are, by its table and first day; one that is not listed is hot.'],
    ['prop_trading_model.month_state', 'partition_state of the months of trades.'],
    ['prop_trading_model.refresh_log', 'What each refresh did.'],
    ['prop_trading_model.recent_window', 'The day that the trailing windows of rollup_account_recent end with; one row.'],
    ['prop_trading_model.cold_files', 'The Parquet files of months of trades and years of metrics that are in the archive.'],
    ['prop_trading_model.cold_logins', 'The login of each account''s newest trade of a cold month: an account that has not traded since shows it.'],
    ['prop_trading_model.leaf_settings', 'Storage settings that new partitions are made with.']
]);

call prop_trading_model.describe_columns(array['prop_trading_model.load_batches']::regclass[], array[
    ['batch_id', 'The batch''s number; rows that it wrote carry it as load_batch_id.'],
    ['file', 'The file''s path or URL, without credentials.'],
    ['sha256', 'Hash of the file''s content, of a retry with the number of its batch: a content is loaded once in a feed.'],
    ['feed', 'What the file was loaded as.'],
    ['bytes', 'Size of the file, bytes.'],
    ['rows_read', 'Rows of the file = inserted + updated + duplicate + rejected.'],
    ['rows_inserted', 'Rows that were new.'],
    ['rows_updated', 'Rows that corrected one that was there.'],
    ['rows_duplicate', 'Rows that were there already, as they are.'],
    ['rows_rejected', 'Rows in the quarantine.'],
    ['months', 'First days of the months (of metrics: years) that the batch touched.'],
    ['seconds', 'How long the load took, seconds.'],
    ['status', 'loaded, refused or undone.'],
    ['loaded_by', 'The login that loaded.'],
    ['started_at', 'When the load began.'],
    ['finished_at', 'When the load ended.'],
    ['message', 'Why the file was refused, or what else there is to say.'],
    ['undone_at', 'When the batch was taken back.'],
    ['undone_by', 'The login that took it back.']
]);

call prop_trading_model.describe_columns(array['prop_trading_model.load_rejects']::regclass[], array[
    ['batch_id', 'The batch of the file.'],
    ['line', 'The line of the file, or the row of a Parquet file, where the row begins; from 1.'],
    ['reason', 'What is at fault.'],
    ['raw_text', 'The row as it stands in the file.']
]);

call prop_trading_model.describe_columns(array['prop_trading_model.load_corrections']::regclass[], array[
    ['batch_id', 'The batch that took the version away.'],
    ['key', 'The key of the row.'],
    ['correction_id', 'Counts up, in the order in which versions went.'],
    ['kind', 'corrected: replaced in place; moved: its trade has another date now; removed: the file covers its account-day, or positions, and lacks it; superseded: a later row of the same file counts.'],
    ['before', 'The version, with its id and load_batch_id.']
]);

call prop_trading_model.describe_columns(
    array[
        'prop_trading_model.changed_account_days', 'prop_trading_model.changed_months', 'prop_trading_model.changed_inputs',
        'prop_trading_model.input_generations', 'prop_trading_model.view_inputs'
    ]::regclass[],
    array[
        ['account_id', 'The account whose trades changed.'],
        ['trade_date', 'The day on which they changed.'],
        ['month', 'First day of the month.'],
        ['reason', 'Why: TRUNCATE, a partition that came, went or was rewritten.'],
        ['input', 'trades, accounts, plans, regimes or as_of, the day that trailing windows end with.'],
        ['generation', 'How often the input has moved.'],
        ['changed_at', 'When the statement ran.'],
        ['view_name', 'The materialized view.'],
        ['made_from', 'The input''s generation that the view was made from; null: it has not been made yet.']
    ]
);

call prop_trading_model.describe_columns(array['prop_trading_model.known_leaves']::regclass[], array[
    ['leaf', 'The partition.'],
    ['leaf_name', 'Its name.'],
    ['relfilenode', 'Its file: another one after a rewrite.'],
    ['bounds', 'Its bounds, as PostgreSQL writes them.'],
    ['detach_pending', 'Whether a DETACH CONCURRENTLY of it has begun and not ended.']
]);

call prop_trading_model.describe_columns(
    array[
        'prop_trading_model.partition_state', 'prop_trading_model.month_state', 'prop_trading_model.cold_files'
    ]::regclass[],
    array[
        ['parent_table', 'The partitioned table.'],
        ['lower', 'First day of the month or year.'],
        ['month', 'First day of the month.'],
        ['state', 'hot: in the table; archiving, restoring: on the way; cold: in a file.'],
        ['location', 'Where the file is.'],
        ['changed_at', 'When the state was entered.'],
        ['rows', 'Rows of the file.'],
        ['bytes', 'Size of the file, bytes.'],
        ['columns', 'Columns of the file, in order.'],
        ['archived_at', 'When the file had been verified.']
    ]
);

call prop_trading_model.describe_columns(array['prop_trading_model.refresh_log']::regclass[], array[
    ['refresh_id', 'Counts up with each step.'],
    ['kind', 'keys: changed account-days; month: a month recomputed whole; totals: what spans months; views.'],
    ['month', 'The month that was recomputed.'],
    ['keys_taken', 'Rows of the change log that were taken.'],
    ['months', 'First days of the months that were touched.'],
    ['rows_written', 'Rows of rollups that were written or removed.'],
    ['views', 'Views that were refreshed.'],
    ['run_key', 'The backfill or run that it was done for: a retry leaves out what is done.'],
    ['refreshed_by', 'The login that refreshed.'],
    ['started_at', 'When the step began.'],
    ['finished_at', 'When the step ended.'],
    ['seconds', 'finished_at - started_at, seconds.']
]);

call prop_trading_model.describe_columns(array['prop_trading_model.recent_window']::regclass[], array[
    ['only_row', 'Always true: there is one row.'],
    ['last_day', 'The day; null: there is no trade.']
]);

call prop_trading_model.describe_columns(array['prop_trading_model.cold_logins']::regclass[], array[
    ['account_id', 'The account.'],
    ['trade_date', 'The day of its newest trade of the month.'],
    ['login', 'The login of that trade.']
]);

call prop_trading_model.describe_columns(array['prop_trading_model.leaf_settings']::regclass[], array[
    ['parent_table', 'The partitioned table.'],
    ['settings', 'Storage settings, each as name=value.']
]);

call prop_trading_model.describe_columns(array['prop_trading_model.cold_files']::regclass[], array[
    ['partition_bytes', 'Heap and indexes of the partition that the file stands for, bytes.'],
    ['sums', 'The sum of each numeric column, as PostgreSQL had it.'],
    ['content_sha256', 'Hash of the rows in the order of the file, as COPY writes them in CSV: what a restore has to give back.'],
    ['file_sha256', 'Hash of the bytes of the file.']
]);
