"""The four systems: where their schema is, in which forms they answer, how their views are refreshed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from dpm_assets.bench.digests import digest_of
from dpm_assets.database import run_file
from dpm_assets.server import EmbeddedServer
from dpm_assets.settings import sql_dir

Connection = psycopg.Connection[Any]


@dataclass(frozen=True)
class System:
    """One way to hold the trades. `forms` are those of performance_tests.sql that it can answer, the best first."""

    name: str
    title: str
    schema: str
    forms: tuple[str, ...]
    refresh: str | None = None
    first_refresh: tuple[str, ...] = ()

    @property
    def is_production(self) -> bool:
        return self.name == "production"

    @property
    def database(self) -> str:
        return f"bench_{self.name}"


_V2_VIEWS = (
    "mv_daily_trading_stats",
    "mv_symbol_performance",
    "mv_account_performance_summary",
    "mv_account_trading_patterns",
    "mv_market_regime_performance",
)
SYSTEMS = (
    System("baseline", "original", "schema_baseline.sql", ("raw",)),
    System("v1", "v1, conservative", "archive/v1_conservative/schema.sql", ("raw",)),
    System(
        "v2",
        "v2, balanced",
        "archive/v2_balanced/schema.sql",
        ("views", "raw"),
        refresh="select prop_trading_model.refresh_materialized_views()",
        first_refresh=tuple(f"refresh materialized view prop_trading_model.{view}" for view in _V2_VIEWS),
    ),
    System(
        "production",
        "production",
        "schema.sql",
        ("rollups", "views", "raw"),
        refresh="call prop_trading_model.refresh_warehouse()",
        first_refresh=("call prop_trading_model.refresh_warehouse()",),
    ),
)
BY_NAME = {system.name: system for system in SYSTEMS}


@contextmanager
def connected(server: EmbeddedServer, system: System) -> Iterator[Connection]:
    """An administrator's connection to the system's database, in autocommit; the schema is found without its name too."""
    with psycopg.connect(server.url(system.database), autocommit=True, application_name="dpm bench") as conn:
        conn.execute("set search_path = prop_trading_model, public")
        conn.execute("set timezone = 'UTC'")
        yield conn


def make(server: EmbeddedServer, system: System) -> None:
    """The system's database with its schema, and beside it the bench's own notes of what was loaded; again with the same SQL:
    nothing."""
    digest = digest_of(system.schema)
    if _is_made(server, system, digest):
        return
    drop(server, system)  # what a kill has left of it
    with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
        admin.execute(sql.SQL("create database {}").format(sql.Identifier(system.database)))
    with connected(server, system) as conn:
        run_file(conn, sql_dir() / system.schema)
        conn.execute("create schema bench")
        conn.execute("create table bench.set_aside (number serial, definition text)")
        conn.execute(
            "create table bench.taken"
            " (file text primary key, trades bigint not null, seconds double precision, month_there boolean)"
        )
        conn.execute(sql.SQL("comment on schema bench is {}").format(digest))


def _is_made(server: EmbeddedServer, system: System, digest: str) -> bool:
    with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
        if admin.execute("select from pg_database where datname = %s", [system.database]).fetchone() is None:
            return False
    with connected(server, system) as conn:
        made_from = "select obj_description(oid, 'pg_namespace') from pg_namespace where nspname = 'bench'"
        return conn.execute(made_from).fetchone() == (digest,)


def drop(server: EmbeddedServer, system: System) -> None:
    with psycopg.connect(server.url("postgres"), autocommit=True) as admin:
        admin.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(system.database)))


def stop_after(conn: Connection, longest: float | None) -> None:
    """Have the server stop statements of this session that take longer than so many seconds; None: none."""
    conn.execute("select set_config('statement_timeout', %s, false)", [str(int((longest or 0) * 1000))])


def settle(conn: Connection) -> None:
    """Statistics are fresh and nothing is left for autovacuum or a checkpoint to do while something is measured."""
    conn.execute("vacuum (analyze)")
    conn.execute("checkpoint")
