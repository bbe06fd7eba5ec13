"""One look at the whole warehouse: what `dpm status` shows and `dpm metrics` exposes, read in one transaction."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any, Literal, TypeVar

import psycopg

from dpm_assets.calendar import add_months, month_of, today
from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.monitor import sections
from dpm_assets.monitor.queries import LogState, Query, log_state, newly_slow, slowest
from dpm_assets.monitor.sections import ColdSum, Load, LoadSum, Refresh, RefreshSum, Running, Server, Stuck
from dpm_assets.partitions.findings import Finding, read_findings
from dpm_assets.partitions.sizes import Partition, read_partitions
from dpm_assets.refresh.engine import Pending, read_pending
from dpm_assets.schema.apply import SchemaStatus, status
from dpm_assets.server.connect import embedded_server, warehouse_url
from dpm_assets.server.disk import Disk, disk_of
from dpm_assets.settings import settings

SchemaState = Literal["current", "differs", "unknown", "original", "none"]
T = TypeVar("T")


@dataclass
class Snapshot:
    """Of a server that cannot be reached only `where` and `down`, the reason, are known; of a database without the schema
    only what PostgreSQL says of itself. What could not be read is None, with the reason in `unread` under its name."""

    taken_at: datetime
    where: str = ""
    down: str | None = None
    server: Server | None = None
    schema: SchemaStatus | None = None
    schema_state: SchemaState | None = None
    pending: Pending | None = None
    refreshes: list[Refresh] | None = None
    refresh_sums: list[RefreshSum] | None = None
    refresh_running: Running | None = None
    refresh_failure: str | None = None
    findings: list[Finding] | None = None
    partitions: dict[str, list[Partition]] | None = None
    cold: list[ColdSum] | None = None
    stuck: list[Stuck] | None = None
    loads: list[Load] | None = None
    load_sums: list[LoadSum] | None = None
    queries: list[Query] | None = None
    newly_slow: list[Query] | None = None
    query_log: LogState | None = None
    database_bytes: int | None = None
    disk: Disk | None = None
    unread: dict[str, str] = field(default_factory=dict)

    @property
    def months_ahead(self) -> int | None:
        """Months of trades after the running one, up to the first that is missing; -1 when the running one is. None: not read."""
        if self.partitions is None:
            return None
        there = {leaf.lower for leaf in self.partitions.get("raw_trades_closed", []) if leaf.state != "detach pending"}
        month, ahead = month_of(today()), -1
        while month in there:
            month, ahead = add_months(month, 1), ahead + 1
        return ahead


def take(seconds: int = 20) -> Snapshot:
    """Look at this warehouse; a statement that takes longer than `seconds` is given up, and its part left unread."""
    looked = Snapshot(datetime.now(timezone.utc))
    try:
        url = warehouse_url()
        with Database(url, application_name="dpm status", max_connections=2) as db:
            looked.where = db.where()
            _look(db, looked, seconds)
    except (DpmError, psycopg.OperationalError) as error:
        looked.down = " ".join(str(error).split())
    return looked


def _look(db: Database, looked: Snapshot, seconds: int) -> None:
    with db.connection(None) as conn:
        looked.server = sections.server(conn)
        kind = sections.kind_of_trades(conn)
        looked.disk = disk_of(conn, _data_directory())  # here, where the login itself may be a monitoring role
    looked.schema = _try(None, looked, "schema", lambda: status(db))
    looked.schema_state = _state(kind, looked.schema)
    with db.connection() as conn, conn.transaction():
        conn.execute("set transaction isolation level repeatable read, read only")
        # A look waits for nobody who rebuilds a table.
        conn.execute(
            "select set_config('lock_timeout', '2s', true), set_config('statement_timeout', %s, true)", [f"{seconds}s"]
        )
        looked.database_bytes = _try(conn, looked, "size", lambda: sections.database_bytes(conn))
        if kind == "partitioned":
            _read(conn, looked)


def _read(conn: psycopg.Connection[Any], looked: Snapshot) -> None:
    """Each part in a savepoint of its own: one that cannot be read, of an older schema say, keeps no other back."""
    ahead = settings().months_ahead
    looked.pending = _try(conn, looked, "pending changes", lambda: read_pending(conn))
    looked.refreshes = _try(conn, looked, "refreshes", lambda: sections.refreshes(conn))
    looked.refresh_sums = _try(conn, looked, "refresh times", lambda: sections.refresh_sums(conn))
    looked.refresh_running = _try(conn, looked, "running refresh", lambda: sections.refresh_running(conn))
    looked.refresh_failure = _try(conn, looked, "failed refreshes", lambda: sections.refresh_failure(conn))
    looked.findings = _try(conn, looked, "findings", lambda: read_findings(conn, ahead))
    looked.partitions = _try(conn, looked, "partitions", lambda: read_partitions(conn))
    looked.cold = _try(conn, looked, "archive", lambda: sections.cold(conn))
    looked.stuck = _try(conn, looked, "archiving", lambda: sections.stuck(conn))
    looked.loads = _try(conn, looked, "loads", lambda: sections.loads(conn))
    looked.load_sums = _try(conn, looked, "rejects", lambda: sections.load_sums(conn))
    looked.queries = _try(conn, looked, "slowest statements", lambda: slowest(conn, 10))
    looked.newly_slow = _try(conn, looked, "newly slow statements", lambda: newly_slow(conn, 10))
    looked.query_log = _try(conn, looked, "statement log", lambda: log_state(conn))


def _try(conn: psycopg.Connection[Any] | None, looked: Snapshot, part: str, read: Callable[[], T]) -> T | None:
    try:
        if conn is None:
            return read()
        with conn.transaction():
            return read()
    except psycopg.Error as error:
        if conn is not None and conn.closed:
            raise
        looked.unread[part] = error.diag.message_primary or str(error)
        return None


def _state(kind: str | None, found: SchemaStatus | None) -> SchemaState:
    if kind is None:
        return "none"
    if kind == "plain":
        return "original"
    if found is None or not (found.revision or found.digest):
        return "unknown"
    return "current" if found.current else "differs"


def _data_directory() -> Path | None:
    return embedded_server().state().data if settings().database_url is None else None


def oldest_hot(leaves: list[Partition]) -> date | None:
    """The first day of the oldest partition that holds rows."""
    return next((leaf.lower for leaf in leaves if leaf.state == "hot" and leaf.heap_bytes), None)
