"""What every revision needs: psycopg's own connection, in the transaction of Alembic."""

from typing import Any

import psycopg


def driver(op: Any) -> psycopg.Connection[Any]:
    """The psycopg connection under `alembic.op`."""
    connection = op.get_bind().connection.driver_connection
    assert isinstance(connection, psycopg.Connection)
    return connection
