-- What no trigger sees: leaves that were attached, detached, dropped or rewritten, by anybody.
-- Invariant: known_leaves is brought up to date in the transaction that marks the months which differ. Bounds are compared as
-- text, so all sessions print them alike, whatever their DateStyle.

-- The leaves of raw_trades_closed as the catalogue has them now.
create or replace function prop_trading_model.trade_leaves()
returns table (leaf oid, leaf_name text, relfilenode oid, bounds text, detach_pending boolean)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
set datestyle = 'ISO, YMD'
as $$
    select c.oid, c.relname::text, c.relfilenode, pg_get_expr(c.relpartbound, c.oid), i.inhdetachpending
    from pg_inherits as i join pg_class as c on c.oid = i.inhrelid
    where i.inhparent = 'prop_trading_model.raw_trades_closed'::regclass
$$;

-- The leaves that differ from what the last refresh saw, as they were or as they are. Cold months are the lifecycle's.
create or replace function prop_trading_model.changed_leaves()
returns table (leaf oid, leaf_name text, lower date, upper date, gone boolean)
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
set datestyle = 'ISO, YMD'
as $$
    with now_there as materialized (select * from prop_trading_model.trade_leaves()),
    differing as (
        select k.leaf, k.leaf_name, k.bounds, true as gone
        from prop_trading_model.known_leaves as k
        where not exists (select from now_there as n where n is not distinct from k)
        union all
        select n.leaf, n.leaf_name, n.bounds, false
        from now_there as n
        where not exists (select from prop_trading_model.known_leaves as k where n is not distinct from k)
    )
    select d.leaf, d.leaf_name,
        coalesce(substring(d.bounds from 'FROM \(''([^'']+)''\)')::date, '-infinity'),
        coalesce(substring(d.bounds from 'TO \(''([^'']+)''\)')::date, 'infinity'),
        d.gone
    from differing as d
    where not exists (
        select from prop_trading_model.month_state as s
        where s.state <> 'hot'
            and d.bounds like '%FROM (''' || s.month || ''') TO (''' || (s.month + interval '1 month')::date || ''')%'
    )
$$;

-- Marks the months of the leaves that differ, gives a leaf that somebody else made its triggers and privileges, and
-- remembers what is there now. A leaf that cannot be dressed (locked, or another's) stays unknown: its month is
-- recomputed at each refresh until it can, so that no number is wrong meanwhile. Returns how many leaves differed.
create or replace function prop_trading_model.compare_leaves() returns integer
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    differing record;
    found integer := 0;
    dressed boolean;
begin
    for differing in select * from prop_trading_model.changed_leaves() order by gone desc loop
        found := found + 1;
        if differing.gone then
            delete from prop_trading_model.known_leaves where leaf = differing.leaf;
            perform prop_trading_model.mark_months(differing.lower, differing.upper, 'leaf changed or gone');
        else
            dressed := prop_trading_model.try_dress_leaf(differing.leaf);
            if dressed then
                insert into prop_trading_model.known_leaves
                select * from prop_trading_model.trade_leaves() as leaves where leaves.leaf = differing.leaf;
            end if;
            perform prop_trading_model.mark_months(differing.lower, differing.upper, 'leaf new or rewritten');
        end if;
    end loop;
    return found;
end
$$;

-- Dresses a leaf unless it is locked for longer than 200 ms or belongs to another role; says whether it has all now.
-- Writers who are in the leaf already hold a lock that CREATE TRIGGER waits for: once this returns true, whatever they
-- wrote without a trigger has been committed, and the month's recomputation, which starts later, sees it.
create or replace function prop_trading_model.try_dress_leaf(leaf oid) returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
set lock_timeout = '200ms'
as $$
begin
    -- Somebody may have dropped it since it was found; the next comparison finds it gone.
    if not exists (select from pg_class as c where c.oid = leaf) then
        return false;
    end if;
    perform prop_trading_model.dress_leaf('prop_trading_model.raw_trades_closed', leaf::regclass);
    return true;
exception when lock_not_available or insufficient_privilege or undefined_table then
    raise warning 'the leaf % has no change triggers yet: %', leaf::regclass, sqlerrm;
    return false;
end
$$;
