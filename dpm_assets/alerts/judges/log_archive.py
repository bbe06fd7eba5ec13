"""A log that PostgreSQL is to archive and cannot: it tries for ever, says so in the server's log alone, and keeps what it could
not archive until its disk is full."""

from datetime import datetime

from dpm_assets.alerts.conditions import Condition, Look

# Where no file was ever archived: since they have been counted.
_FAILING = """
select coalesce(last_archived_time, stats_reset, last_failed_time), last_failed_wal, last_failed_time, failed_count
from pg_catalog.pg_stat_archiver
where pg_catalog.current_setting('archive_mode') <> 'off'
    and last_failed_time > coalesce(last_archived_time, '-infinity')
"""


def log_not_archived(look: Look) -> list[Condition]:
    """One condition if the last attempt failed; over with the next file that is archived."""
    return [_condition(*row) for row in look.conn.execute(_FAILING).fetchall()]


def _condition(since: datetime, file: str, failed: datetime, failures: int) -> Condition:
    return Condition(
        alert="log archive",
        key="log archive",
        severity="error",
        summary=(
            f"The log is not archived since {since:%Y-%m-%d %H:%M} UTC: {file} could not be, when it was tried last at "
            f"{failed:%Y-%m-%d %H:%M}."
        ),
        remedy=(
            "See in the server's log what archive_command said; see that the place it copies to is there, has room, and lets the "
            "server's user in. Until then PostgreSQL keeps its log, until its own disk is full."
        ),
        details={
            "since": since.isoformat(),
            "file": file,
            "last_failure": failed.isoformat(),
            "failures": failures,
        },
    )
