"""One look: every judge is asked, what they found is recorded, and what waits is delivered."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone

import dagster as dg

from dpm_assets.alerts.channels import Channel
from dpm_assets.alerts.conditions import Condition, Look
from dpm_assets.alerts.delivery import Delivered, deliver
from dpm_assets.alerts.incidents import Connection, open_incidents, record
from dpm_assets.alerts.judges import JUDGES, Judge
from dpm_assets.database import Database

UNJUDGED = "unjudged"

# A sensor's evaluation has to end within a minute, with the delivery.
_LONGEST_STATEMENT = "10s"


@dataclass
class Outcome:
    """Incidents open after the look, what was delivered, and what there is to say of the alerts themselves."""

    open: int
    delivered: list[Delivered]
    notes: list[str] = field(default_factory=list)


def look_and_tell(
    db: Database, instance: dg.DagsterInstance, repository: dg.RepositoryDefinition, channels: Sequence[Channel]
) -> Outcome:
    """Judge, record in one transaction, then deliver. Raises DpmError when the warehouse cannot be reached."""
    notes: list[str] = []
    with db.connection("dpm_refresher") as conn:
        if _only_one(conn):
            with conn.transaction():
                conn.execute("select set_config('statement_timeout', %s, true)", [_LONGEST_STATEMENT])
                look = Look(conn, instance, repository, datetime.now(timezone.utc), notes)
                judge_and_record(look, [channel.name for channel in channels])
            # Not when the pool comes to it: the next look may follow at once.
            conn.execute("select pg_advisory_unlock_all()")
        still_open = open_incidents(conn)
    return Outcome(still_open, deliver(db, channels), notes)


def judge_and_record(look: Look, channels: Sequence[str]) -> None:
    """An alert that cannot be judged is an incident itself; those that it found before stay open."""
    found: list[Condition] = []
    judged = [UNJUDGED]
    for alert, judge in JUDGES.items():
        try:
            found += _ask(look, judge)
            judged.append(alert)
        except Exception as error:
            if look.conn.closed:
                raise  # nothing can be recorded
            found.append(_unjudged(alert, error))
    record(look.conn, found, judged, channels)


def _ask(look: Look, judge: Judge) -> list[Condition]:
    """What a judge says, in a savepoint: one that fails spoils nothing of the others."""
    with look.conn.transaction():
        return judge(look)


def _unjudged(alert: str, error: Exception) -> Condition:
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:300].rstrip(".")
    return Condition(
        alert=UNJUDGED,
        key=f"{UNJUDGED}: {alert}",
        severity="warning",
        summary=f"The alert {alert!r} cannot be judged: {reason}.",
        remedy="dpm schema status shows whether the schema is older than this installation; see that the server has room.",
        details={"error": type(error).__name__},
    )


def _only_one(conn: Connection) -> bool:
    """Whether nobody else is judging: what was seen first must not be recorded last."""
    row = conn.execute("select pg_try_advisory_lock(hashtextextended('prop_trading_model.alerts', 0))").fetchone()
    return row == (True,)
