"""`alert_sensor`: looks every half minute. It launches nothing; what it knows is in the warehouse, not in its cursor."""

import json
from functools import lru_cache

import dagster as dg

from dpm_assets.alerts.channels import configured
from dpm_assets.alerts.looking import Outcome, look_and_tell
from dpm_assets.alerts.settings import alert_settings
from dpm_assets.database import Database
from dpm_assets.server.connect import warehouse_url


@lru_cache(maxsize=1)
def alert_database() -> Database:
    """A pool of its own: a receiver that does not answer keeps no connection from the sensors that load and refresh."""
    return Database(warehouse_url(), application_name="dpm alerts", max_connections=4)


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Tells once of what is wrong, and once more when it is over, by webhook, mail or log file: failed runs and checks, "
        "changes that wait, partitions that are missing, rejects, slow statements. dpm alerts list shows the same."
    ),
)
def alert_sensor(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    assert context.repository_def is not None
    channels = configured(alert_settings())
    outcome = look_and_tell(alert_database(), context.instance, context.repository_def, channels.usable)
    outcome.notes += channels.complaints
    _say_once(context, outcome.notes)
    return dg.SkipReason(_in_words(outcome))


def _say_once(context: dg.SensorEvaluationContext, notes: list[str]) -> None:
    """The cursor holds what was said already; no note holds a secret."""
    said = json.loads(context.cursor) if context.cursor else []
    for note in notes:
        if note not in said:
            context.log.warning(note)
    if set(notes) - set(said):
        context.update_cursor(json.dumps(sorted({*said, *notes})))


def _in_words(outcome: Outcome) -> str:
    parts = [f"{outcome.open} open incident{'s' * (outcome.open != 1)}."]
    for done in outcome.delivered:
        if done.taken:
            parts.append(f"{done.channel}: {done.taken} message{'s' * (done.taken > 1)} delivered.")
        if done.failed:
            parts.append(f"{done.channel}: {done.failed} not delivered ({done.reason}), tried again at the next look.")
    return " ".join(parts)
