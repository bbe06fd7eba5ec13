"""The commands of the documentation, as shell, to be run as they stand."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

_PAGE = Path(__file__).parent.parent / "docs" / "operation.md"


def commands(title: str) -> str:
    """The commands of a block that begins with the comment `title`, or of the indented lines after that heading."""
    text = _PAGE.read_text(encoding="utf-8")
    block = re.search(rf"```sh\n# {re.escape(title)}\n(.*?)```", text, re.DOTALL)
    if block:
        return block[1]
    section = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    assert section, f"{_PAGE.name} has nothing that is called {title}"
    return "".join(f"{line}\n" for line in re.findall(r"^    (\S.*)$", section[1], re.MULTILINE))


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
