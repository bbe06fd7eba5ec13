"""Databases in the middle of a migration, made once and copied for each test."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from dpm_assets.database import run_file
from dpm_assets.server import EmbeddedServer
from dpm_assets.settings import sql_dir
from tests.baselines import baseline_template, copied_database, made_once
from tests.command_line import dpm


@contextmanager
def migrating(server: EmbeddedServer, *commands: str, rows: int = 300, dirty: bool = False) -> Iterator[str]:
    """The administrator's URL of a new database with the baseline, on which these `dpm migrate` commands have been done."""

    def migrate(url: str) -> None:
        for command in commands:
            done = dpm(url, "migrate", command, *(["--set-aside"] if command == "start" else []))
            assert done.returncode == 0, done.stderr

    source = baseline_template(server, rows, dirty)
    with copied_database(server, made_once(server, f"{source}_{'_'.join(commands)}", source, migrate)) as url:
        if "cutover" in commands:
            with psycopg.connect(url, autocommit=True) as conn:
                run_file(conn, sql_dir() / "session_defaults.sql")  # the settings of a database are not copied
        yield url
