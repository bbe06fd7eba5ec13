"""Asking the queries of the systems that are there: answers compared, times taken in turns, plans kept."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import psycopg

from dpm_assets.bench import explaining
from dpm_assets.bench.agreement import answer, difference
from dpm_assets.bench.measuring import Times, stopped_after
from dpm_assets.bench.queries import OWN_IDS, Query, find_parameters, for_psycopg, questions
from dpm_assets.bench.systems import Connection, System, stop_after
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
    stopped: bool = False

    def ask(self) -> list[Any]:
        """All rows, by a prepared statement as a program would send it."""
        return self.conn.execute(self.statement, self.parameters, prepare=True).fetchall()

    def ask_first(self, seconds: float) -> list[Any] | None:
        """All rows, or None when the statement was stopped. It is not timed, unless it takes more than `seconds`: then it is
        not repeated."""
        began = time.perf_counter()
        try:
            found = self.ask()
        except psycopg.errors.QueryCanceled:
            self.stopped = True
            return None
        took = time.perf_counter() - began
        if took > seconds:
            self.times.taken.append(round(took * 1000, 4))
        return found

    def explained(self, query: Query) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """Its plan, and what that did: None when it was stopped."""
        statement = query.forms[self.form]
        if not self.stopped:
            try:
                done = explaining.explain(self.conn, statement, self.parameters)
                return done, explaining.summary(done)
            except psycopg.errors.QueryCanceled:
                pass  # the second run was the slower one
        return explaining.explain(self.conn, statement, self.parameters, execute=False), None


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
    longest: float,
    expected: dict[str, Any] | None,
    keep_plan: KeepPlan,
) -> dict[str, Any]:
    """The answer (None when none came in time), and by system and form times and plan. The first run of each is not timed,
    unless it is the only one; then they take turns.

    Raises DpmError when an answer is not the expected one, or, with none expected, not the first system's.
    """
    for cell in cells:
        rows = cell.ask_first(seconds)
        if rows is None:
            continue
        found = answer(rows)
        if expected is None:
            expected = found
        elif wrong := difference(expected, found):
            raise DpmError(
                f"The systems do not agree, so nothing is compared: {query.name} on {cell.system.name} ({cell.form}): {wrong}."
            )
    while waiting := [cell for cell in cells if not cell.stopped and cell.times.wanted(rounds, seconds)]:
        for cell in waiting:
            cell.times.time(cell.ask)
    measured: dict[str, Any] = {}
    for cell in cells:
        explained, plan = cell.explained(query)
        keep_plan(f"{cell.system.name}.{query.name}.{cell.form}", explained)
        times = stopped_after(longest) if cell.stopped else cell.times.summary()
        measured.setdefault(cell.system.name, {})[cell.form] = {**times, "plan": plan}
    return {"answer": expected, "systems": measured}


def ask_all(
    conns: dict[str, Connection],
    systems: dict[str, System],
    *,
    rounds: int,
    seconds: float,
    longest: float,
    earlier: dict[str, Any] | None,
    keep_plan: KeepPlan,
) -> dict[str, Any]:
    """Every query put to every system that is connected, and stopped after `longest` seconds.

    `earlier` is what the systems before have answered (`answers_so_far`): answers and parameters hold for these too.
    Returns {"parameters": ..., "queries": {name: {"answer": ..., "systems": {system: {form: times and plan}}}}}.
    """
    known = earlier["parameters"] if earlier else None
    given = parameters_of(conns, systems, known)
    for conn in conns.values():
        stop_after(conn, longest)
    found: dict[str, Any] = {}
    for query in questions().queries:
        cells = [
            Cell(systems[name], form, for_psycopg(query.forms[form]), conn, given[name])
            for name, conn in conns.items()
            for form in query.measured(systems[name].forms)
        ]
        expected = earlier["answers"][query.name] if earlier else None
        try:
            found[query.name] = measure_query(
                query, cells, rounds=rounds, seconds=seconds, longest=longest, expected=expected, keep_plan=keep_plan
            )
        except psycopg.Error as error:
            raise DpmError(f"The query {query.name} fails: {error}") from error
    common = next(iter(given.values()))
    return {
        "parameters": {name: value for name, value in common.items() if name not in OWN_IDS},
        "queries": found,
    }
