-- Storage settings that new leaves are made with. PostgreSQL keeps none on a partitioned table, so they stand here:
--   insert into leaf_settings values ('raw_trades_closed', '{autovacuum_vacuum_insert_scale_factor=0.05, fillfactor=95}');
-- Everything else that a leaf has comes from its parent itself.

create table if not exists prop_trading_model.leaf_settings (
    parent_table text primary key,
    settings text[] not null,
    constraint settings_written_as_name_value check (
        array_to_string(settings, ',', 'null') ~ '^[a-z_]+(\.[a-z_]+)?=[a-z0-9_.]+(,[a-z_]+(\.[a-z_]+)?=[a-z0-9_.]+)*$'
    )
);
