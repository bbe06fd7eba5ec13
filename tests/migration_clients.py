"""A firm's application at work on its trades: clients that read, insert, copy, update, move and delete, and record every
transaction that was acknowledged.

    python -m tests.migration_clients URL FOLDER [--clients 8] [--pause 0.01]

Each client is a session of its own with accounts of its own, so it knows at any moment what a read of them must return, and
checks that it does. It works until standard input ends, then its journal and a summary are in FOLDER:

    client_N.jsonl   one line an acknowledged transaction: what it put and what it took away, and what it took in milliseconds
    summary_N.json   how many transactions, which failed, which reads were wrong, the longest times

A client whose server went away connects again; the transaction that it was in counts as failed, and its outcome is read back.
"""

import argparse
import json
import random
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg

from tests.baselines import ACCOUNTS
from tests.interleaving import Connection

FIRST_DAY, DAYS = date(2024, 1, 1), 91
GIVE_UP_SECONDS = 60
_TRADES = "prop_trading_model.raw_trades_closed"
_METRICS = "prop_trading_model.raw_metrics_daily"
_COLUMNS = (
    "(trade_id, account_id, login, symbol, side, open_time, close_time, trade_date, lots, profit, ingestion_timestamp)"
)
_VALUES = "(%s, %s, 'l', 'EURUSD', 'buy', %s::date, %s::date + interval '1 h', %s, 0.1, %s, %s::date + interval '1 d')"
_METRIC = (
    f"insert into {_METRICS} (account_id, login, date, net_profit, ingestion_timestamp) values (%s, 'l', %s, %s, %s)"
)

# What identifies a row: of trades the account and the trade, of metrics the account and the time of ingestion.
Key = tuple[str, str, str]
Row = tuple[date, Decimal]


@dataclass
class Change:
    """What one transaction does to the rows of a client."""

    puts: dict[Key, Row] = field(default_factory=dict)
    takes: list[Key] = field(default_factory=list)

    def apply(self, rows: dict[Key, Row]) -> None:
        rows.update(self.puts)
        for key in self.takes:
            del rows[key]


@dataclass
class Summary:
    transactions: int = 0
    failures: list[str] = field(default_factory=list)
    wrong_reads: list[str] = field(default_factory=list)
    # milliseconds, what, time.time() at its begin
    longest: list[tuple[float, str, float]] = field(default_factory=list)

    def took(self, milliseconds: float, what: str, began: float) -> None:
        self.transactions += 1
        self.longest = sorted([*self.longest, (milliseconds, what, began)], reverse=True)[:5]


class Client:
    """One session and its accounts: every clients-th of the baseline's, and one of its own."""

    def __init__(self, url: str, folder: Path, number: int, clients: int) -> None:
        self.summary = Summary()
        self._url = url
        self._folder = folder
        self._draw = random.Random(number)
        self._serial = 0
        self._number = number
        self._accounts = [f"a{n}" for n in range(number, ACCOUNTS, clients)] + [f"client{number}"]
        # Statements as drivers send them: never prepared, prepared after a few times, prepared at once.
        self._prepare_after = (None, 5, 0)[number % 3]
        self._conn = self._connect()
        self.rows = self._read(self._accounts)
        self._work = (
            (self._look, 40), (self._insert, 18), (self._insert_and_correct, 6), (self._copy, 4), (self._update, 12),
            (self._move, 6), (self._delete, 8), (self._change_mind, 3), (self._measure, 3),
        )  # fmt: skip

    def work_until(self, over: threading.Event, pause: float) -> None:
        journal = self._folder / f"client_{self._number}.jsonl"
        works, weights = zip(*self._work, strict=True)
        with journal.open("a", encoding="utf-8") as file:
            while not over.is_set():
                work = self._draw.choices(works, weights)[0]
                began, clock = time.time(), time.perf_counter()
                change = self._attempt(work)
                milliseconds = 1000 * (time.perf_counter() - clock)
                self.summary.took(milliseconds, work.__name__.strip("_"), began)
                if change:
                    file.write(_line(change, began, milliseconds))
                    file.flush()
                time.sleep(pause * self._draw.uniform(0.5, 1.5))
        (self._folder / f"summary_{self._number}.json").write_text(json.dumps(asdict(self.summary)), encoding="utf-8")

    def _attempt(self, work: Any) -> Change | None:
        """The change that was acknowledged. After an error the rows are read back: the change is wholly there or not at all."""
        change = Change()
        try:
            work(change)
        except psycopg.Error as error:
            self.summary.failures.append(f"{work.__name__.strip('_')}: {' '.join(str(error).split())}")
            return self._settle(change)
        change.apply(self.rows)
        return change if change.puts or change.takes else None

    def _settle(self, unsure: Change) -> Change | None:
        if self._conn.closed:
            self._conn = self._connect()
        found = self._read(self._accounts)
        if found == self.rows:
            return None
        unsure.apply(self.rows)
        if found != self.rows:
            self.summary.wrong_reads.append(f"after a failure: {_differences(found, self.rows)}")
            self.rows = found
        return unsure

    def _connect(self) -> Connection:
        give_up = time.monotonic() + GIVE_UP_SECONDS
        while True:
            try:
                return psycopg.connect(
                    self._url, autocommit=True, application_name="client", prepare_threshold=self._prepare_after
                )
            except psycopg.OperationalError:
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.1)

    def _read(self, accounts: list[str]) -> dict[Key, Row]:
        trades = self._conn.execute(
            f"select 'trade', account_id, trade_id, trade_date, profit from {_TRADES} where account_id = any (%s)".encode(),
            [accounts],
        ).fetchall()
        metrics = self._conn.execute(
            f"select 'metric', account_id, ingestion_timestamp::text || ' ' || date, date, net_profit from {_METRICS}"
            " where account_id = any (%s)".encode(),
            [accounts],
        ).fetchall()
        return {(kind, account, name): (day, profit) for kind, account, name, day, profit in (*trades, *metrics)}

    def _look(self, change: Change) -> None:
        """An account's trades by its key alone, as an application reads them."""
        account = self._draw.choice(self._accounts)
        found = self._conn.execute(
            f"select trade_id, trade_date, profit from {_TRADES} where account_id = %s order by close_time".encode(),
            [account],
        ).fetchall()
        read: dict[Key, Row] = {("trade", account, trade): (day, profit) for trade, day, profit in found}
        known = {key: row for key, row in self.rows.items() if key[:2] == ("trade", account)}
        if read != known or len(read) != len(found):
            self.summary.wrong_reads.append(f"{account} of {time.time():.3f}: {_differences(read, known)}")

    def _insert(self, change: Change) -> None:
        self._put(change, self._conn)

    def _insert_and_correct(self, change: Change) -> None:
        """Several statements in one transaction, the last of which changes what the first wrote."""
        with self._conn.transaction():
            keys = [self._put(change, self._conn) for _ in range(3)]
            self._set_profit(change, keys[0])

    def _copy(self, change: Change) -> None:
        with self._conn.cursor().copy(f"copy {_TRADES} {_COLUMNS} from stdin".encode()) as copy:
            for _ in range(20):
                (_, account, trade), (day, profit) = self._new_trade(change)
                closed = f"{day} 01:00"
                copy.write_row([trade, account, "l", "EURUSD", "buy", day, closed, day, "0.1", profit, day])

    def _update(self, change: Change) -> None:
        key = self._one_of_mine()
        if key:
            self._set_profit(change, key)

    def _move(self, change: Change) -> None:
        """A trade that turns out to belong to another day, of another month most of the time."""
        key = self._one_of_mine()
        if key:
            day = self._day()
            self._expect_one(
                f"update {_TRADES} set trade_date = %s where account_id = %s and trade_id = %s", day, *key[1:]
            )
            change.puts[key] = (day, self.rows[key][1])

    def _delete(self, change: Change) -> None:
        key = self._one_of_mine()
        if key:
            self._expect_one(f"delete from {_TRADES} where account_id = %s and trade_id = %s", *key[1:])
            change.takes.append(key)

    def _change_mind(self, change: Change) -> None:
        """A transaction that is rolled back."""
        with self._conn.transaction(force_rollback=True):
            self._put(Change(), self._conn)
            key = self._one_of_mine()
            if key:
                self._expect_one(f"delete from {_TRADES} where account_id = %s and trade_id = %s", *key[1:])

    def _measure(self, change: Change) -> None:
        """A newer version of an account's daily metrics."""
        account, day, profit = self._draw.choice(self._accounts), self._day(), self._profit()
        taken_in = datetime.now(timezone.utc).replace(tzinfo=None)
        stamp = self._conn.execute(
            f"{_METRIC} returning ingestion_timestamp::text".encode(), [account, day, profit, taken_in]
        )
        change.puts["metric", account, f"{stamp.fetchall()[0][0]} {day}"] = (day, profit)

    def _put(self, change: Change, conn: Connection) -> Key:
        key, (day, profit) = self._new_trade(change)
        conn.execute(
            f"insert into {_TRADES} {_COLUMNS} values {_VALUES}".encode(), [key[2], key[1], day, day, day, profit, day]
        )
        return key

    def _new_trade(self, change: Change) -> tuple[Key, Row]:
        self._serial += 1
        key: Key = ("trade", self._draw.choice(self._accounts), f"{self._folder.name}{self._number}-{self._serial}")
        change.puts[key] = (self._day(), self._profit())
        return key, change.puts[key]

    def _set_profit(self, change: Change, key: Key) -> None:
        day = (change.puts.get(key) or self.rows[key])[0]
        profit = self._profit()
        self._expect_one(
            f"update {_TRADES} set profit = %s where account_id = %s and trade_id = %s", profit, key[1], key[2]
        )
        change.puts[key] = (day, profit)

    def _expect_one(self, statement: str, *values: Any) -> None:
        done = self._conn.execute(statement.encode(), values).rowcount
        if done != 1:
            self.summary.wrong_reads.append(f"{statement} with {values} met {done} rows")

    def _one_of_mine(self) -> Key | None:
        trades = [key for key in self.rows if key[0] == "trade"]
        return self._draw.choice(trades) if trades else None

    def _day(self) -> date:
        return FIRST_DAY + timedelta(days=self._draw.randrange(DAYS))

    def _profit(self) -> Decimal:
        return Decimal(self._draw.randrange(-5000, 5000)) / 100


def _line(change: Change, began: float, milliseconds: float) -> str:
    puts = [[*key, str(day), f"{profit:.2f}"] for key, (day, profit) in change.puts.items() if key not in change.takes]
    return json.dumps({"at": began, "ms": milliseconds, "puts": puts, "takes": change.takes}) + "\n"


def _differences(found: dict[Key, Row], known: dict[Key, Row]) -> str:
    differ = sorted(found.items() ^ known.items(), key=str)
    return f"{len(differ)} differences, such as {[(key, *map(str, row)) for key, row in differ[:4]]}"


@contextmanager
def at_work(clients: list[Client], pause: float) -> Iterator[None]:
    over = threading.Event()
    threads = [threading.Thread(target=client.work_until, args=(over, pause)) for client in clients]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("url")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--pause", type=float, default=0.01, help="seconds between two transactions of a client, about")
    given = parser.parse_args()
    clients = [Client(given.url, given.folder, number, given.clients) for number in range(given.clients)]
    with at_work(clients, given.pause):
        sys.stdin.read()


if __name__ == "__main__":
    main()
