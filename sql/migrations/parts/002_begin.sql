-- What has to hold before anything is changed: the trades are partitioned.

do $$
begin
    if not exists (
        select from pg_class where oid = to_regclass('prop_trading_model.raw_trades_closed') and relkind = 'p'
    ) or to_regclass('prop_trading_model.rollup_account_symbol_day') is null then
        raise exception '002_add_materialized_views needs the partitioned tables: apply 001_add_partitioning.sql first.';
    end if;
end
$$;
