"""What hangs on the two tables: views, functions, foreign keys, grants, policies, publications, triggers.

A swap makes some of it again for the tables that take over (views, functions, grants); what it cannot, it refuses by name.
"""

import re
from dataclasses import dataclass, field
from typing import Any, Literal

import psycopg
from psycopg import sql

from dpm_assets.database import SCHEMA
from dpm_assets.errors import DpmError
from dpm_assets.migration.names import MIGRATION, MOVED
from dpm_assets.migration.production import production_names
from dpm_assets.migration.view_users import view_users
from dpm_assets.settings import sql_dir

Side = Literal["original", "successor"]
Fate = Literal["made again", "comes along", "refused", "stays behind"]


@dataclass(frozen=True)
class Dependent:
    """One object that hangs on a table, and what a swap does to it. `drops` and `makes` are the statements of that, in order."""

    kind: str
    name: str
    fate: Fate
    advice: str = ""
    drops: list[str] = field(default_factory=list)
    makes: list[str] = field(default_factory=list)


def find_dependents(conn: psycopg.Connection[Any], tables: list[int]) -> list[Dependent]:
    """Everything that hangs on the tables with these oids and does not belong to the warehouse or the migration itself.

    Statements name every object with its schema, so that after a swap they mean the tables that took over.
    """
    with conn.transaction():
        conn.execute("set local search_path = pg_catalog, pg_temp")
        views = _views(conn, tables)
        named = {each.name for each in views}
        return [
            *views,
            *(each for each in _functions(conn, tables) if each.name not in named),
            *_refused(conn, tables),
            *_grants(conn, tables),
            *_left(conn, tables),
        ]


def refuse_dependents(found: list[Dependent]) -> None:
    """Raise DpmError that names what a swap would lose."""
    refused = [dependent for dependent in found if dependent.fate == "refused"]
    if refused:
        named = "; ".join(f"{each.kind} {each.name} ({each.advice})" for each in refused)
        raise DpmError(
            f"These hang on the tables and would not come along: {named}. Then do this again; nothing was changed."
        )


def sides(conn: psycopg.Connection[Any], side: Side) -> list[int]:
    """The oids of the two originals, or of the two successors."""
    rows = conn.execute(
        sql.SQL("select {}::oid from {}").format(sql.Identifier(side), sql.Identifier(MIGRATION, "moved_tables"))
    ).fetchall()
    return [row[0] for row in rows]


def _views(conn: psycopg.Connection[Any], tables: list[int]) -> list[Dependent]:
    """Views over the tables and over such views, deepest last: dropped from the end, made from the beginning; and their users."""
    rows = conn.execute(
        """
        with recursive uses as (
            select r.ev_class as view, d.refobjid as used
            from pg_depend as d join pg_rewrite as r on r.oid = d.objid
            where d.classid = 'pg_rewrite'::regclass and d.refclassid = 'pg_class'::regclass and d.refobjid <> r.ev_class
        ),
        hanging as (
            select view, 1 as depth from uses where used = any (%(tables)s)
            union
            select u.view, h.depth + 1 from hanging as h join uses as u on u.used = h.view where h.depth < 100
        ),
        deepest as (select view, max(depth) as depth from hanging group by view)
        select c.oid, c.oid::regclass::text, c.relkind::text, pg_get_viewdef(c.oid), pg_get_userbyid(c.relowner),
            array_to_string(c.reloptions, ', '), obj_description(c.oid, 'pg_class'),
            exists (select from pg_trigger as t where t.tgrelid = c.oid)
                or (select count(*) from pg_rewrite as r where r.ev_class = c.oid) > 1,
            array(
                select format('grant %%s%%s on %%s to %%s%%s', acl.privilege_type, acl.of_column, c.oid::regclass,
                    case when acl.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(acl.grantee)) end,
                    case when acl.is_grantable then ' with grant option' else '' end)
                from (
                    select g.*, '' as of_column from aclexplode(c.relacl) as g
                    union all
                    select g.*, format(' (%%I)', a.attname)
                    from pg_attribute as a cross join lateral aclexplode(a.attacl) as g where a.attrelid = c.oid
                ) as acl
                where acl.grantee <> c.relowner
            )
        from deepest as d join pg_class as c on c.oid = d.view
        where c.oid <> all (%(tables)s)
            and not (c.relnamespace = %(schema)s::regnamespace and c.relname = any (%(ours)s))
        order by d.depth, 2
        """,
        {"tables": tables, "schema": SCHEMA, "ours": list(production_names())},
    ).fetchall()
    found = []
    for _, name, relkind, definition, view_owner, options, comment, decorated, grants in rows:
        if relkind != "v" or decorated:
            kind = {"m": "materialized view", "v": "view with rules or triggers"}.get(relkind, "rule of the table")
            found.append(Dependent(kind, name, "refused", "drop it, and make it again afterwards"))
            continue
        makes = [
            f"create view {name}{f' with ({options})' if options else ''} as {definition}",
            f"alter view {name} owner to {sql.Identifier(view_owner).as_string(conn)}",
            *grants,
        ]
        if comment:
            makes.append(f"comment on view {name} is {sql.Literal(comment).as_string(conn)}")
        found.append(Dependent("view", name, "made again", "", [f"drop view {name}"], makes))
    advice = "it uses a view over the tables: drop it, and make it again afterwards"
    views = [row[0] for row in rows if row[2] in ("v", "m")]
    return found + [Dependent(kind, name, "refused", advice) for kind, name in view_users(conn, views)]


def _functions(conn: psycopg.Connection[Any], tables: list[int]) -> list[Dependent]:
    """Functions whose body PostgreSQL has bound to the tables, or that take or return their rows. Others go by the name."""
    rows = conn.execute(
        """
        select p.oid::regprocedure::text, bool_or(d.refclassid = 'pg_type'::regclass), pg_get_functiondef(p.oid)
        from pg_depend as d join pg_proc as p on p.oid = d.objid
        where d.classid = 'pg_proc'::regclass and p.prokind in ('f', 'p')
            and (
                d.refclassid = 'pg_class'::regclass and d.refobjid = any (%(tables)s)
                or d.refclassid = 'pg_type'::regclass and d.refobjid in (
                    select unnest(array[t.oid, t.typarray]) from pg_type as t where t.typrelid = any (%(tables)s))
            )
        group by p.oid order by 1
        """,
        {"tables": tables},
    ).fetchall()
    return [
        Dependent(
            "function", name, "refused", "it takes or returns rows of the table: drop it, and make it again afterwards"
        )
        if by_type
        else Dependent("function", name, "made again", "", [], [definition])
        for name, by_type, definition in rows
    ]


def _refused(conn: psycopg.Connection[Any], tables: list[int]) -> list[Dependent]:
    rows = conn.execute(
        """
        select 'foreign key', format('%%s on %%s', conname, conrelid::regclass),
            'the new tables have no key that it could refer to: drop it'
        from pg_constraint where contype = 'f' and confrelid = any (%(tables)s) and conparentid = 0
        union all
        select 'foreign key', format('%%s on %%s', conname, conrelid::regclass), 'drop it'
        from pg_constraint where contype = 'f' and conrelid = any (%(tables)s) and not confrelid = any (%(tables)s)
        union all
        select 'policy', format('%%s on %%s', polname, polrelid::regclass), 'drop it'
        from pg_policy where polrelid = any (%(tables)s)
        union all
        select 'row level security of', oid::regclass::text, 'disable it'
        from pg_class where oid = any (%(tables)s) and relrowsecurity
        union all
        select 'publication', format('%%s of %%s', p.pubname, r.prrelid::regclass),
            'take the table out of it, and publish the new table afterwards'
        from pg_publication_rel as r join pg_publication as p on p.oid = r.prpubid where r.prrelid = any (%(tables)s)
        union all
        select 'publication', p.pubname::text, 'it publishes every table of the schema: name its tables instead'
        from pg_publication as p
        where p.puballtables or exists (
            select from pg_publication_namespace as n where n.pnpubid = p.oid and n.pnnspid = %(schema)s::regnamespace)
        union all
        select 'trigger', format('%%s on %%s', t.tgname, t.tgrelid::regclass), 'drop it, and make it again afterwards'
        from pg_trigger as t join pg_proc as p on p.oid = t.tgfoid
        where t.tgrelid = any (%(tables)s) and not t.tgisinternal
            and p.pronamespace is distinct from to_regnamespace(%(migration)s)::oid
            and not (p.pronamespace = %(schema)s::regnamespace and p.proname = any (%(ours)s))
        union all
        select 'rule', format('%%s on %%s', r.rulename, r.ev_class::regclass), 'drop it, and make it again afterwards'
        from pg_rewrite as r where r.ev_class = any (%(tables)s)
        union all
        select distinct 'table', a.attrelid::regclass::text, 'it holds rows of the table''s type: drop it, or that column'
        from pg_attribute as a
        join pg_class as c on c.oid = a.attrelid and c.relkind in ('r', 'p', 'f', 'c')
        join pg_type as t on a.atttypid in (t.oid, t.typarray)
        where t.typrelid = any (%(tables)s) and not a.attisdropped
        union all
        select 'table', d.adrelid::regclass::text, 'it counts with the table''s sequence: give it one of its own'
        from pg_depend as u
        join pg_attrdef as d on u.classid = 'pg_attrdef'::regclass and u.objid = d.oid
        join pg_depend as o on o.classid = 'pg_class'::regclass and o.objid = u.refobjid and o.deptype = 'a'
        where u.refclassid = 'pg_class'::regclass and o.refclassid = 'pg_class'::regclass and o.refobjid = any (%(tables)s)
            and d.adrelid <> all (%(tables)s)
            and d.adrelid not in (select p.inhrelid from pg_inherits as p where p.inhparent = any (%(tables)s))
        union all
        select 'table', i.inhrelid::regclass::text, 'it inherits from the table: take that back'
        from pg_inherits as i join pg_class as c on c.oid = i.inhparent
        where i.inhparent = any (%(tables)s) and c.relkind = 'r'
        union all
        select distinct 'view', r.ev_class::regclass::text, 'it reads one partition, which the other table has not: drop it'
        from pg_inherits as i
        join pg_depend as d on d.refclassid = 'pg_class'::regclass and d.refobjid = i.inhrelid
            and d.classid = 'pg_rewrite'::regclass
        join pg_rewrite as r on r.oid = d.objid and r.ev_class <> i.inhrelid
        where i.inhparent = any (%(tables)s)
        order by 1, 2
        """,
        {"tables": tables, "schema": SCHEMA, "migration": MIGRATION, "ours": list(production_names())},
    ).fetchall()
    return [Dependent(kind, name, "refused", advice) for kind, name, advice in rows]


def _grants(conn: psycopg.Connection[Any], tables: list[int]) -> list[Dependent]:
    """What others than the owner may do with the tables and their columns: grants_to_copy() copies it."""
    rows = conn.execute(
        """
        select format('of %%s on %%s to %%s', string_agg(distinct g.privilege, ', ' order by g.privilege), g.name,
            case when g.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(g.grantee)) end)
        from (
            select c.oid::regclass::text as name, c.relowner, acl.grantee, acl.privilege_type as privilege
            from pg_class as c cross join lateral aclexplode(c.relacl) as acl where c.oid = any (%(tables)s)
            union all
            select format('%%s (%%I)', c.oid::regclass, a.attname), c.relowner, acl.grantee, acl.privilege_type
            from pg_class as c join pg_attribute as a on a.attrelid = c.oid and a.attnum > 0
            cross join lateral aclexplode(a.attacl) as acl where c.oid = any (%(tables)s)
        ) as g
        where g.grantee <> g.relowner
        group by g.name, g.grantee order by 1
        """,
        {"tables": tables},
    ).fetchall()
    return [Dependent("grant", row[0], "comes along") for row in rows]


def _left(conn: psycopg.Connection[Any], tables: list[int]) -> list[Dependent]:
    """Indexes and checks of the firm's own on the originals: the new tables do without."""
    rows = conn.execute(
        """
        select 'index', i.indexrelid::regclass::text
        from pg_index as i join pg_class as x on x.oid = i.indexrelid join pg_class as c on c.oid = i.indrelid
        where i.indrelid = any (%(tables)s) and c.relkind = 'r'
            and x.relname <> all (%(known)s)
        union all
        select 'check', format('%%s on %%s', o.conname, o.conrelid::regclass)
        from pg_constraint as o join pg_class as c on c.oid = o.conrelid
        where o.conrelid = any (%(tables)s) and o.contype in ('c', 'x') and c.relkind = 'r'
        union all
        select 'statistics', stxname::text from pg_statistic_ext where stxrelid = any (%(tables)s)
        order by 1, 2
        """,
        {"tables": tables, "known": _baseline_indexes()},
    ).fetchall()
    return [Dependent(kind, name, "stays behind", "make it on the new table if it is needed") for kind, name in rows]


def _baseline_indexes() -> list[str]:
    text = (sql_dir() / "schema_baseline.sql").read_text(encoding="utf-8")
    keys = [f"{moved}_pkey" for moved in MOVED] + ["raw_metrics_daily_account_id_date_ingestion_timestamp_key"]
    return re.findall(r"create index if not exists (\w+)", text) + keys


def grants_to_copy(conn: psycopg.Connection[Any], taking_over: Side) -> list[str]:
    """Statements that give the tables and sequences that take over what the others grant, leaves included."""
    other: Side = "original" if taking_over == "successor" else "successor"
    rows = conn.execute(
        f"""
        with pairs as (
            select {other} as has, {taking_over} as wants from {MIGRATION}.moved_tables
        ),
        sequences as (
            select pg_get_serial_sequence(p.has::text, 'id')::regclass as has,
                pg_get_serial_sequence(p.wants::text, 'id')::regclass as wants
            from pairs as p
        )
        select g.statement from pairs as p cross join lateral {SCHEMA}.plan_privileges(p.has, p.wants::text) as g
        union all
        select g.statement
        from sequences as s cross join lateral {SCHEMA}.plan_privileges(s.has, s.wants::text) as g
        union all
        select g.statement
        from pairs as p
        cross join lateral (
            select i.inhrelid::regclass as leaf from pg_inherits as i where i.inhparent = p.wants
        ) as l
        cross join lateral {SCHEMA}.plan_privileges(p.has, l.leaf::text) as g
        """.encode()
    ).fetchall()
    return [row[0] for row in rows]
