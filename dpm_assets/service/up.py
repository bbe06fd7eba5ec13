"""`dpm up`: everything in the foreground until Ctrl-C."""

import fcntl
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from dpm_assets.calendar import add_months, month_of, today
from dpm_assets.database import Database
from dpm_assets.errors import DpmError
from dpm_assets.printing import Terminal
from dpm_assets.private import make_home
from dpm_assets.schema.apply import apply_to_warehouse
from dpm_assets.server.connect import embedded_server, warehouse_url
from dpm_assets.server.postmaster import postmaster
from dpm_assets.server.state import free_port
from dpm_assets.service import processes, sample
from dpm_assets.service.storage import dagster_home, storage_url
from dpm_assets.service.ui import Ui, listens
from dpm_assets.settings import settings

START_SECONDS = 120
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

console = Terminal(soft_wrap=True)


class Stopped(Exception):
    """Ctrl-C or a request to terminate."""


def up(
    with_sample: Annotated[bool, typer.Option("--sample", help="Load 1,000,000 sample trades, once.")] = False,
    port: Annotated[int | None, typer.Option(help="Port of the UI; default DPM_PORT or 3000.")] = None,
    host: Annotated[str | None, typer.Option(help="Address of the UI; default DPM_HOST or 127.0.0.1.")] = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="A UI that only shows: no runs, no switches. Also DPM_READ_ONLY_UI=1.")
    ] = False,
) -> None:
    """Start the server, the schema, Dagster and its UI; stay until Ctrl-C, which stops all of it."""
    began = time.monotonic()
    ui = Ui(host or settings().host, port or settings().port, read_only or settings().read_only_ui)
    make_home(settings().home)
    with only_one(), _signals():
        children: list[processes.Child] = []
        stop_server = False
        try:
            ui.refuse_taken()
            for warning in ui.warnings():
                _say(warning)
            stop_server = _start_server()
            _apply_schema()
            environment = _environment()
            children += _start_dagster(environment, ui, sample.first_month() if with_sample else month_of(today()))
            if with_sample:
                _say(f"the UI answers at {ui.url}; the sample comes next")
                _load_sample(environment, lambda: _check(children))
            _say(f"ready after {time.monotonic() - began:.0f} s")
            _say(f"the UI is at {ui.url}{' (read-only)' if ui.read_only else ''}; Ctrl-C stops everything")
            _watch(children)
        except Stopped:
            _say("stopping")
        finally:
            with _ignoring_signals():
                processes.stop(children)
                if stop_server:
                    embedded_server().stop()
    _say("stopped")


def _say(text: str) -> None:
    console.print(f"dpm: {text}")


def _start_server() -> bool:
    """Start the embedded server unless one's own is used; True if it is this service's to stop."""
    if settings().database_url is not None:
        return False
    server = embedded_server()
    started = server.start(_say)
    state = server.state()
    what = "started" if started else "was running"
    _say(f"PostgreSQL {state.major} {what} on 127.0.0.1:{state.port}, data in {state.data}")
    # A service that was killed leaves its server behind; then that is this one's to stop.
    mark, pid = settings().home / "service-server.pid", str(postmaster(state.data))
    ours = started or (mark.exists() and mark.read_text(encoding="utf-8") == pid)
    if ours:
        mark.write_text(pid, encoding="utf-8")
    return ours


def _apply_schema() -> None:
    applied = apply_to_warehouse()
    with Database(warehouse_url(administrator=True)) as db:
        _say(f"schema {'applied' if applied else 'is current'} in {db.where()}")


def _environment() -> dict[str, str]:
    """What Dagster's processes need: the warehouse as the service, never as its administrator."""
    return os.environ | {
        "DAGSTER_HOME": str(dagster_home()),
        "DPM_DAGSTER_URL": storage_url(),
        "DPM_DATABASE_URL": warehouse_url(),
        "DPM_HOME": str(settings().home),
        "DPM_LANDING": str(settings().landing),
        "PYTHONUNBUFFERED": "1",
    }


def _start_dagster(environment: dict[str, str], ui: Ui, first_month: date) -> list[processes.Child]:
    """One code server for the daemon and the UI, so that the graph is loaded once; wait until the UI answers."""
    logs = settings().home / "logs"
    python = sys.executable
    code_port = free_port()
    workspace = Path(environment["DAGSTER_HOME"]) / "workspace.yaml"
    workspace.write_text(
        f"load_from:\n  - grpc_server: {{host: 127.0.0.1, port: {code_port}, location_name: dpm_assets}}\n",
        encoding="utf-8",
    )
    _say("starting Dagster")
    children = [
        processes.start(
            "code-server",
            [python, "-m", "dagster", "api", "grpc", "-m", "dpm_assets.definitions", "-h", "127.0.0.1", "-p", str(code_port),
             "--location-name", "dpm_assets"],
            environment, logs,
        ),
        processes.start(
            "set-up", [python, "-m", "dpm_assets.service.bootstrap", *_months_and_time(first_month)], environment, logs
        ),
    ]  # fmt: skip
    try:
        _wait(lambda: listens("127.0.0.1", code_port), children[:1])
        children.append(
            processes.start(
                "webserver",
                [python, "-m", "dagster_webserver", *ui.arguments(), "-w", str(workspace)],
                environment, logs,
            )
        )  # fmt: skip
        children.append(
            processes.start("daemon", [python, "-m", "dagster._daemon", "run", "-w", str(workspace)], environment, logs)
        )
        _wait(ui.answers, children[2:])
        set_up = children[1]
        _wait(lambda: set_up.process.poll() is not None, [children[0], *children[2:]])
        children.remove(set_up)
        if set_up.process.returncode != 0:
            raise DpmError(
                f"Schema and partitions could not be materialized; see {set_up.log}:\n{processes.last_lines(set_up.log)}"
            )
    except BaseException:
        with _ignoring_signals():
            processes.stop(children)
        raise
    _say("schema and partitions are materialized; sensors and schedules are running")
    return children


def _months_and_time(first: date) -> list[str]:
    """What to prepare, and the time before which every run is of an earlier service."""
    last = add_months(month_of(today()), settings().months_ahead)
    return [f"{first:%Y-%m}", f"{last:%Y-%m}", str(time.time())]


def _load_sample(environment: dict[str, str], check: Callable[[], None]) -> None:
    with Database(environment["DPM_DATABASE_URL"], application_name="dpm up") as db:
        names = sample.place_sample(db, _say)
        if names:
            sample.wait_until_shown(db, environment["DPM_DAGSTER_URL"], names, _say, check)


def _watch(children: list[processes.Child]) -> None:
    """Until a signal comes; a process that ends by itself ends the service."""
    while True:
        _check(children)
        time.sleep(0.5)


def _check(children: list[processes.Child]) -> None:
    """Raise DpmError when one of the processes has ended."""
    for child in children:
        code = child.process.poll()
        if code is not None:
            said = processes.last_lines(child.log)
            raise DpmError(f"{child.name} ended with code {code}; its log is {child.log}:\n{said}")


def _wait(ready: Callable[[], bool], children: list[processes.Child]) -> None:
    give_up = time.monotonic() + START_SECONDS
    while not ready():
        for child in children:
            if child.process.poll() is not None:
                raise DpmError(
                    f"{child.name} did not start; its log is {child.log}:\n{processes.last_lines(child.log)}"
                )
        if time.monotonic() > give_up:
            raise DpmError(
                f"{children[-1].name} did not answer within {START_SECONDS} s; its log is {children[-1].log}."
            )
        time.sleep(0.1)


@contextmanager
def only_one() -> Iterator[None]:
    """Hold the home as its one service. Raises DpmError when another does."""
    with (settings().home / "service.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DpmError(
                f"The service of {settings().home} is running already. Stop it with Ctrl-C where it was started."
            ) from None
        yield


@contextmanager
def _signals() -> Iterator[None]:
    """Ctrl-C, a request to terminate and a closed terminal end the service in order, also where they were ignored."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped

    before = {number: signal.signal(number, stop) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _ignoring_signals() -> Iterator[None]:
    """A second Ctrl-C must not leave half of the service behind."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in ENDING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
