"""The original as it is where nobody made an index with dates: what a day, 30 days and a month take then."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg import sql

from dpm_assets.bench import explaining
from dpm_assets.bench.agreement import answer, difference
from dpm_assets.bench.asking import Cell, KeepPlan
from dpm_assets.bench.measuring import stopped_after
from dpm_assets.bench.queries import for_psycopg, questions
from dpm_assets.bench.systems import BY_NAME, Connection, stop_after
from dpm_assets.errors import DpmError

ASKED = ("one_day", "thirty_days_by_day", "one_month")
"""Queries of a month read the same rows as one_month, so each would take as long."""

_OF_DATES = """
select n.nspname, c.relname from pg_index i
join pg_class c on c.oid = i.indexrelid
join pg_namespace n on n.oid = c.relnamespace
join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey)
where i.indrelid = 'prop_trading_model.raw_trades_closed'::regclass and a.attname = 'trade_date'
"""


@contextmanager
def without_dates(conn: Connection) -> Iterator[None]:
    """The trades without the indexes that hold trade_date, in a transaction that is rolled back."""
    with conn.transaction(force_rollback=True):
        for name in conn.execute(_OF_DATES).fetchall():
            conn.execute(sql.SQL("drop index {}").format(sql.Identifier(*name)))
        yield


def ask_without_index(
    conn: Connection, earlier: dict[str, Any], *, rounds: int, seconds: float, longest: float, keep_plan: KeepPlan
) -> dict[str, Any]:
    """By query, times in the original without the indexes that hold trade_date: PostgreSQL 18 skips through that of accounts
    and dates. Nothing is changed: they are dropped in transactions that are rolled back.

    `earlier` is what was asked and answered with them (`answers_so_far`). Raises DpmError when an answer is another one.
    """
    stop_after(conn, longest)
    system, found = BY_NAME["baseline"], {}
    for query in (query for query in questions().queries if query.name in ASKED):
        cell = Cell(system, "raw", for_psycopg(query.forms["raw"]), conn, earlier["parameters"])
        with without_dates(conn):
            keep_plan(query.name, explaining.explain(conn, query.forms["raw"], cell.parameters, execute=False))
            rows = cell.ask_first(seconds)
            if rows is None:
                found[query.name] = stopped_after(longest)
                continue
            expected = earlier["answers"][query.name]
            if expected and (wrong := difference(expected, answer(rows))):
                raise DpmError(f"Without its index of dates the original answers {query.name} differently: {wrong}.")
            while cell.times.wanted(rounds, seconds):
                cell.times.time(cell.ask)
        found[query.name] = cell.times.summary()
    return found
