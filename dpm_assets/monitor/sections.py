"""What a look at the warehouse asks of the database, a function for each part; none writes anything."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal, TypeVar

import psycopg
from psycopg.rows import class_row

from dpm_assets.refresh.failures import STAGE

Connection = psycopg.Connection[Any]
T = TypeVar("T")

RECENT = 5
_REFRESHES_LOOKED_AT = 20_000


@dataclass(frozen=True)
class Server:
    version: str
    started_at: datetime
    connections: int


@dataclass(frozen=True)
class Load:
    """One of the latest loads; `file` is its name without the folder."""

    batch_id: int
    feed: str
    status: str
    file: str
    rows_read: int
    rows_rejected: int
    seconds: float
    finished_at: datetime
    message: str | None


@dataclass(frozen=True)
class LoadSum:
    """All loads of a feed: how many batches, how many of them loaded, refused, undone; rows; rejects that nobody has resolved.

    `last_finished_at` is the end of the last one that was neither refused nor undone; None where there is none.
    """

    feed: str
    batches: int
    loaded: int
    refused: int
    undone: int
    rows_read: int
    rows_rejected: int
    seconds: float
    last_finished_at: datetime | None
    open_rejects: int


@dataclass(frozen=True)
class Refresh:
    """One of the latest refreshes: of account-days (keys), of a month, of totals, of views."""

    kind: str
    months: list[date]
    keys_taken: int
    rows_written: int
    views: list[str]
    finished_at: datetime
    seconds: float


@dataclass(frozen=True)
class RefreshSum:
    """Refreshes of a kind: the last one, and those that ended within the last hour."""

    kind: str
    last_finished_at: datetime
    last_seconds: float
    hour_count: int
    hour_seconds: float
    hour_rows_written: int


@dataclass(frozen=True)
class Running:
    """The session that holds the refresh lock; `since` is None where the login may not see it."""

    pid: int
    since: datetime | None
    waits_for: list[int]


@dataclass(frozen=True)
class ColdSum:
    """What is in the archive of a table: months or years, rows, bytes of the files and of the partitions they stand for."""

    table: str
    parts: int
    rows: int
    bytes: int
    partition_bytes: int


@dataclass(frozen=True)
class Stuck:
    """A part that has been on its way into the archive, or out of it, for more than an hour."""

    table: str
    lower: date
    state: str
    since: datetime


def server(conn: Connection) -> Server:
    return _one(
        conn,
        Server,
        "select split_part(current_setting('server_version'), ' ', 1) as version, pg_postmaster_start_time() as started_at,"
        " (select sum(numbackends)::integer from pg_stat_database) as connections",
    )


def kind_of_trades(conn: Connection) -> Literal["partitioned", "plain"] | None:
    """What raw_trades_closed is in this database: ours, the original's, or not there."""
    row = conn.execute(
        "select case c.relkind when 'p' then 'partitioned' else 'plain' end from pg_class as c"
        " join pg_namespace as n on n.oid = c.relnamespace"
        " where n.nspname = 'prop_trading_model' and c.relname = 'raw_trades_closed'"
    ).fetchone()
    return row[0] if row else None


def database_bytes(conn: Connection) -> int:
    row = conn.execute("select pg_database_size(current_database())").fetchone()
    assert row is not None
    return int(row[0])


def loads(conn: Connection) -> list[Load]:
    """The latest, newest first."""
    return _all(
        conn,
        Load,
        r"""
        select batch_id, feed, status, regexp_replace(file, '^.*[/\\]', '') as file, rows_read, rows_rejected, seconds,
            finished_at, message
        from prop_trading_model.load_batches order by batch_id desc limit %s
        """,
        RECENT,
    )


def load_sums(conn: Connection) -> list[LoadSum]:
    return _all(
        conn,
        LoadSum,
        """
        with open_rejects as (
            select batch_id, count(*) as n from prop_trading_model.load_rejects where resolved_by is null group by batch_id
        )
        select b.feed, count(*) as batches, count(*) filter (where b.status = 'loaded') as loaded,
            count(*) filter (where b.status = 'refused') as refused, count(*) filter (where b.status = 'undone') as undone,
            sum(b.rows_read)::bigint as rows_read, sum(b.rows_rejected)::bigint as rows_rejected, sum(b.seconds) as seconds,
            max(b.finished_at) filter (where b.status = 'loaded') as last_finished_at,
            coalesce(sum(r.n), 0)::bigint as open_rejects
        from prop_trading_model.load_batches as b left join open_rejects as r using (batch_id)
        group by b.feed order by b.feed
        """,
    )


def refreshes(conn: Connection) -> list[Refresh]:
    """The latest, newest first."""
    return _all(
        conn,
        Refresh,
        "select kind, case when month is null then months else array[month] end as months, keys_taken, rows_written, views,"
        " finished_at, seconds::float8 from prop_trading_model.refresh_log order by refresh_id desc limit %s",
        RECENT,
    )


def refresh_sums(conn: Connection) -> list[RefreshSum]:
    """Of the newest rows of the log, which grows without end."""
    return _all(
        conn,
        RefreshSum,
        """
        with newest as (
            select * from prop_trading_model.refresh_log order by refresh_id desc limit %s
        ),
        marked as (
            select *, finished_at > now() - interval '1 hour' as within_hour from newest
        )
        select kind, max(finished_at) as last_finished_at,
            (array_agg(seconds order by refresh_id desc))[1]::float8 as last_seconds,
            count(*) filter (where within_hour) as hour_count,
            coalesce(sum(seconds) filter (where within_hour), 0)::float8 as hour_seconds,
            coalesce(sum(rows_written) filter (where within_hour), 0)::bigint as hour_rows_written
        from marked group by kind order by kind
        """,
        _REFRESHES_LOOKED_AT,
    )


def refresh_running(conn: Connection) -> Running | None:
    """Whoever holds the lock that lock_refresh() takes."""
    found = _all(
        conn,
        Running,
        """
        select l.pid, a.xact_start as since, pg_blocking_pids(l.pid) as waits_for
        from pg_locks as l
        left join pg_stat_activity as a on a.pid = l.pid
        where l.locktype = 'advisory' and l.granted and l.objsubid = 1
            and l.database = (select oid from pg_database where datname = current_database())
            and (l.classid::bigint << 32) | l.objid::bigint = hashtextextended('prop_trading_model.refresh', 0)
        """,
    )
    return found[0] if found else None


def refresh_failure(conn: Connection) -> str | None:
    """The message of the last refresh that failed, unless one has ended well since."""
    row = conn.execute(
        """
        select error_message from prop_trading_model.pipeline_execution_log as p
        where p.pipeline_stage = %s and p.status = 'failed'
            and not exists (
                select from prop_trading_model.refresh_log as r
                where r.finished_at at time zone 'utc' > p.end_time and r.kind in ('views', 'month')
            )
        order by p.id desc limit 1
        """,
        [STAGE],
    ).fetchone()
    return row[0] if row else None


def cold(conn: Connection) -> list[ColdSum]:
    return _all(
        conn,
        ColdSum,
        """
        select s.parent_table as table, count(*) as parts, coalesce(sum(f.rows), 0)::bigint as rows,
            coalesce(sum(f.bytes), 0)::bigint as bytes, coalesce(sum(f.partition_bytes), 0)::bigint as partition_bytes
        from prop_trading_model.partition_state as s
        left join prop_trading_model.cold_files as f using (parent_table, lower)
        where s.state = 'cold'
        group by s.parent_table order by s.parent_table
        """,
    )


def stuck(conn: Connection) -> list[Stuck]:
    return _all(
        conn,
        Stuck,
        "select parent_table as table, lower, state, changed_at as since from prop_trading_model.partition_state"
        " where state in ('archiving', 'restoring') and changed_at < now() - interval '1 hour' order by changed_at",
    )


def _all(conn: Connection, kind: type[T], query: str, *parameters: Any) -> list[T]:
    with conn.cursor(row_factory=class_row(kind)) as cursor:
        return cursor.execute(query.encode(), parameters).fetchall()


def _one(conn: Connection, kind: type[T], query: str) -> T:
    return _all(conn, kind, query)[0]
