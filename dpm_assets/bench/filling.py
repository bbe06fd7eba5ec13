"""Taking the sample's rows into a system: with every index in place, or in bulk and the indexes after."""

import os
import time
from datetime import date
from pathlib import Path
from typing import Any

from psycopg import sql

from dpm_assets.bench import rows
from dpm_assets.bench.systems import Connection, System
from dpm_assets.calendar import parse_month
from dpm_assets.database import SCHEMA, Database
from dpm_assets.loads.faults import FileRefused
from dpm_assets.loads.load import load_file
from dpm_assets.loads.several import load_files

TRADES = "prop_trading_model.raw_trades_closed"
# Of a partitioned table those of the whole; an index that backs a key comes back with it.
_INDEXES = f"""
select
    x.relname::text, c.conname::text,
    case
        when c.oid is null then replace(pg_get_indexdef(i.indexrelid), ' ON ONLY ', ' ON ')
        else format('alter table {TRADES} add constraint %I %s', c.conname, pg_get_constraintdef(c.oid))
    end
from pg_index as i
join pg_class as x on x.oid = i.indexrelid
left join pg_constraint as c on c.conindid = i.indexrelid and c.contype in ('p', 'u') and c.conrelid = i.indrelid
where i.indrelid = '{TRADES}'::regclass
order by i.indexrelid
"""


def take_snapshots(conn: Connection, db: Database, system: System, sample: Path) -> None:
    """Accounts and plans, once."""
    for feed, table in (("plans", "raw_plans_data"), ("accounts", "raw_accounts_data")):
        for path in sorted((sample / feed).glob("*.csv")):
            if _is_taken(conn, path):
                continue
            if system.is_production:
                _note(conn, path, load_file(db, path, feed).rows_inserted)
            else:
                with conn.transaction():
                    _note(conn, path, copy_file(conn, path, table))


def take_trades(
    conn: Connection, db: Database, system: System, files: list[Path], *, bulk: bool
) -> list[dict[str, Any]]:
    """Take those of the files that this system has not taken yet, and tell of all of them: file, trades, seconds (null when a
    kill came in between) and month_there, whether their month was there before.

    Production takes them as its users do, through its loader: first those whose month is there, one by one, then the
    others, as many at the same time as there are cores; the seconds of these are from the end of the file before to its
    own, so that their sum is what the clock shows. The other systems take one after the other by COPY, with `bulk` without
    their indexes, which are built when the last file is in.
    """
    missing = [path for path in files if not _is_taken(conn, path)]
    if system.is_production:
        there = [path for path in missing if _month_is_there(conn, path)]
        _load(conn, db, there, jobs=1, there=True)
        _load(conn, db, [path for path in missing if path not in there], jobs=_jobs(db), there=False)
    else:
        if bulk and missing:
            set_indexes_aside(conn)
        for path in missing:
            _copy(conn, system, path)
        build_indexes(conn)
    columns = ("file", "trades", "seconds", "month_there")
    return [
        dict(zip(columns, row, strict=True))
        for row in conn.execute(
            "select file, trades, seconds, month_there from bench.taken where file = any (%s) order by file",
            [[_name(path) for path in files]],
        ).fetchall()
    ]


def _load(conn: Connection, db: Database, files: list[Path], *, jobs: int, there: bool) -> None:
    began = time.perf_counter()
    for path, outcome in load_files(db, files, "trades", jobs=jobs):
        if isinstance(outcome, FileRefused):
            raise outcome
        ended = time.perf_counter()
        _note(conn, Path(path), outcome.rows_inserted, ended - began if outcome.status == "loaded" else None, there)
        began = ended


def _jobs(db: Database) -> int:
    return max(1, min(os.cpu_count() or 1, db.max_connections - 2))


def _copy(conn: Connection, system: System, path: Path) -> None:
    there = _month_is_there(conn, path)
    began = time.perf_counter()
    if system.name == "v2":
        conn.execute("select prop_trading_model.create_partitions(%s)", [_month(path)])
    with conn.transaction():
        trades = copy_file(conn, path, "raw_trades_closed")
        _note(conn, path, trades, time.perf_counter() - began, there)


def copy_file(conn: Connection, path: Path, table: str) -> int:
    """COPY a file of the sample; returns its rows."""
    blocks = rows.text_of(path)
    header, _, rest = next(blocks).partition(b"\n")
    columns = [name.strip() for name in header.decode().split(",")]
    statement = sql.SQL("copy {} ({}) from stdin with (format csv)").format(
        sql.Identifier(SCHEMA, table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with conn.cursor() as cursor:
        with cursor.copy(statement) as copy:
            copy.write(rest)
            for block in blocks:
                copy.write(block)
        return cursor.rowcount


def set_indexes_aside(conn: Connection) -> None:
    """Drop keys and indexes of the trades, and keep how they are made."""
    with conn.transaction():
        for index, constraint, definition in conn.execute(_INDEXES).fetchall():
            conn.execute("insert into bench.set_aside (definition) values (%s)", [definition])
            if constraint:
                conn.execute(sql.SQL("alter table {} drop constraint {}").format(_table(), sql.Identifier(constraint)))
            else:
                conn.execute(sql.SQL("drop index {}").format(sql.Identifier(SCHEMA, index)))


def build_indexes(conn: Connection) -> None:
    """Make what was set aside, each in a transaction of its own, so that a killed run goes on where it was."""
    for number, definition in conn.execute("select number, definition from bench.set_aside order by number").fetchall():
        with conn.transaction():
            conn.execute(definition)
            conn.execute("delete from bench.set_aside where number = %s", [number])


def _table() -> sql.Identifier:
    return sql.Identifier(SCHEMA, "raw_trades_closed")


def _month(path: Path) -> date:
    return parse_month(path.name.removeprefix("trades_")[:7])


def _month_is_there(conn: Connection, path: Path) -> bool:
    leaf = f"{SCHEMA}.raw_trades_closed_{_month(path):%Y_%m}"
    return conn.execute("select to_regclass(%s) is not null", [leaf]).fetchone() == (True,)


def _is_taken(conn: Connection, path: Path) -> bool:
    return conn.execute("select from bench.taken where file = %s", [_name(path)]).fetchone() is not None


def _note(conn: Connection, path: Path, trades: int, seconds: float | None = None, there: bool | None = None) -> None:
    conn.execute(
        "insert into bench.taken (file, trades, seconds, month_there) values (%s, %s, %s, %s)",
        [_name(path), trades, seconds and round(seconds, 3), there],
    )


def _name(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"
