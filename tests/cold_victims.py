"""Archives and restores in processes of their own, which kill themselves, as kill -9 does, when a step has been done."""

import os
import signal
from multiprocessing.process import BaseProcess
from pathlib import Path

from dpm_assets.database import Database
from dpm_assets.partitions.cold import places
from dpm_assets.partitions.cold.archive import archive
from dpm_assets.partitions.cold.restore import restore
from dpm_assets.partitions.cold.tables import Part
from tests.forking import forks_of

_processes = forks_of(__name__)


def archive_until(url: str, root: Path, part: Part, step: str) -> BaseProcess:
    """`step` is a step of archive(), or "writing": in the middle of the file."""
    return _start(_archive, url, root, part, step)


def restore_until(url: str, root: Path, part: Part, step: str) -> BaseProcess:
    """`step` is a step of restore(), or "copying": when the rows are copied and nothing is committed; "deleted": the file."""
    return _start(_restore, url, root, part, step)


def killed(process: BaseProcess) -> None:
    process.join(60)
    assert process.exitcode == -signal.SIGKILL


def _start(target: object, *arguments: object) -> BaseProcess:
    process = _processes.Process(target=target, args=arguments)  # type: ignore[arg-type]
    process.start()
    return process


def _die(*_: object) -> str:
    os.kill(os.getpid(), signal.SIGKILL)
    return "never"


def _archive(url: str, root: Path, part: Part, step: str) -> None:
    if step == "writing":
        places.sha256_of = _die  # type: ignore[assignment]  # the part is written and has not taken its place
    with Database(url, application_name="victim") as db:
        for done in archive(db, part, root):
            if done.name == step:
                _die()


def _restore(url: str, root: Path, part: Part, step: str) -> None:
    from dpm_assets.partitions.cold.parquet import Content

    if step == "copying":
        Content.check = _die  # type: ignore[assignment]
    if step == "deleted":
        remove = places.remove
        places.remove = lambda location: None if remove(location) else _die()  # type: ignore[assignment]
    with Database(url, application_name="victim") as db:
        for done in restore(db, part):
            if done.name == step:
                _die()
