-- Where rows of the original stand that production's checks and keys refuse: whole, with the reason, until somebody has looked.
-- Invariant: a row is written here in the transaction that takes it out of its table.

create schema if not exists prop_trading_model_migration;

create table if not exists prop_trading_model_migration.unmoved_rows (
    table_name text not null,
    id bigint not null,
    reason text not null,
    row jsonb not null,
    unmoved_at timestamptz not null default clock_timestamp()
);

do $$
begin
    if exists (
        select from pg_roles where rolname = 'dpm_owner'
            and pg_has_role(oid, case when current_setting('server_version_num')::integer < 160000 then 'member' else 'set' end)
    ) then
        alter schema prop_trading_model_migration owner to dpm_owner;
        alter table prop_trading_model_migration.unmoved_rows owner to dpm_owner;
    end if;
end
$$;
