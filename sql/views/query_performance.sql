-- What the snapshots of query_performance_log say to whoever is on call: the slowest statements, those that grow, those that
-- have become slow. Invariant: "now" is the newest snapshot, so that they say the same until there is another.

-- The last day's statements, the slowest first.
create or replace view prop_trading_model.slowest_queries as
select
    l.fingerprint, min(l.query) as query, sum(l.calls)::bigint as calls,
    round(sum(l.calls * l.mean_ms) / sum(l.calls), 3) as mean_ms, max(l.max_ms) as max_ms, sum(l.calls * l.mean_ms) as total_ms,
    round(100 * sum(l.calls * l.mean_ms) / nullif(sum(sum(l.calls * l.mean_ms)) over (), 0), 2) as share_pct,
    sum(l.rows)::bigint as rows, sum(l.blocks_read)::bigint as blocks_read, sum(l.blocks_hit)::bigint as blocks_hit,
    max(l.captured_at) as last_seen
from prop_trading_model.query_performance_log as l
where l.captured_at > (select max(captured_at) from prop_trading_model.query_snapshots) - interval '1 day'
group by l.fingerprint
order by mean_ms desc;

-- Each statement of the last hour beside the seven days before it; before_* is null for one that did not run then.
create or replace view prop_trading_model.query_changes as
with newest as (
    select max(captured_at) as at from prop_trading_model.query_snapshots
),
halves as (
    select
        l.fingerprint, min(l.query) as query,
        sum(l.calls) filter (where l.captured_at > n.at - interval '1 hour') as calls,
        sum(l.calls * l.mean_ms) filter (where l.captured_at > n.at - interval '1 hour') as total_ms,
        sum(l.calls) filter (where l.captured_at <= n.at - interval '1 hour') as before_calls,
        sum(l.calls * l.mean_ms) filter (where l.captured_at <= n.at - interval '1 hour') as before_total_ms
    from prop_trading_model.query_performance_log as l cross join newest as n
    where l.captured_at > n.at - interval '7 days 1 hour'
    group by l.fingerprint
)
select
    fingerprint, query, calls::bigint, round(total_ms / calls, 3) as mean_ms, total_ms,
    before_calls::bigint, round(before_total_ms / before_calls, 3) as before_mean_ms,
    round((total_ms / calls) / nullif(before_total_ms / before_calls, 0), 2) as times_as_slow,
    round(total_ms - calls * (before_total_ms / before_calls), 3) as extra_ms
from halves
where calls > 0;

-- Those that take longer a call than before, the most additional time first; of a few calls nothing is said.
create or replace view prop_trading_model.growing_queries as
select * from prop_trading_model.query_changes
where before_calls >= 5 and calls >= 2 and times_as_slow > 1
order by extra_ms desc;

-- Those of at least 100 ms a call that did not run before, or took a third of it: nothing until there is something before.
create or replace view prop_trading_model.newly_slow_queries as
select * from prop_trading_model.query_changes
where mean_ms >= 100 and (before_calls is null or times_as_slow >= 3)
    and exists (
        select from prop_trading_model.query_snapshots
        where captured_at <= (select max(captured_at) from prop_trading_model.query_snapshots) - interval '1 hour'
    )
order by mean_ms desc;
