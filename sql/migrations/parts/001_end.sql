-- What has been set aside is said; where nothing has, there is no place for it.

do $$
declare
    kept record;
begin
    for kept in
        select table_name, reason, count(*) as rows
        from prop_trading_model_migration.unmoved_rows group by 1, 2 order by 1, 2
    loop
        raise warning '% rows of % are kept in prop_trading_model_migration.unmoved_rows: %',
            kept.rows, kept.table_name, kept.reason;
    end loop;
    if kept is null then
        drop table prop_trading_model_migration.unmoved_rows;
        drop schema prop_trading_model_migration;
    end if;
end
$$;
