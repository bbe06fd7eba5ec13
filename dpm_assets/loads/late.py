"""Late trades: rows of a load whose month is in the archive, or whose old copy is. Never lost: the month is restored and the
file loaded, or the file is refused, as DPM_LATE_TRADES says.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from time import monotonic, sleep
from typing import Any

import psycopg

from dpm_assets.calendar import add_months, month_of, parse_month
from dpm_assets.database import Database
from dpm_assets.errors import NOT_HOT, DpmError
from dpm_assets.loads.faults import FileRefused
from dpm_assets.settings import settings

WAIT_SECONDS = 600.0
"""How long a load waits for a month that is being archived or restored at this moment."""


class InArchive(Exception):
    """The load needs these months, which are in the archive or on their way: nothing of it has been written."""

    def __init__(self, months: Sequence[date], why: str) -> None:
        super().__init__(why)
        self.months = sorted(months)
        self.why = why


@contextmanager
def noticed() -> Iterator[None]:
    """Around whatever writes trades: what PostgreSQL refuses because a month is not hot is raised as InArchive."""
    try:
        yield
    except psycopg.Error as error:
        if error.sqlstate != NOT_HOT:
            raise
        month = (error.diag.table_name or "")[-7:].replace("_", "-")
        raise InArchive([parse_month(month)], f"it holds trades of {month}") from error


def require_hot(conn: psycopg.Connection[Any], days: Iterable[date]) -> None:
    """Raises InArchive, naming all of their months that are not hot, before rows of these days are written."""
    months = {month_of(day) for day in days}
    if found := [month for month in away(conn) if month in months]:
        raise InArchive(found, f"it holds trades of {_names(found)}")


def near(months: Iterable[date], days: Iterable[date], correction_days: int | None) -> set[date]:
    """Those of the months in which old copies of trades of these days may stand (None: in any)."""
    days = list(days)
    if not days:
        return set()
    if correction_days is None:
        return set(months)
    reach = timedelta(days=correction_days)
    return {m for m in months if add_months(m, 1) > min(days) - reach and m <= max(days) + reach}


def settle_late(db: Database, file: str, late: InArchive) -> None:
    """Make the months hot, so that the load can be tried again. Raises FileRefused when the settings say not to."""
    names = _names(late.months)
    if settings().late_trades != "restore":
        with db.connection("dpm_loader") as conn:
            on_the_way = [month for month, state in away(conn).items() if month in late.months and state != "cold"]
        if on_the_way:
            raise DpmError(
                f"{file}: {_names(on_the_way)} is on its way into the archive or back. Nothing was loaded. "
                "Load the file again when dpm partitions list shows it hot or cold."
            )
        raise FileRefused(
            f"{file}: {late.why}, whose trades are in the archive. Nothing was loaded. Restore with dpm partitions restore "
            f"{names.replace(',', '')} and load it again, or set DPM_LATE_TRADES=restore, and loads do so themselves."
        )
    from dpm_assets.partitions.cold.restore import restore

    for month in late.months:
        _wait_until_settled(db, file, month)
        for _ in restore(db, month):
            pass


def _wait_until_settled(db: Database, file: str, month: date) -> None:
    """An archive that is under way is not taken back for the sake of a load: it ends first."""
    give_up = monotonic() + WAIT_SECONDS
    while True:
        with db.connection("dpm_loader") as conn:
            row = conn.execute("select state from prop_trading_model.month_state where month = %s", [month]).fetchone()
        if not row or row[0] != "archiving":
            return
        if monotonic() >= give_up:
            raise DpmError(
                f"{file}: {month:%Y-%m} is being archived. Nothing was loaded. End that with dpm partitions archive "
                f"{month:%Y-%m}, and load the file again."
            )
        sleep(0.5)


def away(conn: psycopg.Connection[Any]) -> dict[date, str]:
    """The months that are not hot, with their states, oldest first."""
    return dict(
        conn.execute(
            "select month, state from prop_trading_model.month_state where state <> 'hot' order by month"
        ).fetchall()
    )


def _names(months: Sequence[date]) -> str:
    return ", ".join(f"{month:%Y-%m}" for month in months)
