"""The clients of tests/migration_clients.py as a process of their own, and what their journals prove afterwards."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.interleaving import Connection

SECONDS = 120


@dataclass
class Report:
    """What the clients met, and by their journals the rows that must be there (None: that must be gone)."""

    transactions: int = 0
    failures: list[str] = field(default_factory=list)
    wrong_reads: list[str] = field(default_factory=list)
    longest: list[tuple[float, str, float]] = field(default_factory=list)
    rows: dict[tuple[str, str, str], tuple[str, str] | None] = field(default_factory=dict)


class RunningClients:
    """Clients at work; `report` is there once the block that they run in has ended."""

    def __init__(self, folder: Path, clients: int) -> None:
        self.report = Report()
        self._folder = folder
        self._clients = clients

    def wait_for(self, writes: int) -> None:
        """Returns when each client has had so many more writes acknowledged from now on."""
        wanted = [done + writes for done in self._written()]
        give_up = time.monotonic() + SECONDS
        while any(done < enough for done, enough in zip(self._written(), wanted, strict=True)):
            assert time.monotonic() < give_up, "the clients do not get on"
            time.sleep(0.05)

    def _written(self) -> list[int]:
        paths = (self._folder / f"client_{number}.jsonl" for number in range(self._clients))
        return [path.read_bytes().count(b"\n") if path.exists() else 0 for path in paths]

    def collect(self) -> None:
        for number in range(self._clients):
            summary = json.loads((self._folder / f"summary_{number}.json").read_text())
            self.report.transactions += summary["transactions"]
            self.report.failures += summary["failures"]
            self.report.wrong_reads += summary["wrong_reads"]
            self.report.longest += map(tuple, summary["longest"])
            for line in (self._folder / f"client_{number}.jsonl").read_text().splitlines():
                change = json.loads(line)
                for kind, account, name, day, profit in change["puts"]:
                    self.report.rows[kind, account, name] = (day, profit)
                for kind, account, name in change["takes"]:
                    self.report.rows[kind, account, name] = None
        self.report.longest.sort(reverse=True)


@contextmanager
def clients_at_work(url: str, folder: Path, clients: int = 8, pause: float = 0.01) -> Iterator[RunningClients]:
    """The clients, each of which has written by now; stopped at the end, also of a test that fails."""
    folder.mkdir(parents=True)
    running = RunningClients(folder, clients)
    command = [sys.executable, "-m", "tests.migration_clients", url, str(folder)]
    with (folder / "said.txt").open("wb") as said:
        process = subprocess.Popen(
            [*command, "--clients", str(clients), "--pause", str(pause)], stdin=subprocess.PIPE, stderr=said
        )
        try:
            running.wait_for(1)
            yield running
        finally:
            assert process.stdin
            process.stdin.close()
            process.wait(SECONDS)
    assert process.returncode == 0, (folder / "said.txt").read_text()
    running.collect()


def acknowledged_and_not_there(conn: Connection, report: Report, schema: str = "prop_trading_model") -> list[str]:
    """Each write that a client was told is done and that the tables of `schema` do not show; empty when all is well."""
    found = {
        key: (day, profit)
        for *key_columns, day, profit in conn.execute(
            f"select 'trade', account_id, trade_id, trade_date::text, profit::text from {schema}.raw_trades_closed"
            " union all select 'metric', account_id, ingestion_timestamp::text || ' ' || date, date::text, net_profit::text"
            f" from {schema}.raw_metrics_daily".encode()
        )
        if (key := tuple(key_columns))
    }
    return [f"{key} is {found.get(key)} instead of {row}" for key, row in report.rows.items() if found.get(key) != row]
