"""How fast a baseline's trades are copied, and how long its application ever waits: `python -m bench.migration [URL]`.

Makes a baseline of `--trades` trades of the sample in `--months` months and copies it with `dpm migrate start`, with one job and
with two, each from a fresh copy of the baseline, `--rounds` times by turns. Trades per second are of the copy with both
indexes, as the ledger of the migration has it, and of the whole command, which also makes everything else and compares each
row; the disk at its fullest is what the database and its sorts took, read four times a second. Then eight clients work from
before `start` until after `cutover`, and again over `rollback`, and the longest transaction of each stretch is printed.
Exits with 1 if a figure misses what it must reach, or a client met a fault.
"""

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

import psycopg

from bench.baselines import baseline_copy, baseline_template
from bench.scratch import server_url
from tests.baselines import application_url
from tests.running_clients import Report, acknowledged_and_not_there, clients_at_work

MUST_ROWS, MUST_GAIN, MUST_STALL, MUST_DISK = 120_000, 1.5, 250.0, 1.1


def migrate(url: str, *arguments: str) -> float:
    """Seconds of a `dpm migrate` command."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "dpm_assets", "migrate", *arguments]
    done = subprocess.run(command, env={**os.environ, "DPM_DATABASE_URL": url}, stdout=subprocess.DEVNULL, check=False)
    if done.returncode:
        sys.exit(f"dpm migrate {' '.join(arguments)} failed")
    return time.perf_counter() - began


@contextlib.contextmanager
def fullest_disk(url: str) -> Iterator[list[int]]:
    """Bytes of the database and of sorts that spilled, read again and again until the end."""
    found: list[int] = []
    over = Event()

    def watch() -> None:
        with psycopg.connect(url, autocommit=True) as conn:
            while not over.is_set():
                row = conn.execute(
                    "select pg_database_size(current_database())"
                    " + coalesce((select sum(size) from pg_ls_tmpdir()), 0)::bigint"
                ).fetchone()
                assert row
                found.append(row[0])
                over.wait(0.25)

    watcher = Thread(target=watch)
    watcher.start()
    try:
        yield found
    finally:
        over.set()
        watcher.join()


@dataclass(frozen=True)
class Copy:
    """Trades a second, copied and indexed, by the time that the months took; of all that `start` does, proof included; and the
    disk at its fullest, as a part of the old tables and the new."""

    alone: float
    whole: float
    disk: float


def copied(server: str, template: str, jobs: int) -> Copy:
    with baseline_copy(server, template) as url:
        os.sync()
        with fullest_disk(url) as sizes:
            seconds = migrate(url, "start", "--jobs", str(jobs))
        with psycopg.connect(url) as conn:
            row = conn.execute(
                "select sum(rows), extract(epoch from sum(attached_at - begun_at)), pg_database_size(current_database())"
                " from prop_trading_model_migration.parts where table_name = 'raw_trades_closed'"
            ).fetchone()
        assert row
        return Copy(jobs * float(row[0] / row[1]), float(row[0]) / seconds, max(sizes) / row[2])


def show_rates(server: str, template: str, rounds: int) -> bool:
    made: dict[int, list[Copy]] = {1: [], 2: []}
    for turn in range(rounds):
        for jobs in (1, 2) if turn % 2 == 0 else (2, 1):
            copy = copied(server, template, jobs)
            made[jobs].append(copy)
            print(
                f"{jobs} job{'s' * (jobs > 1)}: {copy.alone:9,.0f} rows/s copied and indexed; {copy.whole:9,.0f} of"
                f" `start`; disk at its fullest {copy.disk:.3f} of old and new",
                flush=True,
            )
    one, two = (statistics.median(copy.alone for copy in made[jobs]) for jobs in (1, 2))
    gain = statistics.median(copy.whole for copy in made[2]) / statistics.median(copy.whole for copy in made[1])
    disk = max(copy.disk for copies in made.values() for copy in copies)
    print(
        f"medians: one job {one:,.0f} rows/s (must: {MUST_ROWS:,}); two jobs {two / one:.2f} times that, and the whole of"
        f" `start` {gain:.2f} times (must: {MUST_GAIN}); disk {disk:.3f} (must: {MUST_DISK})"
    )
    return one >= MUST_ROWS and two >= MUST_GAIN * one and gain >= MUST_GAIN and disk <= MUST_DISK


def show_stalls(server: str, template: str, pause: float) -> bool:
    well = True
    with baseline_copy(server, template) as url, tempfile.TemporaryDirectory(prefix="dpm-bench-") as folder:
        for stretch, commands in {
            "nothing else": [],
            "start and cutover": [["start"], ["cutover"]],
            "rollback": [["rollback"]],
        }.items():
            with clients_at_work(
                application_url(url), Path(folder) / stretch.replace(" ", "_"), pause=pause
            ) as clients:
                clients.wait_for(20)
                for command in commands:
                    print(f"    {command[0]}: {migrate(url, *command):.1f} s", flush=True)
                clients.wait_for(20)
            with psycopg.connect(url) as conn:
                missing = acknowledged_and_not_there(conn, clients.report)
            well = _show(stretch, clients.report, missing) and well
    return well


def _show(stretch: str, report: Report, missing: list[str]) -> bool:
    longest = ", ".join(f"{milliseconds:.0f} ms ({what})" for milliseconds, what, _ in report.longest[:3])
    print(
        f"{stretch}: {report.transactions:,} transactions, failed {len(report.failures)}, wrong reads"
        f" {len(report.wrong_reads)}, lost {len(missing)}; longest {longest} (must: < {MUST_STALL:.0f})",
        flush=True,
    )
    for fault in [*report.failures, *report.wrong_reads, *missing][:5]:
        print(f"    {fault}")
    return not (report.failures or report.wrong_reads or missing) and report.longest[0][0] < MUST_STALL


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("url", nargs="?", help="a superuser's, on a server that may be used; else one is started")
    parser.add_argument("--trades", type=int, default=5_000_000)
    parser.add_argument("--months", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pause", type=float, default=0.05, help="seconds between two transactions of a client, about")
    parser.add_argument("--only", choices=["rates", "stalls"])
    given = parser.parse_args()
    with (
        server_url(given.url) as server,
        baseline_template(server, given.trades, given.months) as template,
    ):
        well = True
        if given.only != "stalls":
            well = show_rates(server, template, given.rounds)
        if given.only != "rates":
            well = show_stalls(server, template, given.pause) and well
    if not well:
        sys.exit("A figure misses what it must reach.")


if __name__ == "__main__":
    main()
