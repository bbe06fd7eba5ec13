"""`clean`: the end of a migration, forwards (the originals are dropped) or, abandoned, back to the original alone."""

from dataclasses import replace
from typing import Any

import psycopg
from psycopg import sql

from dpm_assets.database import SCHEMA, Database
from dpm_assets.errors import DpmError
from dpm_assets.migration.dependents import Side, find_dependents, refuse_dependents, sides
from dpm_assets.migration.in_place import Report
from dpm_assets.migration.names import MIGRATION, NEXT, OLD
from dpm_assets.migration.production import production_names
from dpm_assets.migration.sessions import alone, login, note_clean, phase, require_phase
from dpm_assets.partitions.patience import run_patiently
from dpm_assets.schema.apply import forget_version
from dpm_assets.schema.offline import drop, made_by


def clean(db: Database, report: Report, *, forget_unmoved: bool = False, abandon: bool = False) -> None:
    """Drop the tables that programs no longer use, and the migration's bookkeeping.

    Rows that could not move stay in unmoved_rows unless `forget_unmoved`. Without a cutover, or after a rollback, it is the new
    tables that go, and only with `abandon`. Killed anywhere, or refused when it has begun, the next call goes on; until one has
    ended, every other command refuses. Raises DpmError for what still hangs on the tables that go.
    """
    with alone(db) as conn:
        found = phase(conn, cleaning=True)
        if found is None:
            _forget_unmoved(conn, report, forget_unmoved)
            return
        if not abandon:
            require_phase(conn, "moved", cleaning=True)
        elif found == "moved":
            raise DpmError(
                "Programs use the new tables. Go back with dpm migrate rollback before you abandon the migration."
            )
        going: Side = "original" if found == "moved" else "successor"
        hanging = [each for each in find_dependents(conn, sides(conn, going)) if each.fate in ("made again", "refused")]
        refuse_dependents([replace(each, fate="refused", advice=each.advice or "drop it") for each in hanging])
        unmoved = conn.execute(f"select count(*) from {MIGRATION}.unmoved_rows".encode()).fetchone()
        note_clean(conn)  # first: without its triggers a table that programs write to can no longer be left
        _drop_triggers(conn, [MIGRATION] if going == "original" else [MIGRATION, SCHEMA])
        if going == "successor":
            with conn.transaction():
                conn.execute(f"drop schema if exists {NEXT} cascade".encode())
                for file in ("002_add_materialized_views.sql", "001_add_partitioning.sql"):
                    drop(conn, made_by(file))
                forget_version(conn)
    with login(db) as conn:
        # As the login, which made the schemas. What is left in them is the migration's own.
        for name in (OLD, NEXT):
            conn.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(name)))
        keep = bool(unmoved and unmoved[0]) and not forget_unmoved
        _drop_bookkeeping(conn, keep)
    report("The original tables are dropped." if going == "original" else "The new tables are dropped.")
    if keep and unmoved:
        report(
            f"{unmoved[0]:,} rows that could not move stay in {MIGRATION}.unmoved_rows; clean --forget-unmoved drops them."
        )


def _forget_unmoved(conn: psycopg.Connection[Any], report: Report, forget: bool) -> None:
    """What an earlier clean kept."""
    kept = conn.execute("select to_regclass(%s) is not null", [f"{MIGRATION}.unmoved_rows"]).fetchone()
    if kept == (True,) and forget:
        conn.execute("reset role")
        conn.execute(f"drop schema {MIGRATION} cascade".encode())
        report("The rows that could not move are forgotten.")
    elif kept == (True,):
        report(f"Only {MIGRATION}.unmoved_rows is left; clean --forget-unmoved drops it.")
    else:
        report("There is nothing to clean.")


def _drop_triggers(conn: psycopg.Connection[Any], of_schemas: list[str]) -> None:
    """Those of these schemas' functions, of the tables that stay, one after the other: each is locked for a moment."""
    rows = conn.execute(
        """
        select t.tgrelid::regclass::text, array_agg(quote_ident(t.tgname))
        from pg_trigger as t
        join pg_proc as p on p.oid = t.tgfoid
        join pg_class as c on c.oid = t.tgrelid
        where p.pronamespace::regnamespace::text = any (%s)
            and (p.pronamespace::regnamespace::text <> %s or p.proname = any (%s))
            and c.relnamespace = %s::regnamespace
        group by 1 order by 1
        """,
        [of_schemas, SCHEMA, list(production_names()), SCHEMA],
    ).fetchall()
    for table, triggers in rows:
        body = "; ".join(f"drop trigger {trigger} on {table}" for trigger in triggers)
        run_patiently(conn, f"do $do$ begin {body}; end $do$")


def _drop_bookkeeping(conn: psycopg.Connection[Any], keep_unmoved: bool) -> None:
    if not keep_unmoved:
        conn.execute(f"drop schema {MIGRATION} cascade".encode())
        return
    with conn.transaction():
        conn.execute(f"drop table if exists {MIGRATION}.bites, {MIGRATION}.parts cascade".encode())
        rows = conn.execute(
            f"""
            select format('drop table %s cascade', oid::regclass) from pg_class
            where relnamespace = '{MIGRATION}'::regnamespace and relkind = 'r' and relname <> 'unmoved_rows'
            union all
            select format('drop routine %s cascade', oid::regprocedure) from pg_proc
            where pronamespace = '{MIGRATION}'::regnamespace
            """.encode()
        ).fetchall()
        for (statement,) in rows:
            conn.execute(statement.encode())
