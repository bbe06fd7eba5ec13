"""Alembic's environment: which database, as whom, and where the version is kept."""

from alembic import context
from sqlalchemy import create_engine, pool
from sqlalchemy.engine import Connection

from dpm_assets.database import SCHEMA, run_file
from dpm_assets.errors import DpmError
from dpm_assets.schema.apply import sqlalchemy_url
from dpm_assets.settings import sql_dir


def run(connection: Connection) -> None:
    # The version table lives in the schema and belongs to its owner, so both are there before Alembic looks for it.
    driver = connection.connection.driver_connection
    assert driver is not None
    run_file(driver, sql_dir() / "roles.sql")
    connection.commit()
    context.configure(connection=connection, version_table_schema=SCHEMA)
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    raise DpmError("The schema is made on a connection: run this without --sql, or use psql -f sql/schema.sql.")
given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with create_engine(sqlalchemy_url(), poolclass=pool.NullPool).connect() as opened:
        run(opened)
