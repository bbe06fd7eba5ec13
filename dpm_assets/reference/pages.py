"""All pages of docs/reference, by file name."""

from pathlib import Path
from typing import Any

import psycopg

from dpm_assets.database import SCHEMA
from dpm_assets.reference.catalogue import relations, routines
from dpm_assets.reference.commands import commands_page
from dpm_assets.reference.schema import schema_pages
from dpm_assets.reference.settings import settings_page
from dpm_assets.settings import project_dir

FOLDER = project_dir() / "docs" / "reference"


def reference_pages(conn: psycopg.Connection[Any]) -> dict[str, str]:
    """The pages of this installation; `conn` leads to a database that sql/schema.sql has made."""
    conn.execute("select set_config('search_path', %s, false)", [SCHEMA])  # names of the schema are written without it
    of_schema = schema_pages(relations(conn), routines(conn))
    return {"commands.md": commands_page(), "settings.md": settings_page(), **of_schema}


def write_pages(folder: Path, pages: dict[str, str]) -> None:
    """Make the folder hold exactly these pages."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages.items():
        (folder / name).write_text(text, encoding="utf-8")
    for old in folder.glob("*.md"):
        if old.name not in pages:
            old.unlink()
