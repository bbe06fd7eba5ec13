"""What SQL was measured: a run goes on only with the same."""

import hashlib
from pathlib import Path

from dpm_assets.settings import sql_dir

_OWNERS = {
    "maintenance/performance_tests.sql": "questions",
    "schema_baseline.sql": "baseline",
    "archive/v1_conservative/": "v1",
    "archive/v2_balanced/": "v2",
}


def sql_digests() -> dict[str, str]:
    """SHA-256 over the SQL files that a run measures: of each system, and of the questions that are put to all of them."""
    folder = sql_dir()
    files: dict[str, list[Path]] = {"questions": [], "baseline": [], "v1": [], "v2": [], "production": []}
    for path in sorted(folder.rglob("*.sql")):
        owner = _owner(path.relative_to(folder).as_posix())
        if owner:
            files[owner].append(path)
    return {owner: _digest(folder, paths) for owner, paths in files.items()}


def digest_of(schema: str) -> str:
    """That of the system whose schema this file of sql/ is."""
    return sql_digests()[_owner(schema) or schema]


def _owner(path: str) -> str | None:
    """Whose a file is; None for what no run executes."""
    if path.startswith(("migrations/", "oracle/")):
        return None
    for start, owner in _OWNERS.items():
        if path.startswith(start):
            return owner
    return "production"


def _digest(folder: Path, paths: list[Path]) -> str:
    found = hashlib.sha256()
    for path in paths:
        found.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return found.hexdigest()[:16]
