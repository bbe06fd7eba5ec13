"""`start`: from wherever the migration is to every part copied and verified."""

from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.migration.copying import copy_parts
from dpm_assets.migration.disk import refuse_small_disk
from dpm_assets.migration.following import follow_outside, follow_part, follow_successors, truncated
from dpm_assets.migration.in_place import Report
from dpm_assets.migration.names import MIGRATION
from dpm_assets.migration.parts import held, parts
from dpm_assets.migration.prepare import list_parts, prepare
from dpm_assets.migration.sessions import alone, copying, owner, phase


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
    with db.connection(None) as conn:
        moved = phase(conn) == "moved"
    if moved:
        with alone(db) as conn:
            report(
                f"{follow_successors(conn):,} account-days brought over to the original tables, which are up to date"
            )
        return
    with db.connection(None) as conn:
        refuse_small_disk(conn, jobs, free_bytes)
    prepare(db, report, set_aside=set_aside)
    copy_everything(db, report, jobs)


def copy_everything(db: Database, report: Report, jobs: int = 1) -> None:
    """Copy and verify what is not, and bring over what was written since; what is prepared already is taken for granted."""
    with owner(db) as conn:
        emptied = truncated(conn)
    if emptied:
        with alone(db) as conn:
            conn.execute(f"select {MIGRATION}.reset_truncated()".encode())
        report(f"{', '.join(emptied)} was emptied with TRUNCATE meanwhile; it is copied from its beginning")
    with copying(db) as conn:
        list_parts(conn, report)
    done = copy_parts(db, lambda part: True, report, jobs=jobs)
    if done:
        report(f"{len(done)} parts copied and verified")
    with copying(db) as conn:
        follow_outside(conn)
        for part in parts(conn):
            if part.pending:
                with held(conn, part, wait=True):
                    follow_part(conn, part)
