"""`dpm migrate` commands in processes of their own, to be killed: forked from one that has everything imported."""

import sys
from multiprocessing.process import BaseProcess

import psycopg

from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.migration import copying
from dpm_assets.migration.start import start
from tests.forking import forks_of

# Small, so that a few thousand rows are many bites.
BITE_ROWS = 200

_processes = forks_of(__name__)


def starting(url: str, jobs: int = 1) -> BaseProcess:
    """`dpm migrate start --set-aside`. Exit code 1 when it fails with a sentence, as it does when it loses its server."""
    process = _processes.Process(target=_start, args=(url, jobs))
    process.start()
    return process


def _start(url: str, jobs: int) -> None:
    copying.BITE_ROWS = BITE_ROWS
    try:
        with Database(url, application_name="victim", max_connections=20) as db:
            start(db, lambda _: None, jobs=jobs, set_aside=True)
    except (DpmError, psycopg.Error) as error:
        sys.exit(str(error))
