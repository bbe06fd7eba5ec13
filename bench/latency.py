"""From a committed COPY to refreshed views, with the service up: `python bench/latency.py [LOADS] [TRADES]`.

Each load is a COPY of TRADES new trades of one day on a connection of its own, as psql would do it, outside our loader.
The clock runs from the end of the COPY's commit until `mv_daily_trading_stats` shows that day's new count, and every other
view that depends on trades is no longer stale. Loads are spread evenly over the sensor's period by a random pause.
"""

import random
import statistics
import sys
import time
from datetime import timedelta

import psycopg

from dpm_assets.calendar import today
from dpm_assets.database import Database
from dpm_assets.refresh.engine import pending
from dpm_assets.server.connect import warehouse_url

LOADS = int(sys.argv[1]) if len(sys.argv) > 1 else 10
TRADES = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000
GIVE_UP_SECONDS = 120


def copy_trades(conn: psycopg.Connection, day: object, number: int) -> None:
    """COPY trades of 140 accounts on one day, with ids that no other run of this benchmark has used."""
    with (
        conn.transaction(),
        conn.cursor() as cursor,
        cursor.copy(
            "copy prop_trading_model.raw_trades_closed (trade_id, account_id, login, std_symbol, side, open_time, close_time,"
            " trade_date, open_price, close_price, lots, volume_usd, profit, commission, swap) from stdin"
        ) as copy,
    ):
        stamp = time.time_ns()
        for i in range(TRADES):
            copy.write_row(
                (f"L{stamp}{i}", f"LAT{i % 140:06d}", f"{i % 140}", "EURUSD", "buy", f"{day} 10:00:00", f"{day} 11:00:00",
                 day, "1.1", "1.2", "0.1", "11000", str((i % 200) - 95), "-0.5", "0")
            )  # fmt: skip


def main() -> None:
    day = today() - timedelta(days=1)
    taken: list[float] = []
    with Database(warehouse_url(administrator=True)) as db, psycopg.connect(db.url, autocommit=True) as conn:
        conn.execute("select prop_trading_model.ensure_trade_months(%s)", [[day]])
        for number in range(LOADS):
            time.sleep(random.uniform(2, 8))
            while not pending(db).nothing:
                time.sleep(0.2)
            before = shown(conn, day)
            copy_trades(conn, day, number)
            began = time.monotonic()
            while shown(conn, day) != before + TRADES or not pending(db).nothing:
                if time.monotonic() - began > GIVE_UP_SECONDS:
                    sys.exit(f"load {number + 1}: not shown after {GIVE_UP_SECONDS} s; is the service up?")
                time.sleep(0.02)
            taken.append(time.monotonic() - began)
            print(f"load {number + 1}: {taken[-1]:.2f} s", flush=True)
    middle = statistics.median(taken)
    print(f"{LOADS} loads of {TRADES:,} trades: min {min(taken):.2f} s, median {middle:.2f} s, max {max(taken):.2f} s")


def shown(conn: psycopg.Connection, day: object) -> int:
    row = conn.execute(
        "select total_trades from prop_trading_model.mv_daily_trading_stats where date = %s", [day]
    ).fetchone()
    return row[0] if row else 0


if __name__ == "__main__":
    main()
