"""Archiving a month or year: its rows into a Parquet file, read back and compared, then the partition detached and dropped.

Whatever is killed, and at whichever step: the rows are in the table until it is cold, nobody can write to them
meanwhile, and the same call goes on from there.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Literal

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from dpm_assets.database import SCHEMA, Database
from dpm_assets.errors import DpmError
from dpm_assets.partitions.cold import places
from dpm_assets.partitions.cold.columns import Column, columns_of, listed, schema_of
from dpm_assets.partitions.cold.parquet import ROWS_PER_PIECE, Content, read_back, write_file
from dpm_assets.partitions.cold.refused import explained
from dpm_assets.partitions.cold.rows_in import CopyRows
from dpm_assets.partitions.cold.states import Step, alone, attachment, state_of
from dpm_assets.partitions.cold.tables import Part

READERS_SECONDS = 60.0
"""How long a detach waits for transactions that have read the table before it is left pending for the next run."""
FINALIZE_SECONDS = 2.0
"""How long for them when it is another partition's that was left pending."""


@dataclass(frozen=True)
class Written:
    """A file as it was written, and what PostgreSQL says of the same rows."""

    location: str
    rows: int
    sums: dict[str, Decimal]
    content_sha256: str
    file_sha256: str
    bytes: int


def archive(
    db: Database,
    part: Part,
    root: str | Path,
    *,
    patience: float = 0.0,
    readers_seconds: float = READERS_SECONDS,
    say: Callable[[str], None] = lambda _: None,
) -> Iterator[Step]:
    """Archive one month or year under `root`, a folder or URL; yields each step when it is done. One that is cold stays so.

    Refused (DpmError) for one that has not ended, while somebody writes to it, and for trades while the month has pending
    changes or, after `patience` seconds, while a refresh runs; also while the table has a default partition, or another
    partition whose detach cannot be finished yet. When the file cannot be written or is found damaged,
    it is hot again and nothing has changed. When transactions that have read the table do not end within
    `readers_seconds`, it stays archiving, readable by read_trades or read_metrics, and the next call ends it. `say` is told
    when another archive or restore has to be waited for, and of a file left over elsewhere that cannot be deleted.
    """
    with alone(db, say) as conn:
        found, location = state_of(conn, part), places.file_of(root, part)
        if found and found.in_file:
            if found.state == "restoring":
                raise DpmError(f"{part} is being restored. dpm partitions restore {part} ends that; archive it then.")
            yield Step("cold", f"{part} is cold already: {found.location}")
            return
        with explained(part):
            known = found.location if found and found.ours else None
            if location != known:
                _refuse_unknown(location, part)
            if attachment(conn, part) == "yes":
                _end_other_detach(conn, part, readers_seconds)
            if known and location != known:
                _remove_other(known, say)
            _begin(conn, part, location, patience)
        yield Step("frozen", f"{part}: nobody can write to it any more")
        try:
            with explained(part):
                columns = columns_of(conn, part.table.name)  # a leaf has an order of its own
                written = _write(conn, part, columns, location)
                yield Step(
                    "written",
                    f"{part}: {written.rows:,} {part.table.rows}, {written.bytes:,} bytes in {written.location}",
                )
                check_file(written, columns)
                yield Step("verified", f"{part}: the file was read back and holds the same rows, count, sums and hash")
                _note(conn, part, columns, written)
        except BaseException:
            # A server that is gone keeps everything as it is, for the next run; a bucket that is gone, its file.
            with suppress(psycopg.Error, DpmError):
                abandon(conn, part)
            raise
        yield Step("recorded", f"{part}: the file may take the partition's place")
        with explained(part):
            _detach(conn, part, readers_seconds)
            yield Step("detached", f"{part}: the partition is detached")
            conn.execute("select prop_trading_model.finish_archive(%s::regclass, %s)", part.arguments)
        yield Step("cold", f"{part}: cold, the partition is dropped")


def _refuse_unknown(location: str, part: Part) -> None:
    """Raises DpmError for a file of whom this database knows nothing: another one's may be the only copy of its rows."""
    if places.is_there(location):
        raise DpmError(
            f"{location} is there already, and this database knows nothing of it: another may count on it. Give each database "
            f"a DPM_COLD_LOCATION of its own, or move that file away, and archive {part} again."
        )


def _remove_other(location: str, say: Callable[[str], None]) -> None:
    """The file of an archive that was begun in another place. One that cannot be reached any more is in nobody's way."""
    try:
        places.remove(location)
    except DpmError:
        say(f"{location} is of no use any more and could not be deleted: delete it by hand.")


def _begin(conn: psycopg.Connection[Any], part: Part, location: str, patience: float) -> None:
    give_up = monotonic() + patience
    while True:
        try:
            conn.execute("select prop_trading_model.begin_archive(%s::regclass, %s, %s)", [*part.arguments, location])
            return
        except (psycopg.errors.LockNotAvailable, psycopg.errors.ObjectInUse):
            if monotonic() >= give_up:
                raise
            sleep(1)


def _write(conn: psycopg.Connection[Any], part: Part, columns: tuple[Column, ...], location: str) -> Written:
    """The table's rows, in the order of its key, and what PostgreSQL counts and sums of them itself."""
    table = sql.Identifier(SCHEMA, part.leaf)
    names = tuple(column.name for column in columns)
    rows = CopyRows(
        conn,
        sql.SQL("select {} from only {} order by {}").format(listed(names), table, listed(part.table.key)),
        schema_of(columns),
        ROWS_PER_PIECE,
    )
    with places.written_to(location) as path:
        write_file(path, part.table, columns, rows)
        file_sha256, size = places.sha256_of(path), path.stat().st_size
    decimals = [column.name for column in columns if column.is_decimal]
    totals = conn.execute(
        sql.SQL("select count(*), {} from only {}").format(
            sql.SQL(", ").join(sql.SQL("sum({})").format(sql.Identifier(name)) for name in decimals), table
        )
    ).fetchone()
    assert totals is not None
    sums = {name: total for name, total in zip(decimals, totals[1:], strict=True) if total is not None}
    return Written(location, totals[0], sums, rows.digest.hexdigest(), file_sha256, size)


def check_file(written: Written, columns: tuple[Column, ...]) -> None:
    """Read the file back from where it is. Raises DpmError unless every byte of it, and every row in it, is as it must be."""
    with places.read_from(written.location) as path:
        if places.sha256_of(path) != written.file_sha256:
            raise DpmError(
                f"{written.location} is damaged: it is not the file that was written. Nothing was dropped. "
                "Look after that disk or bucket, then archive it again."
            )
        content = Content()
        for _ in read_back(path, content):
            pass
    content.check(written.location, written.rows, written.sums, written.content_sha256)


def _note(conn: psycopg.Connection[Any], part: Part, columns: tuple[Column, ...], written: Written) -> None:
    with conn.transaction():
        conn.execute(
            "select prop_trading_model.note_archived(%s::regclass, %s, %s, %s, %s, %s, %s, %s, %s)",
            [
                *part.arguments,
                written.location,
                written.rows,
                written.bytes,
                [column.name for column in columns],
                Jsonb({name: str(total) for name, total in written.sums.items()}),
                written.content_sha256,
                written.file_sha256,
            ],
        )
        row = conn.execute("select prop_trading_model.archive_agrees(%s::regclass, %s)", part.arguments).fetchone()
        if row != (True,):
            raise DpmError(
                f"The rollups of {part} are not those of its trades, and would be all that is left of them. "
                f"Run dpm refresh --rebuild {part}, then archive it."
            )


def _end_other_detach(conn: psycopg.Connection[Any], part: Part, readers_seconds: float) -> None:
    """A table detaches one partition at a time: a detach that was left pending is finished before another one is frozen.

    While it waits for the reader, FINALIZE holds a lock of the whole table that new partitions wait for: not for long.
    """
    pending = conn.execute(
        "select n.nspname::text, c.relname::text from pg_inherits as i join pg_class as c on c.oid = i.inhrelid"
        " join pg_namespace as n on n.oid = c.relnamespace where i.inhparent = %s::regclass and i.inhdetachpending",
        [part.table.qualified],
    ).fetchone()
    if pending is None:
        return
    try:
        _alter_detach(conn, part, sql.Identifier(*pending), "finalize", min(readers_seconds, FINALIZE_SECONDS))
    except psycopg.errors.LockNotAvailable:
        raise DpmError(
            f"{part} cannot be archived yet: {pending[1]} is still being detached, as a transaction that has read the "
            f"{part.table.rows} goes on (see pg_stat_activity). Nothing was changed; archive it again when that has ended."
        ) from None


def _detach(conn: psycopg.Connection[Any], part: Part, readers_seconds: float) -> None:
    """Waits for the transactions that have read the table; a detach that was left pending is finished."""
    attached = attachment(conn, part)
    if attached not in ("yes", "pending"):
        return
    how: Literal["concurrently", "finalize"] = "concurrently" if attached == "yes" else "finalize"
    try:
        _alter_detach(conn, part, sql.Identifier(SCHEMA, part.leaf), how, readers_seconds)
    except psycopg.errors.LockNotAvailable:
        raise DpmError(
            f"{part} is not cold yet: a transaction that has read the {part.table.rows} goes on for longer than "
            f"{readers_seconds:.0f} s (see pg_stat_activity). Its file is complete; archive it again when that has ended."
        ) from None


def _alter_detach(
    conn: psycopg.Connection[Any],
    part: Part,
    leaf: sql.Identifier,
    how: Literal["concurrently", "finalize"],
    readers_seconds: float,
) -> None:
    """Detaches a leaf of the part's table. Raises LockNotAvailable when transactions that have read it do not end in time."""
    conn.execute("select set_config('lock_timeout', %s, false)", [f"{round(readers_seconds * 1000)}ms"])
    try:
        conn.execute(
            sql.SQL("alter table {} detach partition {} {}").format(
                sql.Identifier(SCHEMA, part.table.name), leaf, sql.SQL(how)
            )
        )
    finally:
        if not conn.closed:
            conn.execute("set lock_timeout to default")


def abandon(conn: psycopg.Connection[Any], part: Part) -> None:
    """The month or year is hot again, its table attached as it was; the file that was written, recorded or not, is deleted."""
    found = state_of(conn, part)
    if attachment(conn, part) == "pending":
        _detach(conn, part, READERS_SECONDS)
    conn.execute("select prop_trading_model.abandon_archive(%s::regclass, %s)", part.arguments)
    if found and found.ours and found.location:
        places.remove(found.location)
    conn.execute("select prop_trading_model.forget_file(%s::regclass, %s)", part.arguments)
