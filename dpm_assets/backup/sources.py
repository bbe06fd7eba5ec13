"""The databases that a backup holds: the warehouse's and Dagster's own, as those who may read and make all of them."""

from dataclasses import dataclass
from typing import Any

import psycopg
from sqlalchemy import make_url

from dpm_assets.server.connect import embedded_server, warehouse_url
from dpm_assets.server.embedded import DAGSTER_DATABASE
from dpm_assets.settings import settings, url_text

WAREHOUSE, DAGSTER = "warehouse", "dagster"


@dataclass(frozen=True)
class Source:
    """A database by what the backup calls it."""

    folder: str
    url: str

    @property
    def database(self) -> str:
        return str(make_url(self.url).database)

    def beside(self, database: str) -> str:
        """The URL of another database of the same server."""
        return url_text(make_url(self.url).set(database=database))


def sources() -> list[Source]:
    """The warehouse, and Dagster's database, which need not be there. Raises DpmError when the embedded server is not running."""
    return [Source(WAREHOUSE, warehouse_url(administrator=True)), Source(DAGSTER, _dagster_url())]


def _dagster_url() -> str:
    given, own = settings().dagster_url, settings().database_url
    if given is not None:
        return url_text(make_url(given.get_secret_value()).set(drivername="postgresql"))
    if own is None:
        return embedded_server().url(DAGSTER_DATABASE)
    url = make_url(own.get_secret_value())
    return url_text(url.set(database=f"{url.database}_dagster"))


# What a firm may have set for its database or its logins, and a backup or a restore of hours cannot live with.
_OWN_WAYS = (
    "set default_transaction_read_only = off",
    "set statement_timeout = 0",
    "set lock_timeout = 0",
    "set idle_in_transaction_session_timeout = 0",
)


def connect(url: str) -> psycopg.Connection[Any]:
    """A connection in autocommit that may write, wherever sessions begin read-only, and that searches PostgreSQL's own schema
    alone: where everybody may make objects in public, an operator there would be called with the rights of this login."""
    conn = psycopg.connect(
        url,
        autocommit=True,
        connect_timeout=10,
        application_name="dpm backup",
        options="-c TimeZone=UTC -c DateStyle=ISO -c search_path=pg_catalog,pg_temp",
    )
    for setting in _OWN_WAYS:
        conn.execute(setting.encode())
    return conn


def exists(source: Source) -> bool:
    """Whether the database is there. Raises psycopg.OperationalError when the server cannot be reached."""
    try:
        connect(source.url).close()
    except psycopg.OperationalError as error:
        if f'database "{source.database}" does not exist' in str(error):
            return False
        raise
    return True
