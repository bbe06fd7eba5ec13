"""manifest.json, the last file of a backup that is written: what the backup holds, with the size and hash of each file."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dpm_assets.backup.roles import Membership, RoleRecord
from dpm_assets.errors import DpmError
from dpm_assets.partitions.cold.places import sha256_of

NAME = "manifest.json"
FORMAT = 2
# What a backup of the first format was dumped by stands once for all of its databases.
_READ = (1, FORMAT)


@dataclass(frozen=True)
class DumpedDatabase:
    """A database's dump in the folder of that name, the rows of each table, its settled leaves (None: it has none), and the major
    versions of its server and of the pg_dump that dumped it."""

    folder: str
    server_major: int
    rows: dict[str, int]
    settled_leaves: list[str] | None
    dumped_by: int


@dataclass(frozen=True)
class ColdFile:
    """A file of the archive; `copy` is where the backup holds it, None when it is only listed."""

    parent_table: str
    lower: str
    location: str
    bytes: int
    sha256: str
    copy: str | None


@dataclass(frozen=True)
class Manifest:
    backup_id: str
    made_at: str
    databases: list[DumpedDatabase]
    roles: list[RoleRecord]
    memberships: list[Membership]
    cold_files: list[ColdFile]
    files: dict[str, tuple[int, str]]

    @property
    def bytes(self) -> int:
        return sum(size for size, _ in self.files.values())

    def write(self, folder: Path) -> None:
        """Whole, and on the disk: with it the backup counts as one."""
        with (folder / NAME).open("w", encoding="utf-8") as file:
            json.dump({"format": FORMAT, **asdict(self)}, file, indent=1)
            file.flush()
            os.fsync(file.fileno())


def read_manifest(folder: Path) -> Manifest:
    """Raises DpmError where there is no whole backup."""
    try:
        found: dict[str, Any] = json.loads((folder / NAME).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise DpmError(
            f"{folder} is no backup: there is no {NAME} in it. Name the folder that dpm backup made."
        ) from None
    except ValueError:
        raise DpmError(f"{folder / NAME} is damaged. Use another backup.") from None
    if found.pop("format", None) not in _READ:
        raise DpmError(f"{folder} was made by another version of dpm. Restore it with that one.")
    dumped_by = {"dumped_by": found.pop("dumped_by", None)}
    return Manifest(
        **found
        | {
            "databases": [DumpedDatabase(**dumped_by | one) for one in found["databases"]],
            "roles": [RoleRecord(**one) for one in found["roles"]],
            "memberships": [Membership(**one) for one in found["memberships"]],
            "cold_files": [ColdFile(**one) for one in found["cold_files"]],
            "files": {name: (size, digest) for name, (size, digest) in found["files"].items()},
        }
    )


def hashes_of(folder: Path) -> dict[str, tuple[int, str]]:
    """Size and SHA-256 of every file below a folder, by its path in it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != NAME)
    return {str(path.relative_to(folder)): (path.stat().st_size, sha256_of(path)) for path in files}


def refuse_damaged(folder: Path, manifest: Manifest) -> None:
    """Read every file of a backup and compare. Raises DpmError naming what is missing or has other bytes."""
    found = hashes_of(folder)
    wrong = [name for name, known in manifest.files.items() if found.get(name) != known]
    if wrong:
        what = "missing" if wrong[0] not in found else "not as it was written"
        raise DpmError(
            f"The backup {folder} is damaged: {wrong[0]} is {what} ({len(wrong)} of {len(manifest.files)} files). "
            "Fetch it again from where it is kept, or use another backup."
        )
