"""Connections to the warehouse's PostgreSQL: a pool, a role for each kind of work, SQL files. Knows nothing of Dagster."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import ConnectionPool, PoolTimeout

from dpm_assets.errors import DpmError

Role = Literal["dpm_owner", "dpm_loader", "dpm_refresher", "dpm_reader"]

SCHEMA = "prop_trading_model"
OLDEST_POSTGRESQL = 15

# Taken whenever the login may: with roles refused (a managed service without CREATEROLE) the login works as itself.
_TAKE_ROLE = """
select set_config('role', rolname::text, false)
from pg_catalog.pg_roles where rolname = %s and pg_catalog.pg_has_role(oid, 'member')
"""


class Database:
    """One PostgreSQL database, given by a `postgresql://` URL. Use as a context manager, or call `close()`.

    Every connection works in UTC and writes dates as ISO does, whatever is set for the database. `connection(role)` hands out
    one that has taken that role, so that a load cannot drop a table and a reader cannot write, whoever the login is.
    """

    def __init__(self, url: str, application_name: str = "dpm", max_connections: int = 8) -> None:
        self.url = url
        self.max_connections = max_connections
        self._pool: ConnectionPool[psycopg.Connection[Any]] = ConnectionPool(
            url,
            min_size=0,
            max_size=max_connections,
            max_idle=60,
            timeout=20,
            open=False,
            # Without prepared statements: `discard all` at return to the pool would pull them from under psycopg.
            kwargs={
                "application_name": application_name,
                # Without public: where everybody may make objects in it, an operator there would be called in our name.
                "options": "-c TimeZone=UTC -c DateStyle=ISO -c search_path=prop_trading_model,pg_temp",
                "autocommit": True,
                "prepare_threshold": None,
            },
            reset=_reset,
            name=application_name,
        )

    def __enter__(self) -> "Database":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._pool.close()

    @contextmanager
    def connection(self, role: Role | None = "dpm_reader") -> Iterator[psycopg.Connection[Any]]:
        """A connection in autocommit that has taken `role` (None: the login's own); wrap writes in `conn.transaction()`.

        Raises DpmError when the server cannot be reached, refuses the login, or is older than PostgreSQL 15.
        """
        if self._pool.closed:
            self._check_server()
            self._pool.open()
        try:
            conn = self._pool.getconn()
        except PoolTimeout as error:
            raise DpmError(f"No connection to {self.where()} within 20 seconds: {error}. Is the server up?") from None
        try:
            if role:
                conn.execute(_TAKE_ROLE, [role])
            yield conn
        finally:
            self._pool.putconn(conn)

    def _check_server(self) -> None:
        """One plain connection first: the pool would retry a wrong password for its whole timeout."""
        try:
            with psycopg.connect(self.url, connect_timeout=10) as conn:
                version = conn.info.server_version
        except (psycopg.OperationalError, psycopg.ProgrammingError) as error:
            reason = re.sub(r"\s+", " ", str(error)).strip()
            raise DpmError(f"Cannot connect to {self.where()}: {reason}. Check DPM_DATABASE_URL.") from None
        if version // 10000 < OLDEST_POSTGRESQL:
            raise DpmError(
                f"{self.where()} runs PostgreSQL {version // 10000}; the warehouse needs {OLDEST_POSTGRESQL} or newer. "
                "Upgrade the server, or unset DPM_DATABASE_URL to use the embedded one."
            )

    def where(self) -> str:
        """host:port/database, without the password."""
        try:
            parts = conninfo_to_dict(self.url)
        except psycopg.ProgrammingError:
            raise DpmError(
                "DPM_DATABASE_URL is not a postgresql:// URL. Write postgresql://user:password@host:5432/db."
            ) from None
        return f"{parts.get('host', 'localhost')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"


def _reset(conn: psycopg.Connection[Any]) -> None:
    conn.autocommit = True
    conn.execute("discard all")


def expand(path: Path) -> Iterator[tuple[Path, str]]:
    """The text of a SQL file as (file, text) pieces, with every `\\ir other.sql` line replaced by that file's pieces.

    `\\ir` is the only psql command allowed under sql/; any other raises DpmError with file and line.
    """
    piece: list[str] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        include = re.fullmatch(r"\\ir\s+(\S+)\s*", line)
        if include:
            if piece:
                yield path, "\n".join(piece)
                piece = []
            yield from expand(path.parent / include[1])
        elif line.startswith("\\"):
            raise DpmError(f"{path}, line {number}: {line.split()[0]} is a psql command; only \\ir is allowed here.")
        else:
            piece.append(line)
    if any(line.strip() for line in piece):
        yield path, "\n".join(piece)


def run_file(conn: psycopg.Connection[Any], path: Path) -> None:
    """Run a SQL file on `conn`, in the transaction that it is in. Raises DpmError with the file and PostgreSQL's reason."""
    for file, text in expand(path):
        try:
            conn.execute(text.encode(), prepare=False)
        except psycopg.Error as error:
            line = ""
            if error.diag.statement_position:
                line = f", line {text[: int(error.diag.statement_position)].count(chr(10)) + 1}"
            raise DpmError(f"{file.name}{line}: {error.diag.message_primary or error}") from error


def identifier(*names: str) -> sql.Identifier:
    return sql.Identifier(*names)
