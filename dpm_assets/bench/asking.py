"""Asking the queries of the systems that are there: answers compared, times taken in turns, plans kept."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg

from dpm_assets.bench import explaining
from dpm_assets.bench.agreement import answer, difference
from dpm_assets.bench.measuring import Times
from dpm_assets.bench.queries import OWN_IDS, Query, find_parameters, for_psycopg, questions
from dpm_assets.bench.systems import Connection, System
from dpm_assets.errors import DpmError

KeepPlan = Callable[[str, Any], None]


@dataclass
class Cell:
    """One query in one form, put to one system."""

    system: System
    form: str
    statement: bytes
    conn: Connection
    parameters: dict[str, str]
    times: Times = field(default_factory=Times)

    def ask(self) -> list[Any]:
        """All rows, by a prepared statement as a program would send it."""
        return self.conn.execute(self.statement, self.parameters, prepare=True).fetchall()


def parameters_of(
    conns: dict[str, Connection], systems: dict[str, System], known: dict[str, str] | None
) -> dict[str, dict[str, str]]:
    """The parameters by system: the first system's for all, or those known from an earlier system, and ids of their own."""
    common = known
    found = {}
    for name, conn in conns.items():
        found[name] = find_parameters(conn, systems[name].forms, common)
        common = {key: value for key, value in found[name].items() if key not in OWN_IDS}
    return found


def measure_query(
    query: Query,
    cells: list[Cell],
    *,
    rounds: int,
    seconds: float,
    expected: dict[str, Any] | None,
    keep_plan: KeepPlan,
) -> dict[str, Any]:
    """The answer, and by system and form times and plan. The first run of each is not timed; then they take turns.

    Raises DpmError when an answer is not the expected one, or, with none expected, not the first system's.
    """
    for cell in cells:
        found = answer(cell.ask())
        if expected is None:
            expected = found
        elif wrong := difference(expected, found):
            raise DpmError(
                f"The systems do not agree, so nothing is compared: {query.name} on {cell.system.name} ({cell.form}): {wrong}."
            )
    while waiting := [cell for cell in cells if cell.times.wanted(rounds, seconds)]:
        for cell in waiting:
            cell.times.time(cell.ask)
    measured: dict[str, Any] = {}
    for cell in cells:
        explained = explaining.explain(cell.conn, query.forms[cell.form], cell.parameters)
        keep_plan(f"{cell.system.name}.{query.name}.{cell.form}", explained)
        measured.setdefault(cell.system.name, {})[cell.form] = {
            **cell.times.summary(),
            "plan": explaining.summary(explained),
        }
    return {"answer": expected, "systems": measured}


def ask_all(
    conns: dict[str, Connection],
    systems: dict[str, System],
    *,
    rounds: int,
    seconds: float,
    earlier: dict[str, Any] | None,
    keep_plan: KeepPlan,
) -> dict[str, Any]:
    """Every query put to every system that is connected.

    `earlier` is what the same stage found with the systems before, whose answers and parameters then hold for these too.
    Returns {"parameters": ..., "queries": {name: {"answer": ..., "systems": {system: {form: times and plan}}}}}.
    """
    known = earlier["parameters"] if earlier else None
    given = parameters_of(conns, systems, known)
    found: dict[str, Any] = {}
    for query in questions().queries:
        cells = [
            Cell(systems[name], form, for_psycopg(query.forms[form]), conn, given[name])
            for name, conn in conns.items()
            for form in query.measured(systems[name].forms)
        ]
        expected = earlier["queries"][query.name]["answer"] if earlier else None
        try:
            found[query.name] = measure_query(
                query, cells, rounds=rounds, seconds=seconds, expected=expected, keep_plan=keep_plan
            )
        except psycopg.Error as error:
            raise DpmError(f"The query {query.name} fails: {error}") from error
    common = next(iter(given.values()))
    return {
        "parameters": {name: value for name, value in common.items() if name not in OWN_IDS},
        "queries": found,
    }
