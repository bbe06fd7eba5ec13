"""What the UI shows of cold months: sizes and ages."""

from collections.abc import Sequence
from datetime import date, datetime, timezone

from dpm_assets.calendar import today
from dpm_assets.database import Database
from dpm_assets.months import key_of
from dpm_assets.partitions.cold.states import cold_months


def describe(db: Database, months: Sequence[date] | None = None) -> dict[str, dict[str, int | float | str]]:
    """Metadata by partition key, of the cold months among these (None: of all)."""
    with db.connection() as conn:
        found = cold_months(conn)
    return {
        key_of(cold.month): {
            "dagster/partition_row_count": cold.rows or 0,
            "dagster/uri": cold.location or "",
            "bytes": cold.bytes or 0,
            "bytes_of_the_partition": cold.partition_bytes or 0,
            "percent_of_the_partition": round(100 * (cold.bytes or 0) / (cold.partition_bytes or 1), 1),
            "age_days": (today() - cold.month).days,
            "archived_hours_ago": round(_hours_since(cold.archived_at), 1),
        }
        for cold in found
        if cold.in_file and (months is None or cold.month in months)
    }


def in_partitions(db: Database, months: Sequence[date]) -> set[date]:
    """Those of the months that have a table of trades of their own, or are in the archive already."""
    with db.connection() as conn:
        rows = conn.execute(
            "select m from unnest(%s::date[]) as m where prop_trading_model.month_attachment(m) is not null"
            " or exists (select from prop_trading_model.month_state as s where s.month = m and s.state <> 'hot')",
            [list(months)],
        ).fetchall()
    return {row[0] for row in rows}


def _hours_since(moment: datetime | None) -> float:
    return (datetime.now(timezone.utc) - moment).total_seconds() / 3600 if moment else 0.0
