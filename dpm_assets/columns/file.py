"""columns.json: what the catalogue of a database with this schema says of the columns, so that the graph needs no database.

`make columns` writes it; a test compares it with the catalogue.
"""

import json
from collections import defaultdict
from dataclasses import astuple, dataclass
from functools import lru_cache
from pathlib import Path

FILE = Path(__file__).with_name("columns.json")


@dataclass(frozen=True)
class DescribedColumn:
    """A column with its type as PostgreSQL writes it, its comment ("" for none), and its sources as "table.column"."""

    name: str
    type: str
    description: str
    made_from: tuple[str, ...]


Described = dict[str, list[DescribedColumn]]
"""The columns of each rollup, materialized view and live view, and, made from nothing here, of each raw table, log and function
whose rows an asset shows."""


@lru_cache(maxsize=1)
def columns() -> Described:
    """What the file says. Of a newer table, nothing: the graph has to stand for the file to be written."""
    return defaultdict(
        list,
        {
            table: [DescribedColumn(name, kind, said, tuple(made_from)) for name, kind, said, made_from in rows]
            for table, rows in json.loads(FILE.read_text(encoding="utf-8")).items()
        },
    )


def text_of(found: Described) -> str:
    """The text of the file, one line a column."""
    tables = (
        f"{json.dumps(table)}: [\n" + ",\n".join(json.dumps(astuple(column)) for column in rows) + "\n]"
        for table, rows in found.items()
    )
    return "{\n" + ",\n".join(tables) + "\n}\n"
