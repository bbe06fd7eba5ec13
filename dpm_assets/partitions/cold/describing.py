"""What the UI shows of the archive: sizes and ages."""

from collections.abc import Sequence
from datetime import datetime, timezone

from dpm_assets.calendar import today
from dpm_assets.database import Database
from dpm_assets.partitions.cold.states import cold_parts
from dpm_assets.partitions.cold.tables import ColdTable, Part


def describe(
    db: Database, table: ColdTable, parts: Sequence[Part] | None = None
) -> dict[Part, dict[str, int | float | str]]:
    """Metadata of the cold months (years) of a table among these (None: of all)."""
    with db.connection() as conn:
        found = cold_parts(conn, table)
    return {
        cold.part: {
            "dagster/partition_row_count": cold.rows or 0,
            "dagster/uri": cold.location or "",
            "bytes": cold.bytes or 0,
            "bytes_of_the_partition": cold.partition_bytes or 0,
            "percent_of_the_partition": round(100 * (cold.bytes or 0) / (cold.partition_bytes or 1), 1),
            "age_days": (today() - cold.lower).days,
            "archived_hours_ago": round(_hours_since(cold.archived_at), 1),
        }
        for cold in found
        if cold.in_file and (parts is None or cold.part in parts)
    }


def in_partitions(db: Database, parts: Sequence[Part]) -> list[Part]:
    """Those that have a table of their own, or are in the archive already."""
    if not parts:
        return []
    table = parts[0].table
    with db.connection() as conn:
        rows = conn.execute(
            """
            select day from unnest(%(days)s::date[]) as day
            where prop_trading_model.attachment_of(%(table)s::regclass, day) is not null
                or day in (select prop_trading_model.archived_starts(%(table)s::regclass))
            order by day
            """,
            {"table": table.qualified, "days": [part.first_day for part in parts]},
        ).fetchall()
    return [table.part(row[0]) for row in rows]


def _hours_since(moment: datetime | None) -> float:
    return (datetime.now(timezone.utc) - moment).total_seconds() / 3600 if moment else 0.0
