"""Trades as rows of CSV files, for the tests of loads."""

import time
from pathlib import Path
from typing import Any

from dpm_assets.database import Database

COLUMNS = (
    "trade_id", "account_id", "login", "symbol", "side", "open_time", "close_time", "open_price", "close_price",
    "stop_loss", "take_profit", "lots", "volume_usd", "profit", "commission", "swap",
)  # fmt: skip
HEADER = ",".join(COLUMNS)


def trade(trade_id: str, day: str = "2025-03-03", **changed: str) -> str:
    """One good trade of account A1, closed at 11:00 of `day`, with some columns changed."""
    values = dict(
        trade_id=trade_id, account_id="A1", login="1001", symbol="EURUSD", side="buy",
        open_time=f"{day}T10:00:00", close_time=f"{day}T11:00:00", open_price="1.10000", close_price="1.10100",
        stop_loss="0", take_profit="0", lots="0.10", volume_usd="11000.00", profit="10.00",
        commission="-0.70", swap="0",
    )  # fmt: skip
    return ",".join((values | changed)[column] for column in COLUMNS)


def write(path: Path, *rows: str, header: str = HEADER) -> Path:
    path.write_text("\n".join((header, *rows)) + "\n", encoding="utf-8", newline="")
    return path


def many(path: Path, count: int, day: str = "2025-03-03", first: int = 0, **changed: str) -> Path:
    """A file of `count` trades of 100 accounts."""
    with path.open("w", encoding="utf-8") as file:
        file.write(HEADER + "\n")
        for number in range(first, first + count):
            file.write(trade(f"T{number}", day, account_id=f"A{number % 100}", **changed) + "\n")
    return path


def rows(db: Database, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
    with db.connection(None) as conn:
        return conn.execute(query.encode(), parameters).fetchall()


def value(db: Database, query: str, *parameters: Any) -> Any:
    return rows(db, query, *parameters)[0][0]


def everything(db: Database, table: str = "raw_trades_closed") -> list[tuple[Any, ...]]:
    """Every row with every column, the batch and the id included."""
    return rows(db, f"select r::text from {table} as r order by 1")


def wait_for(db: Database, query: str, seconds: float = 60) -> None:
    """Wait until the query's one value is true."""
    until = time.monotonic() + seconds
    while not value(db, query):
        assert time.monotonic() < until, f"this never became true: {query}"
        time.sleep(0.02)
