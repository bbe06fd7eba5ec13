"""Rows of the twelve tables that the new checks and keys refuse: found, corrected by rule, or set aside; never lost."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from dpm_assets.database import SCHEMA
from dpm_assets.migration.in_place_rules import (
    MENDINGS,
    UNMOVED,
    Mending,
    Rule,
    any_refused,
    holds_none_as_zero,
    null_for_zero,
    reasons,
    rules_of_tables,
)

_SAMPLES = 3

# Rows that one transaction changes: a program that wants one of them waits for no more than these.
_BITE = 2000


@dataclass(frozen=True)
class InPlaceFault:
    """Rows of a table that a new check or key (`rule`) refuses as they are; `mended`: corrected by rule, not set aside."""

    table: str
    rule: str
    rows: int
    samples: list[dict[str, Any]]
    mended: bool = False


def find_in_place_faults(conn: psycopg.Connection[Any]) -> list[InPlaceFault]:
    """Count what each rule refuses, with up to three rows of each. Reads each table once and changes nothing."""
    faults = [fault for mending in MENDINGS for fault in _find_none_as_zero(conn, mending)]
    for table, of_table in rules_of_tables().items():
        counts = [sql.SQL("count(*) filter (where {})").format(sql.SQL(rule.refused)) for rule in of_table]
        query = sql.SQL("select {} from {} as t").format(sql.SQL(", ").join(counts), _table(table))
        found = conn.execute(query).fetchone()
        assert found is not None
        for rule, rows in zip(of_table, found, strict=True):
            if rows:
                faults.append(InPlaceFault(table, rule.name, rows, _samples(conn, rule)))
    return faults


def clear_rows(conn: psycopg.Connection[Any], report: Callable[[str], None]) -> None:
    """Set aside every row that is refused and correct what a rule corrects, in bites that are transactions of their own."""
    for table, of_table in rules_of_tables().items():
        unmoved = _in_bites(conn, set_aside_bite(table, of_table))
        if unmoved:
            report(f"{unmoved} rows of {table} are refused; they are kept in prop_trading_model_migration.unmoved_rows")
    for mending in MENDINGS:
        mended = _in_bites(conn, _mend_bite(mending))
        if mended:
            report(f"{mended} rows of {mending.table} had 0 for no {' or '.join(mending.columns)}; they have NULL now")


def set_aside_bite(table: str, of_table: list[Rule]) -> sql.Composed:
    """Takes up to a bite of refused rows after an id out of their table: parameters `after`, `bite`."""
    return sql.SQL(
        "with refused as (select t.id from {table} as t where t.id > %(after)s and ({refused}) order by t.id limit %(bite)s),"
        " gone as (delete from {table} as t using refused where t.id = refused.id and ({refused}) returning t.*),"
        " kept as (insert into {unmoved} (table_name, id, reason, row)"
        " select {name}, t.id, {reasons}, to_jsonb(t) from gone as t)"
        " select (select max(id) from refused), (select count(*) from gone)"
    ).format(
        table=_table(table),
        refused=any_refused(of_table),
        unmoved=UNMOVED,
        name=table,
        reasons=reasons(of_table),
    )


def _mend_bite(mending: Mending) -> sql.Composed:
    return sql.SQL(
        "with faulty as (select id from {table} where id > %(after)s and ({zero}) order by id limit %(bite)s),"
        " mended as (update {table} as t set {null} from faulty where t.id = faulty.id returning t.id)"
        " select (select max(id) from faulty), (select count(*) from mended)"
    ).format(table=_table(mending.table), zero=holds_none_as_zero(mending), null=null_for_zero(mending))


def _in_bites(conn: psycopg.Connection[Any], statement: sql.Composed) -> int:
    """Run a statement that returns (last id that it looked at, rows changed) until it finds no more; the rows changed."""
    after, changed = -(2**63), 0
    while True:
        row = conn.execute(statement, {"after": after, "bite": _BITE}).fetchone()
        assert row is not None
        if row[0] is None:
            return changed
        after = row[0]
        changed += row[1]


def _find_none_as_zero(conn: psycopg.Connection[Any], mending: Mending) -> list[InPlaceFault]:
    rule = Rule(mending.table, f"0 for no {' or '.join(mending.columns)}", holds_none_as_zero(mending).as_string(conn))
    query = sql.SQL("select count(*) from {} as t where {}").format(_table(rule.table), sql.SQL(rule.refused))
    row = conn.execute(query).fetchone()
    assert row is not None
    return [InPlaceFault(rule.table, rule.name, row[0], _samples(conn, rule), mended=True)] if row[0] else []


def _samples(conn: psycopg.Connection[Any], rule: Rule) -> list[dict[str, Any]]:
    query = sql.SQL("select to_jsonb(t) from {} as t where {} order by t.id limit %s").format(
        _table(rule.table), sql.SQL(rule.refused)
    )
    return [row[0] for row in conn.execute(query, [_SAMPLES]).fetchall()]


def _table(name: str) -> sql.Identifier:
    return sql.Identifier(SCHEMA, name)
