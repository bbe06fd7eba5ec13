"""Warehouses to measure: a server of their own, the schema, and a sample that is loaded and refreshed."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from dpm_assets.calendar import add_months, month_of, today
from dpm_assets.database import Database, run_file
from dpm_assets.loads.load import load_file
from dpm_assets.samples import write_sample
from dpm_assets.server import EmbeddedServer
from dpm_assets.settings import sql_dir


@contextmanager
def scratch_server() -> Iterator[EmbeddedServer]:
    """A server with the settings that every embedded server has, in a folder that goes with it."""
    with tempfile.TemporaryDirectory(prefix="dpm-bench-") as folder:
        Path(folder).chmod(0o755)  # as root, the server runs as a lesser user who has to get in
        server = EmbeddedServer(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def loaded_warehouse(trades: int, months: int) -> Iterator[str]:
    """The URL of a warehouse that holds a sample of the months before this one, refreshed."""
    with scratch_server() as server, tempfile.TemporaryDirectory(prefix="dpm-bench-") as folder:
        with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
            admin.execute(sql.SQL("create database {}").format(sql.Identifier("bench")))
        url = server.url("bench")
        with psycopg.connect(url, autocommit=True) as conn:
            run_file(conn, sql_dir() / "schema.sql")
        sample = Path(folder) / "sample"
        write_sample(sample, trades=trades, months=months, start=add_months(month_of(today()), -months), seed=1)
        with Database(url, application_name="bench") as db:
            for feed in ("plans", "accounts", "trades"):
                for path in sorted((sample / feed).glob("*.csv")):
                    load_file(db, path, feed)
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute("call prop_trading_model.refresh_warehouse()")
            conn.execute("vacuum (analyze)")
        yield url
