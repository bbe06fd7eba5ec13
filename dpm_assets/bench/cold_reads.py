"""Queries whose data nobody has read: the server is stopped, and the system's cache of its files given up, before each."""

import os
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from dpm_assets.bench.measuring import Times, stopped_after
from dpm_assets.bench.queries import for_psycopg, questions
from dpm_assets.bench.systems import Connection, System, connected, stop_after
from dpm_assets.server import EmbeddedServer


def give_up_cache(data: Path) -> str | None:
    """Have the system forget the files under a stopped server's folder; the reason, if it cannot be had.

    Only these files: nothing else on the machine is made slower.
    """
    if not hasattr(os, "posix_fadvise"):
        return "this system has no posix_fadvise"
    for path in data.rglob("*"):
        try:
            if path.is_symlink() or not path.is_file():
                continue
            file = os.open(path, os.O_RDONLY)
        except PermissionError:
            return f"{path} cannot be read by this user"
        except FileNotFoundError:
            continue
        try:
            os.fsync(file)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(file)
    return None


def ask_cold(
    server: EmbeddedServer,
    systems: list[System],
    known: dict[str, str],
    *,
    rounds: int,
    seconds: float,
    longest: float,
) -> dict[str, Any]:
    """{"reason": why not, or None, "queries": {query: {system: times}}} of the queries tagged cold, in their best form.

    What takes more than `seconds` is not repeated, what takes more than `longest` is stopped.
    """
    found: dict[str, Any] = {}
    for query in questions().tagged("cold"):
        times = {system.name: Times() for system in systems}
        stopped: set[str] = set()
        while waiting := [s for s in systems if s.name not in stopped and times[s.name].wanted(rounds, seconds)]:
            server.stop()
            reason = give_up_cache(server.state().data)
            server.start()
            if reason:
                return {"reason": reason, "queries": {}}
            for system in waiting:
                statement = for_psycopg(query.forms[query.best(system.forms)])
                with connected(server, system) as conn:
                    stop_after(conn, longest)
                    try:
                        times[system.name].time(partial(_ask, conn, statement, known))
                    except psycopg.errors.QueryCanceled:
                        stopped.add(system.name)
        found[query.name] = {
            name: stopped_after(longest) if name in stopped else taken.summary() for name, taken in times.items()
        }
    return {"reason": None, "queries": found}


def _ask(conn: Connection, statement: bytes, parameters: dict[str, str]) -> list[Any]:
    return conn.execute(statement, parameters).fetchall()
