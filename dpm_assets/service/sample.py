"""A sample in the landing folder, once, and waiting until it is in the views."""

import json
import shutil
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
FEEDS = ("plans", "accounts", "trades")
GIVE_UP_SECONDS = 900

Say = Callable[[str], None]


def first_month() -> date:
    """The sample ends with the last whole month, so that the trailing windows of the views have something to show."""
    return add_months(month_of(today()), -MONTHS)


def place_sample(db: Database, say: Say) -> list[str]:
    """Write the sample and move it into the landing folder; the names of its files, empty when there is nothing to do.

    Once: what a kill interrupted goes on at the next call. Never into a warehouse that holds somebody's trades.
    """
    landing, marker = settings().landing, settings().home / "sample.json"
    # Beside the feeds' folders: a rename within one file system is all that the sensor ever sees of a file.
    written = landing / ".sample"
    if not written.exists():
        if marker.exists():
            say("the sample was placed before")
            return []
        if _holds_trades(db):
            say("the warehouse holds trades already: no sample is loaded")
            return []
        if first_month() < settings().first_month:
            say(f"the sample begins with {first_month():%Y-%m}, before DPM_FIRST_MONTH: none is loaded")
            return []
        _write(written, say)
    names = [file.name for feed in FEEDS for file in sorted((written / feed).glob("*.csv"))]
    marker.write_text(json.dumps({"trades": TRADES, "months": MONTHS}), encoding="utf-8")
    for feed in FEEDS:
        (landing / feed).mkdir(parents=True, exist_ok=True)
        for file in sorted((written / feed).glob("*.csv")):
            file.replace(landing / feed / file.name)
    shutil.rmtree(written, ignore_errors=True)
    return names


def _write(target: Path, say: Say) -> None:
    """The sample, whole or not at all."""
    from dpm_assets.samples import write_sample

    making = target.with_name(".sample.new")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    try:
        summary = write_sample(making, trades=TRADES, months=MONTHS, start=first_month(), seed=1)
        making.rename(target)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    say(f"sample written: {summary.trades:,} trades of {summary.accounts:,} accounts in {summary.seconds:.1f} s")


def _holds_trades(db: Database) -> bool:
    with db.connection() as conn:
        row = conn.execute(
            "select exists (select from prop_trading_model.raw_trades_closed)"
            " or exists (select from prop_trading_model.cold_files where parent_table = 'raw_trades_closed')"
        ).fetchone()
    return bool(row and row[0])


def wait_until_shown(
    db: Database, dagster_url: str, names: list[str], say: Say, check: Callable[[], None] = lambda: None
) -> None:
    """Wait until every file is loaded, nothing is pending, and no run is under way. Raises DpmError if it takes too long.

    `check` is called all the while; what it raises ends the wait.
    """
    began = time.monotonic()
    said = ""
    while time.monotonic() - began < GIVE_UP_SECONDS:
        check()
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
