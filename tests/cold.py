"""A small warehouse with months and years that may go cold, for the tests of the archive."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from psycopg import sql

from dpm_assets.database import Database
from dpm_assets.partitions.cold.archive import archive
from dpm_assets.partitions.cold.reading import read_trades
from dpm_assets.partitions.cold.restore import restore
from dpm_assets.partitions.cold.tables import METRICS, TRADES, Part
from dpm_assets.refresh.engine import ROLLUPS, VIEWS
from tests.interleaving import Connection
from tests.trade_rows import rows, value

JANUARY, FEBRUARY = date(2024, 1, 1), date(2024, 2, 1)
LEAF = "raw_trades_closed_2024_01"
YEAR, NEXT_YEAR = METRICS.part(date(2021, 1, 1)), METRICS.part(date(2022, 1, 1))
LATE_TRADE = (
    "insert into raw_trades_closed (trade_id, account_id, login, trade_date) values ('late', 'a1', 'l', '2024-01-09')"
)
LIVE = tuple(name.replace("mv_", "live_") for name in VIEWS)

Row = tuple[Any, ...]


def part_of(which: date | Part) -> Part:
    """A month of trades by its first day; a year of metrics is named as such."""
    return which if isinstance(which, Part) else TRADES.part(which)


def archived(db: Database, root: Path | str, which: date | Part = JANUARY, **options: Any) -> list[str]:
    """Archive a month or year; the names of the steps."""
    return [step.name for step in archive(db, part_of(which), root, **options)]


def archived_until(step: str, db: Database, root: Path | str, which: date | Part = JANUARY) -> None:
    """Archive a month or year and end with a step of that, as if killed."""
    for done in archive(db, part_of(which), root):
        if done.name == step:
            return


def restored(db: Database, which: date | Part = JANUARY) -> list[str]:
    return [step.name for step in restore(db, part_of(which))]


def file_under(root: Path, which: date | Part = JANUARY) -> Path:
    if isinstance(which, Part):
        return root / "raw_metrics_daily" / f"year={which.first_day:%Y}" / "metrics.parquet"
    return root / "raw_trades_closed" / f"year={which:%Y}" / f"month={which:%m}" / "trades.parquet"


def table_rows(db: Database, table: str = "raw_trades_closed") -> list[Row]:
    """Every row with every column, as text, so that nothing is equal that differs."""
    return rows(db, f"select t::text from {table} as t order by 1")


def shown(db: Database) -> dict[str, list[Row]]:
    """Everything that rollups, views and live views show."""
    return {name: table_rows(db, name) for name in (*ROLLUPS, *VIEWS, *LIVE)}


def trades_read(db: Database) -> list[tuple[str, str]]:
    """Each trade that the reader gives, as often as it does."""
    table = read_trades(columns=["account_id", "trade_id"], db=db)
    return sorted(zip(table["account_id"].to_pylist(), table["trade_id"].to_pylist(), strict=True))


def state(db: Database, which: date | Part = JANUARY) -> str:
    part = part_of(which)
    query = "select coalesce((select state from partition_state where parent_table = %s and lower = %s), 'hot')"
    return str(value(db, query, part.table.name, part.first_day))


def add_odd_trades(conn: Connection) -> None:
    """Rows with everything that a column allows: nothing, empty text, quotes, breaks, the largest amounts, odd times."""
    conn.execute(
        """
        insert into raw_trades_closed (
            id, trade_id, account_id, login, symbol, std_symbol, side, open_time, close_time, trade_date, open_price,
            close_price, stop_loss, take_profit, lots, volume_usd, profit, commission, swap, ingestion_timestamp,
            source_api_endpoint, load_batch_id
        ) values
        (-7, '', 'odd', '', null, null, null, null, null, '2024-01-31', null, null, null, null, null, null, null, null,
            null, null, null, null),
        (9223372036854775807, 'a,b"c', 'odd', E'l\\nx', E'\\t', '\\N', 'BUY', '0001-01-01', '9999-12-31 23:59:59.999999',
            '2024-01-31', 999999999999.999999, 0.000001, 0.000001, 0.1, 99999999999999.9999, 9999999999999999.99,
            -9999999999999999.99, 0.01, -0.01, '2024-01-31 10:00:00.5', E'x\\r\\ny', 5),
        (8, 'Ünïcode 漢字', 'Ödd', '""', '', 'A''B', 'Sell', '2024-01-31 00:00:00.000001', '2024-01-31 00:00:00.000010',
            '2024-01-31', 100, 100.5, null, null, 0.0001, 0, 0, -0.00, 0, '2024-01-31', '\\\\.', 0)
        """
    )


def add_metrics(conn: Connection) -> None:
    """Daily metrics of 10 accounts in 2021 and 2022, with two versions of some days, and rows with all that a column allows."""
    conn.execute("select ensure_metrics_years('{2021,2022}')")
    conn.execute(
        "insert into raw_metrics_daily (account_id, login, date, net_profit, total_trades, balance_end, ingestion_timestamp)"
        " select 'a' || n % 10, 'l', date '2021-06-01' + n, n % 7 - 3.25, n % 5, 1000 + n,"
        " timestamp '2021-06-02' + n * interval '1 h'"
        " from generate_series(1, 400) as n"
    )
    conn.execute(
        """
        insert into raw_metrics_daily (
            id, account_id, login, date, net_profit, gross_profit, gross_loss, total_trades, winning_trades, losing_trades,
            win_rate, profit_factor, lots_traded, volume_traded, commission, swap, balance_start, balance_end, equity_start,
            equity_end, ingestion_timestamp, source_api_endpoint, load_batch_id
        ) values
        (-7, 'odd', '', '2021-12-31', null, null, null, null, null, null, null, null, null, null, null, null, null, null,
            null, null, null, null, null),
        (-8, 'odd', '', '2021-12-31', 1, null, null, null, null, null, null, null, null, null, null, null, null, null,
            null, null, null, '', null),
        (9223372036854775807, 'Ödd', E'l"\n,x', '2021-01-01', -9999999999999999.99, 0, -0.01, 2147483647, 1, 0, 100,
            -99999999.99, 99999999999999.9999, 0.01, -0.00, 0.10, 1, 1.5, 9999999999999999.99, -0.01,
            '9999-12-31 23:59:59.999999', E'x\r\ny', 5)
        """
    )


def set_date_style(conn: Connection) -> None:
    """New sessions of the database write dates as 31/01/2024, as a firm may have set it."""
    conn.execute(sql.SQL("alter database {} set datestyle = 'SQL, DMY'").format(sql.Identifier(conn.info.dbname)))


def step_of(name: str) -> Callable[[Any], bool]:
    return lambda step: step.name == name
