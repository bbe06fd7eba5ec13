"""The whole service for a test: `dpm up` in a process of its own, asked through the same GraphQL that the UI uses."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import psycopg

from dpm_assets.server import EmbeddedServer
from dpm_assets.server.state import free_port

DPM = [sys.executable, "-m", "dpm_assets"]


class Service:
    """`dpm up` with its own home, landing folder and port, and what else of its settings is given."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.settings = settings
        self.home = folder / "home"
        self.landing = folder / "landing"
        self.port = free_port()
        self.log = folder / "up.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("DPM_", "DAGSTER_"))}
        binaries = os.environ.get("DPM_TEST_PG_BIN")
        return clean | {
            "DPM_HOME": str(self.home),
            "DPM_LANDING": str(self.landing),
            "DPM_PORT": str(self.port),
            **self.settings,
            **({"DPM_PG_BIN": binaries} if binaries else {}),
        }

    def dpm(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a dpm command in the service's environment."""
        return subprocess.run(
            [*DPM, *arguments], env=self.environment, capture_output=True, text=True, timeout=300, check=False
        )

    def start(self, *arguments: str) -> None:
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [*DPM, "up", *arguments], env=self.environment, stdout=output, stderr=output
            )
        wait_for(self._up, 300, f"the UI on port {self.port}")

    def load_sample(self, trades: int, months: int, first: date) -> None:
        """Load a sample through the landing folder of the running service, and wait until the views show it."""
        made = self.dpm("sample", "--trades", str(trades), "--months", str(months), "--start", f"{first:%Y-%m}", "--seed", "3",
                        "--out", str(self.folder / "sample"))  # fmt: skip
        assert made.returncode == 0, made.stderr
        for feed in ("plans", "accounts", "trades"):
            (self.landing / feed).mkdir(parents=True, exist_ok=True)
            for file in sorted((self.folder / "sample" / feed).glob("*.csv")):
                file.replace(self.landing / feed / file.name)
        wait_for(lambda: self.shown() == trades, 300, f"{trades:,} trades in mv_daily_trading_stats")
        wait_for(self.idle, 180, "the end of the refresh")

    def shown(self) -> int:
        """The trades that mv_daily_trading_stats counts; -1 while a change is pending."""
        with self.connect() as conn:
            row = conn.execute("select coalesce(sum(total_trades), 0) from mv_daily_trading_stats").fetchone()
            waiting = conn.execute("select keys, views from pending_changes()").fetchone()
        assert row is not None and waiting is not None
        return int(row[0]) if waiting == (0, []) else -1

    def idle(self) -> bool:
        return not self.runs("status in ('QUEUED', 'NOT_STARTED', 'STARTING', 'STARTED')")

    def _up(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        return "Ctrl-C stops everything" in self.log.read_text()

    def stop(self, number: int = signal.SIGINT) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(timeout=60)
        self.process = None
        return code

    def connect(self, database: str = "dpm") -> "psycopg.Connection[Any]":
        return psycopg.connect(EmbeddedServer(self.home).url(database), autocommit=True)

    def graphql(self, query: str, **variables: Any) -> Any:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/graphql", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            found = json.loads(answer.read())
        assert "errors" not in found, found
        return found["data"]

    def materialized_months(self, asset: str) -> set[str]:
        """The partitions of an asset that Dagster shows as materialized."""
        with self.connect("dagster") as conn:
            rows = conn.execute(
                "select distinct partition from event_logs where dagster_event_type = 'ASSET_MATERIALIZATION'"
                " and asset_key = %s and partition is not null",
                [json.dumps([asset])],
            ).fetchall()
        return {row[0] for row in rows}

    def runs(self, where: str, *values: Any) -> list[tuple[Any, ...]]:
        with self.connect("dagster") as conn:
            return conn.execute(
                f"select run_id, status, run_body::json->'tags'->>'dagster/backfill' from runs where {where} order by id",
                list(values),
            ).fetchall()


def wait_for(ready: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait until `ready()`; fails the test with the name of what did not happen."""
    give_up = time.monotonic() + 5 * seconds  # those of a machine that does nothing else
    while not ready():
        assert time.monotonic() < give_up, f"{what} did not happen within {seconds} s"
        time.sleep(0.2)  # whoever asks more often holds up what is waited for
