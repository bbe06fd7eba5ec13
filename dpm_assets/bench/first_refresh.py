"""Making the materialized views of a system that has just been filled, for so long as is worth waiting."""

import time
from typing import Any

import psycopg

from dpm_assets.bench.systems import Connection, System, stop_after


def refresh_first(conn: Connection, system: System, longest: float, *, stopped_before: bool) -> dict[str, Any]:
    """{"refresh_seconds", "refresh_stopped"}: production's own refresh in full; the plain refreshes of the others for
    `longest` seconds in all, and not at all when a smaller step's were stopped.

    What is stopped leaves views that are not up to date: the system then answers from its trades.
    """
    if not system.first_refresh:
        return {}
    if stopped_before:
        return {"refresh_seconds": None, "refresh_stopped": True}
    began = time.perf_counter()
    try:
        for statement in system.first_refresh:
            if not system.is_production:
                stop_after(conn, max(1.0, longest - (time.perf_counter() - began)))
            conn.execute(statement)
    except psycopg.errors.QueryCanceled:
        return {"refresh_seconds": round(longest, 3), "refresh_stopped": True}
    finally:
        stop_after(conn, None)
    return {"refresh_seconds": round(time.perf_counter() - began, 3), "refresh_stopped": False}
