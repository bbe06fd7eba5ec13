-- What the alerts know: incidents, and the messages that tell of them.
-- Invariant: a key has at most one incident that is not over (alert_incidents_open_once), whoever looks at the same time; a
-- message is written together with the incident that it tells of, before it is sent, and is waiting until its delivery is
-- recorded: killed at any step, nobody forgets it, and what is sent again has the same id.

create table if not exists prop_trading_model.alert_incidents (
    incident_id uuid primary key default gen_random_uuid(),
    alert text not null,
    key text not null,
    severity text not null constraint alert_incidents_severity_check check (severity in ('warning', 'error')),
    summary text not null,
    remedy text not null,
    details jsonb not null default '{}',
    occurrence text,
    opened_at timestamptz not null default clock_timestamp(),
    seen_at timestamptz not null default clock_timestamp(),
    worsened_at timestamptz,
    resolved_at timestamptz
);

create unique index if not exists alert_incidents_open_once
    on prop_trading_model.alert_incidents (key) where resolved_at is null;
create index if not exists alert_incidents_occurrence on prop_trading_model.alert_incidents (key, occurrence);

comment on table prop_trading_model.alert_incidents is 'what was found wrong, from when to when; one row each time';
comment on column prop_trading_model.alert_incidents.incident_id is 'the same in every message of the incident';
comment on column prop_trading_model.alert_incidents.alert is 'which alert found it: run failure, freshness, ...';
comment on column prop_trading_model.alert_incidents.key is 'what is wrong: as long as it is, there is one incident of it';
comment on column prop_trading_model.alert_incidents.severity is 'the worst that it has been';
comment on column prop_trading_model.alert_incidents.summary is 'one sentence, as it was at the last look';
comment on column prop_trading_model.alert_incidents.remedy is 'what to do';
comment on column prop_trading_model.alert_incidents.details is 'its figures, as they were at the last look';
comment on column prop_trading_model.alert_incidents.occurrence is 'the last event behind it, such as the id of the failed run';
comment on column prop_trading_model.alert_incidents.opened_at is 'when it was found';
comment on column prop_trading_model.alert_incidents.seen_at is 'when it was last found still there';
comment on column prop_trading_model.alert_incidents.worsened_at is 'when the warning became an error';
comment on column prop_trading_model.alert_incidents.resolved_at is 'when it was found over; null while it is not';

create table if not exists prop_trading_model.alert_messages (
    message_number bigint generated always as identity,
    incident_id uuid not null references prop_trading_model.alert_incidents on delete cascade,
    channel text not null,
    event text not null constraint alert_messages_event_check check (event in ('opened', 'worsened', 'resolved')),
    severity text not null,
    body jsonb not null,
    queued_at timestamptz not null default clock_timestamp(),
    attempts integer not null default 0,
    remark text,
    delivered_at timestamptz,
    primary key (incident_id, channel, event)
);

create index if not exists alert_messages_waiting
    on prop_trading_model.alert_messages (channel, attempts, message_number) where delivered_at is null;

comment on table prop_trading_model.alert_messages is 'what each channel is told of an incident, in the order of message_number';
comment on column prop_trading_model.alert_messages.message_number is 'the order in which messages were written';
comment on column prop_trading_model.alert_messages.incident_id is 'the incident that the message tells of';
comment on column prop_trading_model.alert_messages.channel is 'log, webhook or mail';
comment on column prop_trading_model.alert_messages.event is 'what became of the incident; each is told once in a channel';
comment on column prop_trading_model.alert_messages.severity is 'the incident''s when the message was written';
comment on column prop_trading_model.alert_messages.body is 'what is said, as it was when the message was written';
comment on column prop_trading_model.alert_messages.queued_at is 'when the message was written';
comment on column prop_trading_model.alert_messages.attempts is 'how often its delivery ended, well or not';
comment on column prop_trading_model.alert_messages.remark is 'how the last attempt ended, if not simply well';
comment on column prop_trading_model.alert_messages.delivered_at is 'when it was delivered; null while it is waiting';
