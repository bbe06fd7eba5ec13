"""Running the offline migrations in somebody else's transaction, and taking back what they made."""

import re
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from dpm_assets.database import SCHEMA
from dpm_assets.errors import DpmError
from dpm_assets.settings import sql_dir

Connection = psycopg.Connection[Any]

BASELINE_TABLES = (
    "raw_trades_closed",
    "raw_metrics_daily",
    "raw_metrics_alltime",
    "raw_metrics_hourly",
    "raw_trades_open",
    "raw_accounts_data",
    "raw_plans_data",
    "raw_regimes_daily",
    "stg_accounts_daily_snapshots",
    "feature_store_account_daily",
    "model_training_input",
    "model_predictions",
    "model_registry",
    "pipeline_execution_log",
)


@dataclass(frozen=True)
class Made:
    """The names of what a migration makes in the schema."""

    tables: frozenset[str]
    views: frozenset[str]
    routines: frozenset[str]

    def without(self, other: "Made") -> "Made":
        return Made(self.tables - other.tables, self.views - other.views, self.routines - other.routines)


def migration_text(file: str) -> str:
    return (sql_dir() / "migrations" / file).read_text(encoding="utf-8")


def run_migration(conn: Connection, file: str) -> None:
    """Run a file of sql/migrations in the transaction that `conn` is in, without its own BEGIN and COMMIT.

    Raises DpmError with what the file says when something that it needs is not there.
    """
    text = re.sub(r"^(begin|commit);$", "", migration_text(file), flags=re.MULTILINE)
    try:
        conn.execute(text.encode(), prepare=False)
    except psycopg.Error as error:
        raise DpmError(f"{file}: {error.diag.message_primary or error}") from error


def made_by(file: str) -> Made:
    """What the file's text makes; a live view is made from its materialized view."""
    text = migration_text(file)
    views = set(re.findall(rf"create (?:or replace )?(?:materialized )?view (?:if not exists )?{SCHEMA}\.(\w+)", text))
    live = {f"live_{name}" for name in re.findall(rf"create_live_view\('{SCHEMA}\.mv_(\w+)'\)", text)}
    return Made(
        frozenset(re.findall(rf"create (?:unlogged )?table if not exists {SCHEMA}\.(\w+)", text)),
        frozenset(views | live),
        frozenset(re.findall(rf"create or replace (?:function|procedure) {SCHEMA}\.(\w+)", text)),
    )


def drop(conn: Connection, made: Made) -> None:
    """Drop these objects, except the tables of the original. Raises DpmError that names what else depends on them."""
    relation = "select oid::regclass::text from pg_class where relnamespace = %s::regnamespace and relname = any (%s)"
    routine = "select oid::regprocedure::text from pg_proc where pronamespace = %s::regnamespace and proname = any (%s)"
    for kind, query, names in (
        ("view", f"{relation} and relkind = 'v'", made.views),
        ("materialized view", f"{relation} and relkind = 'm'", made.views),
        ("routine", routine, made.routines),
        ("table", f"{relation} and not relispartition", made.tables - set(BASELINE_TABLES)),
    ):
        found = [row[0] for row in conn.execute(query.encode(), [SCHEMA, list(names)]).fetchall()]
        if found:
            _drop(conn, f"drop {kind} {', '.join(found)}")


def _drop(conn: Connection, statement: str) -> None:
    try:
        conn.execute(statement.encode())
    except psycopg.errors.DependentObjectsStillExist as error:
        raise DpmError(
            f"Something of yours depends on what goes: {error.diag.message_detail} Drop it first."
        ) from error


def any_row(conn: Connection, tables: tuple[str, ...] = BASELINE_TABLES) -> str | None:
    """The first of these tables that holds a row."""
    for table in tables:
        row = conn.execute(sql.SQL("select exists (select from {})").format(sql.Identifier(SCHEMA, table))).fetchone()
        if row == (True,):
            return table
    return None
