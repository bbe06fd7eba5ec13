"""Partitions that are not there: today's, those of the months ahead, and gaps between others."""

from itertools import groupby

from dpm_assets.alerts.conditions import Condition, Look
from dpm_assets.settings import settings

MISSING = ("partition missing", "gap")


def missing_partitions(look: Look) -> list[Condition]:
    """One condition for each table and kind of finding, whichever of its partitions are missing."""
    found = look.conn.execute(
        "select parent_table, finding, severity, object, remedy from prop_trading_model.check_partitions(%s)"
        " where finding = any (%s) order by parent_table, finding, object",
        [settings().months_ahead, list(MISSING)],
    ).fetchall()
    return [
        _condition(table, finding, [row[2:] for row in rows])
        for (table, finding), rows in groupby(found, lambda row: (row[0], row[1]))
    ]


def _condition(table: str, finding: str, found: list[tuple[str, str, str]]) -> Condition:
    names = [name for _, name, _ in found]
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return Condition(
        alert="missing partitions",
        key=f"{finding}: {table}",
        severity="error" if any(severity == "error" for severity, _, _ in found) else "warning",
        summary=f"{table} lacks partitions ({finding}): {shown}.",
        remedy="dpm doctor --repair makes them; see why the schedule daily_partition_repair did not.",
        details={"partitions": names, "statements": sorted({remedy for _, _, remedy in found})},
    )
