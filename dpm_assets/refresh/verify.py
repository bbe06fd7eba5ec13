"""Proof of the numbers: every rollup and view against its recomputation from the raw rows, in one snapshot.

The recomputations are the plain SELECTs under `sql/oracle/`, one for each object, which share nothing with the refresh.
What is pending has not been refreshed yet and is no difference: it is left out and said so in the notes. Live views show it,
and are compared whole.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import groupby
from typing import Any

import psycopg
from psycopg import sql

from dpm_assets.calendar import add_months, stretches
from dpm_assets.database import SCHEMA, Database
from dpm_assets.errors import DpmError
from dpm_assets.refresh.archived import ALL_TRADES, TRADES, still_archived, take_archived
from dpm_assets.refresh.left_out import LeftOut, read_left_out
from dpm_assets.settings import sql_dir


@dataclass(frozen=True)
class Checked:
    """A rollup or view: its key, and the column of its date (None: it spans all months).

    `lists`: columns that hold as many values as the day has accounts. They are compared by length and 64-bit digest, so that
    neither the comparison nor a difference grows with them; what is made of them has columns of its own.
    """

    name: str
    key: tuple[str, ...]
    dated: str | None = None
    is_view: bool = False
    lists: tuple[str, ...] = ()

    @property
    def is_live(self) -> bool:
        return self.name.startswith("live_")

    @property
    def oracle(self) -> str:
        """The name of its recomputation: a live view must hold what its materialized view must hold once refreshed."""
        return self.name.replace("live_", "mv_", 1)


_STORED = (
    Checked("rollup_account_symbol_day", ("account_id", "trade_date", "symbol_key"), "trade_date"),
    Checked("rollup_market_day", ("trade_date",), "trade_date", lists=("nets",)),
    Checked("rollup_symbol_day", ("trade_date", "symbol_key"), "trade_date"),
    Checked("rollup_account_month", ("account_id", "month"), "month"),
    Checked("rollup_account", ("account_id",)),
    Checked("rollup_account_symbol", ("account_id", "symbol_key")),
    Checked("rollup_account_recent", ("account_id",)),
    Checked("mv_daily_trading_stats", ("date",), "date", is_view=True),
    Checked("mv_market_regime_performance", ("date",), "date", is_view=True),
    Checked("mv_symbol_performance", ("std_symbol",), is_view=True),
    Checked("mv_account_performance_summary", ("account_id",), is_view=True),
    Checked("mv_account_trading_patterns", ("account_id",), is_view=True),
)
CHECKED = (
    *_STORED,
    *(replace(c, name=c.name.replace("mv_", "live_", 1)) for c in _STORED if c.is_view),
)
RAW = "raw_trades_closed"


@dataclass(frozen=True)
class Difference:
    """One row that is not as it should be. `kind` is missing, surplus, differs, or (of a trade) on two dates."""

    object: str
    kind: str
    key: dict[str, Any]
    expected: dict[str, Any]
    found: dict[str, Any]


@dataclass
class Verification:
    """What was compared, row by row, and what differed: the first of each object, and how many there are in all."""

    differences: list[Difference] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        return sum(self.counts.values())


def verify(
    db: Database,
    months: list[date] | None = None,
    names: list[str] | None = None,
    shown: int = 20,
    cold: bool = False,
) -> Verification:
    """Compares every rollup and view (or those of `names`) with its recomputation; keeps `shown` differences of each.

    `months` (first days) restricts what has a date; what spans all months is always compared whole. Cold months are compared
    with their Parquet files if they are among `months`, or all of them with `cold`: their rows pass through a temporary
    table, as large as the partitions were. Otherwise they, and what spans all months while there are any, are left out
    with a note. Memory is bounded: rows are compared inside the database, and only differences leave it. Raises DpmError
    for a file that is missing or damaged.
    """
    unknown = set(names or ()) - {checked.name for checked in CHECKED}
    if unknown:
        raise DpmError(f"{sorted(unknown)[0]} is no rollup or view. There are {', '.join(c.name for c in CHECKED)}.")
    result = Verification()
    with db.connection("dpm_reader") as conn, ExitStack() as stack:
        taken = take_archived(conn, None if cold else months) if cold or months else None
        stack.enter_context(conn.transaction())
        conn.execute("set transaction isolation level repeatable read, read only")
        left_out = read_left_out(conn)
        raw = TRADES
        if taken and still_archived(conn, taken):
            left_out = replace(left_out, cold=[month for month in left_out.cold if month not in taken])
            result.notes.append(f"Compared with their Parquet files: {', '.join(f'{m:%Y-%m}' for m in taken)}.")
            raw = ALL_TRADES
        result.notes.extend(left_out.notes())
        for checked in CHECKED:
            if names and checked.name not in names:
                continue
            reason = left_out.not_comparable(checked.name, dated=bool(checked.dated), live=checked.is_live)
            if reason:
                result.notes.append(f"{checked.name} was not compared: {reason}.")
                continue
            where, values = _restriction(checked, months, left_out)
            result.rows[checked.name] = _count_rows(conn, checked, where, values)
            result.counts[checked.name] = 0
            for number, difference in enumerate(_differences(conn, checked, where, values, raw), 1):
                result.counts[checked.name] = number
                if number <= shown:
                    result.differences.append(difference)
        if not names:
            _find_trades_on_two_dates(conn, months, shown, result, raw)
    return result


def _restriction(
    checked: Checked, months: list[date] | None, left_out: LeftOut
) -> tuple[sql.Composable, dict[str, Any]]:
    """The rows of an object that can be compared, as a condition on `o`; the same for what is expected and found."""
    values: dict[str, Any] = {}
    parts: list[sql.Composable] = [sql.SQL("true")]
    if checked.dated:
        day = sql.Identifier("o", checked.dated)
        if months is not None:
            ranges: list[sql.Composable] = [sql.SQL("false")]
            for n, (first, last) in enumerate(stretches(months)):
                values |= {f"from{n}": first, f"to{n}": add_months(last, 1)}
                start, end = sql.Placeholder(f"from{n}"), sql.Placeholder(f"to{n}")
                ranges.append(sql.SQL("{day} >= {start} and {day} < {end}").format(day=day, start=start, end=end))
            parts.append(sql.SQL("({})").format(sql.SQL(" or ").join(ranges)))
        if left_out.cold:
            values["cold"] = left_out.cold
            parts.append(sql.SQL("date_trunc('month', {})::date <> all (%(cold)s::date[])").format(day))
        if left_out.lower and not checked.is_live:
            values |= {"lower": left_out.lower, "upper": left_out.upper}
            parts.append(
                sql.SQL(
                    "not exists (select from unnest(%(lower)s::date[], %(upper)s::date[]) as marked (lower, upper)"
                    " where {0} >= date_trunc('month', marked.lower::timestamp) and {0} < marked.upper)"
                ).format(day)
            )
    if left_out.keys and not checked.is_view:
        parts.append(_not_pending(checked))
    return sql.SQL(" and ").join(parts), values


def _not_pending(checked: Checked) -> sql.Composable:
    """That no account-day in the log reaches the row: joined on what the row's key shares with the log's."""
    same: list[sql.Composable] = []
    if "account_id" in checked.key:
        same.append(sql.SQL("c.account_id = o.account_id"))
    if checked.dated == "month":
        same.append(sql.SQL("date_trunc('month', c.trade_date)::date = o.month"))
    elif checked.dated:
        same.append(sql.SQL("c.trade_date = {}").format(sql.Identifier("o", checked.dated)))
    return sql.SQL("not exists (select from {} as c where {})").format(
        sql.Identifier(SCHEMA, "changed_account_days"), sql.SQL(" and ").join(same)
    )


def _differences(
    conn: psycopg.Connection[Any], checked: Checked, where: sql.Composable, values: dict[str, Any], raw: str
) -> Iterator[Difference]:
    """The rows that EXCEPT ALL finds on either side, streamed. Each side is computed once, the expected one from `raw`."""
    query = sql.SQL(
        "with expected as materialized (select {columns} from (\n{oracle}\n) as o where {where}),"
        " found as materialized (select {columns} from {relation} as o where {where})"
        " select false as is_found, * from (table expected except all table found) as missing"
        " union all select true, * from (table found except all table expected) as surplus"
        " order by {key}, is_found"
    ).format(
        columns=_columns(conn, checked),
        oracle=sql.SQL(
            (sql_dir() / "oracle" / f"{checked.oracle}.sql").read_text(encoding="utf-8").replace(TRADES, raw)
        ),
        where=where,
        relation=sql.Identifier(SCHEMA, checked.name),
        key=sql.SQL(", ").join(map(sql.Identifier, checked.key)),
    )
    with conn.cursor(name="differences") as cursor:
        cursor.execute(query, values)
        yield from _pair(checked, [column.name for column in cursor.description or ()][1:], cursor)


def _columns(conn: psycopg.Connection[Any], checked: Checked) -> sql.Composable:
    """Those of the object, by name: its recomputation may have them in another order."""
    described = conn.execute(
        sql.SQL("select * from {} limit 0").format(sql.Identifier(SCHEMA, checked.name))
    ).description
    return sql.SQL(", ").join(
        sql.SQL("cardinality({0}) || ' values, digest ' || hash_array_extended({0}, 0) as {1}").format(
            sql.Identifier("o", column.name), sql.Identifier(column.name)
        )
        if column.name in checked.lists
        else sql.Identifier("o", column.name)
        for column in described or ()
    )


def _count_rows(conn: psycopg.Connection[Any], checked: Checked, where: sql.Composable, values: dict[str, Any]) -> int:
    counted = conn.execute(
        sql.SQL("select count(*) from {} as o where {}").format(sql.Identifier(SCHEMA, checked.name), where), values
    ).fetchone()
    return int(counted[0]) if counted else 0


def _pair(checked: Checked, columns: list[str], rows: Iterator[tuple[Any, ...]]) -> Iterator[Difference]:
    """A row that is missing and one of the same key that is surplus are one row that differs."""

    def key(row: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(row[1 + columns.index(name)] for name in checked.key)

    for values, same_key in groupby(rows, key):
        expected: dict[str, Any] = {}
        found: dict[str, Any] = {}
        for is_found, *row in same_key:
            (found if is_found else expected).update(zip(columns, row, strict=True))
        if expected and found:
            differing = [name for name in columns if expected[name] != found[name]]
            expected, found = ({name: row[name] for name in differing} for row in (expected, found))
            kind = "differs"
        else:
            kind = "missing" if expected else "surplus"
        yield Difference(checked.name, kind, dict(zip(checked.key, values, strict=True)), expected, found)


def _find_trades_on_two_dates(
    conn: psycopg.Connection[Any], months: list[date] | None, shown: int, result: Verification, raw: str
) -> None:
    """A trade is (account_id, trade_id): the same one on two dates is counted twice, and one of the two is wrong."""
    rows = conn.execute(
        sql.SQL(
            "select account_id, trade_id, array_agg(trade_date order by trade_date), count(*) over ()"
            " from {} group by account_id, trade_id"
            " having count(*) > 1 and (%(months)s::date[] is null or"
            " bool_or(date_trunc('month', trade_date)::date = any (%(months)s::date[])))"
            " order by account_id, trade_id limit %(shown)s"
        ).format(sql.Identifier(*raw.split("."))),
        {"months": months, "shown": max(shown, 1)},
    ).fetchall()
    result.counts[RAW] = rows[0][3] if rows else 0
    result.differences.extend(
        Difference(RAW, "on two dates", {"account_id": account, "trade_id": trade}, {}, {"trade_date": dates})
        for account, trade, dates, _ in rows[:shown]
    )
