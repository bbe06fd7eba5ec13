"""The Parquet files of the archive in a backup: listed with their hashes, and copied if asked for."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import psycopg

from dpm_assets.backup.manifest import ColdFile
from dpm_assets.errors import DpmError
from dpm_assets.loads.taking import is_url
from dpm_assets.partitions.cold.places import file_of, is_there, read_from, sha256_of, written_to
from dpm_assets.partitions.cold.tables import TABLES, Part
from dpm_assets.settings import settings


def listed_cold_files(conn: psycopg.Connection[Any]) -> list[ColdFile]:
    """What the database knows of the archive; nothing where it is not a warehouse with one."""
    if not _has_archive(conn):
        return []
    rows = conn.execute(
        "select parent_table, f.lower::text, f.location, bytes, file_sha256 from prop_trading_model.cold_files as f"
        " join prop_trading_model.partition_state as s using (parent_table, lower)"
        " where s.state in ('cold', 'restoring') order by 1, 2"  # of a month that is hot again the file may be gone
    ).fetchall()
    return [
        ColdFile(parent_table, lower, location, size, digest, copy=None)
        for parent_table, lower, location, size, digest in rows
    ]


def _has_archive(conn: psycopg.Connection[Any]) -> bool:
    row = conn.execute("select to_regclass('prop_trading_model.cold_files') is not null").fetchone()
    return row == (True,)


def copy_cold_files(
    listed: list[ColdFile], folder: Path, say: Callable[[str], None]
) -> tuple[list[ColdFile], list[str]]:
    """Copy each file into the backup, and compare the copy with the hash that the database has.

    Returns all of them, and a sentence for each that could not be copied: the dumps are worth keeping without it.
    """
    copied, complaints = [], []
    for cold in listed:
        copy = f"cold/{_part(cold).file}"
        try:
            _copy_one(cold, folder / copy)
        except DpmError as error:
            (folder / copy).unlink(missing_ok=True)
            complaints.append(str(error))
            copied.append(cold)
        else:
            copied.append(replace(cold, copy=copy))
    if listed:
        say(f"archive: {len(listed) - len(complaints)} files copied")
    return copied, complaints


def _copy_one(cold: ColdFile, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with read_from(cold.location) as path:
        shutil.copyfile(path, target)
    if sha256_of(target) != cold.sha256:
        raise DpmError(
            f"{cold.location} is damaged: its bytes are not those that were archived. Put it back from a copy of yours."
        )


def disown_cold_files(conn: psycopg.Connection[Any]) -> None:
    """In a database just restored, or copied with its server: it has written none of the files that it knows, and
    bring_back_cold_files() says which of them become its own.

    Of a month whose archive or restore was under way when the copy was taken, the original may have made the file its
    only copy since, whether it was known as written by then or not.
    """
    if _has_archive(conn):
        conn.execute("update prop_trading_model.partition_state set location = null")


def bring_back_cold_files(
    conn: psycopg.Connection[Any], listed: list[ColdFile], folder: Path, root: str, say: Callable[[str], None]
) -> list[str]:
    """See that a database just restored finds every file of the archive: under `root`, where it is or a copy from the backup
    goes, or else where it was. Of a file that was there before, another database may be the owner: it is noted as not ours.
    Asked again later, it leaves alone what has been restored from the archive, or archived anew, since.

    Returns a sentence for each that is nowhere, or whose place another file has.
    """
    complaints = []
    known = {(cold.parent_table, cold.lower): cold.sha256 for cold in listed_cold_files(conn)}
    for cold in listed:
        part, here = _part(cold), file_of(root, _part(cold))
        if known.get((cold.parent_table, cold.lower)) != cold.sha256:
            say(f"archive: {part} was restored from it, or archived anew, since the backup, and stays as it is")
            continue
        if _is_whole(here, cold.sha256):
            _note(conn, cold, here, ours=_is_at_home(here) or _is_ours(conn, cold, here))
        elif cold.copy is not None and not is_there(here):
            with written_to(here) as path:
                shutil.copyfile(folder / cold.copy, path)
            _note(conn, cold, here, ours=True)
            say(f"archive: {part} brought back as {here}")
        elif _is_whole(cold.location, cold.sha256):
            _note(conn, cold, cold.location, ours=False)
            say(f"archive: {part} stays in {cold.location}: keep that file, or copy it to {here} and restore again")
        elif cold.copy is not None:
            complaints.append(
                f"{here} is another file than that of the backup, and was left: set DPM_COLD_LOCATION to a folder of this"
                " database alone, and restore again"
            )
        else:
            complaints.append(
                f"{cold.location} of the archive is missing, and the backup has no copy: put one of yours to {here}, and restore"
                " again"
            )
    return complaints


def _is_at_home(location: str) -> bool:
    """The home of an embedded server belongs to one warehouse; several databases of a server of one's own may share a home."""
    if settings().database_url is not None or is_url(location):
        return False
    return Path(location).is_relative_to(settings().home)


def _is_ours(conn: psycopg.Connection[Any], cold: ColdFile, location: str) -> bool:
    """Whether this database has written it, as an earlier call of the same restore did."""
    row = conn.execute(
        "select location from prop_trading_model.partition_state where parent_table = %s and lower = %s",
        [cold.parent_table, cold.lower],
    ).fetchone()
    return row == (location,)


def _note(conn: psycopg.Connection[Any], cold: ColdFile, location: str, *, ours: bool) -> None:
    with conn.transaction():
        for table, noted in (("cold_files", location), ("partition_state", location if ours else None)):
            conn.execute(
                psycopg.sql.SQL("update {} set location = %s where parent_table = %s and lower = %s").format(
                    psycopg.sql.Identifier("prop_trading_model", table)
                ),
                [noted, cold.parent_table, cold.lower],
            )


def _is_whole(location: str, digest: str) -> bool:
    try:
        with read_from(location) as path:
            return sha256_of(path) == digest
    except (DpmError, OSError):
        return False


def _part(cold: ColdFile) -> Part:
    return Part(TABLES[cold.parent_table], date.fromisoformat(cold.lower))
