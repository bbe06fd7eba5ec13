"""Carries out a history of a warehouse (see strategies.py) on a real database, as its writers would."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from dpm_assets.calendar import add_months, month_of
from dpm_assets.database import Database
from dpm_assets.refresh.verify import verify
from tests import strategies as told

SCHEMA = "prop_trading_model"
_KEY = ("account_id", "trade_date", "trade_id")
_SNAPSHOT_KEYS = {"raw_accounts_data": "account_id", "raw_plans_data": "plan_id", "raw_regimes_daily": "date"}
Connection = psycopg.Connection[Any]


def table_of(leaf: date | None) -> sql.Identifier:
    """raw_trades_closed, or its leaf of a month."""
    return sql.Identifier(SCHEMA, f"raw_trades_closed_{leaf:%Y_%m}" if leaf else "raw_trades_closed")


def set_today(conn: Connection, today: date) -> None:
    """Puts a day in the place of the real today."""
    conn.execute(
        sql.SQL("create or replace function {}.utc_today() returns date language sql stable as {}").format(
            sql.Identifier(SCHEMA), sql.Literal(f"select date '{today}'")
        )
    )


def insert(conn: Connection, trade_id: str, day: str = "2024-01-10") -> None:
    """One more trade of account a1."""
    conn.execute(
        "insert into raw_trades_closed (trade_id, account_id, login, trade_date, profit)"
        " values (%s, 'a1', 'l', %s, 1000)",
        [trade_id, day],
    )


def prepare(conn: Connection, months: Sequence[date] = told.MONTHS) -> None:
    """A warehouse on told.TODAY with the months of the story."""
    set_today(conn, told.TODAY)
    conn.execute("select prop_trading_model.ensure_trade_months(%s)", [list(months)])


def carry_out(conn: Connection, history: Sequence[told.Operation]) -> None:
    """Every operation in a transaction of its own; what PostgreSQL refuses is rolled back, as it would be."""
    for operation in history:
        try:
            if isinstance(operation, told.Refresh):
                _refresh(conn, operation)
            elif isinstance(operation, told.Transaction):
                _transaction(conn, operation)
            else:
                _statement(conn, operation)
        except _REFUSED:
            assert not isinstance(operation, told.Refresh), f"{operation} failed"


# Duplicate keys, rows outside a leaf, months that are detached or attached already: what a writer's mistake may give.
_REFUSED = (
    psycopg.errors.UniqueViolation,
    psycopg.errors.CheckViolation,
    psycopg.errors.CardinalityViolation,
    psycopg.errors.UndefinedTable,
    psycopg.errors.WrongObjectType,
)


def differences(db: Database) -> list[str]:
    """What the rollups, views and live views of a warehouse with nothing pending lack to equal the oracle."""
    result = verify(db)
    assert not result.notes, result.notes
    return [str(difference) for difference in result.differences if difference.object != "raw_trades_closed"]


def _transaction(conn: Connection, operation: told.Transaction) -> None:
    half = len(operation.operations) // 2
    with conn.transaction(force_rollback=operation.end == "rollback"):
        _savepoints(conn, operation.operations[:half])
        with conn.transaction(force_rollback=operation.end == "rollback half"):
            _savepoints(conn, operation.operations[half:])


def _savepoints(conn: Connection, operations: Sequence[told.Operation]) -> None:
    for operation in operations:
        try:
            with conn.transaction():
                _statement(conn, operation)
        except _REFUSED:
            pass


def _statement(conn: Connection, operation: told.Operation) -> None:
    if isinstance(operation, told.Write):
        _write(conn, operation)
    elif isinstance(operation, told.Update):
        _run(conn, "update {table} set {values} where {where}", operation.leaf, operation.where, operation.values)
    elif isinstance(operation, told.Delete):
        _run(conn, "delete from {table} where {where}", operation.leaf, operation.where)
    elif isinstance(operation, told.Truncate):
        _run(conn, "truncate {table}", operation.leaf)
    elif isinstance(operation, told.Snapshot):
        _snapshot(conn, operation)
    elif isinstance(operation, told.Bulk):
        _bulk(conn, operation)
    elif isinstance(operation, told.Midnight):
        set_today(conn, operation.today)
    elif isinstance(operation, told.Leaf):
        _leaf(conn, operation)


def _run(
    conn: Connection, template: Any, leaf: date | None, where: told.Row | None = None, values: told.Row | None = None
) -> None:
    conn.execute(
        sql.SQL(template).format(
            table=table_of(leaf),
            values=sql.SQL(", ").join(
                sql.SQL("{} = {}").format(sql.Identifier(n), v) for n, v in (values or {}).items()
            ),
            where=sql.SQL(" and ").join(
                sql.SQL("{} = {}").format(sql.Identifier(n), v) for n, v in (where or {}).items()
            ),
        )
    )


def _write(conn: Connection, write: told.Write) -> None:
    rows = write.rows
    if write.leaf:
        rows = [row for row in rows if month_of(row["trade_date"]) == write.leaf]
    if write.how in ("copy", "upsert", "merge"):
        rows = list({tuple(row[name] for name in _KEY): row for row in rows}.values())
    if not rows:
        return
    columns = list(rows[0])
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    table = table_of(write.leaf)
    if write.how == "copy":
        with conn.cursor().copy(sql.SQL("copy {} ({}) from stdin").format(table, names)) as copy:
            for row in rows:
                copy.write_row([row[name] for name in columns])
        return
    lines = sql.SQL(", ").join(
        sql.SQL("({})").format(sql.SQL(", ").join(sql.Literal(row[name]) for name in columns)) for row in rows
    )
    if write.how == "merge":
        _merge(conn, table, columns, lines)
        return
    statement = sql.SQL("insert into {} ({}) values {}").format(table, names, lines)
    if write.how == "upsert":
        statement += sql.SQL(
            " on conflict (account_id, trade_date, trade_id) do update set"
            " (profit, login) = (excluded.profit, excluded.login)"
        )
    conn.execute(statement)


def _merge(conn: Connection, table: sql.Identifier, columns: list[str], lines: sql.Composable) -> None:
    """Rows that are there change, or go when the new profit is missing; the others come."""
    conn.execute(sql.SQL("create temp table incoming as table {} with no data").format(table_of(None)))
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    try:
        with conn.transaction():
            conn.execute(sql.SQL("insert into incoming ({}) values {}").format(names, lines))
            conn.execute(
                sql.SQL(
                    "merge into {} as t using incoming as i"
                    " on t.account_id = i.account_id and t.trade_date = i.trade_date and t.trade_id = i.trade_id"
                    " when matched and i.profit is null then delete"
                    " when matched then update set profit = i.profit, symbol = i.symbol, lots = i.lots"
                    " when not matched then insert ({}) values ({})"
                ).format(table, names, sql.SQL(", ").join(sql.Identifier("i", name) for name in columns))
            )
    finally:
        conn.execute("drop table incoming")


def _snapshot(conn: Connection, snapshot: told.Snapshot) -> None:
    table = sql.Identifier(SCHEMA, snapshot.table)
    key = _SNAPSHOT_KEYS[snapshot.table]
    if snapshot.remove:
        conn.execute(sql.SQL("delete from {} where {} = %s").format(table, sql.Identifier(key)), [snapshot.row[key]])
        return
    conn.execute(
        sql.SQL("insert into {} ({}) values ({})").format(
            table,
            sql.SQL(", ").join(map(sql.Identifier, snapshot.row)),
            sql.SQL(", ").join([sql.Placeholder()] * len(snapshot.row)),
        ),
        [Jsonb(value) if isinstance(value, dict) else value for value in snapshot.row.values()],
    )


_BULKS = {
    "insert": "insert into raw_trades_closed (trade_id, account_id, login, symbol, side, lots, profit, commission, swap,"
    " trade_date) select 'bulk' || n, 'b' || n %% %(accounts)s, 'l', nullif('S' || n %% 5, 'S0'),"
    " case n %% 3 when 0 then 'buy' when 1 then 'sell' end, nullif(n %% 4, 0)::numeric / 4, nullif(n %% 9, 0) - 4.5,"
    " nullif(-(n %% 7), 0), nullif(n %% 2, 0)::numeric / 100, %(month)s::date + n %% 28"
    " from generate_series(1, %(trades)s) as n on conflict do nothing",
    "update": "update raw_trades_closed set profit = -profit, symbol = case length(trade_id) %% 2 when 0 then symbol end"
    " where trade_id like 'bulk%%' and trade_date between %(month)s and %(month)s::date + %(accounts)s %% 28",
    "delete": "delete from raw_trades_closed where trade_id like 'bulk%%' and hashtext(trade_id) %% 3 = 0"
    " and trade_date between %(month)s and %(month)s::date + %(accounts)s %% 28",
}


def _bulk(conn: Connection, bulk: told.Bulk) -> None:
    conn.execute(_BULKS[bulk.how].encode(), {"accounts": bulk.accounts, "trades": bulk.trades, "month": bulk.month})


def _leaf(conn: Connection, operation: told.Leaf) -> None:
    if operation.how == "rewrite":
        _run(conn, "vacuum full {table}", operation.month)
    elif operation.how == "detach":
        conn.execute(
            sql.SQL("alter table {} detach partition {} concurrently").format(table_of(None), table_of(operation.month))
        )
    else:
        conn.execute(
            sql.SQL("alter table {} attach partition {} for values from ({}) to ({})").format(
                table_of(None), table_of(operation.month), str(operation.month), str(add_months(operation.month, 1))
            )
        )


def _refresh(conn: Connection, refresh: told.Refresh) -> None:
    schema = "prop_trading_model"
    if refresh.how == "all":
        conn.execute(f"call {schema}.refresh_warehouse(%s)", [refresh.max_keys])
    elif refresh.how == "bite":
        conn.execute(f"select {schema}.refresh_bite(%s)", [refresh.max_keys])
    elif refresh.how == "one month":
        conn.execute(f"select {schema}.refresh_materialized_views(%s, %s)", [refresh.max_keys, [refresh.month]])
    elif refresh.how == "views":
        conn.execute(f"select {schema}.refresh_views()")
    else:
        conn.execute(f"select {schema}.rebuild_month(%s)", [refresh.month])
