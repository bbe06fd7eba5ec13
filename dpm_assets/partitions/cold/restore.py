"""Restoring a month: the rows of its file into a table that is indexed and attached as it was, in one transaction.

Killed at whichever step, the month is still in its file, or wholly in its partition again.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from dpm_assets.database import SCHEMA, Database
from dpm_assets.errors import DpmError
from dpm_assets.partitions.cold import places
from dpm_assets.partitions.cold.archive import abandon
from dpm_assets.partitions.cold.columns import TRADES, listed
from dpm_assets.partitions.cold.parquet import Content, read_back
from dpm_assets.partitions.cold.refused import explained
from dpm_assets.partitions.cold.states import ColdMonth, Step, alone, state_of


def restore(db: Database, month: date, *, say: Callable[[str], None] = lambda _: None) -> Iterator[Step]:
    """Make a cold month hot again, bit for bit; yields each step when it is done. Its file is deleted at the end.

    A month whose archive was begun and not ended is taken back. `say` is told when another archive or restore has to be
    waited for. Raises DpmError when the file is missing or damaged; then the month stays cold.
    """
    name = f"{month:%Y-%m}"
    with alone(db, say) as conn:
        found = state_of(conn, month)
        if not found:
            yield Step("hot", f"{name} is not in the archive; nothing to do")
            return
        with explained(name):
            if found.state == "archiving":
                abandon(conn, month)
                yield Step("hot", f"{name}: the archive was taken back, the month is hot as it was")
                return
            if found.in_file:
                conn.execute("select prop_trading_model.begin_restore(%s)", [month])
                yield Step("restoring", f"{name}: reading {found.location}")
                try:
                    rows = _bring_back(conn, found)
                except BaseException:
                    _stay_cold(conn, month)
                    raise
                yield Step("attached", f"{name}: {rows:,} trades are in their partition again")
                conn.execute(sql.SQL("analyze {}").format(sql.Identifier(SCHEMA, _leaf(month))))
            places.remove(found.location or "")
            conn.execute("select prop_trading_model.forget_file(%s)", [month])
        yield Step("hot", f"{name}: hot, its file is deleted")


def _bring_back(conn: psycopg.Connection[Any], cold: ColdMonth) -> int:
    """Everything in one transaction: until it commits, the file is what counts."""
    if not (cold.location and cold.columns and cold.rows is not None and cold.content_sha256):
        raise DpmError(
            f"Nothing is known of the file of {cold.month:%Y-%m}: cold_files lacks it. Bring that table back from a backup."
        )
    content = Content()
    with places.read_from(cold.location) as path:
        check_bytes(cold, path)
        with conn.transaction():
            row = conn.execute("select prop_trading_model.make_restored_month(%s)", [cold.month]).fetchone()
            assert row is not None
            # FREEZE: the table is this transaction's own, so its rows need no second visit by VACUUM.
            copy = sql.SQL("copy {} ({}) from stdin (format csv, freeze)").format(
                sql.Identifier(SCHEMA, row[0]), listed(tuple(cold.columns))
            )
            with conn.cursor().copy(copy) as target:
                for lines in read_back(path, content):
                    target.write(lines)
            content.check(cold.location, cold.rows, cold.exact_sums, cold.content_sha256)
            conn.execute("set local maintenance_work_mem = '256MB'")
            conn.execute("select prop_trading_model.attach_restored_month(%s)", [cold.month])
    return content.rows


def check_bytes(cold: ColdMonth, path: Path) -> None:
    """Raises DpmError unless the file has the bytes that were verified when it was archived."""
    if places.sha256_of(path) != cold.file_sha256:
        raise DpmError(
            f"{cold.location} is damaged: it is not the file that was verified when {cold.month:%Y-%m} was archived. "
            "Nothing was changed. Put the file back from a copy of yours, then do this again."
        )


def _stay_cold(conn: psycopg.Connection[Any], month: date) -> None:
    with suppress(psycopg.Error):  # a server that is gone keeps the month as restoring, which is read from its file too
        conn.execute(
            "update prop_trading_model.month_state set state = 'cold' where month = %s and state = 'restoring'", [month]
        )


def _leaf(month: date) -> str:
    return f"{TRADES}_{month:%Y_%m}"
