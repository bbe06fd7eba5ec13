"""The files of deploy/: that they fit together and are safe, and that what they start works."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from dpm_assets.server import EmbeddedServer
from tests.containers import DOCKER, PROJECT, Containers, compose
from tests.places import open_folder
from tests.servers import own_server
from tests.service import wait_for
from tests.trade_rows import HEADER, trade

SYSTEMD = PROJECT / "deploy" / "systemd"
HELM = PROJECT / "deploy" / "helm"
PROGRAMS = Path(sys.executable).parent
SERVICES = ("code", "daemon", "webserver")


@pytest.fixture(scope="module")
def databases() -> Iterator[EmbeddedServer]:
    """A server without the databases and the login that the embedded one makes for itself."""
    with own_server("containers") as server:
        with psycopg.connect(server.url("postgres"), autocommit=True) as conn:
            conn.execute("drop database dpm")
            conn.execute("drop database dagster")
            conn.execute("drop role dpm_service")
        yield server


@pytest.fixture
def containers(databases: EmbeddedServer) -> Iterator[Containers]:
    with open_folder("containers") as folder:
        made = Containers(folder, f"127.0.0.1:{databases.state().port}")
        yield made
        made.stop()


def initialise(containers: Containers, server: EmbeddedServer) -> None:
    """What the database's container does at its first start."""
    parts = psycopg.conninfo.conninfo_to_dict(server.url("postgres"))
    subprocess.run(
        ["bash", str(DOCKER / "initdb" / "10_databases.sh")],
        env={
            "PATH": f"{server.state().binaries}:/usr/bin:/bin",
            "PGHOST": "127.0.0.1",
            "PGPORT": str(parts["port"]),
            "PGPASSWORD": str(parts["password"]),
            "POSTGRES_USER": "postgres",
            "DPM_SECRETS": str(containers.secrets),
        },
        check=True,
    )


def shown(containers: Containers) -> int:
    url = (containers.secrets / "dpm_database_url").read_text()
    with psycopg.connect(url) as conn:
        row = conn.execute("select coalesce(sum(total_trades), 0) from mv_daily_trading_stats").fetchone()
        waiting = conn.execute("select keys, views from pending_changes()").fetchone()
    assert row is not None
    return int(row[0]) if waiting == (0, []) else -1


def drop(containers: Containers, name: str, *rows: str) -> None:
    """A file into the landing folder, whole at once."""
    folder = containers.landing / "trades"
    folder.mkdir(exist_ok=True)
    (containers.landing / name).write_text("\n".join((HEADER, *rows)) + "\n")
    (containers.landing / name).rename(folder / name)


@pytest.mark.service
@pytest.mark.xdist_group("service")
def test_the_services_refresh_what_lands_each_of_them_a_process_of_its_own(
    containers: Containers, databases: EmbeddedServer
) -> None:
    containers.make_secrets()
    initialise(containers, databases)
    applied = containers.run("schema")
    assert applied.returncode == 0, applied.stderr
    containers.start("code")
    wait_for(lambda: containers.is_healthy("code"), 60, "a healthy code server")
    for service in ("daemon", "webserver"):
        containers.start(service)
    drop(containers, "first.csv", *(trade(f"t{n}") for n in range(5)))
    wait_for(lambda: shown(containers) == 5, 90, "five trades in the view")
    for service in SERVICES:
        wait_for(partial(containers.is_healthy, service), 60, f"{service} being healthy")
    containers.kill("code")
    drop(containers, "second.csv", *(trade(f"u{n}") for n in range(4)))
    containers.start("code")
    wait_for(lambda: shown(containers) == 9, 120, "nine trades after the code server came back")


def test_secrets_are_made_once_and_kept_from_others(containers: Containers) -> None:
    containers.make_secrets()
    before = {file.name: file.read_text() for file in containers.secrets.iterdir()}
    containers.make_secrets()
    assert {file.name: file.read_text() for file in containers.secrets.iterdir()} == before
    assert containers.secrets.stat().st_mode & 0o077 == 0
    assert before["postgres_password"] != before["service_password"]
    assert len(before["service_password"]) == 40 and before["service_password"] in before["dpm_database_url"]
    assert set(compose()["secrets"]) == set(before)


def test_every_service_is_watched_and_none_is_open_to_the_network() -> None:
    written = compose()
    for name, service in written["services"].items():
        assert service["healthcheck"].get("test") or name == "schema", name
        assert service["restart"] in ("unless-stopped", "on-failure")
        assert set(service.get("secrets", ())) <= set(written["secrets"])
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), port
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert source in written["volumes"] or source.startswith((".", "$")), volume
        if name != "db":
            assert service["read_only"] and service["cap_drop"] == ["ALL"]
    text = (DOCKER / "compose.yaml").read_text()
    assert not re.search(r"(?i)password\s*[:=]\s*['\"]?\w{4,}", text.replace("POSTGRES_PASSWORD_FILE: /run", ""))


def test_the_image_holds_what_it_copies_and_runs_as_nobody_in_particular() -> None:
    text = (DOCKER / "Dockerfile").read_text().replace("\\\n", " ")
    included = {line[1:] for line in (DOCKER / "Dockerfile.dockerignore").read_text().split() if line.startswith("!")}
    for line in re.findall(r"^COPY (?!--from)(.*)$", text, re.MULTILINE):
        for source in [word for word in line.split() if not word.startswith("--")][:-1]:
            assert (PROJECT / source).exists(), source
            assert source.removeprefix("./") in included, f"{source} is kept out of the build"
    assert text.count("\nFROM ") + text.startswith("FROM ") >= 2
    assert "--constraint constraints.txt" in text
    users = re.findall(r"^USER (\S+)$", text, re.MULTILINE)
    assert users == ["10001"]
    assert text.index("USER 10001") < text.index("ENTRYPOINT") and "HEALTHCHECK" in text
    wheel = (PROJECT / "pyproject.toml").read_text()
    for name in re.findall(r'^"([\w.]+)" = "dpm_assets/', wheel, re.MULTILINE):
        assert name in included, f"{name} goes into the wheel"


def units() -> list[Path]:
    return sorted(SYSTEMD.glob("*.service"))


@pytest.mark.parametrize("unit", units(), ids=lambda unit: unit.name)
def test_a_unit_starts_a_program_that_is_installed_and_gives_up_its_rights(unit: Path) -> None:
    text = unit.read_text()
    for program in re.findall(r"/opt/dpm/bin/([\w-]+)", text):
        assert (PROGRAMS / program).exists(), program
    for line in (
        "NoNewPrivileges=yes",
        "ProtectSystem=strict",
        "CapabilityBoundingSet=",
        "User=dpm",
        "ProtectHome=yes",
    ):
        assert f"\n{line}\n" in text, line
    assert "EnvironmentFile=/etc/dpm/dpm.env" in text


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_finds_no_fault_with_the_units(tmp_path: Path) -> None:
    for unit in [*units(), *SYSTEMD.glob("*.timer")]:
        (tmp_path / unit.name).write_text(unit.read_text().replace("/opt/dpm/bin", str(PROGRAMS)))
    for unit in tmp_path.iterdir():
        done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)
        said = [line for line in done.stderr.splitlines() if unit.name in line]
        assert not said and done.returncode == 0, done.stderr


def test_the_units_and_the_containers_start_the_same_commands() -> None:
    started = {
        "code": "dpm-code-server.service",
        "daemon": "dpm-daemon.service",
        "webserver": "dpm-webserver.service",
    }
    for service, unit in started.items():
        (line,) = re.findall(r"^ExecStart=/opt/dpm/bin/(.*)$", (SYSTEMD / unit).read_text(), re.MULTILINE)
        assert line.split() == [
            word.replace("0.0.0.0", "127.0.0.1") for word in compose()["services"][service]["command"]
        ]


def test_the_chart_is_given_what_dagster_yaml_says() -> None:
    values: dict[str, Any] = yaml.safe_load((HELM / "values.yaml").read_text())
    instance = yaml.safe_load((PROJECT / "dagster.yaml").read_text())
    daemon = values["dagsterDaemon"]

    def camel(name: str) -> str:
        head, *rest = name.split("_")
        return head + "".join(word.capitalize() for word in rest)

    assert values["additionalInstanceConfig"]["concurrency"] == instance["concurrency"]
    for theirs, ours in (("runRetries", "run_retries"), ("sensors", "sensors"), ("schedules", "schedules")):
        assert daemon[theirs] == {camel(name): value for name, value in instance[ours].items()}
    assert set(daemon["runMonitoring"]) >= {camel(name) for name in instance["run_monitoring"]}
    coordinator = daemon["runCoordinator"]["config"]["customRunCoordinator"]
    assert {"module": coordinator["module"], "class": coordinator["class"]} == instance["run_coordinator"]
    assert values["retention"]["schedule"]["purgeAfterDays"] == instance["retention"]["schedule"]["purge_after_days"]
    assert values["runLauncher"]["type"] == "K8sRunLauncher"
    (deployment,) = values["dagster-user-deployments"]["deployments"]
    assert deployment["includeConfigInLaunchedRuns"]["enabled"]
    version = re.search(r"^dagster==(\S+)$", (PROJECT / "constraints.txt").read_text(), re.MULTILINE)
    assert version and f"--version {version[1]}" in (HELM / "values.yaml").read_text()
