"""The schema of a database as pg_dump says it, in a form in which two databases can be compared."""

import re
import subprocess
from pathlib import Path

from dpm_assets.server import EmbeddedServer


def program(server: EmbeddedServer, name: str, *arguments: str) -> str:
    """The output of psql or pg_dump of the server's own version, without anybody's settings."""
    done = subprocess.run(
        [str(Path(server.state().binaries) / name), *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def apply(server: EmbeddedServer, url: str, file: Path) -> str:
    return program(server, "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", url, "-f", str(file))


def dumped(server: EmbeddedServer, url: str, *arguments: str) -> list[str]:
    """What pg_dump --schema-only writes, without its comments, settings and the random key that it has since 2025."""
    text = program(server, "pg_dump", "--schema-only", *arguments, "-d", url)
    without = re.sub(
        r"^(--.*|\\(un)?restrict .*|set .*;|SET .*;|SELECT pg_catalog\.set_config.*)$", "", text, flags=re.MULTILINE
    )
    return [piece.strip() for piece in re.split(r";\n\n", without) if piece.strip()]


def normalised(statements: list[str]) -> list[str]:
    """The statements in an order of their own, with one leaf for each form that leaves have: a database's months differ
    with its rows and with the day. Alembic's own table is left out."""
    without_months = [
        re.sub(r"'\d{4}-\d\d-\d\d'", "'DAY'", re.sub(r"_(\d{4}_\d\d|\d{4})\b(?!')", "_LEAF", text))
        for text in statements
        if "alembic_version" not in text
    ]
    return sorted(set(without_months))
