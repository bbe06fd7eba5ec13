-- What the tables hold that a running refresh works on; most of their columns are those of the rollups.
-- Invariant: every column has a comment.

call prop_trading_model.describe(array[
    ['prop_trading_model.refresh_keys', 'The account-days that the running refresh recomputes.'],
    ['prop_trading_model.refresh_accounts', 'Their accounts.'],
    ['prop_trading_model.refresh_before', 'Their rows of rollup_account_symbol_day as they were.'],
    ['prop_trading_model.refresh_rows', 'Their rows of rollup_account_symbol_day as they are now.'],
    ['prop_trading_model.refresh_gone', 'The keys of their rows that are no more.'],
    ['prop_trading_model.refresh_symbol_days', 'Their sums by day and symbol, before and after.'],
    ['prop_trading_model.refresh_account_days', 'Their sums by account and day, before and after.'],
    ['prop_trading_model.refresh_appended', 'The account-months that are appended to: of the new days alone.'],
    ['prop_trading_model.refresh_recent', 'Accounts whose trailing windows move, and by how much.']
]);

call prop_trading_model.describe_columns(
    array[
        'prop_trading_model.refresh_accounts', 'prop_trading_model.refresh_rows', 'prop_trading_model.refresh_symbol_days',
        'prop_trading_model.refresh_account_days'
    ]::regclass[],
    array[
        ['appended', 'Whether all its account-days lie after its last day so far, in one month, with the login that it has.'],
        ['same_login', 'Whether all trades of the row have the login that the account had.'],
        ['sign', '-1: as it was before; 1: as it is now.']
    ]
);

call prop_trading_model.describe_columns_like(
    'prop_trading_model.rollup_account_symbol_day',
    array[
        'prop_trading_model.refresh_keys', 'prop_trading_model.refresh_accounts', 'prop_trading_model.refresh_before',
        'prop_trading_model.refresh_rows', 'prop_trading_model.refresh_gone', 'prop_trading_model.refresh_account_days'
    ]::regclass[]
);
call prop_trading_model.describe_columns_like(
    'prop_trading_model.rollup_symbol_day', array['prop_trading_model.refresh_symbol_days']::regclass[]
);
call prop_trading_model.describe_columns_like(
    'prop_trading_model.rollup_account_month', array['prop_trading_model.refresh_appended']::regclass[]
);
call prop_trading_model.describe_columns_like(
    'prop_trading_model.rollup_account_recent', array['prop_trading_model.refresh_recent']::regclass[]
);
