"""What has to be mended before a migration begins, as sentences with the remedy."""

from collections.abc import Iterator
from typing import Any, Literal

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

    yield from _tied_to_the_owner(conn)


def _tied_to_the_owner(conn: psycopg.Connection[Any]) -> Iterator[str]:
    """The tables change hands at the start: what means something else under another owner would fail programs, or hide rows."""
    rows = conn.execute(
        "select format('rule %%s on %%s', r.rulename, c.relname)"
        " from pg_rewrite as r join pg_class as c on c.oid = r.ev_class"
        " where c.relnamespace = %(schema)s::regnamespace and c.relname = any (%(tables)s) and c.relkind = 'r'"
        " union all select format('row level security of %%s', c.relname)"
        "   || coalesce((select ' (' || string_agg(p.polname, ', ') || ')' from pg_policy as p where p.polrelid = c.oid), '')"
        " from pg_class as c where c.relnamespace = %(schema)s::regnamespace and c.relname = any (%(tables)s)"
        " and c.relrowsecurity order by 1",
        {"schema": SCHEMA, "tables": list(BASELINE_TABLES)},
    ).fetchall()
    if rows:
        yield (
            f"The tables go to the owner of the schema, for whom these mean something else: {_listed(rows)}. Drop or disable"
            " them, and make them again when the migration is over."
        )


def other_columns(
    conn: psycopg.Connection[Any], leaving: Literal["original", "successor"] = "original"
) -> Iterator[str]:
    """Columns of the tables that programs are `leaving` that the others lack, or cannot hold as they are: they would be lost."""
    rows = conn.execute(
        f"""
        select m.table_name || '.' || a.attname
        from {MIGRATION}.moved_tables as m
        join pg_attribute as a on a.attrelid = m.{leaving} and a.attnum > 0 and not a.attisdropped
        where a.attname not in (select name from {MIGRATION}.shared_columns(m.table_name)) and a.attname <> 'load_batch_id'
        order by 1
        """.encode()
    ).fetchall()
    if rows:
        lacking = "new" if leaving == "original" else "original"
        yield (
            f"The {lacking} tables do not have these columns: {_listed(rows)}. Copy them into a table of their own and drop them."
        )
    changed = conn.execute(
        f"""
        select format('%s.%s is %s instead of %s', m.table_name, c.name, c.original_type, c.type)
        from {MIGRATION}.moved_tables as m cross join lateral {MIGRATION}.shared_columns(m.table_name) as c
        where c.type <> c.original_type and (c.original_type, c.type) <> ('integer', 'bigint')
        order by 1
        """.encode()
    ).fetchall()
    if changed:
        yield f"These columns have other types than the baseline's: {_listed(changed)}. Give them the baseline's again."


def lost_log(conn: psycopg.Connection[Any], leaving: Literal["original", "successor"]) -> Iterator[str]:
    """Tables that programs are `leaving` whose log has lost a trigger, or has one disabled: writes may be on one side alone."""
    rows = conn.execute(
        f"select m.table_name from {MIGRATION}.moved_tables as m"
        f" where exists (select from {MIGRATION}.log_trigger_statements(m.{leaving}, '')) order by 1".encode()
    ).fetchall()
    if not rows:
        return
    fault = (
        f"Triggers of the migration's log are gone or disabled on {_listed(rows)}, so the other side may lack writes."
    )
    if leaving == "original":
        yield f"{fault} Run dpm migrate clean --abandon, and begin anew with dpm migrate start."
    else:
        calls = ", ".join(f"{MIGRATION}.log_changes_of('{SCHEMA}.{table}')" for (table,) in rows)
        yield f"{fault} Run select {calls}, and update the rows of the months that dpm migrate verify finds to differ."


def _listed(rows: list[tuple[Any, ...]]) -> str:
    return ", ".join(row[0] for row in rows)
