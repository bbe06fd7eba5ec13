"""Restoring a month or year: the rows of its file into a table that is indexed and attached as it was, in one transaction.

Killed at whichever step, it is still in its file, or wholly in its partition again.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from dpm_assets.database import SCHEMA, Database
from dpm_assets.errors import DpmError
from dpm_assets.partitions.cold import places
from dpm_assets.partitions.cold.archive import abandon
from dpm_assets.partitions.cold.columns import generated_in, listed
from dpm_assets.partitions.cold.parquet import Content, read_back
from dpm_assets.partitions.cold.refused import explained
from dpm_assets.partitions.cold.states import ColdPart, Step, alone, state_of
from dpm_assets.partitions.cold.tables import Part


def restore(
    db: Database,
    part: Part,
    *,
    say: Callable[[str], None] = lambda _: None,
    go_on: Callable[[], None] = lambda: None,
) -> Iterator[Step]:
    """Make a cold month or year hot again, bit for bit; yields each step when it is done. Its file is deleted at the end, unless
    this database has it from a backup: another may count on it.

    One whose archive was begun and not ended is taken back. `say` is told when another archive or restore has to be
    waited for, and `go_on` is asked meanwhile whether to. Raises DpmError when the file is missing or damaged; then it stays
    cold.
    """
    with alone(db, say, go_on) as conn:
        found = state_of(conn, part)
        if not found:
            yield Step("hot", f"{part} is not in the archive; nothing to do")
            return
        with explained(part):
            if found.state == "archiving":
                abandon(conn, part)
                yield Step("hot", f"{part}: the archive was taken back, it is hot as it was")
                return
            if found.in_file:
                conn.execute("select prop_trading_model.begin_restore(%s::regclass, %s)", part.arguments)
                yield Step("restoring", f"{part}: reading {found.location}")
                try:
                    rows = _bring_back(conn, found)
                except BaseException:
                    _stay_cold(conn, part)
                    raise
                yield Step("attached", f"{part}: {rows:,} {part.table.rows} are in their partition again")
                conn.execute(sql.SQL("analyze {}").format(sql.Identifier(SCHEMA, part.leaf)))
            if found.ours:
                places.remove(found.location or "")
            conn.execute("select prop_trading_model.forget_file(%s::regclass, %s)", part.arguments)
        end = "its file is deleted" if found.ours else f"{found.location} stays, since another database may count on it"
        yield Step("hot", f"{part}: hot, {end}")


def _bring_back(conn: psycopg.Connection[Any], cold: ColdPart) -> int:
    """Everything in one transaction: until it commits, the file is what counts."""
    if not (cold.location and cold.columns and cold.rows is not None and cold.content_sha256):
        raise DpmError(
            f"Nothing is known of the file of {cold.part}: cold_files lacks it. Bring that table back from a backup."
        )
    content = Content()
    with places.read_from(cold.location) as path:
        check_bytes(cold, path)
        with conn.transaction():
            row = conn.execute(
                "select prop_trading_model.make_restored(%s::regclass, %s)", cold.part.arguments
            ).fetchone()
            assert row is not None
            generated = generated_in(conn, row[0])
            # FREEZE: the table is this transaction's own, so its rows need no second visit by VACUUM.
            copy = sql.SQL("copy {} ({}) from stdin (format csv, freeze)").format(
                sql.Identifier(SCHEMA, row[0]), listed(tuple(name for name in cold.columns if name not in generated))
            )
            with conn.cursor().copy(copy) as target:
                for lines in read_back(path, content, without=generated):
                    target.write(lines)
            content.check(cold.location, cold.rows, cold.exact_sums, cold.content_sha256)
            conn.execute("set local maintenance_work_mem = '256MB'")
            conn.execute("select prop_trading_model.attach_restored(%s::regclass, %s)", cold.part.arguments)
    return content.rows


def check_bytes(cold: ColdPart, path: Path) -> None:
    """Raises DpmError unless the file has the bytes that were verified when it was archived."""
    if places.sha256_of(path) != cold.file_sha256:
        raise DpmError(
            f"{cold.location} is damaged: it is not the file that was verified when {cold.part} was archived. "
            "Nothing was changed. Put the file back from a copy of yours, then do this again."
        )


def _stay_cold(conn: psycopg.Connection[Any], part: Part) -> None:
    with suppress(psycopg.Error):  # a server that is gone keeps it as restoring, which is read from its file too
        conn.execute(
            "update prop_trading_model.partition_state set state = 'cold'"
            " where parent_table = %s and lower = %s and state = 'restoring'",
            [part.table.name, part.first_day],
        )
