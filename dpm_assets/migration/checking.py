"""`verify`: both sides of every month (year) compared again, before and after the cutover."""

from collections.abc import Sequence

from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.migration.in_place import Report
from dpm_assets.migration.names import MIGRATION
from dpm_assets.migration.parts import Part, parts
from dpm_assets.migration.sessions import owner, phase


def check_parts(db: Database, wanted: Sequence[str], report: Report) -> list[Part]:
    """Compare the parts that these keys (2024-03, 2024) name, or all; those that differ. Account-days that wait to be brought
    over are left out. Raises DpmError when nothing has been started, or a key names no part that is copied."""
    differing = []
    with owner(db) as conn:
        if phase(conn) is None:
            raise DpmError("No migration has been started. Begin with dpm migrate plan, then dpm migrate start.")
        copied = [part for part in parts(conn) if part.state in ("attached", "verified")]
        if unknown := set(wanted) - {part.key for part in copied}:
            raise DpmError(
                f"Not copied, or no month of these tables: {', '.join(sorted(unknown))}. See dpm migrate status."
            )
        for part in copied:
            if wanted and part.key not in wanted:
                continue
            row = conn.execute(
                f"select original_has, successor_has, equal from {MIGRATION}.compare_part(%s, %s)".encode(),
                [part.table, part.starts],
            ).fetchone()
            assert row is not None
            if row[2]:
                report(f"{part.name}: equal, {row[0]['rows']:,} rows")
            else:
                differing.append(part)
                differences = [f"{key} {row[0][key]} and {row[1][key]}" for key in row[0] if row[0][key] != row[1][key]]
                report(f"{part.name}: DIFFERS, original and new: {'; '.join(differences)}")
    return differing
