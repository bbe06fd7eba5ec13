-- What the functions of partitions, loads and the archive do, in a sentence each; why they do it so, their own files say.
-- Invariant: every function has a comment.

comment on function prop_trading_model.utc_today is 'Today, UTC.';
comment on function prop_trading_model.as_of_date is
    'The latest day with trades that is not after today, which trailing windows end with; null without any.';

comment on function prop_trading_model.log_changed_account_days is
    'Trigger of every table of trades: writes the account-days that a statement touched into changed_account_days.';
comment on function prop_trading_model.log_truncated_months is
    'Trigger of every table of trades: TRUNCATE marks the months of the table that it emptied whole.';
comment on function prop_trading_model.log_changed_input is
    'Trigger of accounts, plans and regimes: notes that the input has moved.';
comment on function prop_trading_model.leaf_bounds is
    'The days that a table of trades can hold, [lower, upper); infinite where the bound is open, and for a table that is no leaf.';
comment on function prop_trading_model.mark_months is 'Marks every month of [lower, upper) to be recomputed whole.';
comment on function prop_trading_model.change_trigger_statements is
    'The statements that give a table the triggers of the change log that it lacks.';
comment on function prop_trading_model.create_change_triggers is
    'Gives a table of trades the triggers of the change log; those that are there and enabled stay untouched.';
comment on function prop_trading_model.create_input_trigger is
    'Gives a table of accounts, plans or regimes the trigger that notes its changes.';

comment on function prop_trading_model.partitioned_tables is
    'The partitioned tables of the warehouse, how long a leaf''s time is, and how its name ends.';
comment on function prop_trading_model.leading_columns is
    'The columns that come first in a leaf, so that no room is left between its columns; null when its parent has that order.';
comment on function prop_trading_model.plan_statistics is
    'The statements that give a leaf the extended statistics of its parent.';
comment on function prop_trading_model.plan_privileges is
    'The statements that give a leaf the privileges that its parent grants.';
comment on function prop_trading_model.plan_triggers is 'The statements that give a leaf the statement triggers that it lacks.';
comment on function prop_trading_model.plan_column_settings is
    'The statements that give a leaf its parent''s settings of columns.';
comment on function prop_trading_model.leaf_storage is 'How a new leaf is stored, as the end of its CREATE TABLE.';
comment on function prop_trading_model.plan_leaf_table is
    'The statements that make the table of a leaf, without indexes, each with the locks that it takes.';
comment on function prop_trading_model.plan_leaf is
    'The statements that make the leaf of [lower, upper), each with the locks that it takes.';
comment on function prop_trading_model.plan_leaves is
    'The statements that the leaves of these months or years would take; nothing for a leaf that is there.';

comment on function prop_trading_model.has_leaf is 'Whether a leaf covers [lower, upper).';
comment on function prop_trading_model.leaf_name is 'What the leaf that begins on `lower` is called.';
comment on function prop_trading_model.refuse_taken_name is
    'Raises when a table that is no leaf of the month has taken the name of its leaf.';
comment on function prop_trading_model.create_leaf is
    'Makes one leaf unless a leaf covers [lower, upper) already. True when it made one.';
comment on function prop_trading_model.build_leaf is
    'Builds a leaf beside its table and attaches it, giving up a lock after 500 ms and trying again for about 20 seconds.';
comment on function prop_trading_model.dress_leaf is
    'Gives a leaf that is there what it lacks of its parent''s privileges and triggers.';
comment on function prop_trading_model.create_month is
    'Makes the leaf of a month, of its trades and of its rollup, where missing. True when the trades'' leaf is new.';
comment on function prop_trading_model.ensure_trade_months is
    'Makes the partitions of these months where missing. Returns the months that it made.';
comment on function prop_trading_model.archived_starts is
    'First days of the months (years) of a table whose rows are in the archive, or on the way.';
comment on function prop_trading_model.starts_to_keep is
    'When the leaves of a table have to begin: the running month (or year), those ahead, and those that nobody made before.';
comment on function prop_trading_model.refuse_months_ahead is 'Raises unless months_ahead is from 0 to 120.';
comment on function prop_trading_model.plan_trade_months is
    'What ensure_trade_months() would do for these months, one row a statement.';
comment on function prop_trading_model.create_monthly_partitions is
    'Makes the monthly partitions that are missing, from the newest month that had begun to months_ahead after the running one; one row a partition. With dry_run: the statements and their locks, and nothing is made.';
comment on function prop_trading_model.ensure_metrics_years is
    'Makes the partitions of raw_metrics_daily of these years where missing. Returns the years that it made.';
comment on function prop_trading_model.plan_metrics_years is
    'What ensure_metrics_years() would do for these years, one row a statement.';
comment on function prop_trading_model.create_yearly_partitions is
    'Makes the yearly partitions of raw_metrics_daily that are missing, up to the year that months_ahead reaches into; one row a partition. With dry_run: the statements and their locks, and nothing is made.';

comment on function prop_trading_model.trade_leaves is 'The leaves of raw_trades_closed as the catalogue has them now.';
comment on function prop_trading_model.changed_leaves is
    'The leaves that differ from what the last refresh saw, as they were or as they are.';
comment on function prop_trading_model.compare_leaves is
    'Marks the months of leaves that came, went or were rewritten since the last refresh, and gives new ones their triggers and privileges. Returns how many leaves differed.';
comment on function prop_trading_model.try_dress_leaf is
    'Dresses a leaf unless it is locked for longer than 200 ms or belongs to another role. True when it has all now.';

comment on function prop_trading_model.make_bare_table is
    'Makes the bare table of the month (year) of a day; returns its name.';
comment on function prop_trading_model.index_bare_table is
    'Gives a bare table the keys of its table to be, under names of its own, before any lock is taken.';
comment on function prop_trading_model.key_of_leaf is 'What a key of the table is called on a leaf.';
comment on function prop_trading_model.attach_bare_table is
    'Indexes a bare table, gives it the name of the leaf and attaches it; false when somebody else has made the leaf in the meantime.';
comment on function prop_trading_model.make_bare_month is
    'Makes the bare table of a month that has no leaf, for one batch. Returns its name, null when there is a leaf.';
comment on function prop_trading_model.attach_bare_month is
    'Makes the leaf of a month of a batch''s bare table, which is marked to be refreshed whole; false when somebody else has made the leaf in the meantime.';

comment on function prop_trading_model.part_of is
    'The month (or year) of a day: its first day and that of the next, its leaf''s name, what it is called, and what it holds.';
comment on function prop_trading_model.require_hot(regclass, date) is 'Raises DPM01, with the name of the leaf as the table, unless the month (year) is hot.';
comment on function prop_trading_model.require_hot(date) is 'Raises DPM01, with the name of the leaf as the table, unless the month of trades is hot.';
comment on function prop_trading_model.refuse_archived_write is
    'Refuses what is written to a leaf while its month (year) is archived.';
comment on function prop_trading_model.attachment_of is
    'Whether the table of a month (year) is attached: yes, pending or no; null when there is no such table.';
comment on function prop_trading_model.pending_of_month is
    'The account-days and marks of a month of trades that no refresh has taken yet.';
comment on function prop_trading_model.archive_agrees is
    'Whether trades and net of a month''s rollups are those of its file. True of metrics, which are in no rollup.';
comment on function prop_trading_model.forget_file is
    'Notes that the file of a month (year) that is hot again has been deleted.';

comment on function prop_trading_model.refuse_refresh is
    'Raises while a refresh is under way, which could still read the month of trades.';
comment on function prop_trading_model.refuse_pending is
    'Raises while changes of a month of trades wait for a refresh: its rollups would be all that is left of it.';
comment on function prop_trading_model.lock_out_writers is
    'Locks a leaf against writers until the transaction ends; gives up after 20 attempts of 500 ms.';
comment on function prop_trading_model.begin_archive is
    'The first step of an archive: from here on the rows stay as they are. Returns the name of their table.';
comment on function prop_trading_model.note_archived is
    'A step of an archive: the file has been read back and equals the table, and may take its place.';
comment on function prop_trading_model.forget_logins is 'Forgets the logins that stand for a month''s trades while it is cold.';
comment on function prop_trading_model.finish_archive is
    'The last step of an archive, when the table is detached: it is dropped, and the month (year) is cold.';
comment on function prop_trading_model.abandon_archive is
    'Takes an archive back that has not made the month (year) cold: its table is attached as it was.';

comment on function prop_trading_model.begin_restore is
    'The first step of a restore: the month (year) is restoring, and its file still counts.';
comment on function prop_trading_model.make_restored is
    'Makes the bare table that a file''s rows are copied into, in the transaction that attaches it.';
comment on function prop_trading_model.attach_restored is
    'Indexes and attaches the table of a restore: the month (year) is hot.';

comment on function prop_trading_model.hold_trade_leaf is
    'The name of the leaf that is exactly this month''s, held so that nobody detaches it before the transaction ends; null when there is none.';
comment on function prop_trading_model.summarize_trade_months is
    'Summarizes the BRIN indexes of the leaves of these months. Returns how many page ranges it summarized.';

comment on function prop_trading_model.partition_leaves is
    'Every leaf of every partitioned table, those that are being detached too.';
comment on function prop_trading_model.check_months is 'Months (years) that are missing.';
comment on function prop_trading_model.check_bounds is
    'Partitions that claim the same time, and bounds that get in the way of a month.';
comment on function prop_trading_model.check_triggers is
    'Triggers of the change log that are missing, disabled or call something else.';
comment on function prop_trading_model.check_indexes is 'Indexes that cannot be used or are not everywhere.';
comment on function prop_trading_model.check_ownership is
    'Partitions that are not as their parent (owner, privileges, persistence, constraints), and those that need a freeze.';
comment on function prop_trading_model.check_partitions is
    'What is wrong with the partitions, or soon will be; nothing when all is well.';
comment on function prop_trading_model.repair_triggers is
    'Gives a table of trades the triggers of the change log that it lacks, and marks its months to be recomputed.';

comment on function prop_trading_model.partition_index_name is
    'What the part of an index on one partition is called, so that a build that was killed is found again.';
comment on function prop_trading_model.partition_index is
    'The index of a partitioned table, by name; raises when there is none.';
comment on function prop_trading_model.declare_partition_index is
    'Declares an index of a partitioned table; partition_index_steps() says what remains to be built. With dry_run the statement is only returned.';
comment on function prop_trading_model.drop_partition_index is
    'Drops an index of a partitioned table with all its parts, under a lock that is given up where it is not to be had at once. With dry_run the statement is only returned.';
comment on function prop_trading_model.execute_patiently is
    'Runs a statement under the lock_timeout of its caller, again and again, for about a minute.';
comment on function prop_trading_model.partition_index_steps is
    'The statements that remain until every partition has its part of an index; none when it is complete.';
comment on function prop_trading_model.partition_index_rebuild_steps is
    'The statements that build every part of an index anew.';
comment on function prop_trading_model.check_partition_indexes is
    'Indexes of partitioned tables that do no good: missing somewhere, invalid, never used, or covered by another.';

comment on function prop_trading_model.statistics_to_collect is
    'The ANALYZE statements of what was written since its last one.';
comment on function prop_trading_model.refuse_readers is
    'Raises an error for who may only read: collecting statistics writes.';
comment on function prop_trading_model.analyze_partitions is
    'Rows, sizes, dead rows, last vacuum and analyze, scans and pending keys of each partition, those in the archive too. collect: ANALYZE first what was written since its last one. exact: count rows.';

comment on procedure prop_trading_model.describe is 'Comments on relations, each given with its text.';
comment on procedure prop_trading_model.describe_columns is
    'Comments on columns, each given with its text: of a name, in whichever of the relations has it.';
comment on procedure prop_trading_model.describe_columns_like is
    'Gives the columns of the relations the comments that those of the same name have in another.';
