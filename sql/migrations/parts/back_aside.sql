-- The partitioned tables go out of the way of those of the original, with their leaves; the roles lose what they were granted.

do $$
declare
    leaf regclass;
begin
    reset role;
    create schema prop_trading_model_new;
    execute format('alter schema prop_trading_model_new owner to %I',
        (select pg_get_userbyid(nspowner) from pg_namespace where nspname = 'prop_trading_model'));
    for leaf in
        select inhrelid::regclass from pg_inherits
        where inhparent in ('prop_trading_model.raw_trades_closed'::regclass, 'prop_trading_model.raw_metrics_daily'::regclass)
    loop
        execute format('alter table %s set schema prop_trading_model_new', leaf);
    end loop;
    alter table prop_trading_model.raw_trades_closed set schema prop_trading_model_new;
    alter table prop_trading_model.raw_metrics_daily set schema prop_trading_model_new;
    if exists (select from pg_roles where rolname = 'dpm_reader') then
        revoke all on all tables in schema prop_trading_model from dpm_reader, dpm_loader, dpm_refresher;
        revoke all on all sequences in schema prop_trading_model from dpm_reader, dpm_loader, dpm_refresher;
        revoke all on schema prop_trading_model from dpm_reader, dpm_loader, dpm_refresher;
    end if;
    perform set_config('role', r.rolname::text, true)
    from pg_roles as r join pg_namespace as n on n.nspname = 'prop_trading_model' and n.nspowner = r.oid
    where pg_has_role(r.oid, 'member') and r.rolname <> current_user;
end
$$;
