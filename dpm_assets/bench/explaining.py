"""What a plan did, out of EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON)."""

from collections.abc import Iterator
from typing import Any

import psycopg

from dpm_assets.bench.queries import for_psycopg

_READ = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")


def explain(
    conn: psycopg.Connection[Any], statement: str, parameters: dict[str, str], *, execute: bool = True
) -> dict[str, Any]:
    """The plan of one execution, planned for these parameters; without a clock for each row, which would slow it.

    Without `execute` only what the planner means to do.
    """
    how = b"analyze, buffers, timing off, " if execute else b""
    row = conn.execute(
        b"explain (" + how + b"format json) " + for_psycopg(statement), parameters, prepare=False
    ).fetchone()
    assert row is not None
    return dict(row[0][0])


def summary(explained: dict[str, Any]) -> dict[str, Any]:
    """Milliseconds of planning and of execution; relations that were scanned, rows that were read from them, 8 kB buffers."""
    root = explained["Plan"]
    scans = [node for node in nodes(root) if "Relation Name" in node and node.get("Actual Loops")]
    return {
        "planning_ms": explained["Planning Time"],
        "execution_ms": explained["Execution Time"],
        "scanned": len({(node.get("Schema"), node["Relation Name"]) for node in scans}),
        "rows_read": round(sum(sum(node.get(name, 0) for name in _READ) * node["Actual Loops"] for node in scans)),
        "buffers_hit": root.get("Shared Hit Blocks", 0),
        "buffers_read": root.get("Shared Read Blocks", 0),
        "spilled": root.get("Temp Written Blocks", 0),
    }


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A node of a plan and all below it."""
    yield plan
    for below in plan.get("Plans", []):
        yield from nodes(below)
