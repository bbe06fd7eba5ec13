"""What the new checks and keys of the twelve tables that stay unpartitioned would refuse, read from the file that adds them."""

import re
from dataclasses import dataclass
from functools import lru_cache

from psycopg import sql

from dpm_assets.database import SCHEMA
from dpm_assets.settings import sql_dir

UNMOVED = sql.Identifier("prop_trading_model_migration", "unmoved_rows")


IN_PLACE_TABLES = (
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
class Rule:
    """A check or a key of a table: `refused` is the SQL condition of a row that it refuses, over the alias `t`."""

    table: str
    name: str
    refused: str


@dataclass(frozen=True)
class Mending:
    """Rows that are corrected instead of set aside: `columns` with 0 for "none" get NULL, as a load gives them."""

    table: str
    columns: tuple[str, ...]


MENDINGS = [Mending("raw_trades_open", ("stop_loss", "take_profit"))]

# Of several rows with one key the newest stays. The key itself is added in in_place.sql.
_OPEN_KEY = Rule(
    "raw_trades_open",
    "raw_trades_open_account_id_trade_id_key",
    "t.id in (select id from (select id, row_number() over"
    " (partition by account_id, trade_id order by ingestion_timestamp desc nulls last, id desc) as place"
    " from prop_trading_model.raw_trades_open) as placed where place > 1)",
)


@lru_cache(maxsize=1)
def in_place_statements() -> tuple[str, ...]:
    """The statements of in_place.sql, in order, without comments."""
    text = (sql_dir() / "migrations" / "parts" / "in_place.sql").read_text(encoding="utf-8")
    without_comments = re.sub(r"^ *--.*\n", "", text, flags=re.MULTILINE)
    return tuple(piece.strip() for piece in without_comments.split(";\n") if piece.strip())


@lru_cache(maxsize=1)
def rules() -> tuple[Rule, ...]:
    """Every new check and key, in the order of the file."""
    found = []
    for statement in in_place_statements():
        table = re.match(rf"alter table {SCHEMA}\.(\w+)", statement)
        for added in re.finditer(r"add constraint (\w+) check (?=\()", statement):
            assert table is not None
            condition = " ".join(_in_brackets(statement[added.end() :]).split())
            found.append(Rule(table[1], added[1], f"not ({_after_mending(table[1], condition)})"))
    return (*found, _OPEN_KEY)


def rules_of_tables() -> dict[str, list[Rule]]:
    """The rules of each table that has any."""
    tables: dict[str, list[Rule]] = {}
    for rule in rules():
        tables.setdefault(rule.table, []).append(rule)
    return tables


def any_refused(of_table: list[Rule]) -> sql.Composed:
    """The condition of a row that any of the rules refuses."""
    return sql.SQL(" or ").join(sql.SQL(f"({rule.refused})") for rule in of_table)


def reasons(of_table: list[Rule]) -> sql.Composed:
    """The names of all rules that refuse a row, as text."""
    named = [sql.SQL("case when {} then {} end").format(sql.SQL(rule.refused), rule.name) for rule in of_table]
    return sql.SQL("concat_ws(', ', {})").format(sql.SQL(", ").join(named))


def holds_none_as_zero(mending: Mending) -> sql.Composed:
    columns = [sql.SQL("{} = 0").format(sql.Identifier(column)) for column in mending.columns]
    return sql.SQL(" or ").join(columns)


def null_for_zero(mending: Mending) -> sql.Composed:
    columns = [sql.SQL("{0} = nullif({0}, 0)").format(sql.Identifier(column)) for column in mending.columns]
    return sql.SQL(", ").join(columns)


def _after_mending(table: str, condition: str) -> str:
    """The condition over the row as it will be once it is corrected."""
    for mending in MENDINGS:
        if mending.table == table:
            for column in mending.columns:
                condition = re.sub(rf"\b{column}\b", f"nullif({column}, 0)", condition)
    return condition


def _in_brackets(text: str) -> str:
    """What stands between the bracket that `text` begins with and the one that closes it."""
    depth = 0
    for place, character in enumerate(text):
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth == 0:
            return text[1:place]
    raise ValueError(f"no closing bracket: {text[:80]}")
