"""Dagster's home and its own database."""

import shutil
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from dpm_assets.errors import DpmError
from dpm_assets.private import private_folder
from dpm_assets.server.connect import embedded_server
from dpm_assets.server.embedded import DAGSTER_DATABASE
from dpm_assets.settings import project_dir, settings, url_text


def dagster_home() -> Path:
    """DAGSTER_HOME of this warehouse, with dagster.yaml in it (one of the user's own stays as it is)."""
    home = private_folder(settings().home / "dagster")
    source = project_dir() / "dagster.yaml"
    if not source.is_file():
        source = Path(__file__).parent / "dagster.yaml"
    target = home / "dagster.yaml"
    if not target.exists() or _is_ours(target):
        shutil.copyfile(source, target)
    return home


def _is_ours(file: Path) -> bool:
    return file.read_text(encoding="utf-8").startswith("# Dagster's own instance. `dpm up`")


def storage_url() -> str:
    """The database of Dagster's runs and events, as SQLAlchemy with psycopg2 wants it.

    DPM_DAGSTER_URL, or a database beside the warehouse's, made at the first start. On one's own server its name is the
    warehouse's with _dagster: a database named dagster may be another Dagster's, whose runs are not ours to touch.
    """
    given = settings().dagster_url
    if given is not None:
        return with_driver(given.get_secret_value())
    own = settings().database_url
    if own is None:
        return with_driver(embedded_server().service_url(DAGSTER_DATABASE))
    url = make_url(own.get_secret_value())
    name = f"{url.database}_dagster"
    _make_database(own.get_secret_value(), name)
    return with_driver(url_text(url.set(database=name)))


def with_driver(url: str) -> str:
    """A `postgresql://` URL with psycopg2 named: SQLAlchemy would otherwise pick another driver, and runs would fail."""
    return url_text(make_url(url).set(drivername="postgresql+psycopg2"))


def _make_database(url: str, name: str) -> None:
    with psycopg.connect(url, autocommit=True) as conn:
        if conn.execute("select from pg_database where datname = %s", [name]).fetchone() is not None:
            return
        try:
            conn.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        except psycopg.errors.InsufficientPrivilege:
            raise DpmError(
                "Dagster needs a database of its own, and this login may not create one. Have a database made, and set "
                "DPM_DAGSTER_URL to its postgresql:// URL."
            ) from None
