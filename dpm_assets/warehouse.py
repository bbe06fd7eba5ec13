"""Warehouse: the PostgreSQL resource of the asset graph."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import dagster as dg
from pydantic import PrivateAttr

from dpm_assets.database import Database
from dpm_assets.server.connect import warehouse_url


class Warehouse(dg.ConfigurableResource["Warehouse"]):
    """The database of `DPM_DATABASE_URL`, or the embedded server's. Holds no secret in its configuration.

    Each kind of work takes its own role on the connection: `db.connection("dpm_loader")`, `"dpm_refresher"`, ....
    """

    _db: Database = PrivateAttr()

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["Warehouse"]:
        with Database(warehouse_url(), application_name="dpm run") as db:
            self._db = db
            yield self

    @property
    def db(self) -> Database:
        return self._db


@lru_cache(maxsize=1)
def sensor_database() -> Database:
    """One pool for all sensors of this process: they look several times a second, and connecting costs."""
    return Database(warehouse_url(), application_name="dpm sensor", max_connections=4)
