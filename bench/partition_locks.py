"""The longest wait of readers and writers while partitions come and go: `python -m bench.partition_locks [URL]`.

Eight clients read and write the running month through the table, each statement timed; meanwhile one session makes months and
another detaches them again CONCURRENTLY, one after the other. First the same load with nobody doing so. `--seconds` of each; exit
code 1 if a statement failed, or more than one in a hundred took longer than 50 ms.
"""

import argparse
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

import psycopg
from psycopg import sql

from bench.scratch import fresh_database, server_url
from dpm_assets.calendar import add_months, month_of, today

CLIENTS = 8
ALLOWED_MS = 50.0
ROWS_BEFORE = 200_000
FIRST_MADE = date(2001, 1, 1)

_READ = "select count(*), sum(profit) from raw_trades_closed where account_id = %s and trade_date >= %s"
_WRITE = (
    "insert into raw_trades_closed (trade_id, account_id, login, trade_date, profit) values (%s, %s, 'l', %s, 1)"
    " on conflict (account_id, trade_date, trade_id) do update set profit = excluded.profit"
)
_FILL = (
    "insert into raw_trades_closed (trade_id, account_id, login, trade_date, profit)"
    " select 't' || n, 'a' || n %% 1000, 'l', %s::date + n %% 28, 1 from generate_series(1, %s) as n"
)


class Clients:
    """Eight sessions under steady load, half of them readers; the milliseconds of each statement."""

    def __init__(self, url: str) -> None:
        self.reads: list[float] = []
        self.writes: list[float] = []
        self.failures: list[str] = []
        self._url = url
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(number,)) for number in range(CLIENTS)]

    def _work(self, number: int) -> None:
        day, taken = month_of(today()), self.reads if number % 2 else self.writes
        with psycopg.connect(self._url, autocommit=True) as conn:
            turn = 0
            while not self._over.is_set():
                turn += 1
                account = f"a{(turn * 37 + number) % 1000}"
                began = time.perf_counter()
                try:
                    if number % 2:
                        conn.execute(_READ, [account, day]).fetchall()
                    else:
                        conn.execute(_WRITE, [f"w{number}-{turn}", account, day])
                except psycopg.Error as error:
                    self.failures.append(str(error).splitlines()[0])
                taken.append(1000 * (time.perf_counter() - began))
                time.sleep(0.02)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in self._threads:
                thread.join()


def timed(turns: Iterable[int], seconds: float, work: Callable[[int], Any]) -> list[float]:
    """The milliseconds of each turn of `work`, for so long or until there are no more turns."""
    taken: list[float] = []
    over = time.monotonic() + seconds
    for turn in turns:
        if time.monotonic() > over:
            break
        began = time.perf_counter()
        work(turn)
        taken.append(1000 * (time.perf_counter() - began))
    return taken


def show(what: str, clients: Clients, done: list[float]) -> bool:
    """Prints one line for readers and one for writers; whether all went as it must."""
    well = not clients.failures
    for name, taken in (("readers", clients.reads), ("writers", clients.writes)):
        hundredths = statistics.quantiles(taken, n=100)
        well = well and hundredths[98] < ALLOWED_MS
        print(
            f"{what:36}{name:9}{len(taken):7,} statements, ms: median {statistics.median(taken):6.2f}, p99"
            f" {hundredths[98]:7.2f}, longest {max(taken):7.2f}; failed {len(clients.failures)}",
            flush=True,
        )
    print(f"{'':36}done {len(done)} times, median {statistics.median(done):.1f} ms each", flush=True)
    for failure in sorted(set(clients.failures)):
        print(f"    {failure}", flush=True)
    return well


def measure(url: str, seconds: float) -> bool:
    with psycopg.connect(url, autocommit=True) as conn:
        for back in range(3):
            month = add_months(month_of(today()), -back)
            conn.execute("select ensure_trade_months(array[%s::date])", [month])
            conn.execute(_FILL, [month, ROWS_BEFORE])
        conn.execute("vacuum (analyze) raw_trades_closed")
        months = [add_months(FIRST_MADE, n) for n in range(2_000)]

        def make(turn: int) -> None:
            conn.execute("select ensure_trade_months(array[%s::date])", [months[turn]])

        def detach(turn: int) -> None:
            leaf = sql.Identifier(f"raw_trades_closed_{months[turn]:%Y_%m}")
            conn.execute(sql.SQL("alter table raw_trades_closed detach partition {} concurrently").format(leaf))
            conn.execute(sql.SQL("drop table {}").format(leaf))

        def wait(_: int) -> None:
            time.sleep(0.1)

        well, made = True, 0
        for what, work in (
            ("nothing else", wait),
            ("months made and attached", make),
            ("months detached concurrently", detach),
        ):
            clients = Clients(url)
            with clients.at_work():
                done = timed(range(made if work is detach else len(months)), seconds, work)
            made = len(done)
            well = show(what, clients, done) and well
    return well


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("url", nargs="?", help="a superuser's, on a server that may be used; else one is started")
    parser.add_argument("--seconds", type=float, default=20)
    given = parser.parse_args()
    with server_url(given.url) as server, fresh_database(server) as url:
        if not measure(url, given.seconds):
            sys.exit(f"A statement failed, or the 99th percentile is above {ALLOWED_MS:.0f} ms.")


if __name__ == "__main__":
    main()
