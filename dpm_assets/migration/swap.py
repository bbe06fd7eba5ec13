"""`cutover` and `rollback`: the names that programs use go from one family of tables to the other, in one transaction.

Before it everything is done that can be done while programs work; under the lock there is little left.
"""

import random
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any, Literal

import psycopg

from dpm_assets.database import SCHEMA, Database, expand
from dpm_assets.errors import DpmError
from dpm_assets.migration.dependents import (
    Dependent,
    Side,
    find_dependents,
    grants_to_copy,
    refuse_dependents,
    sides,
)
from dpm_assets.migration.following import LITTLE, follow_side, keys_waiting, leaves_without_log
from dpm_assets.migration.hanging import mark
from dpm_assets.migration.holders import holders, older_snapshots
from dpm_assets.migration.in_place import Report
from dpm_assets.migration.names import MIGRATION, MOVED, NEXT
from dpm_assets.migration.parts import parts
from dpm_assets.migration.prepare import is_prepared, require_prepared
from dpm_assets.migration.refusals import lost_log, other_columns
from dpm_assets.migration.sessions import alone, login, owner, phase, require_phase
from dpm_assets.migration.start import copy_everything, moved
from dpm_assets.partitions.cold.states import cold_parts
from dpm_assets.partitions.patience import LOCK_MILLISECONDS
from dpm_assets.schema.apply import note_digest, stamp
from dpm_assets.settings import settings, sql_dir

# Autovacuum gives way after a second.
_AUTOVACUUM_MILLISECONDS = 5_000

# From asking for the lock on; an attempt that takes longer is taken back and made again.
_BUDGET_SECONDS = 0.16
_TOO_SLOW = "the swap took too long"

_PATIENCE_SECONDS = 120.0


def cutover(db: Database, report: Report, *, patience: float = _PATIENCE_SECONDS) -> None:
    """Let programs use the new tables. Called again it finishes what was left, or says that all is done.

    Raises DpmError, with nothing changed, for what hangs on the tables and cannot come along, and when the lock was refused for
    `patience` seconds.
    """
    with owner(db) as conn:
        if phase(conn) != "moved":
            require_phase(conn, "copying")
            require_prepared(conn)
            _refuse_what_would_be_lost(conn, "original")
    give_up = monotonic() + patience
    while not moved(db):
        copy_everything(db, report)
        with alone(db) as conn:
            require_phase(conn, "copying")  # or a clean has begun in between
            if open_parts := [part.name for part in parts(conn) if part.state != "verified"]:
                raise DpmError(f"Not verified yet: {', '.join(open_parts)}. Run dpm migrate start, then this again.")
            for table in MOVED:
                conn.execute(f"analyze {NEXT}.{table}".encode())
            try:
                _swap(conn, _FORWARD, report, patience)
            except _NeedsCopyError:  # a month is new, or a table was emptied, since the copy a moment ago
                if monotonic() > give_up:
                    raise DpmError(
                        "Programs began new months, or emptied tables, all the time. Do this again."
                    ) from None
    _finish(db)
    report(
        "Programs use the new tables. dpm refresh fills the rollups; dpm migrate rollback goes back, clean drops the old."
    )


def rollback(db: Database, report: Report, *, patience: float = _PATIENCE_SECONDS) -> None:
    """Let programs use the original tables again, with every write since the cutover. The new tables stay and follow.

    Raises DpmError, with nothing changed, as `cutover` does, and while months or years are in the archive.
    """
    with alone(db) as conn:
        require_phase(conn, "moved")
        if cold := [str(found.part) for found in cold_parts(conn) if found.state != "hot"]:
            raise DpmError(
                f"Months or years are in the archive: {', '.join(cold)}. Restore them with dpm partitions restore "
                f"{' '.join(cold)}, then go back."
            )
        _refuse_high_ids(conn)
        _swap(conn, _BACK, report, patience)
    report(
        "Programs use the original tables again. dpm migrate cutover goes forward once more; clean --abandon ends it."
    )


@dataclass(frozen=True)
class _Direction:
    """Which side takes the names over, and what still has to be brought to it."""

    taking_over: Side
    leaving: Side
    log: str
    follow: Literal["originals", "successors"]


_FORWARD = _Direction("successor", "original", "changed_originals", "originals")
_BACK = _Direction("original", "successor", "changed_successors", "successors")


def _swap(conn: psycopg.Connection[Any], way: _Direction, report: Report, patience: float) -> None:
    give_up = monotonic() + patience
    budget = _BUDGET_SECONDS
    while True:
        for grant in grants_to_copy(conn, way.taking_over):
            conn.execute(grant.encode())
        seen = mark(conn, sides(conn, way.leaving))
        dependents = [each for each in _refuse_what_would_be_lost(conn, way.leaving) if each.fate == "made again"]
        try:
            follow_side(conn, way.follow, give_up - monotonic())
            _wait_for_older_snapshots(conn, give_up)
            follow_side(conn, way.follow, give_up - monotonic())
        except psycopg.errors.LockNotAvailable:
            raise _not_swapped(patience, _held(conn)) from None
        if way is _FORWARD:
            _refuse_uncopied(conn)
        began = monotonic()
        refusal = _attempt(conn, way, seen, dependents, budget)
        if refusal is None:
            report(f"swapped in {1000 * (monotonic() - began):.0f} ms, from asking for the lock to the commit")
            return
        if refusal == _TOO_SLOW:
            budget *= 1.25  # a slow machine comes to its end too
        if monotonic() > give_up:
            raise _not_swapped(patience, refusal)
        sleep(0.1 + 0.4 * random.random())


def _refuse_what_would_be_lost(conn: psycopg.Connection[Any], leaving: Side) -> list[Dependent]:
    """Raise DpmError for what a swap cannot take along; what hangs on the tables that programs will leave."""
    if faults := [*other_columns(conn, leaving), *lost_log(conn, leaving)]:
        raise DpmError(f"{' '.join(faults)} Then do this again; nothing was changed.")
    found = find_dependents(conn, sides(conn, leaving))
    refuse_dependents(found)
    return found


def _attempt(
    conn: psycopg.Connection[Any], way: _Direction, seen: str, dependents: list[Dependent], budget: float
) -> str | None:
    """One attempt at the swap, which takes no more than `budget` seconds: None when it was made, else why not, with nothing
    changed. `seen` is the mark of the tables as they were when their `dependents` were looked for."""
    try:
        with conn.transaction():
            conn.execute("set local synchronous_commit = on")
            end = _lock(conn, way, budget)
            _follow_the_last(conn, way)
            if way is _FORWARD:
                _refuse_uncopied(conn)
            _end_by(conn, end)
            if mark(conn, sides(conn, way.leaving)) != seen:
                raise _ChangedMeanwhile
            _run_as_login(conn, [drop for dependent in reversed(dependents) for drop in dependent.drops])
            conn.execute(f"select {MIGRATION}.swap(%s)".encode(), [way is _FORWARD])
            _run_as_login(conn, [make for dependent in dependents for make in dependent.makes])
            conn.execute("set local statement_timeout = 0")
    except _ChangedMeanwhile:
        return "somebody changed what hangs on them, or their columns"
    except psycopg.errors.DependentObjectsStillExist as error:
        return f"what hangs on them cannot be made again, since {', '.join(str(error.diag.message_detail or error).splitlines())}"
    except _TooMuchLeft:
        return "programs wrote more than could be brought over in a moment"
    except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
        return _held(conn)
    except psycopg.errors.QueryCanceled:
        return _TOO_SLOW
    return None


def _held(conn: psycopg.Connection[Any]) -> str:
    held_by = holders(conn, [*sides(conn, "original"), *sides(conn, "successor")])
    return f"they are held by {', '.join(held_by)}" if held_by else "somebody held them at each attempt"


def _not_swapped(patience: float, why: str) -> DpmError:
    return DpmError(
        f"The tables could not be swapped within {patience:.0f} seconds: {why}. Wait for that to end, or end it, then do this"
        " again; nothing was changed."
    )


def _lock(conn: psycopg.Connection[Any], way: _Direction, budget: float) -> float:
    """Lock both sides; when it has to be over, by the clock of `monotonic`.

    First in a mode that conflicts with nothing that programs do, but has autovacuum give way. A program that brings its
    change over to the other side is on the leaving side first: when that is locked, nobody is on either.
    """
    leaving, taking_over = _names(conn, way.leaving), _names(conn, way.taking_over)
    conn.execute(f"set local lock_timeout = {_AUTOVACUUM_MILLISECONDS}".encode())
    conn.execute(f"lock table {leaving}, {taking_over} in share update exclusive mode".encode())
    conn.execute(f"set local lock_timeout = {LOCK_MILLISECONDS}".encode())
    end = monotonic() + budget
    conn.execute(f"lock table {leaving} in access exclusive mode".encode())
    conn.execute(f"lock table {taking_over} in access exclusive mode".encode())
    _end_by(conn, end)
    return end


def _end_by(conn: psycopg.Connection[Any], end: float) -> None:
    """Have the next statement end by then."""
    left = max(1, round(1000 * (end - monotonic())))
    conn.execute(f"set local statement_timeout = {left}".encode())


def _run_as_login(conn: psycopg.Connection[Any], statements: list[str]) -> None:
    """What hangs on the tables need not belong to their owner."""
    if not statements:
        return
    row = conn.execute("select quote_ident(current_user)").fetchone()
    assert row is not None
    for statement in ("set local role none", *statements, f"set local role {row[0]}"):
        conn.execute(statement.encode())


def _follow_the_last(conn: psycopg.Connection[Any], way: _Direction) -> None:
    """Under the lock: bring over the last keys, or give up: too many, one that stays, some that were not logged."""
    if [*lost_log(conn, way.leaving)]:
        raise _ChangedMeanwhile
    if way is _BACK and leaves_without_log(conn):
        raise _TooMuchLeft
    waiting = keys_waiting(conn, way.log, LITTLE + 1)
    if waiting > LITTLE:
        raise _TooMuchLeft
    if waiting:
        conn.execute(f"select {MIGRATION}.follow_{way.follow}({LITTLE})".encode())
        if keys_waiting(conn, way.log, 1):
            raise _TooMuchLeft


def _refuse_uncopied(conn: psycopg.Connection[Any]) -> None:
    row = conn.execute(
        f"select {MIGRATION}.needs_copy(%s, %s)".encode(), [settings().first_month, settings().months_ahead]
    ).fetchone()
    if row == (True,):
        raise _NeedsCopyError


class _NeedsCopyError(Exception):
    """The originals hold a month that was not copied, or were emptied since."""


class _ChangedMeanwhile(Exception):
    """Under the lock more hangs on the tables than before, or other things, or their log is gone."""


class _TooMuchLeft(Exception):
    """More keys wait than are brought over under the lock."""


def _names(conn: psycopg.Connection[Any], side: Side) -> str:
    rows = conn.execute(
        f"select {side}::text from {MIGRATION}.moved_tables order by table_name desc".encode()
    ).fetchall()
    return ", ".join(row[0] for row in rows)


def _wait_for_older_snapshots(conn: psycopg.Connection[Any], give_up: float) -> None:
    """A transaction at REPEATABLE READ that began before the last keys were brought over would not see their rows in the table
    that takes over: such transactions end first."""
    row = conn.execute("select pg_current_xact_id()::xid").fetchone()
    assert row is not None
    while older := older_snapshots(conn, str(row[0])):
        if monotonic() > give_up:
            raise DpmError(
                f"Transactions that began long ago go on: {', '.join(older)}. End them or wait, then do this again."
            )
        sleep(0.05)


def _refuse_high_ids(conn: psycopg.Connection[Any]) -> None:
    """Raise DpmError when ids have been given that the originals' column cannot hold."""
    rows = conn.execute(
        f"""
        select m.table_name from {MIGRATION}.moved_tables as m
        join pg_sequence as old on old.seqrelid = pg_get_serial_sequence(m.original::text, 'id')::regclass
        where pg_sequence_last_value(pg_get_serial_sequence(m.successor::text, 'id')::regclass) >= old.seqmax
        """.encode()
    ).fetchall()
    if rows:
        raise DpmError(
            f"{', '.join(row[0] for row in rows)} has ids that the original's column cannot hold: there is no way back any more."
        )


def _finish(db: Database) -> None:
    """What the cutover leaves to be done while programs work already; doing it again changes nothing."""
    with login(db) as conn:
        for file, text in expand(sql_dir() / "roles.sql"):
            if file.name == "session_defaults.sql":
                conn.execute(text.encode(), prepare=False)
    with owner(db) as conn:
        for call in ("create_monthly_partitions", "create_yearly_partitions"):
            conn.execute(f"select count(*) from {SCHEMA}.{call}(%s)".encode(), [settings().months_ahead])
        if is_prepared(conn):  # or it is the schema of another version, and dpm schema apply brings it up to date
            note_digest(conn)
    stamp(db.url)
