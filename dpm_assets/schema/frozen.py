"""The offline migrations, written from the files that schema.sql is made of: `python -m dpm_assets.schema.frozen`.

They are self-contained: psql -f runs them without the other files, and a database that stands at one of them can be brought to
the next. From the first release on a file that has been released is not written anew; its freshness is tested until then.
"""

import re

from dpm_assets.database import SCHEMA, expand
from dpm_assets.migration.in_place_rules import (
    MENDINGS,
    UNMOVED,
    Mending,
    Rule,
    holds_none_as_zero,
    in_place_statements,
    null_for_zero,
    rules,
)
from dpm_assets.settings import sql_dir

PARTITIONING = "001_add_partitioning.sql"
MATERIALIZED_VIEWS = "002_add_materialized_views.sql"

_PARTITIONING_HEAD = """\
-- From the original to partitioned tables, offline, for databases that are small enough to stand still for a while:
--   psql -v ON_ERROR_STOP=1 -f 001_add_partitioning.sql
-- It makes the partitioned raw_trades_closed and raw_metrics_daily from the rows of the original, brings the other tables to
-- production's form, and adds the ledger, the change log and the functions that make partitions. While programs go on
-- working: dpm migrate plan. For an empty database: schema.sql.
-- Invariant: one transaction; no row is lost (those that cannot move are kept in unmoved_rows); applied again it changes nothing.
-- Written by python -m dpm_assets.schema.frozen.
-- It runs offline, in one transaction; what it indexes and constrains is empty or locked:
-- squawk-ignore-file require-lock-timeout, require-statement-timeout, prefer-robust-stmts, require-concurrent-index-creation
-- squawk-ignore-file adding-foreign-key-constraint, constraint-missing-not-valid, ban-drop-constraint, ban-drop-function
"""
_VIEWS_HEAD = """\
-- The refresh, the materialized views and the live views, beside the partitioned tables of 001_add_partitioning.sql:
--   psql -v ON_ERROR_STOP=1 -f 002_add_materialized_views.sql
-- The views are filled by the first refresh: call prop_trading_model.refresh_warehouse().
-- Invariant: one transaction; applied again it changes nothing.
-- Written by python -m dpm_assets.schema.frozen.
-- It runs offline, in one transaction; what it indexes and constrains is empty or locked:
-- squawk-ignore-file require-lock-timeout, require-statement-timeout, prefer-robust-stmts, require-concurrent-index-creation
-- squawk-ignore-file adding-foreign-key-constraint, constraint-missing-not-valid, ban-drop-constraint, ban-drop-function
"""

# What schema.sql pulls in that stands on partitions alone; everything else that is no table belongs to the views.
_OF_PARTITIONING = {
    "functions/describing.sql",
    "functions/calendar.sql",
    "functions/changes.sql",
    "functions/leaf_columns.sql",
    "functions/leaf_plan.sql",
    "functions/partitions.sql",
    "functions/catalogue.sql",
    "functions/bare_months.sql",
    "functions/cold_months.sql",
    "functions/cold_archive.sql",
    "functions/cold_restore.sql",
    "functions/loads.sql",
    "functions/check_partitions.sql",
    "functions/analyze_partitions.sql",
    "indexes/partition_index_management.sql",
    "views/latest.sql",
    "comments/raw_tables.sql",
    "comments/model_tables.sql",
    "comments/bookkeeping.sql",
    "comments/rollups.sql",
    "comments/partition_views.sql",
    "comments/partition_functions.sql",
}
_TABLES_OF_VIEWS = "tables/refresh_work.sql"


_PARTITIONS_AHEAD = """\
select count(*) from prop_trading_model.create_monthly_partitions();
select count(*) from prop_trading_model.create_yearly_partitions();
"""


def partitioning() -> str:
    """The text of 001_add_partitioning.sql."""
    files = [
        file
        for file in _files()
        if file != _TABLES_OF_VIEWS and (file.startswith("tables/") or file in _OF_PARTITIONING)
    ]
    return _PARTITIONING_HEAD + _in_one_transaction(
        [
            _part("001_begin"),
            _file("roles.sql"),
            "reset role;  -- dpm_owner may make no schemas\n",
            _part("unmoved_rows"),
            _part("ownership"),
            _part("set_aside"),
            _part("001_aside"),
            in_place_offline(),
            *(_file(file) for file in files),
            _file("grants.sql"),  # before there is a leaf, which takes its table's privileges over
            _part("001_rows"),
            _PARTITIONS_AHEAD,
            _part("001_end"),
        ]
    )


def materialized_views() -> str:
    """The text of 002_add_materialized_views.sql."""
    files = [
        file
        for file in _files()
        if file == _TABLES_OF_VIEWS or not (file.startswith("tables/") or file in _OF_PARTITIONING)
    ]
    return _VIEWS_HEAD + _in_one_transaction([_part("002_begin"), *(_file(file) for file in files)])


def in_place_offline() -> str:
    """The change of the twelve tables in one piece, skipped where it has been made: rows that a check refuses are set aside
    between the moment it binds new rows and the moment it is held against all."""
    body = [_mend(mending) for mending in MENDINGS]
    for statement in in_place_statements():
        if key := re.match(r"create unique index concurrently if not exists (\w+)", statement):
            body.append(_set_aside(next(rule for rule in rules() if rule.name == key[1])))
        body.append(statement.replace(" concurrently", ""))
        table = re.match(r"alter table (prop_trading_model\.\w+)", statement)
        if table and "not valid" in statement:
            body.append(f"perform pg_temp.set_aside_refused('{table[1]}')")
    indented = "".join(f"        {statement.replace(chr(10), chr(10) + ' ' * 8)};\n" for statement in body)
    return (
        "-- The tables that stay unpartitioned, in place.\n\ndo $$\nbegin\n"
        f"    if to_regclass('prop_trading_model_old.raw_trades_closed') is not null then\n{indented}    end if;\nend\n$$;\n"
    )


def _mend(mending: Mending) -> str:
    null = null_for_zero(mending).as_string()
    return f"update {SCHEMA}.{mending.table} set {null} where {holds_none_as_zero(mending).as_string()}"


def _set_aside(rule: Rule) -> str:
    return (
        f"with gone as (delete from {SCHEMA}.{rule.table} as t\n    where {rule.refused} returning t.*)\n"
        f"insert into {UNMOVED.as_string()} (table_name, id, reason, row)\n"
        f"select '{rule.table}', t.id, '{rule.name}', to_jsonb(t) from gone as t"
    )


def _files() -> list[str]:
    """What schema.sql pulls in, in its order, relative to it."""
    return re.findall(r"^\\ir (\S+)$", (sql_dir() / "schema.sql").read_text(encoding="utf-8"), flags=re.MULTILINE)


def _file(name: str) -> str:
    """The text of a file with what it pulls in itself."""
    return "\n".join(text for _, text in expand(sql_dir() / name)) + "\n"


def _part(name: str) -> str:
    return _file(f"migrations/parts/{name}.sql")


def _in_one_transaction(pieces: list[str]) -> str:
    inner = "\n".join(pieces)
    settings = "set local client_min_messages = warning;\nset local search_path = pg_catalog, pg_temp;\n"
    return f"\nbegin;\n{settings}\n{inner}\nreset role;\nreset search_path;\ncommit;\n"


def write() -> None:
    folder = sql_dir() / "migrations"
    (folder / PARTITIONING).write_text(partitioning(), encoding="utf-8")
    (folder / MATERIALIZED_VIEWS).write_text(materialized_views(), encoding="utf-8")


if __name__ == "__main__":
    write()
