"""Delivery: the messages that wait, each channel by itself.

One session delivers in a channel at a time (an advisory lock, which ends with the session, however that ends). A message is
recorded after it was taken: killed in between, it is sent again with the same id, and none is ever lost.
"""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import psycopg

from dpm_assets.alerts.channels import Channel, DeliveryFailed
from dpm_assets.alerts.messages import Message
from dpm_assets.database import Database

SECONDS_A_LOOK = 20.0
"""How long a channel is given: a sensor's evaluation has to end within a minute. What is left waits for the next."""

Connection = psycopg.Connection[Any]

# What failed before comes last, so that a message which a receiver never takes keeps no other back; but an incident is not
# said to be over before it was told of.
_NEXT = """
select m.message_number, m.incident_id, m.event, i.alert, m.severity, m.body, i.opened_at,
    case m.event when 'resolved' then i.resolved_at end
from prop_trading_model.alert_messages as m join prop_trading_model.alert_incidents as i using (incident_id)
where m.channel = %(channel)s and m.delivered_at is null and m.message_number <> all (%(tried)s)
    and not exists (
        select from prop_trading_model.alert_messages as e
        where e.incident_id = m.incident_id and e.channel = m.channel and e.delivered_at is null
            and e.message_number < m.message_number
    )
order by m.attempts, m.message_number limit 1
"""
_DELIVERED = """
update prop_trading_model.alert_messages
set attempts = attempts + 1, remark = %(remark)s, delivered_at = clock_timestamp() where message_number = %(number)s
"""
_FAILED = """
update prop_trading_model.alert_messages
set attempts = attempts + 1, remark = %(remark)s where message_number = %(number)s
"""


@dataclass
class Delivered:
    """What became of the messages of a channel: how many were taken, and why the last of the others was not."""

    channel: str
    taken: int = 0
    failed: int = 0
    reason: str = ""


def deliver(db: Database, channels: Sequence[Channel]) -> list[Delivered]:
    """Send what waits, all channels at once, so that none waits for another."""
    with ThreadPoolExecutor(len(channels), thread_name_prefix="alerts") as threads:
        return list(threads.map(lambda channel: deliver_in(db, channel), channels))


def deliver_in(db: Database, channel: Channel) -> Delivered:
    """Send what waits in one channel; nothing if another session is at it."""
    done = Delivered(channel.name)
    give_up = time.monotonic() + SECONDS_A_LOOK
    tried: list[int] = []
    with db.connection("dpm_refresher") as conn:
        if not _only_one(conn, channel):
            return done
        while time.monotonic() < give_up and (waiting := _next(conn, channel, tried)):
            number, message = waiting
            tried.append(number)
            try:
                remark = channel.send(message)
            except DeliveryFailed as error:
                done.reason = str(error)
            except (
                Exception
            ) as error:  # an error of ours in one message keeps no other back; its text may hold anything
                done.reason = f"{type(error).__name__} while it was sent"
            else:
                done.taken += 1
                conn.execute(_DELIVERED, {"number": number, "remark": remark})
                continue
            done.failed += 1
            conn.execute(_FAILED, {"number": number, "remark": done.reason})
    return done


def _only_one(conn: Connection, channel: Channel) -> bool:
    row = conn.execute(
        "select pg_try_advisory_lock(hashtextextended('prop_trading_model.alerts.' || %s, 0))", [channel.name]
    ).fetchone()
    return row == (True,)


def _next(conn: Connection, channel: Channel, tried: list[int]) -> tuple[int, Message] | None:
    row = conn.execute(_NEXT, {"channel": channel.name, "tried": tried}).fetchone()
    if row is None:
        return None
    number, incident, event, alert, severity, body, opened_at, resolved_at = row
    return number, Message(
        incident, event, alert, severity, body["summary"], body["remedy"], body["details"], opened_at, resolved_at
    )
