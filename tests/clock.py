"""A warehouse whose today can be set: utc_today() is its only clock."""

from datetime import date

from psycopg import sql

from tests.interleaving import Connection


def set_today(conn: Connection, day: date) -> None:
    """From now on it is `day` in this database."""
    conn.execute(
        sql.SQL(
            "create or replace function prop_trading_model.utc_today() returns date language sql stable parallel safe"
            " set search_path = pg_catalog, pg_temp as $$ select date {} $$"
        ).format(sql.Literal(day.isoformat()))
    )
