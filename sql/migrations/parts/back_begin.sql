-- What has to hold before the partitioned tables are turned back into those of the original: nobody works on them, and nothing
-- would be lost that the original has no place for.

do $$
begin
    begin
        set local lock_timeout = '5s';
        lock table prop_trading_model.raw_trades_closed, prop_trading_model.raw_metrics_daily in access exclusive mode;
        set local lock_timeout = 0;
    exception when lock_not_available then
        raise exception 'this downgrade changes tables offline, and somebody uses them: stop the programs first';
    end;
    if exists (select from prop_trading_model.cold_files) then
        raise exception 'months of trades or years of metrics are in an archive, and this downgrade would lose them:'
            ' restore them first (dpm partitions restore MONTH_OR_YEAR...)';
    end if;
    if (select greatest(
            (select max(id) from prop_trading_model.raw_trades_closed),
            (select max(id) from prop_trading_model.raw_metrics_daily))) > 2147483647 then
        raise exception 'an id is larger than the integer of the original can hold: this downgrade is not possible any more';
    end if;
    -- With them go the triggers of the change log.
    drop routine if exists prop_trading_model.log_changed_account_days(), prop_trading_model.log_truncated_months(),
        prop_trading_model.log_changed_input(), prop_trading_model.refuse_archived_write() cascade;
end
$$;
