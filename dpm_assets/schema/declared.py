"""The tables as the files of the schema declare them, for Alembic to compare a database with."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from sqlalchemy import Connection, MetaData, create_engine, pool, text
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.types import UserDefinedType

from dpm_assets.database import SCHEMA, run_file
from dpm_assets.errors import DpmError
from dpm_assets.schema.apply import OUTSIDE
from dpm_assets.settings import sql_dir


class TransactionId(UserDefinedType[str]):
    """xid8, which SQLAlchemy does not know."""

    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "xid8"


ischema_names["xid8"] = TransactionId


def declared_tables(connection: Connection) -> MetaData:
    """The tables of schema.sql, without leaves, views and Alembic's own. They are made in a database beside that of `connection`
    and read back, since the files are SQL; it is dropped again.

    Raises DpmError when the login may not create a database.
    """
    driver = connection.connection.driver_connection
    assert isinstance(driver, psycopg.Connection)
    declared = MetaData(schema=SCHEMA)
    with _scratch_database(make_conninfo(driver.info.dsn, password=driver.info.password)) as scratch:
        with psycopg.connect(scratch, autocommit=True) as conn:
            run_file(conn, sql_dir() / "schema.sql")
        engine = create_engine(
            "postgresql+psycopg://", creator=lambda: psycopg.connect(scratch, options=OUTSIDE), poolclass=pool.NullPool
        )
        with engine.connect() as reading:
            leaves = leaf_names(reading)
            declared.reflect(reading, only=lambda name, _: name not in leaves)
    return declared


def leaf_names(connection: Connection) -> set[str]:
    """The partitions in the schema, which follow their tables and are nobody's to declare."""
    query = text("select relname from pg_class where relnamespace = to_regnamespace(:schema) and relispartition")
    return set(connection.execute(query, {"schema": SCHEMA}).scalars())


@contextmanager
def _scratch_database(conninfo: str) -> Iterator[str]:
    name = f"dpm_declared_{uuid4().hex[:12]}"
    with psycopg.connect(conninfo, autocommit=True) as admin:
        try:
            admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        except psycopg.errors.InsufficientPrivilege as error:
            raise DpmError(
                "To compare the database with the files, these are applied to an empty database beside it, and this login may not"
                " create one: use a login with CREATEDB."
            ) from error
        try:
            yield make_conninfo(conninfo, dbname=name)
        finally:
            admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
