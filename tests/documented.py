"""The commands of the documentation, as shell, to be run as they stand."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

_PAGE = Path(__file__).parent.parent / "docs" / "operation.md"


def commands(title: str) -> str:
    """The commands of the block that begins with the comment `title`."""
    block = re.search(rf"```sh\n# {re.escape(title)}\n(.*?)```", _PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert block, f"{_PAGE.name} has no commands that are called {title}"
    return block[1]


def run(title: str, replaced: Mapping[str, str], **variables: str) -> str:
    """Run them with bash, each `replaced` text being another; what they print. A command that fails fails the test."""
    shell = commands(title)
    for old, new in replaced.items():
        assert old in shell, f"{old} is not among the commands of {title}"
        shell = shell.replace(old, new)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("DPM_", "PG"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", shell],
        env={**clean, **variables, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{shell}\n{done.stdout}\n{done.stderr}"
    return done.stdout
