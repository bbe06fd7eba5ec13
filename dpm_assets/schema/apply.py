"""Applying sql/schema.sql to a database, and telling whether it has been."""

import hashlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from sqlalchemy import create_engine, make_url, pool, text

from dpm_assets.database import SCHEMA, Database, expand, run_file
from dpm_assets.errors import DpmError
from dpm_assets.settings import settings, sql_dir, url_text

if TYPE_CHECKING:
    from alembic.config import Config

# Outside of the schema, its tables carry its name: with it in the search_path SQLAlchemy would leave the name out. Not in public,
# where everybody may have made an operator that fits what SQLAlchemy compares better than PostgreSQL's own.
OUTSIDE = "-c search_path=pg_catalog,pg_temp -c TimeZone=UTC"

# The schema's comment, before the digest.
_NOTE = "DPM trades warehouse, files "


@dataclass(frozen=True)
class SchemaStatus:
    """What a database has (`revision`, `digest`; None: not set up) beside what these files would make."""

    revision: str | None
    digest: str | None
    expected_revision: str
    expected_digest: str

    @property
    def current(self) -> bool:
        return (self.revision, self.digest) == (self.expected_revision, self.expected_digest)


def file_digest() -> str:
    """A short hash of schema.sql with everything it pulls in: two databases with the same one have the same schema."""
    text = "\n".join(piece for _, piece in expand(sql_dir() / "schema.sql"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def status(db: Database) -> SchemaStatus:
    """Compare the database with the files of this installation. Raises DpmError when it cannot be reached."""
    with db.connection(None) as conn:
        act_as_owner(conn)
        row = conn.execute(
            "select obj_description(oid, 'pg_namespace') from pg_namespace where nspname = %s", [SCHEMA]
        ).fetchone()
        note = (row and row[0]) or ""
        has_version = conn.execute("select to_regclass(%s) is not null", [f"{SCHEMA}.alembic_version"]).fetchone()
        revision = None
        if has_version and has_version[0]:
            found = conn.execute("select version_num from prop_trading_model.alembic_version").fetchone()
            revision = found[0] if found else None
    from alembic.script import ScriptDirectory  # here, since every run of the graph would pay for the import

    expected = ScriptDirectory.from_config(alembic_config()).get_current_head()
    return SchemaStatus(revision, _digest_of(note), str(expected), file_digest())


def apply_schema(url: str) -> bool:
    """Make or bring up to date every object of the schema; True when something was applied.

    One transaction, and only when the files differ from what the database has, since even `create index if not
    exists` waits for writers. Raises DpmError for a database that holds the unpartitioned original.
    """
    with Database(url, application_name="dpm schema") as db:
        if status(db).current:
            return False
        with db.connection(None) as conn, conn.transaction():
            conn.execute("select pg_advisory_xact_lock(hashtextextended('prop_trading_model.schema', 0))")
            conn.execute("set local lock_timeout = '30s'")
            refuse_baseline(conn)
            run_file(conn, sql_dir() / "schema.sql")
            act_as_owner(conn)
            note_digest(conn)
    stamp(url)
    return True


# The table is made after the schema's grants were given.
_LET_READ = f"""
do $$
begin
    if exists (select from pg_roles where rolname = 'dpm_reader') then
        grant select on {SCHEMA}.alembic_version to dpm_reader, dpm_loader, dpm_refresher;
    end if;
end
$$
"""


def stamp(url: str) -> None:
    """Note the newest revision as the one that the database has."""
    from alembic import command

    config = alembic_config()
    engine = create_engine(sqlalchemy_url(url), poolclass=pool.NullPool, connect_args={"options": OUTSIDE})
    with engine.connect() as connection:
        connection.execute(text("set default_transaction_read_only = off"))  # a database may begin sessions otherwise
        connection.commit()
        config.attributes["connection"] = connection
        command.stamp(config, "head")
        connection.execute(text(_LET_READ))
        connection.commit()


def apply_to_warehouse() -> bool:
    """apply_schema() for this installation's warehouse; on the embedded server its login gets the roles, with which it loads."""
    from dpm_assets.server.connect import embedded_server, warehouse_url

    applied = apply_schema(warehouse_url(administrator=True))
    if settings().database_url is None:
        embedded_server().grant_roles()
    return applied


def act_as_owner(conn: psycopg.Connection[Any]) -> None:
    """Take the role that owns the schema, if there is one and the login may."""
    conn.execute(
        "select set_config('role', pg_get_userbyid(nspowner)::text, false) from pg_namespace"
        " where nspname = %s and pg_has_role(nspowner, 'member')",
        [SCHEMA],
    )


def refuse_baseline(conn: psycopg.Connection[Any]) -> None:
    """Raise DpmError when raw_trades_closed is there and not partitioned."""
    row = conn.execute(
        "select 1 from pg_class as c join pg_namespace as n on n.oid = c.relnamespace"
        " where n.nspname = %s and c.relname = 'raw_trades_closed' and c.relkind = 'r'",
        [SCHEMA],
    ).fetchone()
    if row:
        raise DpmError(
            "This database holds the unpartitioned original of the schema, and applying this one would not move its rows. "
            "Move them while programs go on working (dpm migrate plan says what that takes), or, if the database is small and "
            "may stand still: psql -f sql/migrations/001_add_partitioning.sql, then 002_add_materialized_views.sql."
        )


def alembic_config() -> "Config":
    from alembic.config import Config

    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = Config()
    config.set_main_option("script_location", "dpm_assets.schema:alembic")
    return config


def sqlalchemy_url(url: str | None = None) -> str:
    """A `postgresql://` URL (default: this warehouse's, as its administrator) for SQLAlchemy with psycopg 3."""
    if url is None:
        from dpm_assets.server.connect import warehouse_url

        url = warehouse_url(administrator=True)
    return url_text(make_url(url).set(drivername="postgresql+psycopg"))


def note_digest(conn: psycopg.Connection[Any]) -> None:
    """Keep the digest as the schema's comment: readable with \\dn+, gone with the schema."""
    note = f"{_NOTE}{file_digest()}"
    conn.execute(psycopg.sql.SQL("comment on schema {} is {}").format(psycopg.sql.Identifier(SCHEMA), note))


def forget_version(conn: psycopg.Connection[Any]) -> None:
    """Take back what note_digest() and stamp() noted, if they did: the database does not hold this schema any more."""
    row = conn.execute("select obj_description(to_regnamespace(%s)::oid, 'pg_namespace')", [SCHEMA]).fetchone()
    if row and (row[0] or "").startswith(_NOTE):
        conn.execute(f"comment on schema {SCHEMA} is null".encode())
        conn.execute(f"drop table if exists {SCHEMA}.alembic_version".encode())


def _digest_of(note: str) -> str | None:
    head, _, digest = note.rpartition("files ")
    return digest if head else None
