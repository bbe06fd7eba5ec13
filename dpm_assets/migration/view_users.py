"""What uses the views over the two tables: it keeps such a view from being dropped, and so from being made again."""

from typing import Any

import psycopg


def view_users(conn: psycopg.Connection[Any], views: list[int]) -> list[tuple[str, str]]:
    """Kind and name of what uses one of the views with these oids, or its row type: functions that PostgreSQL has parsed, or that
    take or return its rows, policies, columns. Views of views are left out."""
    return conn.execute(
        """
        with used (class, oid) as (
            select 'pg_class'::regclass, v.oid from unnest(%(views)s::oid[]) as v (oid)
            union all
            select 'pg_type'::regclass, x.oid
            from pg_type as t cross join lateral unnest(array[t.oid, t.typarray]) as x (oid)
            where t.typrelid = any (%(views)s::oid[])
        )
        select distinct
            case when d.classid = 'pg_proc'::regclass then 'function' else o.type end,
            case when d.classid = 'pg_proc'::regclass then d.objid::regprocedure::text else o.identity end
        from used as u
        join pg_depend as d on d.refclassid = u.class and d.refobjid = u.oid and d.deptype = 'n'
        cross join lateral pg_identify_object(d.classid, d.objid, d.objsubid) as o
        where d.classid <> 'pg_rewrite'::regclass
            and not (d.classid = 'pg_class'::regclass and d.objid = any (%(views)s::oid[]))
        order by 1, 2
        """,
        {"views": views},
    ).fetchall()
