"""Whether anything has come to hang on tables, or their columns have changed: one quick look, for the moment of a swap."""

from typing import Any

import psycopg


def mark(conn: psycopg.Connection[Any], tables: list[int]) -> str:
    """A hash of what the catalogue says about the tables with these oids: what depends on them, on their row types and
    sequences, their columns, and who may do what."""
    row = conn.execute(
        """
        with ours as (
            select oid, 'pg_class'::regclass as class from pg_class where oid = any (%(tables)s)
            union all
            select t.oid, 'pg_type'::regclass from pg_type as t where t.typrelid = any (%(tables)s)
            union all
            select d.objid, 'pg_class'::regclass from pg_depend as d
            where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass
                and d.refobjid = any (%(tables)s) and d.deptype = 'a'
        )
        select md5(string_agg(line, ';' order by line))
        from (
            select concat_ws(',', d.classid, d.objid, d.objsubid, d.refobjid, d.refobjsubid, d.deptype) as line
            from pg_depend as d join ours as o on d.refclassid = o.class and d.refobjid = o.oid
            union all
            select concat_ws(',', c.oid, c.relowner, c.relacl, c.relrowsecurity) from pg_class as c where c.oid = any (%(tables)s)
            union all
            select concat_ws(',', a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, a.attacl)
            from pg_attribute as a where a.attrelid = any (%(tables)s)
        ) as said
        """,
        {"tables": tables},
    ).fetchone()
    assert row is not None
    return str(row[0])
