"""How many rows each table has: what a restore has to have in the end."""

from typing import Any

import psycopg
from psycopg import sql

from dpm_assets.errors import DpmError

# A dump holds no rows of foreign tables, and of those that belong to an extension.
_TABLES = """
select n.nspname, c.relname, c.oid
from pg_class as c join pg_namespace as n on n.oid = c.relnamespace
where c.relkind = 'r' and c.relpersistence <> 't' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
    and not exists (select from pg_depend as d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
order by 1, 2
"""


def row_counts(conn: psycopg.Connection[Any]) -> dict[str, int]:
    """The rows of every table by schema.table, those of a partition by the partition's name."""
    counts = {}
    for schema, table, _ in conn.execute(_TABLES).fetchall():
        row = conn.execute(sql.SQL("select count(*) from {}").format(sql.Identifier(schema, table))).fetchone()
        counts[f"{schema}.{table}"] = int(row[0]) if row else 0
    return counts


def counted_tables(conn: psycopg.Connection[Any]) -> dict[int, str]:
    """The same tables, as schema.table, by their number (oid)."""
    return {oid: f"{schema}.{table}" for schema, table, oid in conn.execute(_TABLES).fetchall()}


def refuse_other_counts(expected: dict[str, int], found: dict[str, int], database: str) -> None:
    """Raise DpmError naming the tables that differ."""
    names = sorted(expected.keys() | found.keys())
    differing = [name for name in names if expected.get(name) != found.get(name)]
    if differing:
        said = ", ".join(
            f"{name} {found.get(name, 'missing')} instead of {expected.get(name, 'none')}" for name in differing[:5]
        )
        raise DpmError(
            f"{database} does not hold the rows that it should: {said}. What was there before is as it was; see the log of "
            "pg_restore, mend what it says, and do this again."
        )
