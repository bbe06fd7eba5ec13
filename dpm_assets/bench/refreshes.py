"""What it costs to have the views fresh again: after 1,000 trades, after a day, and for everything."""

from typing import Any

from dpm_assets.bench.changing import Changes
from dpm_assets.bench.measuring import Times, seconds
from dpm_assets.bench.systems import Connection, System, settle
from dpm_assets.database import Database
from dpm_assets.refresh import engine

LONG_SECONDS = 60.0
"""A refresh that takes longer than this is not repeated."""


def measure_refreshes(
    conn: Connection, db: Database, system: System, parameters: dict[str, str], rounds: int
) -> dict[str, Any]:
    """By kind of change: the trades that were loaded, and milliseconds of the refresh that follows.

    "nothing": no change; "small": 1,000 trades; "day": a day; "everything": all recomputed. Where a refresh always recomputes
    everything (v2), that is what any of them takes.
    """
    changes = Changes(conn, system, parameters)
    settle(conn)
    found: dict[str, Any] = {}
    if system.is_production:
        found["nothing"] = {"trades": 0, **_refreshes(conn, system, lambda: 0, rounds)}
    for name, load in (("small", changes.small), ("day", changes.day)):
        found[name] = _refreshes(conn, system, load, rounds)
        settle(conn)
    if system.is_production:
        times = Times()
        times.time(lambda: list(engine.refresh(db, whole=True)))
        found["everything"] = times.summary()
    else:
        found["everything"] = {key: found["day"][key] for key in ("median", "low", "high", "min", "max", "runs")}
    return found


def _refreshes(conn: Connection, system: System, load: Any, rounds: int) -> dict[str, Any]:
    assert system.refresh
    times, trades = Times(), 0
    parts: dict[str, list[float]] = {"rollups": [], "views": []}
    while len(times.taken) < rounds and not (times.taken and times.taken[-1] > LONG_SECONDS * 1000):
        trades = load()
        if system.is_production:
            rollups = seconds(lambda: conn.execute("select prop_trading_model.refresh_bite(1000000)")) * 1000
            views = seconds(lambda: conn.execute("select prop_trading_model.refresh_views()")) * 1000
            parts["rollups"].append(round(rollups, 3))
            parts["views"].append(round(views, 3))
            times.taken.append(round(rollups + views, 3))
        else:
            times.time(lambda: conn.execute(system.refresh or ""))
    of_parts = {name: taken for name, taken in parts.items() if taken}
    return {"trades": trades, **times.summary(), **of_parts}
