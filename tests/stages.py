"""Stages for one test after the other: the same database again and again, and a new one after a test that failed."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

import psycopg
from psycopg import sql

from dpm_assets.server import EmbeddedServer
from tests.conftest import fresh_database
from tests.stage import Stage
from tests.steps import install


class Stages:
    def __init__(self, server: EmbeddedServer, template: str) -> None:
        self._server, self._template = server, template
        self._stack = ExitStack()
        self._stage: Stage | None = None

    @contextmanager
    def stage(self) -> Iterator[Stage]:
        if self._stage is None:
            url = self._stack.enter_context(fresh_database(self._server, self._template))
            self._stack.callback(_give_up_prepared, url)
            self._stage = self._stack.enter_context(closing(Stage(url)))
            with psycopg.connect(url, autocommit=True) as conn:
                install(conn)
        try:
            yield self._stage
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Drops the database; the next stage is made anew."""
        self._stage = None
        self._stack.close()


def _give_up_prepared(url: str) -> None:
    """A test that failed may have left a prepared transaction, and with one a database cannot be dropped."""
    with psycopg.connect(url, autocommit=True) as conn:
        prepared = conn.execute("select gid from pg_prepared_xacts where database = current_database()").fetchall()
        for (gid,) in prepared:
            conn.execute(sql.SQL("rollback prepared {}").format(sql.Literal(gid)))
