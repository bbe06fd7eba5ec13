"""Rows in the quarantine that nobody has dealt with, by feed; and files that were refused for having too many."""

from datetime import timedelta

from dpm_assets.alerts.conditions import Condition, Look
from dpm_assets.alerts.settings import alert_settings

# A file that was offered again and loaded has taken the place of what was rejected of it before.
_WAITING = r"""
select b.feed, count(r.line) filter (where b.status = 'loaded'),
    array_agg(distinct b.batch_id) filter (where b.status = 'loaded' and r.line is not null),
    array_agg(distinct b.batch_id) filter (where b.status = 'refused'),
    max(regexp_replace(b.file, '^.*[/\\]', '')) filter (where b.status = 'refused')
from prop_trading_model.load_batches as b
left join prop_trading_model.load_rejects as r on r.batch_id = b.batch_id and r.resolved_by is null
where b.finished_at > %(since)s and b.rows_rejected > 0 and b.status in ('loaded', 'refused')
    and not exists (
        select from prop_trading_model.load_batches as later
        where later.feed = b.feed and later.file = b.file and later.batch_id > b.batch_id and later.status = 'loaded'
            and later.retry_of is null
    )
group by b.feed
order by b.feed
"""


def waiting_rejects(look: Look) -> list[Condition]:
    since = look.now - timedelta(days=alert_settings().rejects_days)
    rows = look.conn.execute(_WAITING, {"since": since}).fetchall()
    return [
        _condition(feed, waiting, batches or [], refused or [], file)
        for feed, waiting, batches, refused, file in rows
        if waiting > alert_settings().rejects or refused
    ]


def _condition(feed: str, waiting: int, batches: list[int], refused: list[int], file: str | None) -> Condition:
    parts = []
    if refused:
        parts.append(f"{len(refused)} file{'s' * (len(refused) > 1)} with too many rejects refused (such as {file})")
    if waiting:
        parts.append(f"{waiting:,} rejected rows waiting in {len(batches)} batch{'es' * (len(batches) > 1)}")
    return Condition(
        alert="rejects",
        key=f"rejects: {feed}",
        severity="error" if refused else "warning",
        summary=f"Feed {feed}: {' and '.join(parts)}.",
        remedy="dpm rejects list BATCH shows why; mend the file and load it again, or dpm rejects retry BATCH.",
        details={"feed": feed, "waiting": waiting, "batches": batches[-20:], "refused_batches": refused[-20:]},
    )
