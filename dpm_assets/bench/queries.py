"""The queries of sql/maintenance/performance_tests.sql, as declared there."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import psycopg

from dpm_assets.errors import DpmError
from dpm_assets.settings import sql_dir

_VARIABLE = re.compile(r"(?<!:):'(\w+)'")
OWN_IDS = ("id", "after")
"""Parameters that each system looks up for itself: ids are given in the order in which a system took its rows."""


@dataclass(frozen=True)
class Lookup:
    """Parameters that one statement finds, by the forms that it has."""

    names: tuple[str, ...]
    forms: dict[str, str]


@dataclass(frozen=True)
class Query:
    """A question: its tags, what it asks, and its statement by form (raw, views, rollups), with :'name' for parameters."""

    name: str
    tags: frozenset[str]
    title: str
    forms: dict[str, str]

    def best(self, forms: Sequence[str]) -> str:
        """The first of these forms that it has; every query has raw."""
        return next(form for form in forms if form in self.forms)

    def measured(self, forms: Sequence[str]) -> list[str]:
        """The best form and, beside it, the raw one: but not where that reads all there is for nothing."""
        best = self.best(forms)
        beside = best != "raw" and "history" not in self.tags
        return [best, "raw"] if beside else [best]


@dataclass(frozen=True)
class Questions:
    parameters: tuple[Lookup, ...]
    queries: tuple[Query, ...]

    def tagged(self, tag: str) -> list[Query]:
        return [query for query in self.queries if tag in query.tags]


def performance_tests() -> Path:
    return sql_dir() / "maintenance" / "performance_tests.sql"


@lru_cache(maxsize=1)
def questions() -> Questions:
    return read_questions(performance_tests())


def read_questions(path: Path) -> Questions:
    """Parse the file. Raises DpmError with file and line for what is not written as its head says."""
    lookups: list[Lookup] = []
    queries: list[Query] = []
    forms: dict[str, str] | None = None
    form: str | None = None
    statement: list[str] = []
    title: list[str] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if match := re.fullmatch(r"-- parameter: (\w+(?:, \w+)*)", line):
            forms = {}
            lookups.append(Lookup(tuple(match[1].split(", ")), forms))
        elif match := re.fullmatch(r"-- query: (\w+) \[(\w+(?:, \w+)*)\]", line):
            forms, title = {}, []
            queries.append(Query(match[1], frozenset(match[2].split(", ")), "", forms))
        elif match := re.fullmatch(r"-- form: (raw|views|rollups)", line):
            if forms is None or match[1] in forms or statement:
                raise DpmError(f"{path}, line {number}: this form belongs to nothing, or is there twice.")
            form = match[1]
        elif line.startswith("--") and forms == {} and form is None and queries:
            title.append(line.removeprefix("--").strip())
            last = queries[-1]
            queries[-1] = Query(last.name, last.tags, " ".join(title), last.forms)
        elif form is not None and forms is not None and not line.startswith(("--", "\\")):
            statement.append(line)
            text = "\n".join(statement)
            end = re.search(r"(;|\\gset)\s*$", text)
            if end:
                forms[form] = text[: end.start()].strip()
                form, statement = None, []
    if statement:
        raise DpmError(f"{path}: the last statement does not end. End it with ; or \\gset.")
    for one in queries:
        if "raw" not in one.forms:
            raise DpmError(f"{path}: the query {one.name} has no raw form, which every system can answer. Add it.")
    return Questions(tuple(lookups), tuple(queries))


def for_psycopg(statement: str) -> bytes:
    """The statement with psycopg's placeholders."""
    return _VARIABLE.sub(r"%(\1)s", statement.replace("%", "%%")).encode()


def for_duckdb(statement: str) -> str:
    return _VARIABLE.sub(r"$\1", statement)


def named_in(statement: str) -> set[str]:
    """The parameters that a statement needs."""
    return set(_VARIABLE.findall(statement))


def find_parameters(
    conn: psycopg.Connection[Any], forms: Sequence[str], known: dict[str, str] | None = None
) -> dict[str, str]:
    """Every parameter as text, those that are not known found in this database.

    Raises DpmError when the database has no rows to find them in.
    """
    given = dict(known or {})
    for lookup in questions().parameters:
        if all(name in given for name in lookup.names):
            continue
        form = next(form for form in (*forms, "raw") if form in lookup.forms)
        row = conn.execute(for_psycopg(lookup.forms[form]), given).fetchone()
        if row is None or None in row:
            raise DpmError(f"There are no trades to find {', '.join(lookup.names)} in. Load a sample first.")
        given |= {name: str(value) for name, value in zip(lookup.names, row, strict=True)}
    return given
