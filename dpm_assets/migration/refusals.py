"""What has to be mended before a migration begins, as sentences with the remedy."""

from collections.abc import Iterator
from typing import Any

import psycopg

from dpm_assets.database import SCHEMA
from dpm_assets.migration.names import MIGRATION
from dpm_assets.migration.production import production_names
from dpm_assets.schema.offline import BASELINE_TABLES

_DAYS = (("raw_trades_closed", "trade_date"), ("raw_metrics_daily", "date"))


def refusals(conn: psycopg.Connection[Any]) -> Iterator[str]:
    """Before anything is made: names that production needs and something else has; indexes that the copy reads by."""
    names = [name for name, kind in production_names().items() if "index" not in kind]
    taken = conn.execute(
        "select relname::text from pg_class where relnamespace = %(schema)s::regnamespace and relname = any (%(names)s)"
        " and relname <> all (%(tables)s) and relname !~ '_id_seq$'"
        " union select proname::text from pg_proc where pronamespace = %(schema)s::regnamespace and proname = any (%(names)s)"
        " order by 1",
        {"schema": SCHEMA, "names": names, "tables": list(BASELINE_TABLES)},
    ).fetchall()
    if taken:
        yield f"Production makes objects of these names, which are there already: {_listed(taken)}. Rename or drop them."
    for table, column in _DAYS:
        row = conn.execute(
            "select exists (select from pg_index as i"
            " join pg_attribute as a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]"
            " where i.indrelid = to_regclass(%s) and a.attname = %s and i.indisvalid and i.indpred is null)",
            [f"{SCHEMA}.{table}", column],
        ).fetchone()
        if row != (True,):
            yield (
                f"{table} has no index that begins with {column}, so each bite would read the whole table:"
                f" create index concurrently on {SCHEMA}.{table} ({column})."
            )


def other_columns(conn: psycopg.Connection[Any]) -> Iterator[str]:
    """Columns of an original that its successor, which is there, lacks: they would be lost."""
    rows = conn.execute(
        f"""
        select m.table_name || '.' || a.attname
        from {MIGRATION}.moved_tables as m
        join pg_attribute as a on a.attrelid = m.original and a.attnum > 0 and not a.attisdropped
        where a.attname not in (select name from {MIGRATION}.shared_columns(m.table_name))
        order by 1
        """.encode()
    ).fetchall()
    if rows:
        yield f"The new tables do not have these columns: {_listed(rows)}. Copy them into a table of their own and drop them."


def _listed(rows: list[tuple[Any, ...]]) -> str:
    return ", ".join(row[0] for row in rows)
