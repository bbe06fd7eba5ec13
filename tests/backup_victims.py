"""Backups, restores and upgrades in processes of their own, which kill themselves at a step; forked from one that has all
of it imported."""

import os
import signal
import sys
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

from dpm_assets.backup.restore import restore
from dpm_assets.backup.take import back_up
from dpm_assets.errors import DpmError
from dpm_assets.server import EmbeddedServer
from dpm_assets.server.upgrade import upgrade
from dpm_assets.settings import settings
from tests.environment import Environment, adopt, own_settings
from tests.forking import forks_of
from tests.servers import SMALL

_processes = forks_of(__name__)


def backing_up(home: Path, target: Path, killed_at: str | None = None) -> BaseProcess:
    """`dpm backup --copy-cold` of the embedded server of a home. Exit code 1 when it fails with a sentence."""
    return _start(_back_up, home, target, killed_at)


def restoring(home: Path, folder: Path, killed_at: str | None = None) -> BaseProcess:
    return _start(_restore, home, folder, killed_at)


def upgrading(home: Path, killed_at: str | None = None) -> BaseProcess:
    """`dpm server upgrade`, by programs that are found by themselves."""
    return _start(_upgrade, home, home, killed_at)


def _start(target: Callable[..., None], *arguments: object) -> BaseProcess:
    process = _processes.Process(target=_with_settings, args=(own_settings(), target, *arguments))
    process.start()
    return process


def _with_settings(given: Environment, target: Callable[..., None], *arguments: object) -> None:
    adopt(given)
    target(*arguments)


def _killed(at: str | None) -> Callable[[str], None]:
    def say(text: str) -> None:
        if at and at in text:
            os.kill(os.getpid(), signal.SIGKILL)

    return say


def _back_up(home: Path, target: Path, killed_at: str | None) -> None:
    _choose(home)
    try:
        back_up(target, _killed(killed_at), jobs=2, copy_cold=True)
    except DpmError as error:
        sys.exit(str(error))


def _restore(home: Path, folder: Path, killed_at: str | None) -> None:
    _choose(home)
    try:
        restore(folder, _killed(killed_at), jobs=2)
    except DpmError as error:
        sys.exit(str(error))


def _upgrade(home: Path, _: Path, killed_at: str | None) -> None:
    try:
        upgrade(EmbeddedServer(home, None, SMALL), _killed(killed_at), jobs=2)
    except DpmError as error:
        sys.exit(str(error))


def _choose(home: Path) -> None:
    os.environ["DPM_HOME"] = str(home)
    settings.cache_clear()
