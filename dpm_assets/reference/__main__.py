"""`python -m dpm_assets.reference [FOLDER]` writes the pages of docs/reference from a database of its own, which it makes."""

import sys
import tempfile
from pathlib import Path

import psycopg

from dpm_assets.database import run_file
from dpm_assets.reference.pages import FOLDER, reference_pages, write_pages
from dpm_assets.server import EmbeddedServer
from dpm_assets.settings import sql_dir

_MEMORY = 512 * 2**20


def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="dpm-reference-") as home:
        server = EmbeddedServer(Path(home) / "home", memory=_MEMORY)
        server.start()
        try:
            with psycopg.connect(server.url(), autocommit=True) as conn:
                run_file(conn, sql_dir() / "schema.sql")
                pages = reference_pages(conn)
        finally:
            server.stop()
    write_pages(folder, pages)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
