"""Alembic's environment: which database, as whom, where the version is kept, and what it is compared with."""

from typing import Any

from alembic import context
from sqlalchemy import create_engine, pool
from sqlalchemy.engine import Connection

from dpm_assets.database import SCHEMA, run_file
from dpm_assets.errors import DpmError
from dpm_assets.schema.apply import OUTSIDE, sqlalchemy_url
from dpm_assets.schema.declared import declared_tables, leaf_names
from dpm_assets.settings import sql_dir


def run(connection: Connection) -> None:
    # The version table lives in the schema and belongs to its owner, so both are there before Alembic looks for it.
    driver = connection.connection.driver_connection
    assert driver is not None
    run_file(driver, sql_dir() / "roles.sql")
    connection.commit()
    context.configure(
        connection=connection, version_table_schema=SCHEMA, **(comparison(connection) if compares() else {})
    )
    with context.begin_transaction():
        context.run_migrations()


def compares() -> bool:
    """Whether this is `alembic check` or `alembic revision --autogenerate`."""
    options = context.config.cmd_opts
    command = getattr(options, "cmd", None)
    return bool(getattr(options, "autogenerate", False) or (command and command[0].__name__ == "check"))


def comparison(connection: Connection) -> dict[str, Any]:
    """The database is compared with the files of the schema: tables alone, since leaves are made and dropped while it runs, and
    views and functions are replaced as a whole."""
    leaves = leaf_names(connection)

    def include_name(name: str | None, kind: str, _: object) -> bool:
        return name == SCHEMA if kind == "schema" else kind != "table" or name not in leaves

    return {
        "target_metadata": declared_tables(connection),
        "include_schemas": True,
        "include_name": include_name,
    }


if context.is_offline_mode():
    raise DpmError("The schema is made on a connection: run this without --sql, or use psql -f sql/schema.sql.")
given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    engine = create_engine(sqlalchemy_url(), poolclass=pool.NullPool, connect_args={"options": OUTSIDE})
    with engine.connect() as opened:
        run(opened)
