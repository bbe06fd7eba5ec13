"""What a look at the warehouse finds wrong, each with the next command to run."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from dpm_assets.monitor.snapshot import Snapshot, oldest_hot
from dpm_assets.partitions.findings import Finding
from dpm_assets.refresh.failures import DISAGREE
from dpm_assets.settings import settings

LITTLE_DISK = 0.05
ENOUGH_DISK = 50 * 10**9
QUERY_LOG_MAY_BE_OLD = timedelta(hours=1)
SNAPSHOT = "select * from log_query_performance()"


@dataclass(frozen=True)
class Problem:
    """Something is `wrong`, or cannot be told (`unknown`), or should be known (`note`); `command` is what to run next."""

    kind: Literal["wrong", "unknown", "note"]
    text: str
    command: str


def problems(looked: Snapshot) -> list[Problem]:
    """Everything, what is wrong first."""
    if looked.down is not None:
        return [_down(looked.down)]
    order = ("wrong", "unknown", "note")
    return sorted(_all(looked), key=lambda problem: order.index(problem.kind))


def exit_code(looked: Snapshot, found: list[Problem]) -> int:
    """0: healthy. 1: something is wrong. 2: it cannot be told."""
    kinds = {problem.kind for problem in found}
    if looked.down is not None:
        return 2
    return 1 if "wrong" in kinds else 2 if "unknown" in kinds else 0


def _down(reason: str) -> Problem:
    own = settings().database_url is not None
    return Problem("unknown", reason, psql("select 1") if own else "dpm server start")


def _all(looked: Snapshot) -> Iterator[Problem]:
    yield from _schema(looked)
    yield from _unread(looked)
    yield from _refresh(looked)
    yield from _partitions(looked.findings or [])
    yield from _archive(looked)
    yield from _disk(looked)
    yield from _loads(looked)
    yield from _queries(looked)


def _schema(looked: Snapshot) -> Iterator[Problem]:
    found = looked.schema
    if looked.schema_state == "none":
        yield Problem("wrong", "The database has no schema yet.", "dpm schema apply")
    elif looked.schema_state == "original":
        yield Problem("wrong", "The database holds the unpartitioned original of the schema.", "dpm migrate plan")
    elif looked.schema_state == "unknown" and "schema" not in looked.unread:
        yield Problem("unknown", "The schema was applied by psql, so its version is not known.", "dpm schema apply")
    elif looked.schema_state == "differs" and found:
        yield Problem(
            "wrong",
            f"The schema (revision {found.revision or 'none'}, files {found.digest or 'unknown'}) is not this "
            f"installation's (revision {found.expected_revision}, files {found.expected_digest}).",
            "dpm schema apply",
        )


def _unread(looked: Snapshot) -> Iterator[Problem]:
    """Under another schema than this one's, that is what keeps things from being read."""
    command = "dpm schema status" if looked.schema_state == "current" else "dpm schema apply"
    for part, reason in looked.unread.items():
        yield Problem("unknown", f"The {part} cannot be read: {reason}.", command)


def _refresh(looked: Snapshot) -> Iterator[Problem]:
    waiting = looked.pending
    if looked.refresh_failure and waiting and not waiting.nothing:
        yield Problem(
            "wrong", f"The last refresh failed: {looked.refresh_failure}.", _refresh_again(looked.refresh_failure)
        )
    age = (waiting.age_seconds or 0) if waiting else 0
    late = age > settings().lag_warning_seconds
    running = looked.refresh_running
    if running and running.waits_for and (late or waiting is None):
        blocker = running.waits_for[0]
        yield Problem(
            "wrong",
            f"The refresh, process {running.pid}, waits for a lock that process {blocker} holds.",
            psql(f"select * from pg_stat_activity where pid = {blocker}"),
        )
    elif late:
        yield Problem("wrong", f"A change has been waiting for its refresh for {duration(age)}.", "dpm refresh")


def _refresh_again(failure: str) -> str:
    """What mends it; rollups that disagree stay so, and get into the views, until their months are recomputed."""
    if not failure.startswith(DISAGREE):
        return "dpm refresh"
    return f"dpm refresh --rebuild {failure.removeprefix(DISAGREE).replace(',', '')}"


def _partitions(found: list[Finding]) -> Iterator[Problem]:
    """One problem for each kind of finding."""
    kinds = dict.fromkeys(finding.finding for finding in found)
    for kind in kinds:
        these = [finding for finding in found if finding.finding == kind]
        first = these[0]
        others = f", and {len(these) - 1} more" if len(these) > 1 else ""
        text = f"{kind.capitalize()}: {first.object}{others}: {first.detail}."
        if kind == "partition missing":
            command = "dpm partitions create"
        elif all(finding.by_hand for finding in these):
            command = first.remedy if first.remedy.startswith("dpm ") else "dpm doctor"
        else:
            command = "dpm doctor --repair"
        yield Problem("wrong", text, command)


def _archive(looked: Snapshot) -> Iterator[Problem]:
    for part in looked.stuck or []:
        name = f"{part.lower:%Y}" if part.table == "raw_metrics_daily" else f"{part.lower:%Y-%m}"
        verb = "archive" if part.state == "archiving" else "restore"
        yield Problem(
            "wrong", f"{name} of {part.table} has been {part.state} since {part.since:%Y-%m-%d %H:%M} UTC.",
            f"dpm partitions {verb} {name}",
        )  # fmt: skip


def _disk(looked: Snapshot) -> Iterator[Problem]:
    disk = looked.disk
    if disk is None or disk.free >= min(ENOUGH_DISK, LITTLE_DISK * disk.total):
        return
    oldest = oldest_hot((looked.partitions or {}).get("raw_trades_closed", []))
    yield Problem(
        "wrong",
        f"The server's disk is nearly full: {size(disk.free)} of {size(disk.total)} are free.",
        f"dpm partitions archive {oldest:%Y-%m}" if oldest else "dpm partitions list",
    )


def _loads(looked: Snapshot) -> Iterator[Problem]:
    rejects = sum(feed.open_rejects for feed in looked.load_sums or [])
    if rejects:
        yield Problem("note", f"{rejects:,} rejected rows wait for somebody to look at them.", "dpm rejects list")
    if looked.loads and looked.loads[0].status == "refused":
        refused = looked.loads[0]
        yield Problem("note", f"The last file was refused: {refused.file}.", f"dpm loads show {refused.batch_id}")


def _queries(looked: Snapshot) -> Iterator[Problem]:
    log = looked.query_log
    if log is None:
        return
    if log.missing:
        yield Problem("note", f"Statements are not logged: {log.missing}.", psql(SNAPSHOT))
    elif log.newest is None or looked.taken_at - log.newest > QUERY_LOG_MAY_BE_OLD:
        last = f"since {log.newest:%Y-%m-%d %H:%M} UTC" if log.newest else "yet"
        yield Problem("note", f"No snapshot of what statements cost was taken {last}.", psql(SNAPSHOT))
    elif looked.newly_slow:
        first = looked.newly_slow[0]
        yield Problem(
            "note",
            f"{len(looked.newly_slow)} statements have become slow, the first of {first.mean_ms:,.0f} ms: {first.short(80)}",
            psql("select * from newly_slow_queries"),
        )


def psql(statement: str) -> str:
    """How to run a statement on this warehouse."""
    own = settings().database_url is not None
    return f"""{'psql "$DPM_DATABASE_URL"' if own else "dpm server psql"} -c "{statement}\""""


def duration(seconds: float) -> str:
    """As in '3 s', '12 min', '5.0 h', '4.2 days'."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 36 * 3600 else f"{seconds / 86400:.1f} days"


def size(count: int) -> str:
    """Bytes as in '512 MB', '12.3 GB'."""
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.0f} MB"
