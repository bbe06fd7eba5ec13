"""The same rows as Parquet files, and DuckDB's answers to the same questions: beside the warehouse, not instead of it."""

import shutil
from pathlib import Path
from typing import Any

import duckdb

from dpm_assets.bench import rows
from dpm_assets.bench.agreement import answer, difference
from dpm_assets.bench.measuring import Times, seconds
from dpm_assets.bench.plan import Plan
from dpm_assets.bench.queries import for_duckdb, named_in, questions
from dpm_assets.bench.store import Store, answers_so_far
from dpm_assets.errors import DpmError

_NUMBERS = {
    **dict.fromkeys(("open_price", "close_price", "stop_loss", "take_profit"), "decimal(18,6)"),
    "lots": "decimal(18,4)",
    **dict.fromkeys(
        ("volume_usd", "profit", "commission", "swap", "starting_balance", "current_balance"), "decimal(18,2)"
    ),
}
_TIMES = dict.fromkeys(("open_time", "close_time", "ingestion_timestamp"), "timestamp") | {"trade_date": "date"}


def measure_duckdb(plan: Plan, store: Store, sample: Path) -> dict[str, Any]:
    """Seconds to write the files, their bytes, and by query its times; in one process, warm, with all cores.

    Queries that need ids are left out. Raises DpmError when an answer is not PostgreSQL's.
    """
    folder = store.folder / "parquet"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    last = len(plan.sizes) - 1
    asked = answers_so_far(store, last)
    assert asked is not None
    with duckdb.connect() as conn:
        written = seconds(lambda: _write(conn, plan, sample, folder))
        found = {
            query.name: _measure(conn, query.name, query.forms["raw"], asked, plan)
            for query in questions().queries
            if "id" not in query.tags
        }
        version = conn.execute("select version()").fetchone()
        assert version is not None
    size = sum(path.stat().st_size for path in folder.rglob("*.parquet"))
    shutil.rmtree(folder)
    return {
        "version": version[0],
        "write_seconds": round(written, 2),
        "bytes_a_trade": round(size / plan.trades, 1),
        "queries": found,
    }


def _write(conn: Any, plan: Plan, sample: Path, folder: Path) -> None:
    """A file a month and step, in the order of the sample; the tables as views and tables of the schema."""
    conn.execute("create schema prop_trading_model")
    for step in range(len(plan.sizes)):
        for path in rows.step_files(sample, step):
            target = folder / f"{path.parent.name}_{path.name.removesuffix('.csv.zst')}.parquet"
            conn.execute(f"copy ({_read(path)}) to '{_quoted(target)}' (format parquet, compression zstd)")
    conn.execute(
        f"create view prop_trading_model.raw_trades_closed as select * from read_parquet('{_quoted(folder)}/*.parquet')"
    )
    for feed, table in (("accounts", "raw_accounts_data"), ("plans", "raw_plans_data")):
        path = next((sample / feed).glob("*.csv"))
        conn.execute(
            f"create table prop_trading_model.{table} as select row_number() over () as id, * from ({_read(path)})"
        )


def _read(path: Path) -> str:
    """A query over a CSV file, with the types that PostgreSQL gives its columns and everything else as text."""
    header = next(iter(rows.text_of(path))).partition(b"\n")[0].decode()
    known = _NUMBERS | _TIMES
    columns = ", ".join(f"'{name.strip()}': '{known.get(name.strip(), 'varchar')}'" for name in header.split(","))
    return f"select * from read_csv('{_quoted(path)}', header = true, columns = {{{columns}}})"


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _measure(conn: Any, name: str, statement: str, asked: dict[str, Any], plan: Plan) -> dict[str, Any]:
    given: dict[str, Any] = {key: asked["parameters"][key] for key in named_in(statement)}
    if "accounts" in given:
        given["accounts"] = given["accounts"].strip("{}").split(",")
    text = for_duckdb(statement)
    expected, found = asked["answers"][name], answer(conn.execute(text, given).fetchall())
    if expected is not None and (wrong := difference(expected, found)):
        raise DpmError(f"DuckDB and PostgreSQL do not agree: {name}: {wrong}.")
    times = Times()
    while times.wanted(plan.rounds, plan.seconds):
        times.time(lambda: conn.execute(text, given).fetchall())
    return times.summary()
