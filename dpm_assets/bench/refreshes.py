"""What it costs to have the views fresh again: after 1,000 trades, after a day, and for everything."""

import time
from typing import Any

import psycopg

from dpm_assets.bench.changing import Changes
from dpm_assets.bench.measuring import Times, seconds, stopped_after
from dpm_assets.bench.profiling import profiled
from dpm_assets.bench.systems import Connection, System, settle, stop_after
from dpm_assets.database import Database
from dpm_assets.refresh import engine
from dpm_assets.refresh.engine import Refreshed

LONG_SECONDS = 10.0
"""A refresh that takes longer than this is not repeated."""


def measure_refreshes(
    conn: Connection,
    db: Database,
    system: System,
    parameters: dict[str, str],
    *,
    rounds: int,
    longest: float,
    never_made: bool,
) -> dict[str, Any]:
    """By kind of change: the trades that were loaded, and milliseconds of the refresh that follows.

    "nothing": no change; "small": 1,000 trades; "day": a day, with a "profile" of one more; "everything": all recomputed.
    Where a refresh always recomputes everything (v2), that is what any of them takes, and a day's is left out when the small
    one was too long to be repeated.
    What takes more than `longest` seconds is stopped. `never_made`: even the first, plain refresh was, so none is tried.
    """
    if never_made:
        return {"everything": stopped_after(longest)}
    changes = Changes(conn, system, parameters)
    settle(conn)
    found: dict[str, Any] = {}
    if system.is_production:
        found["nothing"] = {"trades": 0, **_refreshes(conn, system, lambda: 0, rounds=rounds, longest=longest)}
    for name, load in (("small", changes.small), ("day", changes.day)):
        found[name] = _refreshes(conn, system, load, rounds=rounds, longest=longest)
        if not system.is_production and found[name]["median"] > LONG_SECONDS * 1000:
            break
        settle(conn)
    if system.is_production:
        changes.day()
        found["day"]["profile"] = profiled(conn, lambda: _refresh_in_parts(conn), inner=True)
        settle(conn)
        found["everything"] = _everything(db, longest)
    else:
        last = found.get("day") or found["small"]
        found["everything"] = {key: value for key, value in last.items() if key != "trades"}
    return found


def _everything(db: Database, longest: float) -> dict[str, Any]:
    """Every month recomputed; when it takes too long, it ends between two months, "months" of them done."""
    began = time.monotonic()
    for months, done in enumerate(engine.refresh(db, whole=True), 1):
        if isinstance(done, Refreshed):
            break
        if time.monotonic() - began > longest:
            return {**stopped_after(time.monotonic() - began), "months": months}
    return Times([round((time.monotonic() - began) * 1000, 3)]).summary()


def _refreshes(conn: Connection, system: System, load: Any, *, rounds: int, longest: float) -> dict[str, Any]:
    assert system.refresh
    times, trades = Times(), 0
    parts: dict[str, list[float]] = {"rollups": [], "views": []}
    while len(times.taken) < rounds and not (times.taken and times.taken[-1] > LONG_SECONDS * 1000):
        trades = load()
        if system.is_production:
            rollups, views = _refresh_in_parts(conn)
            parts["rollups"].append(rollups)
            parts["views"].append(views)
            times.taken.append(round(rollups + views, 3))
        else:
            stop_after(conn, longest)
            try:
                times.time(lambda: conn.execute(system.refresh or ""))
            except psycopg.errors.QueryCanceled:
                return {"trades": trades, **stopped_after(longest)}
            finally:
                stop_after(conn, None)
    of_parts = {name: taken for name, taken in parts.items() if taken}
    return {"trades": trades, **times.summary(), **of_parts}


def _refresh_in_parts(conn: Connection) -> tuple[float, float]:
    """Milliseconds of the rollups, and of the views."""
    rollups = seconds(lambda: conn.execute("select prop_trading_model.refresh_bite(1000000)")) * 1000
    views = seconds(lambda: conn.execute("select prop_trading_model.refresh_views()")) * 1000
    return round(rollups, 3), round(views, 3)
