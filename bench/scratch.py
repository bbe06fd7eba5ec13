"""A server and databases that a benchmark may spoil."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from dpm_assets.database import run_file
from dpm_assets.server import EmbeddedServer
from dpm_assets.settings import sql_dir


@contextmanager
def server_url(given: str | None) -> Iterator[str]:
    """The URL of a superuser on the server given, or on one that is started for the benchmark and removed after it."""
    if given:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="dpm-bench-") as folder:
        Path(folder).chmod(0o755)  # as root, the server runs as a lesser user who has to get in
        server = EmbeddedServer(Path(folder))
        server.start()
        try:
            yield server.url("postgres")
        finally:
            server.stop()


@contextmanager
def fresh_database(server: str, template: str | None = None) -> Iterator[str]:
    """The URL of a new database with the schema, or with all that is in the database `template`; dropped at the end."""
    name = f"dpm_bench_{time.monotonic_ns()}"
    url = f"{server.rsplit('/', 1)[0]}/{name}"
    with psycopg.connect(server, autocommit=True) as admin:
        if template:
            copied = sql.Identifier(template.rsplit("/", 1)[1])
            admin.execute(sql.SQL("create database {} template {}").format(sql.Identifier(name), copied))
            for setting in ("search_path = prop_trading_model, public", "timezone = 'UTC'"):
                admin.execute(sql.SQL("alter database {} set ").format(sql.Identifier(name)) + sql.SQL(setting))
        else:
            admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
            with psycopg.connect(url, autocommit=True) as conn:
                run_file(conn, sql_dir() / "schema.sql")
        try:
            yield url
        finally:
            admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
