"""The unpartitioned original to measure a migration on: the sample's trades, in the order in which they were loaded."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from dpm_assets.calendar import parse_month
from dpm_assets.database import run_file
from dpm_assets.samples import write_sample
from dpm_assets.settings import sql_dir
from tests.baselines import APPLICATION_ROLE, fill

FIRST_MONTH = "2024-01"
_NAME = "dpm_bench_baseline"
# What the clients find of their own.
_CLIENTS_TRADES = 20_000
_METRICS = """
insert into prop_trading_model.raw_metrics_daily
    (account_id, login, date, net_profit, gross_profit, gross_loss, total_trades, winning_trades, losing_trades)
select account_id, min(login), trade_date, sum(profit), sum(greatest(profit, 0)), sum(least(profit, 0)), count(*),
    count(*) filter (where profit > 0), count(*) filter (where profit < 0)
from prop_trading_model.raw_trades_closed group by account_id, trade_date
"""


@contextmanager
def baseline_template(server: str, trades: int, months: int) -> Iterator[str]:
    """The name of a database to copy: so many trades of the sample, their daily metrics, and 20,000 of the clients' accounts."""
    url = f"{server.rsplit('/', 1)[0]}/{_NAME}"
    with psycopg.connect(server, autocommit=True) as admin, tempfile.TemporaryDirectory(prefix="dpm-bench-") as folder:
        admin.execute(sql.SQL("create database {}").format(sql.Identifier(_NAME)))
        try:
            write_sample(Path(folder) / "sample", trades=trades, months=months, start=parse_month(FIRST_MONTH), seed=1)
            with psycopg.connect(url, autocommit=True) as conn:
                run_file(conn, sql_dir() / "schema_baseline.sql")
                _fill(conn, Path(folder) / "sample" / "trades")
                conn.execute(APPLICATION_ROLE.encode())
                conn.execute("vacuum (analyze)")
            yield _NAME
        finally:
            admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(_NAME)))


@contextmanager
def baseline_copy(server: str, template: str) -> Iterator[str]:
    """The URL of a copy of the template, dropped at the end."""
    name = f"{template}_copy"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(template)))
        admin.execute("checkpoint")
        try:
            yield f"{server.rsplit('/', 1)[0]}/{name}"
        finally:
            admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def _fill(conn: psycopg.Connection[Any], trades: Path) -> None:
    """Rows first, then the baseline's indexes: a tenth of the time, and the same pages."""
    for index in ("account_id", "account_id_trade_date", "close_time", "trade_date"):
        conn.execute(
            sql.SQL("drop index {}").format(sql.Identifier("prop_trading_model", f"idx_raw_trades_closed_{index}"))
        )
    for path in sorted(trades.glob("*.csv")):
        with path.open("rb") as file:
            header = file.readline().decode().strip()
            command = f"copy prop_trading_model.raw_trades_closed ({header}) from stdin csv"
            with conn.cursor().copy(command.encode()) as copy:
                while piece := file.read(1024 * 1024):
                    copy.write(piece)
    conn.execute(_METRICS.encode())
    fill(conn, _CLIENTS_TRADES)
    run_file(conn, sql_dir() / "schema_baseline.sql")
