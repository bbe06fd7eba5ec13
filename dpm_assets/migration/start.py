"""`start`: from wherever the migration is to every part copied and verified."""

from collections.abc import Callable

from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.migration.copying import copy_parts
from dpm_assets.migration.disk import refuse_small_disk
from dpm_assets.migration.following import follow_outside, follow_part, follow_side, truncated
from dpm_assets.migration.in_place import Report
from dpm_assets.migration.names import MIGRATION
from dpm_assets.migration.parts import Part, held, parts
from dpm_assets.migration.prepare import list_parts, prepare
from dpm_assets.migration.sessions import alone, copying, login, owner, phase


def start(
    db: Database, report: Report, *, jobs: int = 1, set_aside: bool = False, free_bytes: int | None = None
) -> None:
    """Copy and verify every month and year, and bring over what was written meanwhile. Killed anywhere, the next call goes on.

    After the cutover it brings the original tables up to date with the new ones instead. Raises DpmError when rows of the
    twelve other tables are at fault and not `set_aside`, when the disk (`free_bytes`, or what can be seen of it) has not
    enough room, and for a part that differs from its original.
    """
    if jobs < 1:
        raise DpmError(f"--jobs {jobs}: it must be 1 or more.")
    if moved(db):
        with alone(db) as conn:
            report(
                f"{follow_side(conn, 'successors'):,} account-days brought over to the original tables, which are up to date"
            )
        return
    _set_up(db, report, jobs, set_aside, free_bytes)
    copy_everything(db, report, jobs)


def copy_wanted(
    db: Database, wanted: Callable[[Part], bool], report: Report, *, jobs: int = 1, set_aside: bool = False
) -> list[Part]:
    """The same for some parts; those parts as they are now. Raises DpmError also when the cutover has been."""
    if moved(db):
        raise DpmError("The cutover has been: there is nothing more to copy. dpm migrate verify compares both sides.")
    _set_up(db, report, jobs, set_aside, None)
    _take_note(db, report)
    copy_parts(db, wanted, report, jobs=jobs)
    return _bring_up_to_date(db, wanted)


def moved(db: Database) -> bool:
    """Whether the cutover has been."""
    with owner(db) as conn:
        return phase(conn) == "moved"


def _set_up(db: Database, report: Report, jobs: int, set_aside: bool, free_bytes: int | None) -> None:
    with login(db) as conn:
        refuse_small_disk(conn, jobs, free_bytes)
    prepare(db, report, set_aside=set_aside)


def copy_everything(db: Database, report: Report, jobs: int = 1) -> None:
    """Copy and verify what is not, and bring over what was written since; what is prepared already is taken for granted."""
    _take_note(db, report)
    done = copy_parts(db, lambda part: True, report, jobs=jobs)
    if done:
        report(f"{len(done)} parts copied and verified")
    with copying(db) as conn:
        follow_outside(conn)
    _bring_up_to_date(db, lambda part: True)


def _take_note(db: Database, report: Report) -> None:
    """Of months that are new since the last call, and of originals that were emptied."""
    with owner(db) as conn:
        emptied = truncated(conn)
    if emptied:
        with alone(db) as conn:
            conn.execute(f"select {MIGRATION}.reset_truncated()".encode())
        report(f"{', '.join(emptied)} was emptied with TRUNCATE meanwhile; it is copied from its beginning")
    with copying(db) as conn:
        list_parts(conn, report)


def _bring_up_to_date(db: Database, wanted: Callable[[Part], bool]) -> list[Part]:
    """Bring over what was written to copied parts since; the parts."""
    with copying(db) as conn:
        found = [part for part in parts(conn) if wanted(part)]
        for part in found:
            if part.pending:
                with held(conn, part, wait=True):
                    follow_part(conn, part)
    return found
