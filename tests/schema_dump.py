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
    """What pg_dump --schema-only writes, object by object, without settings and the random key that it has since 2025."""
    text = program(server, "pg_dump", "--schema-only", *arguments, "-d", url)
    objects = re.split(r"^--\n-- Name: .*\n--\n", text, flags=re.MULTILINE)[1:]
    aside = re.compile(r"^(\\(un)?restrict .*|SET .*;|--( PostgreSQL database dump complete)?)$", flags=re.MULTILINE)
    return [aside.sub("", piece).strip() for piece in objects]


def normalised(objects: list[str]) -> list[str]:
    """The objects in an order of their own, with one leaf for each form that leaves have: a database's months differ with
    its rows and with the day. Left out is what says which version the schema has, Alembic's table and the schema's comment;
    and extensions, which are the database's and stay when the schema goes."""
    aside = ("COMMENT ON SCHEMA", "CREATE EXTENSION", "COMMENT ON EXTENSION")
    leaf = re.compile(r"\b((?:raw_trades_closed|rollup_account_symbol_day)_\d{4}_\d\d|raw_metrics_daily_\d{4})")
    without_months = {
        re.sub(r"'\d{4}-\d\d-\d\d'", "'DAY'", leaf.sub(lambda found: re.sub(r"[_\d]+$", "_LEAF", found[0]), text))
        for text in objects
        if "alembic_version" not in text and not text.startswith(aside)
    }
    return sorted(without_months)
