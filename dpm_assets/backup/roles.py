"""The roles of a server, with their memberships, in a form that another server can be given."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import class_row

_FIRST_OF_USERS = 16384


@dataclass(frozen=True)
class RoleRecord:
    """A role; `verifier` is what the server checks its password with, None when it has none or it could not be read."""

    name: str
    superuser: bool
    inherit: bool
    createrole: bool
    createdb: bool
    login: bool
    replication: bool
    bypassrls: bool
    connections: int
    verifier: str | None


@dataclass(frozen=True)
class Membership:
    """`inherit` and `set` are None where the server is older than PostgreSQL 16."""

    role: str
    member: str
    admin: bool
    inherit: bool | None
    set: bool | None


def read_roles(conn: psycopg.Connection[Any]) -> list[RoleRecord]:
    """Every role that somebody made; passwords only for a login that may read them."""
    row = conn.execute("select has_table_privilege('pg_catalog.pg_authid', 'select')").fetchone()
    catalogue, verifier = ("pg_authid", "rolpassword") if row and row[0] else ("pg_roles", "null::text")
    return (
        conn.cursor(row_factory=class_row(RoleRecord))
        .execute(
            sql.SQL(
                "select rolname as name, rolsuper as superuser, rolinherit as inherit, rolcreaterole as createrole,"
                " rolcreatedb as createdb, rolcanlogin as login, rolreplication as replication, rolbypassrls as bypassrls,"
                " rolconnlimit as connections, {} as verifier from {} where oid >= %s order by 1"
            ).format(sql.SQL(verifier), sql.Identifier("pg_catalog", catalogue)),
            [_FIRST_OF_USERS],
        )
        .fetchall()
    )


def read_memberships(conn: psycopg.Connection[Any]) -> list[Membership]:
    """Of all but built-in roles, and without what statement_statistics.sql grants wherever it may."""
    return (
        conn.cursor(row_factory=class_row(Membership))
        .execute(
            "select r.rolname as role, u.rolname as member, bool_or(m.admin_option) as admin,"
            " bool_or((to_jsonb(m) ->> 'inherit_option')::boolean) as inherit,"
            " bool_or((to_jsonb(m) ->> 'set_option')::boolean) as set"
            " from pg_auth_members as m join pg_roles as r on r.oid = m.roleid join pg_roles as u on u.oid = m.member"
            " where u.oid >= %s and (r.rolname, u.rolname) <> ('pg_read_all_stats', 'dpm_owner')"
            " group by 1, 2 order by 1, 2",
            [_FIRST_OF_USERS],
        )
        .fetchall()
    )


def make_roles(
    conn: psycopg.Connection[Any], roles: Sequence[RoleRecord], memberships: Sequence[Membership]
) -> list[str]:
    """Make the roles that are missing, and grant what each is a member of; those that are there stay as they are.

    Returns what this login may not do, a sentence each.
    """
    there = {row[0] for row in conn.execute("select rolname from pg_roles").fetchall()}
    refused = []
    for role in roles:
        if role.name not in there and not _try(conn, _creation(role)):
            refused.append(f"the role {role.name} is missing, and this login may not make it")
    there = {row[0] for row in conn.execute("select rolname from pg_roles").fetchall()}
    _act_as(conn, [role.name for role in roles])
    for grant in memberships:
        if {grant.role, grant.member} <= there and not _is_member(conn, grant) and not _try(conn, _grant(conn, grant)):
            refused.append(f"{grant.member} could not be made a member of {grant.role}")
    return refused


def _act_as(conn: psycopg.Connection[Any], names: Sequence[str]) -> None:
    """Since PostgreSQL 16 who makes a role may give things to it only once it has granted it to itself."""
    right = "set" if conn.info.server_version >= 160000 else "member"
    rows = conn.execute(
        "select rolname from pg_roles where rolname = any (%s) and not rolsuper and not pg_has_role(oid, %s)",
        [list(names), right],
    ).fetchall()
    for (name,) in rows:
        _try(conn, sql.SQL("grant {} to current_user").format(sql.Identifier(name)))


def _creation(role: RoleRecord) -> sql.Composed:
    attributes = {
        "superuser": role.superuser, "inherit": role.inherit, "createrole": role.createrole, "createdb": role.createdb,
        "login": role.login, "replication": role.replication, "bypassrls": role.bypassrls,
    }  # fmt: skip
    # A lesser login may not even say NOSUPERUSER: what is off is the default, but for INHERIT.
    words = [name if on else f"no{name}" for name, on in attributes.items() if on or name == "inherit"]
    return sql.SQL("create role {} with {} connection limit {} password {}").format(
        sql.Identifier(role.name), sql.SQL(" ".join(words)), sql.Literal(role.connections), sql.Literal(role.verifier)
    )


def _grant(conn: psycopg.Connection[Any], grant: Membership) -> sql.Composed:
    options = [f"admin {str(grant.admin).lower()}"]
    if grant.inherit is not None and grant.set is not None:
        options += [f"inherit {str(grant.inherit).lower()}", f"set {str(grant.set).lower()}"]
    given = sql.SQL("grant {} to {}").format(sql.Identifier(grant.role), sql.Identifier(grant.member))
    if conn.info.server_version >= 160000:
        return given + sql.SQL(" with " + ", ".join(options))
    return given + sql.SQL(" with admin option" if grant.admin else "")


def _is_member(conn: psycopg.Connection[Any], grant: Membership) -> bool:
    row = conn.execute(
        "select exists (select from pg_auth_members where roleid = %s::regrole and member = %s::regrole)",
        [_quoted(conn, grant.role), _quoted(conn, grant.member)],
    ).fetchone()
    return bool(row and row[0])


def _quoted(conn: psycopg.Connection[Any], name: str) -> str:
    return sql.Identifier(name).as_string(conn)


def _try(conn: psycopg.Connection[Any], statement: sql.Composed) -> bool:
    try:
        conn.execute(statement)
    except (psycopg.errors.InsufficientPrivilege, psycopg.errors.InvalidGrantOperation):
        return False
    return True
