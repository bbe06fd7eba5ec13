"""Incidents: what the judges found, held against what was found before. The table is the only memory of it."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from dpm_assets.alerts.conditions import Condition
from dpm_assets.alerts.hiding import hide

Connection = psycopg.Connection[Any]

KEPT = timedelta(days=90)
"""How long an incident that is over is kept, with its messages."""

# A run that failed and was made good is no news if it, as the last of its key, has been told of.
_OPEN = """
insert into prop_trading_model.alert_incidents as i (alert, key, severity, summary, remedy, details, occurrence)
select f.alert, f.key, f.severity, f.summary, f.remedy, f.details, f.occurrence
from jsonb_to_recordset(%(found)s) as f
    (alert text, key text, severity text, summary text, remedy text, details jsonb, occurrence text, state text)
where f.state = 'on' or (f.state = 'over' and (
    exists (select from prop_trading_model.alert_incidents as o where o.key = f.key and o.resolved_at is null)
    or not exists (
        select from prop_trading_model.alert_incidents as o where o.key = f.key and o.occurrence = f.occurrence
    )
))
on conflict (key) where resolved_at is null do update set
    summary = excluded.summary, remedy = excluded.remedy, details = excluded.details, occurrence = excluded.occurrence,
    seen_at = clock_timestamp(),
    severity = case when excluded.severity = 'error' then 'error' else i.severity end,
    worsened_at = case when excluded.severity = 'error' and i.severity = 'warning' then clock_timestamp() else i.worsened_at end
"""
_RESOLVE = """
update prop_trading_model.alert_incidents set resolved_at = clock_timestamp()
where resolved_at is null and alert = any (%(judged)s) and key <> all (%(still)s)
"""
# Derived from the incidents, so that a channel that is configured later is told of what is open, and of nothing twice.
_TELL_OPEN = """
insert into prop_trading_model.alert_messages (incident_id, channel, event, severity, body)
select i.incident_id, c.channel, 'opened', i.severity,
    jsonb_build_object('summary', i.summary, 'remedy', i.remedy, 'details', i.details)
from prop_trading_model.alert_incidents as i cross join unnest(%(channels)s::text[]) as c (channel)
where i.resolved_at is null
order by i.opened_at
on conflict (incident_id, channel, event) do nothing
"""
_TELL_AFTERWARDS = """
insert into prop_trading_model.alert_messages (incident_id, channel, event, severity, body)
select i.incident_id, o.channel, %(event)s::text, i.severity,
    jsonb_build_object('summary', i.summary, 'remedy', i.remedy, 'details', i.details)
from prop_trading_model.alert_incidents as i
join prop_trading_model.alert_messages as o on o.incident_id = i.incident_id and o.event = 'opened'
where o.channel = any (%(channels)s) and case %(event)s::text
    when 'worsened' then i.resolved_at is null and i.severity = 'error' and o.severity = 'warning'
    else i.resolved_at is not null
end
order by i.opened_at
on conflict (incident_id, channel, event) do nothing
"""
_FORGET = "delete from prop_trading_model.alert_incidents where resolved_at < clock_timestamp() - %(kept)s"


def record(conn: Connection, found: Sequence[Condition], judged: Collection[str], channels: Sequence[str]) -> None:
    """Open, worsen and resolve incidents, and write the messages that tell of it, in the transaction that `conn` is in.

    `judged` are the alerts that looked: an incident of another stays as it is.
    """
    shown = {condition.key: _plain(condition) for condition in found}
    values: dict[str, Any] = {
        "found": Jsonb(list(shown.values())),
        "judged": list(judged),
        "still": [each["key"] for each in shown.values() if each["state"] != "over"],
        "channels": list(channels),
        "kept": KEPT,
    }
    conn.execute(_OPEN, values)
    conn.execute(_TELL_OPEN, values)
    conn.execute(_TELL_AFTERWARDS, values | {"event": "worsened"})
    conn.execute(_RESOLVE, values)
    conn.execute(_TELL_AFTERWARDS, values | {"event": "resolved"})
    conn.execute(_FORGET, values)


def _plain(condition: Condition) -> dict[str, Any]:
    """As JSON. No secret comes into the tables."""
    shown = hide({"summary": condition.summary, "remedy": condition.remedy, "details": condition.details})
    return {
        "alert": condition.alert,
        "key": hide(condition.key),
        "severity": condition.severity,
        "occurrence": condition.occurrence,
        "state": condition.state,
        **shown,
    }


def open_incidents(conn: Connection) -> int:
    row = conn.execute("select count(*) from prop_trading_model.alert_incidents where resolved_at is null").fetchone()
    assert row is not None
    return int(row[0])
