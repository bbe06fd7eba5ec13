"""What a new server gets at its first start: two databases and the login of the service."""

from typing import Any

import psycopg
from psycopg import sql

ADMINISTRATOR = "postgres"
SERVICE = "dpm_service"
WAREHOUSE_DATABASE = "dpm"
DAGSTER_DATABASE = "dagster"
ROLES = ("dpm_owner", "dpm_loader", "dpm_refresher", "dpm_reader")


def connect(url: str) -> psycopg.Connection[Any]:
    """A connection to the embedded server that no PG* variable of this environment bends, and no object that somebody has made in
    public: it searches PostgreSQL's own schema alone."""
    return psycopg.connect(
        url,
        hostaddr="127.0.0.1",
        sslmode="disable",
        gssencmode="disable",
        channel_binding="prefer",
        target_session_attrs="any",
        options="-c TimeZone=UTC -c search_path=pg_catalog,pg_temp",
        connect_timeout=10,
        autocommit=True,
    )


def make_first_objects(conn: psycopg.Connection[Any], service_password: str) -> None:
    """The two databases and the service's login where missing: a start that was killed is made good by the next."""
    if conn.execute("select from pg_roles where rolname = %s", [SERVICE]).fetchone() is None:
        # Sent as a verifier, so that the password itself can never stand in the server's log.
        verifier = conn.pgconn.encrypt_password(service_password.encode(), SERVICE.encode(), b"scram-sha-256")
        conn.execute(
            sql.SQL("create role {} login noinherit nosuperuser nocreaterole nocreatedb password {}").format(
                sql.Identifier(SERVICE), sql.Literal(verifier.decode())
            )
        )
    there = {row[0] for row in conn.execute("select datname from pg_database").fetchall()}
    for database, owner in ((WAREHOUSE_DATABASE, ADMINISTRATOR), (DAGSTER_DATABASE, SERVICE)):
        if database not in there:
            make_database(conn, database, owner)
    conn.execute(
        sql.SQL("grant connect on database {} to {}").format(
            sql.Identifier(WAREHOUSE_DATABASE), sql.Identifier(SERVICE)
        )
    )


def let_service_make_tables(conn: psycopg.Connection[Any]) -> None:
    """In Dagster's database. Before PostgreSQL 16 a login that inherits nothing is not given the owner's right to do so."""
    if conn.info.server_version < 160000:
        conn.execute(sql.SQL("grant create on schema public to {}").format(sql.Identifier(SERVICE)))


def make_database(conn: psycopg.Connection[Any], name: str, owner: str) -> None:
    conn.execute(sql.SQL("create database {} owner {}").format(sql.Identifier(name), sql.Identifier(owner)))


def grant_roles(conn: psycopg.Connection[Any]) -> None:
    """Let the service act as the roles of the schema; those that are not there yet are left out."""
    there = conn.execute("select rolname from pg_roles where rolname = any (%s)", [list(ROLES)]).fetchall()
    for (role,) in there:
        conn.execute(sql.SQL("grant {} to {}").format(sql.Identifier(role), sql.Identifier(SERVICE)))
