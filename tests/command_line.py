"""`dpm` for the tests: the program's own `main` in this process, which starts in a moment, or a process of its own."""

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from dpm_assets.cli import main
from dpm_assets.settings import settings


@dataclass(frozen=True)
class Ended:
    returncode: int
    stdout: str
    stderr: str


def dpm(url: str | None, *arguments: str | Path, home: Path | None = None) -> Ended:
    """What a command says and ends with, of the database at `url` or of the embedded server of `home`; an error that it
    does not say in a sentence fails the test."""
    out, errors = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="") for _ in range(2))
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(errors):
        for name, setting in {"DPM_DATABASE_URL": url, "DPM_HOME": home}.items():
            if setting:
                patch.setenv(name, str(setting))
        patch.setenv("COLUMNS", "200")
        patch.setattr(sys, "argv", ["dpm", *map(str, arguments)])
        settings.cache_clear()
        with pytest.raises(SystemExit) as ended:
            main()
    settings.cache_clear()
    return Ended(int(ended.value.code or 0), _written(out), _written(errors))


def dpm_process(url: str, *arguments: str | Path) -> Ended:
    """The same of a process, with pipes."""
    done = subprocess.run(
        [sys.executable, "-m", "dpm_assets", *map(str, arguments)],
        env={**os.environ, "DPM_DATABASE_URL": url, "COLUMNS": "200"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def _written(stream: io.TextIOWrapper) -> str:
    stream.flush()
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue().decode()
