"""Late rows: those of a load whose month or year is in the archive, or whose old copy is. Never lost: it is restored and the
file loaded, or the file is refused, as DPM_LATE_TRADES says.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from time import monotonic, sleep
from typing import Any

import psycopg

from dpm_assets.calendar import add_months
from dpm_assets.database import Database
from dpm_assets.errors import NOT_HOT, DpmError
from dpm_assets.loads.faults import FileRefused
from dpm_assets.loads.feeds import Feed
from dpm_assets.partitions.cold.tables import TABLES, ColdTable, Part, part_of_leaf
from dpm_assets.settings import settings

WAIT_SECONDS = 600.0
"""How long a load waits for a month or year that is being archived or restored at this moment."""


class InArchive(Exception):
    """The load needs these months or years, which are in the archive or on their way: nothing of it has been written."""

    def __init__(self, parts: Iterable[Part], why: str) -> None:
        super().__init__(why)
        self.parts = sorted(parts)
        self.why = why


@contextmanager
def noticed() -> Iterator[None]:
    """Around whatever writes rows: what PostgreSQL refuses because a month (year) is not hot is raised as InArchive."""
    try:
        yield
    except psycopg.Error as error:
        if error.sqlstate != NOT_HOT:
            raise
        part = part_of_leaf(error.diag.table_name or "")
        raise InArchive([part], f"it holds {part.table.rows} of {part}") from error


def require_hot(conn: psycopg.Connection[Any], feed: Feed, days: Iterable[date]) -> None:
    """Raises InArchive, naming all of their months (years) that are not hot, before rows of these days are written."""
    if table := TABLES.get(feed.table):
        starts = {table.part(day).first_day for day in days}
        if found := [table.part(start) for start in away(conn, table) if start in starts]:
            raise InArchive(found, f"it holds {table.rows} of {_names(found)}")


def near(months: Iterable[date], days: Iterable[date], correction_days: int | None) -> set[date]:
    """Those of the months in which old copies of trades of these days may stand (None: in any)."""
    days = list(days)
    if not days:
        return set()
    if correction_days is None:
        return set(months)
    reach = timedelta(days=correction_days)
    return {m for m in months if add_months(m, 1) > min(days) - reach and m <= max(days) + reach}


def settle_late(db: Database, file: str, late: InArchive, go_on: Callable[[], None]) -> None:
    """Make the months (years) hot, so that the load can be tried again. Raises FileRefused when the settings say not to, and
    what `go_on` raises, which is asked again and again whether to."""
    if settings().late_trades != "restore":
        with db.connection("dpm_loader") as conn:
            on_the_way = [part for part in late.parts if _state(conn, part) not in (None, "cold")]
        if on_the_way:
            raise DpmError(
                f"{file}: {_names(on_the_way)} is on its way into the archive or back. Nothing was loaded. "
                "Load the file again when dpm partitions list shows it hot or cold."
            )
        raise FileRefused(
            f"{file}: {late.why}, whose {late.parts[0].table.rows} are in the archive. Nothing was loaded. Restore with dpm "
            f"partitions restore {' '.join(map(str, late.parts))} and load it again, or set DPM_LATE_TRADES=restore, and loads "
            "do so themselves."
        )
    from dpm_assets.partitions.cold.restore import restore

    for part in late.parts:
        _wait_until_settled(db, file, part, go_on)
        for _ in restore(db, part, go_on=go_on):
            go_on()


def _wait_until_settled(db: Database, file: str, part: Part, go_on: Callable[[], None]) -> None:
    """An archive that is under way is not taken back for the sake of a load: it ends first."""
    give_up = monotonic() + WAIT_SECONDS
    while True:
        with db.connection("dpm_loader") as conn:
            if _state(conn, part) != "archiving":
                return
        if monotonic() >= give_up:
            raise DpmError(
                f"{file}: {part} is being archived. Nothing was loaded. End that with dpm partitions archive {part}, "
                "and load the file again."
            )
        go_on()
        sleep(0.5)


def away(conn: psycopg.Connection[Any], table: ColdTable) -> dict[date, str]:
    """The first days of the months (years) of a table that are not hot, with their states, oldest first."""
    return dict(
        conn.execute(
            "select lower, state from prop_trading_model.partition_state"
            " where parent_table = %s and state <> 'hot' order by lower",
            [table.name],
        ).fetchall()
    )


def _state(conn: psycopg.Connection[Any], part: Part) -> str | None:
    return away(conn, part.table).get(part.first_day)


def _names(parts: Iterable[Part]) -> str:
    return ", ".join(map(str, parts))
