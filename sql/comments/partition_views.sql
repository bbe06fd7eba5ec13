-- What the views over the raw tables and over the partitions show.
-- Invariant: every column has a comment.

call prop_trading_model.describe(array[
    ['prop_trading_model.latest_accounts', 'The newest snapshot of each account.'],
    ['prop_trading_model.latest_plans', 'The newest snapshot of each plan.'],
    ['prop_trading_model.latest_metrics_daily', 'The newest metrics of each account-day.'],
    ['prop_trading_model.latest_regimes_daily', 'The newest regime of each date.'],
    ['prop_trading_model.partition_findings', 'What is wrong with the partitions, or soon will be; nothing when all is well.'],
    ['prop_trading_model.partition_index_usage', 'Each index of the partitioned tables, by partition: what it takes and how often it is used.']
]);

call prop_trading_model.describe_columns_like(
    'prop_trading_model.raw_accounts_data', array['prop_trading_model.latest_accounts']::regclass[]
);
call prop_trading_model.describe_columns_like(
    'prop_trading_model.raw_plans_data', array['prop_trading_model.latest_plans']::regclass[]
);
call prop_trading_model.describe_columns_like(
    'prop_trading_model.raw_metrics_daily', array['prop_trading_model.latest_metrics_daily']::regclass[]
);
call prop_trading_model.describe_columns_like(
    'prop_trading_model.raw_regimes_daily', array['prop_trading_model.latest_regimes_daily']::regclass[]
);

call prop_trading_model.describe_columns(array['prop_trading_model.partition_findings']::regclass[], array[
    ['finding', 'What is wrong, by name.'],
    ['severity', 'error or warning.'],
    ['parent_table', 'The partitioned table.'],
    ['object', 'The partition, index or trigger that it is about.'],
    ['detail', 'What is wrong, in a sentence.'],
    ['remedy', 'A statement that can be run as it stands, outside a transaction block; with by_hand what to decide.'],
    ['by_hand', 'Whether a person has to decide.']
]);

call prop_trading_model.describe_columns(array['prop_trading_model.partition_index_usage']::regclass[], array[
    ['parent_table', 'The partitioned table.'],
    ['index_name', 'The index, as it is declared on the table.'],
    ['partition_name', 'The partition.'],
    ['part_name', 'The part of the index on that partition; null where it is missing.'],
    ['valid', 'Whether the part can be used.'],
    ['unique_index', 'Whether the index is unique.'],
    ['of_constraint', 'Whether a key stands on the index.'],
    ['bytes', 'Size of the part, bytes.'],
    ['scans', 'Scans of the part since the statistics were reset.'],
    ['entries_read', 'Entries that these scans read.'],
    ['definition', 'The statement that makes the index.']
]);
