"""`dpm alerts test | list`: whether the channels work, and what is wrong or was lately."""

from datetime import datetime, timezone
from typing import Annotated
from uuid import uuid4

import typer

from dpm_assets.alerts.channels import Channel, DeliveryFailed, configured
from dpm_assets.alerts.messages import Message
from dpm_assets.alerts.settings import alert_settings
from dpm_assets.loads.showing import Json, Limit, console, read, table

app = typer.Typer(no_args_is_help=True, help="What is wrong with the warehouse, and who is told of it.")

_INCIDENTS = """
select left(incident_id::text, 8) as incident, case when resolved_at is null then 'open' else 'over' end as state, severity,
    alert, to_char(opened_at at time zone 'utc', 'YYYY-MM-DD HH24:MI') as since,
    to_char(resolved_at at time zone 'utc', 'YYYY-MM-DD HH24:MI') as until, summary,
    coalesce((
        select string_agg(
            m.channel || ' ' || m.event || case when m.delivered_at is null
                then coalesce(' not delivered: ' || m.remark, ' waiting') else ' delivered' || coalesce(', ' || m.remark, '') end,
            ', ' order by m.message_number
        )
        from prop_trading_model.alert_messages as m where m.incident_id = i.incident_id
    ), '') as told
from prop_trading_model.alert_incidents as i
where %(over)s or resolved_at is null
order by resolved_at is null desc, coalesce(resolved_at, opened_at) desc, key
limit %(limit)s
"""


@app.command("list")
def list_incidents(
    only_open: Annotated[bool, typer.Option("--open", help="Only those that are not over.")] = False,
    limit: Limit = 20,
    as_json: Json = False,
) -> None:
    """Open incidents, and the latest that are over."""
    table(read(_INCIDENTS, limit=limit, over=not only_open), as_json, "No incident is known.")


@app.command("test")
def test() -> None:
    """Send a test message through each channel that is configured. Exit code 1 when one did not take it."""
    channels = configured(alert_settings())
    well = [_try(channel) for channel in channels.usable]
    for complaint in channels.complaints:
        console.print(complaint)
    if channels.complaints or not all(well):
        raise typer.Exit(1)


def _try(channel: Channel) -> bool:
    try:
        remark = channel.send(_message())
    except Exception as error:  # of one that is not ours the text may hold anything, a token too
        reason = str(error) if isinstance(error, DeliveryFailed) else f"{type(error).__name__} while it was sent"
        console.print(f"{channel.name}: the test message was not delivered to {channel.where}: {reason}.")
        return False
    console.print(
        f"{channel.name}: the test message was delivered to {channel.where}{f', {remark}' if remark else ''}."
    )
    return True


def _message() -> Message:
    return Message(
        incident=uuid4(),
        event="test",
        alert="test",
        severity="warning",
        summary="This is a test of the warehouse's alerts.",
        remedy="Nothing is wrong, and nothing is to be done.",
        details={},
        opened_at=datetime.now(timezone.utc),
    )
