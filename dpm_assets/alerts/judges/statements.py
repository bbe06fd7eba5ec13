"""Statements whose mean time was over the limit lately, by the snapshots of pg_stat_statements in query_performance_log.

Each snapshot counts from the one before: the mean over all time would tell for ever of a statement that was slow once.
"""

from datetime import timedelta

from dpm_assets.alerts.conditions import Condition, Look
from dpm_assets.alerts.settings import alert_settings

EXTENSION = "pg_stat_statements"

_SLOW = """
select fingerprint, min(query), sum(calls)::bigint, (sum(calls * mean_ms) / sum(calls))::float8
from prop_trading_model.query_performance_log
where captured_at > (%(now)s at time zone 'utc') - %(window)s
group by fingerprint
having sum(calls) >= %(calls)s and sum(calls * mean_ms) / sum(calls) > %(limit_ms)s
order by 4 desc
limit 50
"""


def slow_statements(look: Look) -> list[Condition]:
    if look.conn.execute("select from pg_catalog.pg_extension where extname = %s", [EXTENSION]).fetchone() is None:
        look.notes.append(f"Slow statements are not judged: {EXTENSION} is not installed in this database.")
        return []
    given = alert_settings()
    rows = look.conn.execute(
        _SLOW,
        {
            "now": look.now,
            "window": timedelta(seconds=given.statement_window_seconds),
            "calls": given.statement_calls,
            "limit_ms": given.statement_seconds * 1000,
        },
    ).fetchall()
    return [_condition(*row) for row in rows]


def _condition(fingerprint: str, query: str, calls: int, mean_ms: float) -> Condition:
    text = " ".join(query.split())
    return Condition(
        alert="slow statements",
        key=f"slow statement: {fingerprint}",
        severity="warning",
        summary=(
            f"A statement took {mean_ms / 1000:.1f} s on average, {calls:,} times: "
            f"{text if len(text) <= 120 else text[:117] + '...'}"
        ),
        remedy="See its plan with explain (analyze, buffers); a date or an account in its condition leaves partitions out.",
        details={
            "fingerprint": fingerprint,
            "calls": calls,
            "mean_seconds": round(mean_ms / 1000, 3),
            "statement": text[:1000],
        },
    )
