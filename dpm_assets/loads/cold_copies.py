"""Old copies of a load's trades in months that are in the archive: a correction that moves a trade out of a cold month would
count it twice, for no statement finds the old row there.
"""

from collections.abc import Iterable
from datetime import date
from typing import Any

import psycopg
import pyarrow as pa
from psycopg import sql

from dpm_assets.loads.late import InArchive, away, near
from dpm_assets.partitions.cold.tables import TRADES

_KEYS = pa.schema({"account_id": pa.string(), "trade_id": pa.string(), "new_date": pa.date32()})
KEYS_AT_ONCE = 100_000
"""Keys of a load that are in memory at one time."""


class ColdCopies:
    """Watches over one load's transaction, from its beginning to its end: months may go cold or come back meanwhile."""

    def __init__(self, conn: psycopg.Connection[Any], dated: bool) -> None:
        """`dated`: whether rows of the feed may have an old copy at another date."""
        self._conn = conn
        self._dated = dated
        if dated:
            # From now on no detach can end before this transaction: a month that is hot now is seen by every statement.
            conn.execute("lock table only prop_trading_model.raw_trades_closed in access share mode")
            self._at_first = away(conn, TRADES)

    def look(self, batch_id: int, days: Iterable[date], correction_days: int | None) -> None:
        """When all rows of the batch are written. Raises InArchive when one of them has an old copy in an archived month,
        or in one that was on its way meanwhile."""
        if not self._dated:
            return
        days, now = list(days), away(self._conn, TRADES)
        months = near({*self._at_first, *now}, days, correction_days)
        if not months:
            return
        on_the_way = [month for month in months if not self._at_first.get(month) == now.get(month) == "cold"]
        if on_the_way:
            raise InArchive(
                map(TRADES.part, on_the_way), "old copies of its trades may be in a month that is on its way"
            )
        if found := self._months_with_copies(batch_id, days, sorted(months), correction_days):
            raise InArchive(
                map(TRADES.part, found), f"it moves trades out of {', '.join(f'{month:%Y-%m}' for month in found)}"
            )

    def _months_with_copies(
        self, batch_id: int, days: list[date], months: list[date], correction_days: int | None
    ) -> list[date]:
        from dpm_assets.partitions.cold.files import dates_in_files
        from dpm_assets.partitions.cold.rows_in import CopyRows
        from dpm_assets.partitions.cold.states import cold_parts

        files = [cold for cold in cold_parts(self._conn, TRADES) if cold.lower in months]
        # By account, as the files are: each piece then meets its own row groups alone.
        written = sql.SQL(
            "select account_id, trade_id, trade_date from prop_trading_model.raw_trades_closed"
            " where load_batch_id = {} and trade_date between {} and {} order by account_id"
        ).format(batch_id, min(days), max(days))
        found: set[date] = set()
        for keys in CopyRows(self._conn, written, _KEYS, KEYS_AT_ONCE):
            found.update(dates_in_files(files, keys, correction_days))
        return sorted(found)
