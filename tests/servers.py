"""Servers of a test's own, in folders of their own."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from dpm_assets.server import EmbeddedServer
from tests.places import open_folder

SMALL = 512 * 2**20
OLDEST = Path("/usr/lib/postgresql/15/bin")

MakeServer = Callable[[Path], EmbeddedServer]

needs_oldest = pytest.mark.skipif(not OLDEST.is_dir(), reason="no PostgreSQL 15 here")
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another user for the server")


@contextmanager
def own_server(what: str) -> Iterator[EmbeddedServer]:
    """A running server as users have it, of the programs that DPM_TEST_PG_BIN names; stopped and gone at the end."""
    binaries = os.environ.get("DPM_TEST_PG_BIN")
    with open_folder(what) as home:
        running = EmbeddedServer(home, Path(binaries) if binaries else None, memory=SMALL)
        running.start()
        try:
            yield running
        finally:
            running.stop()
