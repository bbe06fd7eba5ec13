"""What a database made by sql/schema.sql has, from its catalogue. Partitions are left out: they have what their table has."""

from dataclasses import dataclass
from typing import Any

import psycopg

from dpm_assets.database import SCHEMA

Connection = psycopg.Connection[Any]


@dataclass(frozen=True)
class Column:
    name: str
    type: str
    nullable: bool
    default: str
    said: str


@dataclass(frozen=True)
class Relation:
    """`rules` are keys and checks (name, definition), `indexes` those that no key brings."""

    name: str
    kind: str
    said: str
    partitioned_by: str
    columns: list[Column]
    rules: list[tuple[str, str]]
    indexes: list[str]


@dataclass(frozen=True)
class Routine:
    """`callers` are the roles that may call it beside the owner."""

    name: str
    arguments: str
    result: str
    callers: list[str]
    said: str


def relations(conn: Connection) -> list[Relation]:
    """Every table and view of the schema, by name; alembic_version is Alembic's."""
    found = conn.execute(
        """
        select c.oid, c.relname, case c.relkind when 'v' then 'view' when 'm' then 'materialized view' else 'table' end,
            coalesce(obj_description(c.oid, 'pg_class'), ''),
            case when c.relkind = 'p' then pg_get_partkeydef(c.oid) else '' end
        from pg_class as c
        where c.relnamespace = %s::regnamespace and c.relkind in ('r', 'p', 'v', 'm') and not c.relispartition
            and c.relname <> 'alembic_version'
        order by c.relname
        """,
        [SCHEMA],
    ).fetchall()
    return [
        Relation(name, kind, said, partitioned_by, _columns(conn, oid), _rules(conn, oid), _indexes(conn, oid))
        for oid, name, kind, said, partitioned_by in found
    ]


def _columns(conn: Connection, oid: int) -> list[Column]:
    rows = conn.execute(
        """
        select a.attname, format_type(a.atttypid, a.atttypmod), not a.attnotnull,
            coalesce(pg_get_expr(d.adbin, d.adrelid), ''), coalesce(col_description(a.attrelid, a.attnum), '')
        from pg_attribute as a left join pg_attrdef as d on d.adrelid = a.attrelid and d.adnum = a.attnum
        where a.attrelid = %s and a.attnum > 0 and not a.attisdropped
        order by a.attnum
        """,
        [oid],
    ).fetchall()
    return [Column(*row) for row in rows]


def _rules(conn: Connection, oid: int) -> list[tuple[str, str]]:
    """Keys first; not-null is said with the columns."""
    return conn.execute(
        """
        select conname, pg_get_constraintdef(oid) from pg_constraint
        where conrelid = %s and contype in ('p', 'u', 'f', 'c', 'x')
        order by array_position(array['p', 'u', 'f', 'x', 'c'], contype::text), conname
        """,
        [oid],
    ).fetchall()


def _indexes(conn: Connection, oid: int) -> list[str]:
    rows = conn.execute(
        """
        select pg_get_indexdef(i.indexrelid) from pg_index as i
        where i.indrelid = %s and not exists (select from pg_constraint as k where k.conindid = i.indexrelid)
        order by 1
        """,
        [oid],
    ).fetchall()
    return [row[0].replace(f" {SCHEMA}.", " ").replace(" ON ONLY ", " ON ") for row in rows]


def routines(conn: Connection) -> list[Routine]:
    """Every function and procedure of the schema, by name."""
    rows = conn.execute(
        """
        select p.proname, pg_get_function_arguments(p.oid), coalesce(pg_get_function_result(p.oid), ''),
            array(
                select r.rolname::text from aclexplode(p.proacl) as acl join pg_roles as r on r.oid = acl.grantee
                where acl.grantee <> p.proowner order by 1
            ), coalesce(obj_description(p.oid, 'pg_proc'), '')
        from pg_proc as p where p.pronamespace = %s::regnamespace
        order by p.proname, 2
        """,
        [SCHEMA],
    ).fetchall()
    return [Routine(*row) for row in rows]
