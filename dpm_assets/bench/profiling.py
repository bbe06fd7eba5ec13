"""Where time goes: what PostgreSQL counted of each statement, and how many cores were at work."""

import os
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dpm_assets.bench.systems import Connection

LISTED = 12
"""Statements of a profile, those that take longest."""

_READY = "select to_regclass('pg_stat_statements') is not null and current_setting('pg_stat_statements.track', true) is not null"
_TAKEN = """
select
    left(regexp_replace(query, '\\s+', ' ', 'g'), 120) as statement, calls, round(total_exec_time::numeric, 1)::float8 as ms,
    (wal_bytes / 1024)::bigint as wal_kb
from pg_stat_statements
where dbid = (select oid from pg_database where datname = current_database()) and (not %(inner)s or not toplevel)
order by total_exec_time desc
limit %(listed)s
"""


def profiled(conn: Connection, work: Callable[[], Any], *, inner: bool) -> list[dict[str, Any]]:
    """Does some work, and returns its statements that took longest: {"statement", "calls", "ms", "wal_kb"}.

    With `inner` those inside of the functions that `conn` calls; else those that any connection to the database sends. A
    statement's time holds that of the ones inside it. Empty where pg_stat_statements is not there.
    """
    ready = conn.execute(_READY).fetchone() == (True,)
    if ready:
        conn.execute("set pg_stat_statements.track = 'all'" if inner else "set pg_stat_statements.track = 'none'")
        conn.execute("select pg_stat_statements_reset()")
    work()
    if not ready:
        return []
    conn.execute("set pg_stat_statements.track = 'none'")
    rows = conn.execute(_TAKEN, {"inner": inner, "listed": LISTED}).fetchall()
    conn.execute("reset pg_stat_statements.track")
    return [dict(zip(("statement", "calls", "ms", "wal_kb"), row, strict=True)) for row in rows]


def cores_at_work(work: Callable[[], Any]) -> tuple[Any, dict[str, float] | None]:
    """What some work returns, and cores that were busy on average meanwhile: {"all", "programs"}, the latter with the programs
    that it started and awaited. None where the system does not tell."""
    before, began = _busy(), time.monotonic()
    result = work()
    after, took = _busy(), time.monotonic() - began
    if before is None or after is None:
        return result, None
    return result, {
        name: round((end - start) / took, 2)
        for name, start, end in zip(("all", "programs"), before, after, strict=True)
    }


def _busy() -> tuple[float, float] | None:
    """Seconds of processor that everything on this machine has taken so far, and that programs started here have."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return None
    user, nice, system, _, _, irq, softirq = (int(part) for part in stat.read_text().split(maxsplit=8)[1:8])
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK"), children.ru_utime + children.ru_stime
