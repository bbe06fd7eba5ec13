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
from dpm_assets.partitions.cold.places import file_of, read_from, sha256_of, written_to
from dpm_assets.partitions.cold.tables import TABLES, Part


def listed_cold_files(conn: psycopg.Connection[Any]) -> list[ColdFile]:
    """What the database knows of the archive; nothing where it is not a warehouse with one."""
    row = conn.execute("select to_regclass('prop_trading_model.cold_files') is not null").fetchone()
    if not (row and row[0]):
        return []
    rows = conn.execute(
        "select parent_table, lower::text, location, bytes, file_sha256 from prop_trading_model.cold_files order by 1, 2"
    ).fetchall()
    return [
        ColdFile(parent_table, lower, location, size, digest, copy=None)
        for parent_table, lower, location, size, digest in rows
    ]


def copy_cold_files(listed: list[ColdFile], folder: Path, say: Callable[[str], None]) -> list[ColdFile]:
    """Copy each file into the backup, and compare the copy with the hash that the database has."""
    copied = []
    for cold in listed:
        copy = f"cold/{_part(cold).file}"
        target = folder / copy
        target.parent.mkdir(parents=True, exist_ok=True)
        with read_from(cold.location) as path:
            shutil.copyfile(path, target)
        if sha256_of(target) != cold.sha256:
            raise DpmError(
                f"{cold.location} is damaged: its bytes are not those that were archived. Put it back from a copy of yours."
            )
        copied.append(replace(cold, copy=copy))
    if copied:
        say(f"archive: {len(copied)} files copied")
    return copied


def bring_back_cold_files(
    conn: psycopg.Connection[Any], listed: list[ColdFile], folder: Path, root: str, say: Callable[[str], None]
) -> list[str]:
    """See that every file of the archive is where a database just restored says, or else copy it from the backup under `root`.

    Returns the locations of those that are neither there nor in the backup.
    """
    missing = []
    for cold in listed:
        if _is_whole(cold.location, cold.sha256):
            continue
        if cold.copy is None:
            missing.append(cold.location)
            continue
        location = file_of(root, _part(cold))
        if not _is_whole(location, cold.sha256):
            with written_to(location) as path:
                shutil.copyfile(folder / cold.copy, path)
        with conn.transaction():
            for table in ("cold_files", "partition_state"):
                conn.execute(
                    psycopg.sql.SQL("update {} set location = %s where parent_table = %s and lower = %s").format(
                        psycopg.sql.Identifier("prop_trading_model", table)
                    ),
                    [location, cold.parent_table, cold.lower],
                )
        say(f"archive: {_part(cold)} brought back as {location}")
    return missing


def _is_whole(location: str, digest: str) -> bool:
    try:
        with read_from(location) as path:
            return sha256_of(path) == digest
    except (DpmError, OSError):
        return False


def _part(cold: ColdFile) -> Part:
    return Part(TABLES[cold.parent_table], date.fromisoformat(cold.lower))
