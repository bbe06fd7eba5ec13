-- What every new session of the database begins with: unqualified names and naive times mean the same, whoever opens it.
-- Invariant: naive times are UTC.

do $$
begin
    execute format('alter database %I set search_path = prop_trading_model, public', current_database());
    execute format('alter database %I set timezone = ''UTC''', current_database());
exception when insufficient_privilege then
    raise notice 'the database belongs to somebody else: ask them to set its search_path to prop_trading_model, public'
        ' and its timezone to UTC';
end
$$;

set timezone = 'UTC';
