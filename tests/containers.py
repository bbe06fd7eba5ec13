"""The containers of deploy/docker as processes: the same commands, entry point, variables, secrets and health checks.

What differs is where things are: a container has a network and folders of its own, a process gets some of the test's.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from dpm_assets.server.state import free_port
from dpm_assets.service import processes

PROJECT = Path(__file__).parent.parent
DOCKER = PROJECT / "deploy" / "docker"
ENTRYPOINT = str(DOCKER / "entrypoint.sh")


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))
    return found


def image_variables() -> dict[str, str]:
    """The ENV of the Dockerfile."""
    text = (DOCKER / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    (line,) = re.findall(r"^ENV (.*)$", text, re.MULTILINE)
    return dict(pair.split("=", 1) for pair in line.split())


class Containers:
    """The services of compose.yaml but for the database, which is a server of the test's at `host`."""

    def __init__(self, folder: Path, host: str) -> None:
        self.folder, self.host = folder, host
        self.secrets = folder / "secrets"
        self.landing = folder / "landing"
        self._running: dict[str, processes.Child] = {}
        self._places = {
            "4000": str(free_port()),
            "3000": str(free_port()),
            "0.0.0.0": "127.0.0.1",
            "/etc/dpm": str(folder),
        }
        for made in (folder / "dagster" / "storage", self.landing):
            made.mkdir(parents=True)
        shutil.copy(PROJECT / "dagster.yaml", folder / "dagster")
        text = (DOCKER / "workspace.yaml").read_text(encoding="utf-8")
        (folder / "workspace.yaml").write_text(
            self._here(text).replace("host: code", "host: 127.0.0.1"), encoding="utf-8"
        )

    @property
    def ui_port(self) -> int:
        return int(self._places["3000"])

    def make_secrets(self) -> None:
        environment = {**os.environ, "DPM_DATABASE_HOST": self.host}
        subprocess.run([DOCKER / "make-secrets.sh", self.secrets], env=environment, check=True)

    def run(self, service: str) -> subprocess.CompletedProcess[str]:
        """A service to its end."""
        command = self._command(compose()["services"][service]["command"])
        return subprocess.run(command, env=self._environment(service), capture_output=True, text=True, check=False)

    def start(self, service: str) -> None:
        command = self._command(compose()["services"][service]["command"])
        self._running[service] = processes.start(service, command, self._environment(service), self.folder / "logs")

    def kill(self, service: str) -> None:
        """What the kernel does to a container that is out of memory: the service and all that it started."""
        child = self._running.pop(service)
        os.killpg(child.process.pid, signal.SIGKILL)
        child.process.wait()

    def is_healthy(self, service: str) -> bool:
        """What its health check says. Fails the test when the service has ended."""
        child = self._running[service]
        assert child.process.poll() is None, processes.last_lines(child.log, 30)
        kind, *command = compose()["services"][service]["healthcheck"]["test"]
        assert kind == "CMD"
        # Unlike a service's command, it is not given to the entry point, unless it names it.
        written = [ENTRYPOINT if word == "dpm-entrypoint" else self._here(word) for word in command]
        done = subprocess.run(written, env=self._environment(service), capture_output=True, check=False)
        return done.returncode == 0

    def stop(self) -> None:
        processes.stop(list(self._running.values()))

    def _command(self, written: list[str]) -> list[str]:
        return [ENTRYPOINT, *map(self._here, written)]

    def _here(self, text: str) -> str:
        """All at once: one place's new name may look like another's."""
        known = "|".join(map(re.escape, self._places))
        return re.sub(rf"(?<!\d)({known})(?!\d)", lambda found: self._places[found[1]], text)

    def _environment(self, service: str) -> Mapping[str, str]:
        """No setting of this process's: a container knows what the image and compose.yaml say."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("DPM_", "DAGSTER_", "PG"))}
        given = {name: "" for name in compose()["services"][service]["environment"]}
        return {
            **clean,
            **image_variables(),
            **given,
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "HOME": str(self.folder),
            "DAGSTER_HOME": str(self.folder / "dagster"),
            "DPM_HOME": str(self.folder),
            "DPM_LANDING": str(self.landing),
            "DPM_SECRETS": str(self.secrets),
        }
