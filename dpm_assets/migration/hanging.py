"""Whether anything has come to hang on tables, or their columns have changed: one quick look, for the moment of a swap."""

from typing import Any

import psycopg


def mark(conn: psycopg.Connection[Any], tables: list[int]) -> str:
    """A hash of what the catalogue says about the tables with these oids: what depends on them, on their row types and
    sequences, and on the views over them; their columns, and who may do what. A view or a function that is replaced counts."""
    row = conn.execute(
        """
        with recursive relations (oid) as (
            select unnest(%(tables)s::oid[])
            union
            select r.ev_class
            from relations as t
            join pg_depend as d on d.refclassid = 'pg_class'::regclass and d.refobjid = t.oid
            join pg_rewrite as r on d.classid = 'pg_rewrite'::regclass and r.oid = d.objid
        ),
        ours as (
            select oid, 'pg_class'::regclass as class from relations
            union all
            select t.oid, 'pg_type'::regclass from pg_type as t join relations as r on r.oid = t.typrelid
            union all
            select d.objid, 'pg_class'::regclass from pg_depend as d
            where d.classid = 'pg_class'::regclass and d.refclassid = 'pg_class'::regclass
                and d.refobjid = any (%(tables)s) and d.deptype = 'a'
        ),
        hanging as (
            select d.* from pg_depend as d join ours as o on d.refclassid = o.class and d.refobjid = o.oid
        )
        select md5(string_agg(line, ';' order by line))
        from (
            select concat_ws(',', classid, objid, objsubid, refobjid, refobjsubid, deptype) as line from hanging
            union all
            select concat_ws(',', r.oid, r.xmin) from pg_rewrite as r join relations as t on t.oid = r.ev_class
            union all
            select concat_ws(',', p.oid, p.xmin) from pg_proc as p
            where p.oid in (select objid from hanging where classid = 'pg_proc'::regclass)
            union all
            select concat_ws(',', c.oid, c.relowner, c.relacl, c.relrowsecurity)
            from pg_class as c join ours as o on o.class = 'pg_class'::regclass and o.oid = c.oid
            union all
            select concat_ws(',', a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, a.attacl)
            from pg_attribute as a join relations as t on t.oid = a.attrelid
        ) as said
        """,
        {"tables": tables},
    ).fetchone()
    assert row is not None
    return str(row[0])
