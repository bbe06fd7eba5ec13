"""A sample in the landing folder, once, and waiting until it is in the views."""

import json
import shutil
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import psycopg

from dpm_assets.calendar import add_months, month_of, today
from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.refresh.engine import pending
from dpm_assets.settings import settings

TRADES = 1_000_000
MONTHS = 12
GIVE_UP_SECONDS = 900

Say = Callable[[str], None]


def first_month() -> date:
    """The sample ends with the last whole month, so that the trailing windows of the views have something to show."""
    return add_months(month_of(today()), -MONTHS)


def place_sample(say: Say) -> list[str]:
    """Write the sample and move it into the landing folder; the names of its files. Empty when it was done before."""
    marker = settings().home / "sample.json"
    if marker.exists():
        return []
    from dpm_assets.samples import write_sample

    landing = settings().landing
    landing.mkdir(parents=True, exist_ok=True)
    # Beside the feeds' folders: a rename within one file system is all that the sensor ever sees of a file.
    making = Path(tempfile.mkdtemp(prefix=".sample-", dir=landing))
    try:
        summary = write_sample(making, trades=TRADES, months=MONTHS, start=first_month(), seed=1)
        say(f"sample written: {summary.trades:,} trades of {summary.accounts:,} accounts in {summary.seconds:.1f} s")
        names: list[str] = []
        for feed in ("plans", "accounts", "trades"):
            (landing / feed).mkdir(exist_ok=True)
            for file in sorted((making / feed).glob("*.csv")):
                file.replace(landing / feed / file.name)
                names.append(file.name)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    marker.write_text(json.dumps({"trades": TRADES, "months": MONTHS, "files": names}), encoding="utf-8")
    return names


def wait_until_shown(db: Database, dagster_url: str, names: list[str], say: Say) -> None:
    """Wait until every file is loaded, nothing is pending, and no run is under way. Raises DpmError if it takes too long."""
    began = time.monotonic()
    said = ""
    while time.monotonic() - began < GIVE_UP_SECONDS:
        loaded, failed, trades = _progress(db, names)
        if failed:
            raise DpmError(f"The sample was not loaded: {failed}. The files are in {settings().landing}.")
        now = f"loaded {loaded} of {len(names)} files, {trades:,} trades"
        if now != said:
            say(now)
            said = now
        if loaded == len(names) and pending(db).nothing and not _runs_under_way(dagster_url):
            return
        time.sleep(0.5)
    raise DpmError(
        f"The sample is not in the views after {GIVE_UP_SECONDS} s. See the runs in the UI, and {settings().home}/logs."
    )


def _progress(db: Database, names: list[str]) -> tuple[int, str | None, int]:
    with db.connection() as conn:
        row = conn.execute(
            "select count(*) filter (where status = 'loaded'), max(message) filter (where status = 'refused'),"
            " coalesce(sum(rows_inserted) filter (where feed = 'trades' and status = 'loaded'), 0)"
            " from prop_trading_model.load_batches where split_part(file, '/', -1) = any (%s)",
            [names],
        ).fetchone()
    assert row is not None
    return int(row[0]), row[1], int(row[2])


def _runs_under_way(dagster_url: str) -> bool:
    with psycopg.connect(dagster_url.replace("+psycopg2", "")) as conn:
        row = conn.execute(
            "select exists (select from runs where status in ('QUEUED', 'NOT_STARTED', 'STARTING', 'STARTED', 'CANCELING'))"
        ).fetchone()
    return bool(row and row[0])
